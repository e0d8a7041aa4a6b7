"""Which engine executes the planner's questions and the queries of tools, and what the page of compatibility says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from startup_queries import TOOLS

from benchmarks.questions import QUESTIONS

pytestmark = pytest.mark.clients

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
SHARE_MIN = 0.9


def engines(demo: DemoServer, statements: Iterable[str]) -> list[str]:
    """Return the engine of each statement that is run, as EXPLAIN names it; relayed ones have none."""
    found = []
    with psycopg.connect(**demo.arguments("ana"), dbname=DATABASE, sslmode="require", autocommit=True) as session:
        for statement in statements:
            lines = [str(row[0]).strip() for row in session.execute(f"EXPLAIN {statement}".encode())]
            found += [line for line in lines if line.startswith("Engine: ")]
    return found


def stated(name: str) -> str:
    """Return what the page says of a set of statements: `28 of 30`."""
    (line,) = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {name} |")]
    return line.split("|")[2].strip()


@pytest.mark.parametrize("name", ["questions", "tools"])
def test_the_share_of_duckdb_is_what_the_page_says(demo: DemoServer, name: str) -> None:
    reached = [q.sql for q in QUESTIONS] if name == "questions" else reaching(demo)
    found = engines(demo, reached)
    others = [engine for engine in found if not engine.startswith("Engine: duckdb")]
    print(others)
    assert len(found) == len(reached)
    assert 1 - len(others) / len(found) >= SHARE_MIN
    assert stated(name) == f"{len(found) - len(others)} of {len(found)}"


def reaching(demo: DemoServer) -> list[str]:
    """Return the queries of tools that reach an API table: the others are PostgreSQL's own."""
    queries = [s for statements in TOOLS.values() for s in statements if s.startswith(("SELECT", "WITH"))]
    return [s for s in queries if engines(demo, [s])]
