"""`omnisql.pushdown_misses`, and what EXPLAIN says to write instead, through a running server."""

from __future__ import annotations

import psycopg
from sessions import WEB, refused, rows_of

MISSES = (
    "SELECT condition, rewrite, statements, calls >= statements FROM omnisql.pushdown_misses"
    " WHERE table_name = 'issues' AND condition LIKE 'UPPER(%'"
)


def test_what_was_not_sent_is_added_up_without_literals(
    ana: psycopg.Connection, eve: psycopg.Connection, admin: psycopg.Connection
) -> None:
    for state in ("OPEN", "CLOSED"):
        rows_of(ana, f"SELECT title FROM github.issues i WHERE {WEB} AND upper(i.state) = $1", (state,))
    assert rows_of(ana, MISSES) == [('UPPER("state") = ?', None, 2, True)]
    # The figures are those of whoever may see all rows of the table.
    assert rows_of(admin, MISSES) == rows_of(ana, MISSES)
    assert rows_of(eve, MISSES) == []


def test_explain_prices_the_rewrite(ana: psycopg.Connection) -> None:
    rows_of(ana, "SELECT summary FROM jira.issues")
    rows_of(ana, "SELECT summary FROM jira.issues WHERE issue_type = 'Epic'")
    sql = "EXPLAIN SELECT summary FROM jira.issues WHERE lower(issue_type) = lower('Epic')"
    (line,) = (line.strip() for (line,) in rows_of(ana, sql) if "Not Pushed" in line)
    assert line.endswith("write issue_type = 'epic' if that is how it is spelled: 1 API call instead of 3")


def test_a_key_inside_a_function_is_told(ana: psycopg.Connection) -> None:
    error = refused(ana, "SELECT title FROM github.issues WHERE owner = 'acme' AND lower(repo) = 'web'")
    assert error.sqlstate == "HV00L"
    assert (error.diag.message_hint or "").endswith(
        "write repo = 'web' in the place of LOWER(\"issues\".\"repo\") = 'web'"
    )
