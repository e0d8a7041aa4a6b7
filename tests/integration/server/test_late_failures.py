"""What fails after rows have gone out fails as in PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

LATE = """SELECT i.number / CASE WHEN n = 9000 THEN 0 ELSE 1 END AS share
  FROM github.issues i, generate_series(1, 9000) AS g(n) WHERE owner = 'acme' AND repo = 'web'"""


@pytest.mark.parametrize("binary", [False, True])
def test_an_error_behind_the_first_rows_is_postgresqls(ana: psycopg.Connection, binary: bool) -> None:
    plan = [line for (line,) in ana.execute(f"EXPLAIN {LATE}".encode())]
    assert any("Engine: duckdb" in line for line in plan), plan
    with ana.cursor(binary=binary) as cursor, pytest.raises(errors.DivisionByZero) as caught:
        cursor.execute(LATE.encode(), prepare=binary)
    assert caught.value.diag.message_primary == "division by zero"
    ana.rollback()
    assert ana.execute(b"SELECT count(*) FROM jira.projects").fetchone() is not None
