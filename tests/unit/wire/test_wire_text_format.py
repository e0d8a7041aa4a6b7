"""Columns in text format against literals PostgreSQL 18.6 wrote."""

from decimal import Decimal

import pyarrow as pa
import pytest
from encoded_columns import column_texts, timestamps
from float_texts import FLOAT4_TEXTS, FLOAT8_TEXTS

from wire import oids

LONG_TEXT = "long enough not to be inlined"


@pytest.mark.parametrize(
    ("column", "type_oid", "texts"),
    [
        (pa.array([True, None, False]), oids.BOOL, ["t", None, "f"]),
        (pa.array([-1, None, 32767], pa.int16()), oids.INT2, ["-1", None, "32767"]),
        (pa.array([1, 2], pa.int8()), oids.INT2, ["1", "2"]),
        (pa.array([-(2**31), 7], pa.int32()), oids.INT4, ["-2147483648", "7"]),
        (pa.array([-(2**63), None], pa.int64()), oids.INT8, ["-9223372036854775808", None]),
        (pa.array([4_000_000_000], pa.uint32()), oids.OID, ["4000000000"]),
        (pa.array([float(text) for text in FLOAT8_TEXTS]), oids.FLOAT8, FLOAT8_TEXTS),
        (pa.array([1.0, None, -3.0]), oids.FLOAT8, ["1", None, "-3"]),
        (pa.array([float(text) for text in FLOAT4_TEXTS], pa.float32()), oids.FLOAT4, FLOAT4_TEXTS),
        (pa.array([1, None]), oids.FLOAT8, ["1", None]),
        (pa.array([Decimal("1.50"), None, Decimal("-0.01")]), oids.NUMERIC, ["1.50", None, "-0.01"]),
        (
            pa.array([Decimal("0E-10"), None, Decimal("1E-10"), Decimal("-1.5")], pa.decimal128(38, 10)),
            oids.NUMERIC,
            ["0.0000000000", None, "0.0000000001", "-1.5000000000"],
        ),
        (pa.array([Decimal(10) ** 60], pa.decimal256(61, 0)), oids.NUMERIC, ["1" + "0" * 60]),
        (pa.array(["12.30", "NaN"]), oids.NUMERIC, ["12.30", "NaN"]),
        (pa.array([1e20, 0.5, None]), oids.NUMERIC, ["100000000000000000000", "0.5", None]),
        (pa.array([3, None]), oids.NUMERIC, ["3", None]),
        (pa.array(["a", None, "", "é"]), oids.TEXT, ["a", None, "", "é"]),
        (pa.array(["a", None], pa.large_string()), oids.VARCHAR, ["a", None]),
        (pa.array(["a", None, LONG_TEXT], pa.string_view()), oids.TEXT, ["a", None, LONG_TEXT]),
        (pa.array(["a", None, "a"]).dictionary_encode(), oids.TEXT, ["a", None, "a"]),
        (pa.nulls(2), oids.TEXT, [None, None]),
        (pa.array([1, None]), oids.TEXT, ["1", None]),
        (pa.array([True]), 99_999, ["t"]),
        (pa.array(['{"a": 1}']), oids.JSONB, ['{"a": 1}']),
        (pa.array([b"\x00\xff", None, b""]), oids.BYTEA, ["\\x00ff", None, "\\x"]),
        (pa.array([b"\x00\xff", None], pa.large_binary()), oids.BYTEA, ["\\x00ff", None]),
        (pa.array([b"\x00\xff"], pa.binary(2)), oids.BYTEA, ["\\x00ff"]),
        (
            pa.array([bytes.fromhex("00112233445566778899aabbccddeeff"), None], pa.binary(16)),
            oids.UUID,
            ["00112233-4455-6677-8899-aabbccddeeff", None],
        ),
        (
            pa.array([0, -719_162, None, -719_163, 2_932_896, 2_932_897], pa.int32()).cast(pa.date32()),
            oids.DATE,
            ["1970-01-01", "0001-01-01", None, "0001-12-31 BC", "9999-12-31", "10000-01-01"],
        ),
        (pa.array([0, 45_296_700_000], pa.time64("us")), oids.TIME, ["00:00:00", "12:34:56.7"]),
        (pa.array([0, None, 3_600], pa.time32("s")), oids.TIME, ["00:00:00", None, "01:00:00"]),
        (
            pa.array([0, 1_709_210_096_500_000, None, -1], pa.timestamp("us")),
            oids.TIMESTAMP,
            ["1970-01-01 00:00:00", "2024-02-29 12:34:56.5", None, "1969-12-31 23:59:59.999999"],
        ),
        (pa.array([0, None], pa.timestamp("s")), oids.TIMESTAMP, ["1970-01-01 00:00:00", None]),
        (pa.array([1_500, None], pa.timestamp("ns")), oids.TIMESTAMP, ["1970-01-01 00:00:00.000001", None]),
        (
            pa.array([-63_517_820_277_000_000, 253_402_300_800_000_000], pa.timestamp("us")),
            oids.TIMESTAMP,
            ["0044-03-15 01:02:03 BC", "10000-01-01 00:00:00"],
        ),
        (
            pa.array([(14, -3, 14_706_000_000_000), None, (0, 0, -500_000_000)], pa.month_day_nano_interval()),
            oids.INTERVAL,
            ["1 year 2 mons -3 days +04:05:06", None, "-00:00:00.5"],
        ),
        (pa.array([90_061_000_000], pa.duration("us")), oids.INTERVAL, ["25:01:01"]),
    ],
)
def test_text_is_what_postgresql_writes(column: pa.Array, type_oid: int, texts: list[str | None]) -> None:
    assert column_texts(column, type_oid) == texts
    if len(column) > 1:
        assert column_texts(column.slice(1), type_oid) == texts[1:]


