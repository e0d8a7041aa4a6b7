"""Small relations as VALUES and as registered Arrow tables: DuckDB must not see a difference."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnisql_server.execute import inline_values
from omnisql_server.execute.inline_values import CELLS_MAX, inline_small
from omnisql_server.execute.instances import InstancePool, InstanceSettings

ZONE = "America/New_York"
INSTANT = pa.timestamp("us", tz="UTC")
SQL = 'SELECT "v" FROM "scan_0" AS t'
AWKWARD: list[tuple[pa.DataType, list[Any]]] = [
    (pa.bool_(), [True, False, None]),
    (pa.int16(), [-32768, 32767, 0, None]),
    (pa.int32(), [-(2**31), 2**31 - 1]),
    (pa.int64(), [-(2**63), 2**63 - 1, None]),
    (pa.float64(), [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan, 1e16, None]),
    (pa.string(), ["", "'", "''", "\\'", "$1 ? :x", "-- /*", "\n\t\r", "NULL", "ä€😀", '"', "a" * 5000, None]),
    (pa.date32(), [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31), None]),
    (pa.timestamp("us"), [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(1970, 1, 1), None]),  # noqa: DTZ001
    (INSTANT, [datetime(1900, 1, 1, tzinfo=UTC), datetime(2024, 11, 3, 5, 30, 0, 1, tzinfo=UTC), None]),
    (pa.list_(pa.string()), [[], ["a", None, "'", "]", "NULL", ""], [None], None]),
]


@pytest.fixture
async def pool() -> AsyncIterator[InstancePool]:
    pool = InstancePool(InstanceSettings(memory_limit_mb=256, threads=1, workers=1))
    yield pool
    await pool.close()


def column(kind: pa.DataType, values: list[Any]) -> pa.Table:
    return pa.table({"v": pa.array(values, kind)})


async def answer(pool: InstancePool, sql: str, relations: dict[str, pa.Table]) -> list[str]:
    """Run a query and write its rows and types so that NaN equals NaN and -0.0 is not 0.0."""
    batches = [batch async for batch in pool.query(sql, relations, ZONE)]
    table = pa.Table.from_batches(batches)
    return [repr(table.schema.types), *(repr(row) for row in table.to_pylist())]


async def both_answers(pool: InstancePool, sql: str, relations: dict[str, pa.Table]) -> tuple[list[str], list[str]]:
    text, left = inline_small(sql, relations)
    assert left == {}
    assert text != sql
    inlined = await answer(pool, sql, relations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inline_values, "CELLS_MAX", -1)
        assert inline_small(sql, relations) == (sql, relations)
        registered = await answer(pool, sql, relations)
    return inlined, registered


@pytest.mark.parametrize(("kind", "values"), AWKWARD, ids=[str(kind) for kind, _ in AWKWARD])
async def test_awkward_values_are_the_same_both_ways(pool: InstancePool, kind: pa.DataType, values: list[Any]) -> None:
    inlined, registered = await both_answers(pool, SQL, {"scan_0": column(kind, values)})
    assert inlined == registered
    assert len(inlined) == 1 + len(values)


@pytest.mark.parametrize("kind", [kind for kind, _ in AWKWARD], ids=str)
async def test_no_rows_keep_their_type(pool: InstancePool, kind: pa.DataType) -> None:
    inlined, registered = await both_answers(pool, SQL, {"scan_0": column(kind, [])})
    assert inlined == registered == [inlined[0]]


async def test_only_nulls_keep_their_type(pool: InstancePool) -> None:
    inlined, registered = await both_answers(pool, SQL, {"scan_0": column(pa.int16(), [None, None])})
    assert inlined == registered
    assert "int16" in inlined[0]


async def test_instants_are_the_same_moments(pool: InstancePool) -> None:
    moments = [datetime(2024, 7, 1, tzinfo=UTC) + timedelta(hours=hours) for hours in range(3)]
    sql = 'SELECT EPOCH("v") AS s FROM "scan_0" AS t WHERE "v" > CAST(\'2024-07-01 01:00:00+01\' AS TIMESTAMPTZ)'
    inlined, registered = await both_answers(pool, sql, {"scan_0": column(INSTANT, moments)})
    assert inlined == registered
    assert inlined[1:] == ["{'s': 1719795600.0}", "{'s': 1719799200.0}"]


@pytest.mark.parametrize(
    "sql",
    [
        'WITH "x" AS (SELECT "v" FROM "scan_0" AS t) '
        'SELECT a."v" FROM "x" AS a JOIN "x" AS b ON a."v" = b."v" ORDER BY 1',
        'WITH RECURSIVE "x" AS (SELECT "v" FROM "scan_0" AS t UNION SELECT "v" + 1 FROM "x" WHERE "v" < 5) '
        'SELECT "v" FROM "x" ORDER BY "v"',
        '(SELECT "v" FROM "scan_0" AS t) UNION ALL (SELECT "v" FROM "scan_0" AS u) ORDER BY 1',
    ],
)
async def test_statements_with_queries_of_their_own(pool: InstancePool, sql: str) -> None:
    inlined, registered = await both_answers(pool, sql, {"scan_0": column(pa.int32(), [1, 2, 3])})
    assert inlined == registered
    assert len(inlined) > 3


async def test_columns_are_named_as_they_are_whatever_their_names(pool: InstancePool) -> None:
    rows = pa.table({'a "b"': pa.array([1], pa.int32()), "select": pa.array(["x"]), "ä": pa.array([True])})
    sql = 'SELECT t."select", t."a ""b""", t."ä" FROM "scan_0" AS t'
    inlined, registered = await both_answers(pool, sql, {"scan_0": rows})
    assert inlined == registered
    assert inlined[1] == repr({"select": "x", 'a "b"': 1, "ä": True})


