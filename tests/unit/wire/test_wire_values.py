"""Binary parameters to text: literals from PostgreSQL 18.6, agreement with the binary rows written here, and noise."""

import struct
from decimal import Decimal

import pytest
from float_texts import FLOAT4_TEXTS, FLOAT8_TEXTS
from hypothesis import given
from hypothesis import strategies as st

from wire import oids
from wire.errors import ParameterInvalid, WireError
from wire.scalar_text import (
    array_element_text,
    date_text,
    decimal_text,
    float4_text,
    float8_text,
    interval_text,
    offset_text,
    time_text,
    timestamp_text,
)
from wire.values import decode_parameter
from wire.values_numeric import decode_numeric, encode_numeric

INT4_ARRAY, TEXT_ARRAY, INT2_ARRAY, NUMERIC_ARRAY, JSONB_ARRAY = 1007, 1009, 1005, 1231, 3807

# Binary by each type's send function, text by its output function.
POSTGRESQL_VALUES = [
    (oids.BOOL, "01", "t"),
    (oids.BOOL, "00", "f"),
    (oids.INT2, "fffe", "-2"),
    (oids.INT4, "fffffffe", "-2"),
    (oids.INT8, "fffffffffffffffe", "-2"),
    (oids.OID, "ee6b2800", "4000000000"),
    (oids.FLOAT4, "3fc00000", "1.5"),
    (oids.FLOAT8, "bff8000000000000", "-1.5"),
    (oids.UUID, "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff"),
    (oids.DATE, "00002279", "2024-02-29"),
    (oids.DATE, "fff49d7b", "0044-03-15 BC"),
    (oids.DATE, "7fffffff", "infinity"),
    (oids.DATE, "80000000", "-infinity"),
    (oids.TIME, "0000000a8be4ca60", "12:34:56.7"),
    (oids.TIMETZ, "0000000a8be4ca60ffffb2a8", "12:34:56.7+05:30"),
    (oids.TIMESTAMP, "0002b583416e1d20", "2024-02-29 12:34:56.5"),
    (oids.TIMESTAMP, "8000000000000000", "-infinity"),
    (oids.TIMESTAMP, "7fffffffffffffff", "infinity"),
    (oids.TIMESTAMP, "ff1af9dfca4398c0", "0044-03-15 01:02:03 BC"),
    (oids.TIMESTAMPTZ, "ffffe7eac2999d20", "1999-02-28 12:34:56.5+00"),
    (oids.INTERVAL, "000000036c8bc080fffffffd0000000e", "1 year 2 mons -3 days +04:05:06"),
    (oids.INTERVAL, "7fffffffffffffff7fffffff7fffffff", "infinity"),
    (oids.INTERVAL, "800000000000000080000000" + "80000000", "-infinity"),
    (oids.JSON, "7b7d", "{}"),
    (oids.JSONB, "017b2261223a20317d", '{"a": 1}'),
    (oids.TEXT, "c3a9", "é"),
    (oids.VARCHAR, "", ""),
    (oids.BPCHAR, "61622020", "ab  "),
    (oids.NAME, "61", "a"),
    (oids.XML, "3c612f3e", "<a/>"),
    (oids.BYTEA, "00ff", "\\x00ff"),
    (oids.BYTEA, "", "\\x"),
    (oids.CHAR, "61", "a"),
    (oids.CHAR, "00", ""),
    (oids.CHAR, "80", "\\200"),
    (oids.CHAR, "ff", "\\377"),
    (INT4_ARRAY, "00000001000000010000001700000003000000010000000400000001ffffffff0000000400000003", "{1,NULL,3}"),
    (INT4_ARRAY, "000000000000000000000017", "{}"),
    (TEXT_ARRAY, "0000000100000000000000190000000200000001000000016100000003622063", '{a,"b c"}'),
    (
        INT2_ARRAY,
        "000000020000000000000015000000020000000100000002000000010000000200010000000200020000000200030000000200" + "04",
        "{{1,2},{3,4}}",
    ),
    (INT2_ARRAY, "0000000100000000000000150000000200000002000000020001000000020002", "[2:3]={1,2}"),
    (NUMERIC_ARRAY, "0000000100000000000006a400000001000000010000000c000200000000000100011388", "{1.5}"),
]

