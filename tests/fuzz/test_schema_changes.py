"""Named statements and portals over views that change, in blocks that fail and go back, as PostgreSQL answers them."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import FUZZING, as_profiled
from sockets import compared
from streams import API_TABLE, COPY
from target import Target, say

from wire import frontend

pytestmark = pytest.mark.slow

CHANGES = (
    "CREATE OR REPLACE TEMP VIEW v AS SELECT column_name, key FROM {table}",
    "CREATE OR REPLACE TEMP VIEW v AS SELECT column_name, key, table_name FROM {table}",
    "CREATE OR REPLACE TEMP VIEW v AS SELECT column_name, key FROM {table} WHERE table_name = 'issues'",
    "DROP VIEW IF EXISTS v; CREATE TEMP VIEW v AS SELECT key, column_name FROM {table}",
    "DROP VIEW IF EXISTS v; CREATE TEMP VIEW v AS SELECT 7 AS column_name, 'x' AS key",
    "DROP VIEW IF EXISTS v",
    "ALTER VIEW v RENAME COLUMN key TO lock",
    "CREATE TEMP TABLE IF NOT EXISTS t AS SELECT 1 AS n",
    "ALTER TABLE t ADD COLUMN m int DEFAULT 3",
    "DROP TABLE IF EXISTS t",
    "SET search_path TO pg_temp, public",
    "RESET search_path",
    "BEGIN",
    "BEGIN; SELECT count(*) FROM v",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "RELEASE s",
    "SELECT 1/0",
    "DEALLOCATE ALL",
    "DEALLOCATE a",
    "EXECUTE a",
    "PREPARE b AS SELECT * FROM v ORDER BY 1, 2 LIMIT 2",
    "SAVEPOINT s; SELECT count(*) FROM v; SELECT nothing FROM v; RELEASE s",
    "INSERT INTO scratch SELECT length(type) FROM {table} WHERE table_name = 'issues'; SELECT sum(n) FROM scratch",
)
QUERIES = (
    "SELECT * FROM v ORDER BY 1, 2 LIMIT 3",
    "SELECT count(*) FROM v",
    "SELECT v.* FROM v JOIN t ON t.n = 1 ORDER BY 1, 2 LIMIT 3",
    "SELECT * FROM t",
    "SELECT count(key) FROM v",
    "INSERT INTO scratch SELECT count(*) FROM v",
)
NAMES = (b"a", b"b")
_PLACE = b"@" * len(API_TABLE)


def _encoded(text: str) -> bytes:
    return text.format(table=_PLACE.decode()).encode()


_NAME = st.sampled_from(NAMES)
_CHANGE = st.sampled_from(CHANGES).map(lambda text: (frontend.Query(text=_encoded(text)),))
_PARSE = st.builds(
    lambda name, text: (frontend.Parse(statement=name, text=_encoded(text)),), _NAME, st.sampled_from(QUERIES)
)
_USE = st.builds(
    lambda name, rows_max: (
        frontend.Bind(portal=b"", statement=name),
        frontend.Describe(kind="P", name=b""),
        frontend.Execute(portal=b"", rows_max=rows_max),
        frontend.Sync(),
    ),
    _NAME,
    st.sampled_from([0, 0, 1]),
)
_OPEN = st.builds(
    lambda name: (
        frontend.Bind(portal=b"c", statement=name),
        frontend.Execute(portal=b"c", rows_max=1),
        frontend.Sync(),
    ),
    _NAME,
)
_OTHER = st.sampled_from(
    [
        (frontend.Sync(),),
        (frontend.Execute(portal=b"c", rows_max=1), frontend.Sync()),
        (frontend.Close(kind="S", name=b"a"), frontend.Sync()),
        (frontend.Describe(kind="S", name=b"b"), frontend.Sync()),
        (frontend.Query(text=b"MOVE 1 FROM c"),),
    ]
)
_STEPS = st.lists(st.one_of(_CHANGE, _CHANGE, _PARSE, _USE, _USE, _OPEN, _OTHER), min_size=3, max_size=20)


@settings(as_profiled, max_examples=20 if not FUZZING else as_profiled.max_examples)
@given(steps=_STEPS)
def test_statements_outlive_changes_as_in_postgresql(
    target: Target, bystander: psycopg.Connection, steps: list[tuple[frontend.FrontendMessage, ...]]
) -> None:
    ours, theirs = target.pair()
    first = frontend.Query(text=_encoded(CHANGES[0])).encode()
    data = first + b"".join(message.encode() for step in steps for message in step)
    target.count(sum(map(len, steps)))
    answered, lives = say(ours, data.replace(_PLACE, API_TABLE.encode()))
    expected, is_left = say(theirs, data.replace(_PLACE, COPY.encode()))
    assert compared(answered) == compared(expected)
    assert lives == is_left
