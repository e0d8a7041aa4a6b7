"""EXPLAIN's options over an API table: PostgreSQL's own answers to wrong ones, and plans without parameters' values."""

from __future__ import annotations

import json

import psycopg
import pytest
from demo_server import DemoServer
from sessions import asked, rows_of, value_of

OPTIONS = (
    "ANALYZE foo",
    "ANALYZE 2",
    "TIMING",
    "TIMING off",
    "WAL",
    "SERIALIZE",
    "ANALYZE, SERIALIZE foo",
    "BUFFERS, MEMORY, SUMMARY, SETTINGS",
    "COSTS maybe",
    "FORMAT html",
    "FORMAT",
    "FORMAT 3",
    "VERBOSE yes",
    "COSTS 'ON'",
    "GENERIC_PLAN, ANALYZE",
    "GENERIC_PLAN off",
    "nothing",
)


def answer_of(session: psycopg.Connection, sql: str) -> object:
    """Return what PostgreSQL's grammar and executor say to a text, without the lines of a plan."""
    try:
        psycopg.ClientCursor(session).execute(sql.encode())
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_primary, error.diag.statement_position
    return "answered"


def test_options_are_refused_as_over_a_local_table(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("CREATE TEMP TABLE projects (key text)")
    for options in OPTIONS:
        sql = f"/* é */ EXPLAIN ({options}) SELECT key FROM "
        expected = answer_of(ana, f"{sql}pg_temp.projects")
        demo.reset()
        assert (options, answer_of(ana, f"{sql}jira.projects")) == (options, expected)
        assert asked(demo.jira) == []


def test_a_generic_plan_names_the_parameters(demo: DemoServer, ana: psycopg.Connection) -> None:
    sql = """EXPLAIN (GENERIC_PLAN) SELECT number FROM github.issues
             WHERE owner = $1 AND repo = $2 AND state = $3 AND number > $4 AND number > 5"""
    lines = [line.strip() for (line,) in psycopg.ClientCursor(ana).execute(sql).fetchall()]
    assert "Engine: duckdb (every part of the statement is proved to mean the same)" in lines
    assert "Keys: owner = $1, repo = $2" in lines
    assert "Pushed: state = $3 (exact)" in lines
    ana.execute("SET omnisql.max_staleness = '1 min'")
    conditions = "project_key = ANY ($1) AND id > abs($2)"
    sql = f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) SELECT key FROM jira.issues WHERE {conditions}"
    document = psycopg.ClientCursor(ana).execute(sql.encode()).fetchall()[0][0]
    (scan,) = (document if isinstance(document, list) else json.loads(document))[0]["Plan"]["Plans"]
    assert scan["Pushed"] == [{"Condition": "project_key IN ($1)", "Grade": "superset", "Policy": None}]
    assert [each["Condition"] for each in scan["Not Pushed"]] == ['"issues"."id" > ABS($2)']
    assert asked(demo.github) == asked(demo.jira) == []


def test_values_that_come_with_a_generic_plan_are_not_looked_at(ana: psycopg.Connection) -> None:
    sql = "EXPLAIN (GENERIC_PLAN) SELECT key FROM jira.issues WHERE project_key = $1"
    lines = [line.strip() for (line,) in rows_of(ana, sql, ("WEB",))]
    assert "Pushed: project_key = $1 (superset)" in lines


def test_a_generic_plan_stands_in_blocks_and_among_statements(ana: psycopg.Connection) -> None:
    ana.execute("CREATE TEMP TABLE projects (key text)")
    cursor = psycopg.ClientCursor(ana)
    for before in ("COMMIT", "BEGIN"):
        cursor.execute(before.encode())
        cursor.execute("EXPLAIN (GENERIC_PLAN) SELECT key FROM projects WHERE key = $1")
        assert "key = $1" in str(cursor.fetchall())
        cursor.execute("SELECT 1; EXPLAIN (GENERIC_PLAN) SELECT key FROM jira.projects WHERE key = $2 OR key = $1")
        assert cursor.nextset()
        assert "Keys: key IN ($2, $1)" in str(cursor.fetchall())
    ana.rollback()
    with pytest.raises(psycopg.errors.UndefinedParameter, match=r"there is no parameter \$1"):
        cursor.execute("EXPLAIN SELECT key FROM jira.projects WHERE key = $1")
    assert value_of(ana, "SELECT 1") == 1