@pytest.mark.parametrize(
    ("time_zone", "instant", "text"),
    [
        ("UTC", "2024-01-01T00:00:00.1+00:00", "2024-01-01 00:00:00.1+00"),
        ("Asia/Kolkata", "2024-01-01T00:00:00.25+00:00", "2024-01-01 05:30:00.25+05:30"),
        ("Asia/Kolkata", "1850-01-01T00:00:00+00:00", "1850-01-01 05:53:28+05:53:28"),
        ("America/New_York", "2024-01-01T00:00:00+00:00", "2023-12-31 19:00:00-05"),
        ("America/New_York", "2024-07-01T00:00:00+00:00", "2024-06-30 20:00:00-04"),
        ("America/New_York", "1850-01-01T00:00:00+00:00", "1849-12-31 19:03:58-04:56:02"),
        ("America/New_York", "2200-07-01T00:00:00+00:00", "2200-06-30 20:00:00-04"),
        ("Europe/Berlin", "2024-03-31T00:59:59+00:00", "2024-03-31 01:59:59+01"),
        ("Europe/Berlin", "2024-03-31T01:00:00+00:00", "2024-03-31 03:00:00+02"),
        ("+5:30", "2024-01-01T00:00:00+00:00", "2023-12-31 18:30:00-05:30"),
        ("<-03>+03", "2024-01-01T00:00:00+00:00", "2023-12-31 21:00:00-03"),
        ("<+05:30>-05:30", "2024-01-01T00:00:00+00:00", "2024-01-01 05:30:00+05:30"),
        ("EST5EDT", "2024-01-01T00:00:00+00:00", "2023-12-31 19:00:00-05"),
    ],
)
def test_timestamptz_is_written_in_the_session_time_zone(time_zone: str, instant: str, text: str) -> None:
    assert column_texts(timestamps(instant), oids.TIMESTAMPTZ, time_zone=time_zone) == [text]


def test_timestamptz_offsets_may_differ_row_by_row() -> None:
    column = pa.array([1_704_067_200_000_000, None, 1_719_792_000_000_000, -63_517_820_277_000_000], pa.timestamp("us"))
    assert column_texts(column, oids.TIMESTAMPTZ, time_zone="America/New_York")[:3] == [
        "2023-12-31 19:00:00-05",
        None,
        "2024-06-30 20:00:00-04",
    ]
    assert column_texts(column, oids.TIMESTAMPTZ)[3] == "0044-03-15 01:02:03+00 BC"


@pytest.mark.parametrize(
    ("column", "type_oid", "text"),
    [
        (
            pa.array(
                [["a", "b c", None, "", "NULL", "null", "nulls", 'a"b', "a\\b", "{", "}", ",", "é", "\t", "a\vb"]]
            ),
            1009,
            '{a,"b c",NULL,"","NULL","null",nulls,"a\\"b","a\\\\b","{","}",",",é,"\t","a\vb"}',
        ),
        (pa.array([["\u00a0x"]]), 1009, "{\u00a0x}"),
        (pa.array([[1, None]]), 1007, "{1,NULL}"),
        (pa.array([[]], pa.list_(pa.int32())), 1007, "{}"),
        (pa.array([None], pa.list_(pa.int32())), 1007, None),
        (pa.array([[b"ab", b""]]), 1001, '{"\\\\x6162","\\\\x"}'),
        (pa.array([[0]], pa.list_(pa.timestamp("us"))), 1115, '{"1970-01-01 00:00:00"}'),
        (
            pa.array([[(0, 1, 0), (0, 0, 3_600 * 10**9)]], pa.list_(pa.month_day_nano_interval())),
            1187,
            '{"1 day",01:00:00}',
        ),
        (pa.array([[True, None]]), 1000, "{t,NULL}"),
        (pa.array([['{"a": 1}']]), 3807, '{"{\\"a\\": 1}"}'),
        (pa.array([[1.5, 2]], pa.list_(pa.float32())), 1021, "{1.5,2}"),
        (pa.array([[Decimal("1.50")]]), 1231, "{1.50}"),
        (pa.array([[19_723]], pa.list_(pa.date32())), 1182, "{2024-01-01}"),
        (pa.array([[1, 2]], pa.list_(pa.int32(), 2)), 1007, "{1,2}"),
        (pa.array([[1, 2]], pa.large_list(pa.int32())), 1007, "{1,2}"),
        (pa.array(["{1,2}"]), 1007, "{1,2}"),
    ],
)
def test_arrays_are_what_postgresql_writes(column: pa.Array, type_oid: int, text: str | None) -> None:
    assert column_texts(column, type_oid) == [text]
