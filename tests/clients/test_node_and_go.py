"""node-pg, postgres.js, pgx and lib/pq: programs in their own languages that answer in JSON."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from client_programs import go_program, node_modules
from client_script import WHERE, Seen
from demo_server import DATABASE, PASSWORD, DemoServer

from connectors.simulators.company import Company

pytestmark = pytest.mark.clients

LATENCY_MS = 30_000
RUN_TIMEOUT_S = 120.0


@pytest.fixture
def seen(company: Company) -> Seen:
    """Return what ana sees."""
    return Seen(company, ("web", "api", "data", "mobile"))


def first_rows(seen: Seen) -> list[list[object]]:
    """Return repository and number of the first issues."""
    return [[repo, int(number or 0)] for repo, number in seen.numbers(4)]


def lines(seen: Seen) -> list[str]:
    """Return the same as COPY writes it."""
    return [f"{repo}\t{number}" for repo, number in seen.numbers(4)]


def states(seen: Seen) -> list[int]:
    """Count what is open and what is closed."""
    found = Counter(item.state for _, item in seen.items())
    return [found["open"], found["closed"]]


def answers(command: list[str], demo: DemoServer, folder: Path) -> dict[str, Any]:
    """Run a program while jira takes its time, and return what it answered."""
    demo.jira.configure(latency_ms=LATENCY_MS)
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=RUN_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answered: dict[str, Any] = json.loads(done.stdout)
    return answered


def node(demo: DemoServer, package: str) -> dict[str, Any]:
    """Run the program for Node.js with one of its two packages."""
    script = Path(__file__).with_name("node_client.mjs")
    command = ["node", str(script), str(demo.port), PASSWORD, demo.jira.base_url, WHERE, package]
    return answers(command, demo, node_modules())


def go(demo: DemoServer, package: str, folder: Path) -> dict[str, Any]:
    """Run the program in Go with one of its two packages."""
    address = f"host=127.0.0.1 port={demo.port} user=ana password={PASSWORD} dbname={DATABASE} sslmode=require"
    return answers([str(go_program()), package, address, demo.jira.base_url, WHERE], demo, folder)


def test_node_pg(demo: DemoServer, seen: Seen) -> None:
    first = first_rows(seen)
    assert node(demo, "pg") == {
        "first": first,
        "prepared": states(seen),
        "described": [23, 1184],
        "paged": [first[:2], first[2:]],
        "streamed": first,
        "kept": len(first),
        "error": "22012",
        "notified": "something",
        "canceled": "57014",
        "batch": [1, len(first)],
    }


def test_postgres_js(demo: DemoServer, seen: Seen) -> None:
    first = first_rows(seen)
    assert node(demo, "postgres") == {
        "first": first,
        "prepared": states(seen),
        "paged": [3, 3, len(first) - 6],
        "described": [23, 1184],
        "kept": len(first) + 2,
        "error": "22012",
        "notified": "something",
        "canceled": "57014",
        "copied": lines(seen),
    }


def test_pgx(demo: DemoServer, seen: Seen, tmp_path: Path) -> None:
    first = first_rows(seen)
    assert go(demo, "pgx", tmp_path) == {
        "first": first,
        "prepared": first,
        "simple": first,
        "described": ["int4", "timestamptz"],
        "paged": [first[:2], first[2:]],
        "filled": f"INSERT 0 {len(first)}",
        "copied in": 2,
        "copied out": lines(seen),
        "error": "22012",
        "canceled": "57014",
        "after": len(first),
    }


def test_lib_pq(demo: DemoServer, seen: Seen, tmp_path: Path) -> None:
    first = first_rows(seen)
    assert go(demo, "pq", tmp_path) == {
        "first": first,
        "prepared": first,
        "described": ["INT4", "TIMESTAMPTZ"],
        "paged": [first[:2], first[2:]],
        "filled": len(first),
        "kept": len(first) + 1,
        "error": "22012",
        "canceled": "57014",
        "after": len(first),
    }
