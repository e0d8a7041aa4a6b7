"""Which texts may leave something on a backend, and how long that is remembered."""

from __future__ import annotations

import pytest

from omnisql_server.session.footprint import UNNAMED_BYTES_MAX, Footprint, leaves_state


@pytest.mark.parametrize(
    "text",
    [
        b"SELECT 1",
        b"SELECT count(*), max(lower(title)) FROM notes WHERE id IN (1, 2) AND (a OR b) AND x = ANY ($1)",
        b"BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY",
        b"SHOW search_path",
        b"SELECT pg_catalog.lower(n.nspname) FROM pg_catalog.pg_namespace n WHERE n.oid = any(array[1])",
        b"DISCARD ALL",
        b"EXPLAIN (ANALYZE, COSTS off) SELECT 2 * (3 + 4) / (5)",
        b"WITH a AS (SELECT 1) SELECT x::numeric(10, 2), row_number() OVER (PARTITION BY y) FROM a",
        b"/* app: report */ SELECT count ( * )\n-- (set\n".replace(b"set", b"of rows"),
        "SELECT größe FROM maße".encode(),
        b"SELECT offset_set, my_temp FROM reset_log$set",
    ],
)
def test_reading_leaves_nothing(text: bytes) -> None:
    assert not leaves_state(text)


@pytest.mark.parametrize(
    "text",
    [
        b"SET timezone = 'UTC'",
        b"select 1;sEt timezone = 'UTC'",
        b"SELECT set_config('a.b', 'c', false)",
        b"SELECT/**/set_config/**/('a.b', 'c', false)",
        b"SELECT mine(1)",
        b"SELECT mine (1)",
        b"SELECT mine\n\t(1)",
        b"SELECT mine/* */(1)",
        b"SELECT mine --\n (1)",
        b'SELECT "lower"(1)',
        b'SELECT U&"l\\006fwer"(1)',
        b"SELECT public.mine(1)",
        b"SELECT a.lower.mine(1)",
        b"SELECT public.lower(1)",
        b"SELECT public . lower (1)",
        "SELECT größe(1)".encode(),
        b"SELECT lower$(1)",
        b"INSERT INTO notes VALUES (1)",
        b"(SELECT 1 INTO TEMP a)",
        b"EXECUTE mine",
        b"SELECT pg_backend_pid()",
        b"SELECT * FROM pg_temp.a",
        b"SELECT * FROM notes FOR UPDATE",
    ],
)
def test_everything_else_may_leave_something(text: bytes) -> None:
    assert leaves_state(text)


def test_state_is_remembered_until_it_is_cleared() -> None:
    footprint = Footprint()
    footprint.query(b"SELECT 1")
    assert not footprint.holds
    footprint.query(b"SET a.b = 1")
    footprint.query(b"SELECT 1")
    assert footprint.holds
    footprint.clear()
    assert not footprint.holds


def test_the_unnamed_statement_is_kept_until_it_is_replaced() -> None:
    footprint = Footprint()
    footprint.parse(b"message", b"", b"SELECT 1")
    assert (footprint.unnamed, footprint.holds) == (b"message", False)
    footprint.parse(bytes(UNNAMED_BYTES_MAX + 1), b"", b"SELECT 1")
    assert footprint.holds
    footprint.query(b"SELECT 1")
    assert (footprint.unnamed, footprint.holds) == (None, False)
    footprint.parse(b"message", b"named", b"SELECT 1")
    assert footprint.holds
