"""A source of a connector that is a manifest, made and read by SQL alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from source_world import GOOD_TOKEN, Said, refusal


@pytest.fixture
def linear_url() -> Iterator[str]:
    """Run Linear's simulator as a process of its own."""
    command = [sys.executable, "-m", "connectors.simulators", "--connector", "linear", "--issues", "60"]
    child = subprocess.Popen([*command, "--token", GOOD_TOKEN], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    yield json.loads(child.stdout.readline())["base_url"]
    child.terminate()
    child.wait(timeout=30)
    child.stdout.close()


def run(session: psycopg.Connection, sql: str) -> list[Any]:
    cursor = session.execute(sql.encode())
    return cursor.fetchall() if cursor.description else []


def test_a_manifest_is_a_wrapper_like_any_other(
    owner: psycopg.Connection, linear_url: str, notices: list[Said]
) -> None:
    run(owner, f"CREATE SERVER plan FOREIGN DATA WRAPPER linear OPTIONS (base_url '{linear_url}')")
    run(owner, f"CREATE USER MAPPING FOR PUBLIC SERVER plan OPTIONS (api_key '{GOOD_TOKEN}')")
    run(owner, "CALL omnisql.check_source('plan')")
    assert 'server "plan" accepts the credential of' in notices[-1].message
    run(owner, "IMPORT FOREIGN SCHEMA linear FROM SERVER plan INTO s")
    every = run(owner, "SELECT id, state_type, team_key, priority, created_at FROM s.issues")
    assert len(every) == 60
    started = sorted(row[0] for row in every if row[1] == "started" and row[3] >= 2)
    query = "SELECT id FROM s.issues WHERE state_type = 'started' AND priority >= 2"
    assert sorted(row[0] for row in run(owner, query)) == started
    newest = [row[0] for row in sorted(every, key=lambda row: row[4], reverse=True)[:3]]
    assert [row[0] for row in run(owner, "SELECT id FROM s.issues ORDER BY created_at DESC LIMIT 3")] == newest
    joined = run(owner, "SELECT i.id FROM s.issues i JOIN s.teams t ON t.id = i.team_id WHERE t.key = 'WEB'")
    assert len(joined) == sum(row[2] == "WEB" for row in every)


def test_an_option_that_the_manifest_does_not_declare_is_refused(owner: psycopg.Connection) -> None:
    said = refusal(owner, "CREATE SERVER plan FOREIGN DATA WRAPPER linear OPTIONS (workspace 'acme')")
    assert said.sqlstate == "HV00D"
