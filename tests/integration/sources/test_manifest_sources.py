"""A source of a connector that is a manifest, made and read by SQL alone."""

from __future__ import annotations

import json
import re
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


def lines_of(session: psycopg.Connection, sql: str) -> list[str]:
    return [line.strip() for (line,) in run(session, sql)]


def test_points_are_told_before_and_after_as_the_source_counts_them(owner: psycopg.Connection, linear_url: str) -> None:
    run(owner, f"CREATE SERVER plan FOREIGN DATA WRAPPER linear OPTIONS (base_url '{linear_url}')")
    run(owner, f"CREATE USER MAPPING FOR PUBLIC SERVER plan OPTIONS (api_key '{GOOD_TOKEN}')")
    run(owner, "IMPORT FOREIGN SCHEMA linear LIMIT TO (issues) FROM SERVER plan INTO s")
    query = "SELECT title, label_names FROM s.issues ORDER BY created_at DESC LIMIT 40"
    # 2.2 points for a row and its page, 0.1 for each of id, title and time, 110 for fifty labels: forty times.
    points = 4500
    assert f"Quota Points: minimum {points}, expected {points}, maximum {points} of limit complexity" in lines_of(
        owner, f"EXPLAIN {query}"
    )
    after = lines_of(owner, f"EXPLAIN (ANALYZE) {query}")
    assert (
        f"Spent: 1 API call of POST /graphql issues, 1 point of limit requests as declared,"
        f" {points} points of limit complexity as told" in after
    )
    assert f"Spent: {points} points of limit complexity as told (source plan)" in after
    left = next(line for line in after if line.startswith("Quota: complexity:"))
    found = re.fullmatch(r"Quota: complexity: (\d+) of 3000000 left, reset in \d+ s, no wait", left)
    # They come back all the time.
    assert found is not None
    assert 3_000_000 - points <= int(found[1]) < 3_000_000
    (paths,) = zip(
        *run(owner, "SELECT complexity FROM omnisql.access_paths WHERE schema_name = 's' AND access_path = 'all'"),
        strict=True,
    )
    assert paths == ("2.3 to 122 points of complexity for each row of a page, 8000 a request",)


def test_an_option_that_the_manifest_does_not_declare_is_refused(owner: psycopg.Connection) -> None:
    said = refusal(owner, "CREATE SERVER plan FOREIGN DATA WRAPPER linear OPTIONS (workspace 'acme')")
    assert said.sqlstate == "HV00D"