def test_only_small_relations_of_known_types_are_written_out() -> None:
    small = column(pa.int32(), [1])
    at_the_bound = column(pa.int32(), list(range(CELLS_MAX)))
    large = column(pa.int32(), list(range(CELLS_MAX + 1)))
    unknown = column(pa.decimal128(10, 2), [None])
    relations = {"scan_0": small, "scan_1": at_the_bound, "scan_2": large, "scan_3": unknown}
    text, left = inline_small("SELECT 1", relations)
    assert left == {"scan_2": large, "scan_3": unknown}
    assert text.startswith('WITH "scan_0"("v") AS (VALUES (\'1\'::INTEGER)), "scan_1"("v") AS (VALUES ')
    assert text.endswith(" SELECT 1")


@pytest.mark.parametrize(
    ("kind", "value"),
    [(pa.date32(), 10_000_000), (pa.timestamp("us"), 2**60), (INSTANT, -(2**60))],
    ids=["date", "timestamp", "instant"],
)
async def test_moments_that_python_cannot_hold_are_registered(
    pool: InstancePool, kind: pa.DataType, value: int
) -> None:
    storage = pa.int32() if kind == pa.date32() else pa.int64()
    relations = {"scan_0": pa.table({"v": pa.array([value], storage).cast(kind)})}
    assert inline_small(SQL, relations) == (SQL, relations)
    assert (await answer(pool, 'SELECT "v" IS NULL AS empty FROM "scan_0" AS t', relations))[1] == "{'empty': False}"


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
ROWS = st.lists(
    st.tuples(
        st.none() | TEXT,
        st.none() | st.floats(),
        st.none() | st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
        st.none() | st.lists(st.none() | TEXT, max_size=3),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
async def test_any_values_are_the_same_both_ways(pool: InstancePool, rows: list[tuple[Any, ...]]) -> None:
    kinds = [pa.string(), pa.float64(), INSTANT, pa.list_(pa.string())]
    columns = [pa.array([row[index] for row in rows], kind) for index, kind in enumerate(kinds)]
    table = pa.table(columns, names=["t", "f", "m", "l"])
    inlined, registered = await both_answers(pool, 'SELECT * FROM "scan_0" AS t', {"scan_0": table})
    assert inlined == registered
