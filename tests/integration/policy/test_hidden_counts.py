"""How many rows there are is not told to whom policy hides some: it would tell of hidden ones, by any condition."""

from __future__ import annotations

import json

import psycopg
import pytest

CLOSED = "SELECT number FROM github.issues WHERE owner = 'acme' AND repo = 'web' AND state = 'closed'"
LAST = "SELECT rows_fetched, rows_returned, bytes_received FROM omnisql.last_query_sources"
COUNTED = {
    "SELECT count(*) FROM omnisql.statistics WHERE table_name = %s",
    "SELECT count(*) FROM omnisql.pushdown_misses WHERE table_name = %s",
    "SELECT count(*) FROM omnisql.cache WHERE table_name = %s",
}


def plan_of(session: psycopg.Connection, sql: str) -> str:
    """Return all that EXPLAIN says, as text and for programs."""
    text = "\n".join(str(row[0]) for row in session.execute(f"EXPLAIN (ANALYZE) {sql}".encode()))
    (facts,) = session.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}".encode()).fetchone() or ()
    return text + json.dumps(facts)


def test_a_report_does_not_count_hidden_rows(ana: psycopg.Connection, eve: psycopg.Connection) -> None:
    every = len(ana.execute(CLOSED.encode()).fetchall())
    seen = len(eve.execute(CLOSED.encode()).fetchall())
    assert 0 < seen < every
    assert eve.execute(LAST).fetchall() == [(None, seen, None)]
    plan = plan_of(eve, CLOSED)
    assert f"Rows: {seen} returned" in plan
    assert f'"Actual Rows Returned": {seen}' in plan
    assert "fetched" not in plan
    assert '"Actual Rows Fetched": null' in plan
    assert "bytes" not in plan


def test_what_was_observed_is_not_told(ana: psycopg.Connection, eve: psycopg.Connection) -> None:
    for session in (ana, eve):
        session.execute(CLOSED.encode())
    assert "(observed" in plan_of(ana, CLOSED)
    plan = plan_of(eve, CLOSED)
    assert "Rows: not told, for policy may hide some" in plan
    assert '"Expected Rows": null' in plan
    assert "observed" not in plan


@pytest.mark.parametrize("table", ["issues", "releases"])
def test_the_tenants_counts_are_for_those_who_see_all_rows(
    ana: psycopg.Connection, eve: psycopg.Connection, table: str
) -> None:
    """Eve sees some issues and no release."""
    ana.execute("SET omnisql.max_staleness = '1h'")
    of_web = f"FROM github.{table} WHERE owner = 'acme' AND repo = 'web'"
    ana.execute(f"SELECT count(*) {of_web} AND upper(html_url) <> ''".encode())
    for counted in COUNTED:
        assert ana.execute(counted.encode(), (table,)).fetchone() != (0,), counted
        assert eve.execute(counted.encode(), (table,)).fetchone() == (0,), counted
