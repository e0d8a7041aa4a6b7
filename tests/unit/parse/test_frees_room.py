"""Statements that free room on disk are told from those that may take some."""

from __future__ import annotations

import pytest

from omnisql_server.parse.frees_room import frees_room


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE t",
        "/* room */ drop index i;",
        "DROP OWNED BY bob",
        "TRUNCATE a, b",
        "DELETE FROM t WHERE id IN (SELECT id FROM old)",
        "DELETE FROM t USING u WHERE t.id = u.id RETURNING t.id",
    ],
)
def test_what_frees_room_is_found(sql: str) -> None:
    assert frees_room(sql.encode())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'drop'",
        "WITH new AS (INSERT INTO u SELECT 1) DELETE FROM t",
        "DROP TABLE t; INSERT INTO u VALUES (1)",
        "DELETE FROM",
        "PREPARE p AS DELETE FROM t",
        "EXPLAIN ANALYZE DELETE FROM t",
        "",
    ],
)
def test_nothing_else_is(sql: str) -> None:
    assert not frees_room(sql.encode())
