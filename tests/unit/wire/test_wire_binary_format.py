"""Columns in binary format: literals PostgreSQL 18.6 sent, and agreement with text by way of the parameter decoder."""

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from encoded_columns import column_texts, timestamps
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import oids
from wire.values import decode_parameter


@pytest.mark.parametrize(
    ("column", "type_oid", "binary"),
    [
        (pa.array([True]), oids.BOOL, "01"),
        (pa.array([-2], pa.int16()), oids.INT2, "fffe"),
        (pa.array([-2], pa.int32()), oids.INT4, "fffffffe"),
        (pa.array([-2], pa.int64()), oids.INT8, "fffffffffffffffe"),
        (pa.array([4_000_000_000]), oids.OID, "ee6b2800"),
        (pa.array([1.5], pa.float32()), oids.FLOAT4, "3fc00000"),
        (pa.array([-1.5]), oids.FLOAT8, "bff8000000000000"),
        (pa.array(["00112233-4455-6677-8899-aabbccddeeff"]), oids.UUID, "00112233445566778899aabbccddeeff"),
        (pa.array([19_782], pa.int32()).cast(pa.date32()), oids.DATE, "00002279"),
        (pa.array([45_296_700_000], pa.time64("us")), oids.TIME, "0000000a8be4ca60"),
        (pa.array([1_709_210_096_500_000], pa.timestamp("us")), oids.TIMESTAMP, "0002b583416e1d20"),
        (timestamps("1999-02-28T12:34:56.5+00:00"), oids.TIMESTAMPTZ, "ffffe7eac2999d20"),
        (
            pa.array([(14, -3, 14_706_000_000_000)], pa.month_day_nano_interval()),
            oids.INTERVAL,
            "000000036c8bc080fffffffd0000000e",
        ),
        (pa.array(['{"a": 1}']), oids.JSONB, "017b2261223a20317d"),
        (pa.array(['{"a": 1}'], pa.large_string()), oids.JSONB, "017b2261223a20317d"),
        (pa.array([Decimal("-1.50")]), oids.NUMERIC, "000200004000000200011388"),
        (
            pa.array(["12345678901234567890.123456789"]),
            oids.NUMERIC,
            "000800040000000904d2162e23340d801ed204d2162e2328",
        ),
        (
            pa.array([[1, None, 3]], pa.list_(pa.int32())),
            1007,
            "00000001000000010000001700000003000000010000000400000001ffffffff0000000400000003",
        ),
        (pa.array([[]], pa.list_(pa.int32())), 1007, "000000000000000000000017"),
        (pa.array([["a", "b c"]]), 1009, "0000000100000000000000190000000200000001000000016100000003622063"),
        (
            pa.array([[Decimal("1.5")]]),
            1231,
            "0000000100000000000006a400000001000000010000000c000200000000000100011388",
        ),
    ],
)
def test_binary_is_what_postgresql_sends(column: pa.Array, type_oid: int, binary: str) -> None:
    assert [value.hex() for value in column_texts(column, type_oid, format_code=1)] == [binary]
    with_null = pa.concat_arrays([column, pa.nulls(1, column.type), column])
    repeated = column_texts(with_null, type_oid, format_code=1)
    assert [value and value.hex() for value in repeated] == [binary, None, binary]


VALUES: list[tuple[int, pa.DataType, st.SearchStrategy[Any]]] = [
    (oids.BOOL, pa.bool_(), st.booleans()),
    (oids.INT2, pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    (oids.INT4, pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (oids.INT8, pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (oids.FLOAT4, pa.float32(), st.floats(width=32)),
    (oids.FLOAT8, pa.float64(), st.floats()),
    (oids.NUMERIC, pa.decimal128(30, 8), st.decimals(-(10**20), 10**20, places=8)),
    (oids.TEXT, pa.string(), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))),
    (oids.TEXT, pa.large_string(), st.text('ab\\"{}, \tNULnul')),
    (oids.BYTEA, pa.binary(), st.binary(max_size=20)),
    (oids.UUID, pa.binary(16), st.uuids().map(lambda value: value.bytes)),
    (oids.DATE, pa.date32(), st.dates()),
    (oids.TIME, pa.time64("us"), st.times()),
    (oids.TIMESTAMP, pa.timestamp("us"), st.datetimes()),
    (oids.TIMESTAMPTZ, pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(datetime.UTC))),
    (
        oids.INTERVAL,
        pa.month_day_nano_interval(),
        st.tuples(
            st.integers(-(2**31) + 1, 2**31 - 1),
            st.integers(-(2**31) + 1, 2**31 - 1),
            st.integers(-(10**15), 10**15).map(lambda microseconds: microseconds * 1000),
        ),
    ),
]
ARRAY_OIDS = {element: array for array, element in oids.ARRAY_ELEMENTS.items()}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_binary_means_the_same_as_text(data: st.DataObject) -> None:
    type_oid, arrow_type, values = data.draw(st.sampled_from(VALUES))
    column = pa.array(data.draw(st.lists(st.none() | values, max_size=8)), arrow_type)
    column = column.slice(data.draw(st.integers(0, 2)))
    texts = column_texts(column, type_oid)
    binaries = column_texts(column, type_oid, format_code=1)
    assert [decode_parameter(type_oid, 1, binary) for binary in binaries] == texts


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_binary_arrays_mean_the_same_as_text(data: st.DataObject) -> None:
    element_oid, arrow_type, values = data.draw(st.sampled_from(VALUES))
    type_oid = ARRAY_OIDS[element_oid]
    lists = st.lists(st.none() | st.lists(st.none() | values, max_size=4), max_size=5)
    column = pa.array(data.draw(lists), pa.list_(arrow_type)).slice(data.draw(st.integers(0, 2)))
    texts = column_texts(column, type_oid)
    binaries = column_texts(column, type_oid, format_code=1)
    assert [decode_parameter(type_oid, 1, binary) for binary in binaries] == texts
