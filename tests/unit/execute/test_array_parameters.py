"""Columns as PostgreSQL array literals: every value survives, whatever it looks like."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

import pyarrow as pa
import pytest

from catalog.types import BY_SQL_NAME
from omnisql_server.execute.arrays import ArrayParameter, array_parameter


def parameter(type_name: str, values: Sequence[object]) -> ArrayParameter:
    known = BY_SQL_NAME[type_name]
    return array_parameter(pa.chunked_array([pa.array(values, known.arrow)]), known.oid)


@pytest.mark.parametrize(
    ("type_name", "values", "literal", "array_type"),
    [
        ("int4", [1, None, -7], "{1,NULL,-7}", "pg_catalog.int4[]"),
        ("int8", [2**63 - 1, -(2**63)], "{9223372036854775807,-9223372036854775808}", "pg_catalog.int8[]"),
        ("bool", [True, False, None], "{true,false,NULL}", "pg_catalog.bool[]"),
        ("text", [], "{}", "pg_catalog.text[]"),
        ("text", ["", None, "NULL", "a,b", "{}"], '{"",NULL,"NULL","a,b","{}"}', "pg_catalog.text[]"),
        ("text", ['q"', "b\\s", "\\\\", "ü😀\n"], '{"q\\"","b\\\\s","\\\\\\\\","ü😀\n"}', "pg_catalog.text[]"),
        ("varchar", ["x"], '{"x"}', "pg_catalog.varchar[]"),
        ("float8", [0.1, -0.0, 1e300], "{0.1,-0,1e+300}", "pg_catalog.float8[]"),
        ("float8", [float("nan"), float("inf"), float("-inf")], "{nan,inf,-inf}", "pg_catalog.float8[]"),
        ("date", [date(2026, 1, 31), None], "{2026-01-31,NULL}", "pg_catalog.date[]"),
        ("numeric", ["1.50", "NaN", None], '{"1.50","NaN",NULL}', "pg_catalog.numeric[]"),
        ("jsonb", ['{"a": "b"}', None], '{"{\\"a\\": \\"b\\"}",NULL}', "pg_catalog.jsonb[]"),
        ("bytea", [b"\x00\xff", None], '{"\\\\x00ff",NULL}', "pg_catalog.bytea[]"),
    ],
)
def test_a_scalar_column_is_an_array_of_its_type(
    type_name: str, values: list[object], literal: str, array_type: str
) -> None:
    found = parameter(type_name, values)
    assert (found.value.decode(), found.array_sql, found.needs_cast) == (literal, array_type, False)
    assert found.type_oid == BY_SQL_NAME[f"{type_name}[]"].oid


def test_moments_carry_their_zone() -> None:
    moments = [datetime(2026, 3, 8, 7, 0, 0, 1, tzinfo=UTC), None]
    assert parameter("timestamptz", moments).value == b"{2026-03-08 07:00:00.000001Z,NULL}"
    plain = [datetime(2026, 3, 8, 7)]  # noqa: DTZ001 - a timestamp without time zone
    assert parameter("timestamp", plain).value == b"{2026-03-08 07:00:00.000000}"


@pytest.mark.parametrize(
    ("type_name", "values", "literal"),
    [
        ("text[]", [["a", None], [], None, ["x,y", '"']], '{"{\\"a\\",NULL}","{}",NULL,"{\\"x,y\\",\\"\\\\\\"\\"}"}'),
        ("int8[]", [[1, None], [], None], '{"{1,NULL}","{}",NULL}'),
        ("json", ["{}", None], '{"{}",NULL}'),
        ("time", [time(1, 2, 3)], "{01:02:03.000000}"),
    ],
)
def test_what_has_no_array_type_travels_as_text_to_be_cast(type_name: str, values: list[object], literal: str) -> None:
    found = parameter(type_name, values)
    assert (found.value.decode(), found.array_sql, found.needs_cast) == (literal, "pg_catalog.text[]", True)


def test_an_unknown_type_is_cast_from_text() -> None:
    found = array_parameter(pa.chunked_array([pa.array(["sad", None])]), 99999)
    assert (found.value, found.type_oid, found.needs_cast) == (b'{"sad",NULL}', 1009, True)


def test_chunks_and_slices_are_joined() -> None:
    chunked = pa.chunked_array([pa.array(["a", "b"]).slice(1), pa.array([], pa.string()), pa.array(["c"])])
    assert array_parameter(chunked, 25).value == b'{"b","c"}'
    lists = pa.chunked_array([pa.array([["a"], ["b", "c"], None]).slice(1), pa.array([["d"]])])
    assert array_parameter(lists, 1009).value == b'{"{\\"b\\",\\"c\\"}",NULL,"{\\"d\\"}"}'