POSTGRESQL_NUMERICS = [
    ("0", "0000000000000000"),
    ("0.00", "0000000000000002"),
    ("1", "00010000000000000001"),
    ("-1.50", "000200004000000200011388"),
    ("10000", "00010001000000000001"),
    ("0.0001", "0001ffff000000040001"),
    ("0.00001", "0001fffe0000000503e8"),
    ("12345678901234567890.123456789", "000800040000000904d2162e23340d801ed204d2162e2328"),
    ("NaN", "00000000c0000000"),
    ("Infinity", "00000000d0000020"),
    ("-Infinity", "00000000f0000020"),
    ("100000000000000000000", "00010005000000000001"),
    ("0.00000000000000000001", "0001fffb000000140001"),
    ("100000000", "00010002000000000001"),
    ("0.10", "0001ffff0000000203e8"),
    ("1.2345678", "0003000000000007000109291a7c"),
    ("99999999.9", "0003000100000001270f270f2328"),
]


@pytest.mark.parametrize(("type_oid", "binary", "text"), POSTGRESQL_VALUES)
def test_binary_parameters_decode_to_the_text_postgresql_writes(type_oid: int, binary: str, text: str) -> None:
    assert decode_parameter(type_oid, 1, bytes.fromhex(binary)) == text


@pytest.mark.parametrize(("text", "binary"), POSTGRESQL_NUMERICS)
def test_numeric_has_the_binary_form_postgresql_sends(text: str, binary: str) -> None:
    assert decode_parameter(oids.NUMERIC, 1, bytes.fromhex(binary)) == text
    assert encode_numeric(Decimal(text)).hex() == binary


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None))
def test_numeric_round_trips(value: Decimal) -> None:
    text = decimal_text(value)
    assert decimal_text(decode_numeric(encode_numeric(value))) == text


def test_text_format_and_null_pass_through() -> None:
    assert decode_parameter(oids.INT4, 0, b" 42 ") == " 42 "
    assert decode_parameter(99_999, 0, "é".encode()) == "é"
    assert decode_parameter(oids.INT4, 1, None) is None


@pytest.mark.parametrize(
    ("type_oid", "format_code", "data", "sqlstate"),
    [
        (oids.INT4, 1, b"\0", "22P03"),
        (oids.INT4, 1, b"\0\0\0\0\0", "22P03"),
        (oids.UUID, 1, b"x", "22P03"),
        (oids.JSONB, 1, b"\x02{}", "22P03"),
        (oids.NUMERIC, 1, b"\0\1\0\0\0\0\0\0\x27\x10", "22P03"),
        (oids.NUMERIC, 1, b"\0\1\0\0\x10\0\0\0\0\1", "22P03"),
        (oids.NUMERIC, 1, b"", "22P03"),
        (oids.TEXT, 1, b"\xff", "22021"),
        (oids.TEXT, 0, b"\xff", "22021"),
        (oids.TEXT, 0, b"a\0", "22021"),
        (oids.DATE, 1, struct.pack(">i", -(2**31) + 1), "22008"),
        (oids.TIMESTAMP, 1, struct.pack(">q", -(2**63) + 1), "22008"),
        (oids.TIME, 1, struct.pack(">q", 86_400_000_001), "22008"),
        (oids.TIMETZ, 1, struct.pack(">qi", 0, 57_600), "22008"),
        (INT4_ARRAY, 1, bytes.fromhex("000000000000000000000019"), "42804"),
        (INT4_ARRAY, 1, bytes.fromhex("000000070000000000000017"), "22P03"),
        (INT4_ARRAY, 1, bytes.fromhex("0000000100000000000000177fffffff00000001"), "22P03"),
        (JSONB_ARRAY, 1, b"\0", "22P03"),
        (600, 1, b"", "22P03"),
    ],
)
def test_bad_parameters_are_refused(type_oid: int, format_code: int, data: bytes, sqlstate: str) -> None:
    with pytest.raises(ParameterInvalid) as raised:
        decode_parameter(type_oid, format_code, data)
    assert raised.value.sqlstate == sqlstate


def test_unsupported_binary_type_is_named() -> None:
    with pytest.raises(ParameterInvalid, match="OID 600"):
        decode_parameter(600, 1, b"")


ALL_TYPES = sorted({oid for oid, _, _ in POSTGRESQL_VALUES} | {oids.NUMERIC} | set(oids.ARRAY_ELEMENTS))


@given(st.sampled_from(ALL_TYPES), st.binary(max_size=48))
def test_arbitrary_binary_raises_nothing_but_wire_errors(type_oid: int, data: bytes) -> None:
    sqlstate = None
    try:
        text = decode_parameter(type_oid, 1, data)
        assert isinstance(text, str)
    except WireError as error:
        sqlstate = error.sqlstate
    assert sqlstate in {None, "22P03", "22021", "22008", "42804"}


@given(st.sampled_from(sorted(oids.ARRAY_ELEMENTS)), st.integers(0, 3), st.binary(max_size=40))
def test_arbitrary_arrays_raise_nothing_but_wire_errors(type_oid: int, dimensions: int, data: bytes) -> None:
    header = struct.pack(">iiI", dimensions, 0, oids.ARRAY_ELEMENTS[type_oid])
    header += struct.pack(">ii", 1, 1) * dimensions
    sqlstate = None
    try:
        text = decode_parameter(type_oid, 1, header + data)
        assert text is not None
        assert text.endswith("}")
    except WireError as error:
        sqlstate = error.sqlstate
    assert sqlstate in {None, "22P03", "22021", "22008"}


@given(st.floats())
def test_float8_text_is_shortest_and_reads_back(value: float) -> None:
    text = decode_parameter(oids.FLOAT8, 1, struct.pack(">d", value))
    assert text is not None
    assert struct.pack(">d", float(text)) == struct.pack(">d", value) or value != value
    assert len(text.replace("+", "")) <= len(repr(value)) + 8


def test_floats_have_the_text_postgresql_writes() -> None:
    assert [float8_text(float(text)) for text in FLOAT8_TEXTS] == FLOAT8_TEXTS
    assert [float4_text(float(text)) for text in FLOAT4_TEXTS] == FLOAT4_TEXTS


HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("months", "days", "microseconds", "text"),
    [
        (0, 0, 0, "00:00:00"),
        (12, 0, 0, "1 year"),
        (1, 0, 0, "1 mon"),
        (-1, 0, 0, "-1 mons"),
        (14, 0, 0, "1 year 2 mons"),
        (0, 1, 0, "1 day"),
        (0, -1, 0, "-1 days"),
        (12, -1, 0, "1 year -1 days"),
        (1, 3, 14_706_000_000, "1 mon 3 days 04:05:06"),
        (0, 0, -14_706_000_000, "-04:05:06"),
        (0, 1, -14_706_500_000, "1 day -04:05:06.5"),
        (0, -1, 1, "-1 days +00:00:00.000001"),
        (0, 0, 100 * HOUR, "100:00:00"),
        (-14, 0, 0, "-1 years -2 mons"),
        (0, 0, 100_000, "00:00:00.1"),
        (11, 2, 0, "11 mons 2 days"),
        (-1, 1, 0, "-1 mons +1 day"),
        (1, -1, HOUR, "1 mon -1 days +01:00:00"),
    ],
)
def test_intervals_have_the_text_postgresql_writes(months: int, days: int, microseconds: int, text: str) -> None:
    assert interval_text(months, days, microseconds) == text


def test_dates_and_times_have_the_text_postgresql_writes() -> None:
    assert date_text(-719_162) == "0001-01-01"
    assert date_text(-719_163) == "0001-12-31 BC"
    assert date_text(2_932_897) == "10000-01-01"
    assert date_text(2_145_031_948 + 10_957) == "5874897-12-31"
    assert time_text(86_400_000_000) == "24:00:00"
    assert timestamp_text(-1) == "1969-12-31 23:59:59.999999"
    assert timestamp_text(9_223_371_331_199_999_999 + 946_684_800_000_000) == "294276-12-31 23:59:59.999999"
    assert timestamp_text(-63_517_820_277_000_000, 0) == "0044-03-15 01:02:03+00 BC"
    assert [offset_text(s) for s in (0, 19_800, -17_762, 3_723)] == ["+00", "+05:30", "-04:56:02", "+01:02:03"]


def test_array_elements_are_quoted_as_postgresql_quotes_them() -> None:
    elements = [
        "a",
        "b c",
        None,
        "",
        "NULL",
        "null",
        "nulls",
        'a"b',
        "a\\b",
        "{",
        "}",
        ",",
        "é",
        "\t",
        "\u00a0x",
        "a\vb",
    ]
    literal = "{" + ",".join(map(array_element_text, elements)) + "}"
    assert literal == '{a,"b c",NULL,"","NULL","null",nulls,"a\\"b","a\\\\b","{","}",",",é,"\t",\u00a0x,"a\vb"}'
