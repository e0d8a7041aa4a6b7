"""Arrow batches to DataRow: literals PostgreSQL 18.6 wrote, both ways of encoding, and binary agreeing with text."""

import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import oids, rows
from wire.backend_decode import decode_data_row
from wire.errors import MessageTooLarge, ValueUnsupported
from wire.framing import FrameBuffer
from wire.rows import EncodedRows, RowFormat, encode_copy_text, encode_rows, encode_rows_vectorized
from wire.values import decode_parameter


def decoded(encoded: EncodedRows) -> list[tuple[bytes | None, ...]]:
    buffer = FrameBuffer(1 << 30, from_backend=True)
    buffer.feed(encoded.data)
    frames = buffer.frames()
    assert [len(frame.data) for frame in frames] == np.diff(encoded.ends, prepend=0).tolist()
    assert buffer.pending_bytes == 0
    return [decode_data_row(frame.payload) for frame in frames]


def column_texts(column: pa.Array, type_oid: int, *, time_zone: str = "UTC", format_code: int = 0) -> list[Any]:
    """Encode one column both ways, require that they agree, and return the values."""
    batch = pa.record_batch([column], names=["c"])
    formats = [RowFormat(type_oid=type_oid, format=format_code)]
    small = encode_rows(batch, formats, time_zone=time_zone)
    large = encode_rows_vectorized(batch, formats, time_zone=time_zone)
    assert bytes(small.data) == bytes(large.data)
    assert small.ends.tolist() == large.ends.tolist()
    values = [row[0] for row in decoded(small)]
    return values if format_code else [None if value is None else value.decode() for value in values]


def timestamps(*texts: str) -> pa.Array:
    return pa.array([datetime.datetime.fromisoformat(text) for text in texts], pa.timestamp("us", "UTC"))


FLOAT8_TEXTS = [
    "2.0034855448587448e+16",
    "4.5756674615126723e+18",
    "-5.875634713636081e+17",
    "9.007199254740994e+15",
    "1",
    "1e+20",
    "1e-05",
    "0.0001",
    "1e+15",
    "100000000000000",
    "1.2345678901234568e+17",
    "999999999999999",
    "0.1",
    "-0",
    "NaN",
    "Infinity",
    "-Infinity",
    "1.5e-07",
    "1e+100",
    "5e-324",
    "1.7976931348623157e+308",
    "0.00012345",
    "123456.789",
    "1e+16",
    "12345678901.5",
    "9999999999.5",
]
FLOAT4_TEXTS = [
    "6.7968317e+09",
    "-5.0963162e+08",
    "3.3554436e+07",
    "1",
    "1e+20",
    "1e-05",
    "0.0001",
    "1e+06",
    "100000",
    "123456",
    "999999",
    "1.234567e+06",
    "1.6777216e+07",
    "0.1",
    "-0",
    "NaN",
    "Infinity",
    "1.5e-07",
    "3.4028235e+38",
    "1e-45",
    "0.00012345",
]
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


def test_character_types_of_fixed_length_are_padded_and_others_are_not() -> None:
    batch = pa.record_batch([pa.array(["ab", None]), pa.array(["ab", None])], names=["a", "b"])
    formats = [RowFormat(type_oid=oids.BPCHAR, type_modifier=8), RowFormat(type_oid=oids.VARCHAR, type_modifier=8)]
    assert decoded(encode_rows(batch, formats)) == [(b"ab  ", b"ab"), (None, None)]


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


def mixed_batch(row_count: int) -> tuple[pa.RecordBatch, list[RowFormat]]:
    columns = [
        pa.array([None if i % 7 == 0 else i for i in range(row_count)], pa.int32()),
        pa.array([f"name {i}" if i % 3 else None for i in range(row_count)]),
        pa.array([i / 4 for i in range(row_count)]),
        pa.array([bytes([i % 256]) * (i % 5) for i in range(row_count)]),
        pa.array([UUID(int=i).bytes for i in range(row_count)], pa.binary(16)),
        pa.array([i % 2 == 0 for i in range(row_count)]),
    ]
    types = [oids.INT4, oids.TEXT, oids.FLOAT8, oids.BYTEA, oids.UUID, oids.BOOL]
    formats = [RowFormat(type_oid=oid, format=i % 2) for i, oid in enumerate(types)]
    return pa.record_batch(columns, names=list("abcdef")), formats


def test_small_and_large_batches_agree_around_the_threshold() -> None:
    batch, formats = mixed_batch(rows.SMALL_ROWS_END + 1)
    whole = encode_rows(batch, formats)
    assert whole.row_count == rows.SMALL_ROWS_END + 1
    parts = [
        encode_rows(batch.slice(0, rows.SMALL_ROWS_END - 1), formats),
        encode_rows(batch.slice(rows.SMALL_ROWS_END - 1), formats),
    ]
    assert b"".join(bytes(part.data) for part in parts) == bytes(whole.data)
    assert decoded(whole)[5] == (b"5", b"name 5", b"1.25", b"", str(UUID(int=5)).encode(), b"\0")


def test_chunks_and_halves_join_to_the_same_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, formats = mixed_batch(300)
    expected = encode_rows_vectorized(batch, formats)
    monkeypatch.setattr(rows, "_CHUNK_ROWS", 64)
    monkeypatch.setattr(rows, "_JOINED_BYTES_MAX", 2_000)
    split = encode_rows_vectorized(batch, formats)
    assert bytes(split.data) == bytes(expected.data)
    assert split.ends.tolist() == expected.ends.tolist()


def test_slices_are_whole_messages() -> None:
    batch, formats = mixed_batch(10)
    encoded = encode_rows(batch, formats)
    pieces = [bytes(encoded.slice(start, start + 3)) for start in range(0, 12, 3)]
    assert b"".join(pieces) == bytes(encoded.data)
    assert len(pieces[0]) == encoded.ends[2]
    assert bytes(encoded.slice(4, 4)) == b""
    assert bytes(encoded.slice(12, 15)) == b""


def test_empty_batches_and_batches_without_columns() -> None:
    batch, formats = mixed_batch(0)
    assert encode_rows(batch, formats).row_count == 0
    assert bytes(encode_rows_vectorized(batch, formats).data) == b""
    nothing = pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([])))
    assert bytes(encode_rows(nothing, []).data) == b"D\0\0\0\x06\0\0" * 2
    assert bytes(encode_rows_vectorized(nothing, []).data) == b"D\0\0\0\x06\0\0" * 2


@pytest.mark.parametrize(
    ("column", "row_format", "sqlstate"),
    [
        (pa.array([{"a": 1}]), RowFormat(type_oid=oids.JSONB), "0A000"),
        (pa.array([1]), RowFormat(type_oid=600, format=1), "0A000"),
        (pa.array([2**40]), RowFormat(type_oid=oids.INT4, format=1), "0A000"),
        (pa.array(["x"]), RowFormat(type_oid=oids.NUMERIC, format=1), "0A000"),
        (pa.array(["x"]), RowFormat(type_oid=oids.UUID, format=1), "0A000"),
        (pa.array(["{1}"]), RowFormat(type_oid=1007, format=1), "0A000"),
        (pa.array([[[1]]]), RowFormat(type_oid=1007), "0A000"),
        (pa.array([-(2**63) + 1]).cast(pa.timestamp("us")), RowFormat(type_oid=oids.TIMESTAMP), "22008"),
        (pa.array([-(2**31)], pa.int32()).cast(pa.date32()), RowFormat(type_oid=oids.DATE), "22008"),
    ],
)
def test_columns_without_a_form_as_their_type_are_refused(
    column: pa.Array, row_format: RowFormat, sqlstate: str
) -> None:
    batch = pa.record_batch([column], names=["c"])
    for encode in (encode_rows, encode_rows_vectorized):
        with pytest.raises(ValueUnsupported) as raised:
            encode(batch, [row_format])
        assert raised.value.sqlstate == sqlstate


def test_unknown_time_zone_and_wrong_number_of_formats_are_refused() -> None:
    batch = pa.record_batch([timestamps("2024-01-01T00:00:00+00:00")], names=["c"])
    with pytest.raises(ValueUnsupported, match="Mars/Olympus"):
        encode_rows(batch, [RowFormat(type_oid=oids.TIMESTAMPTZ)], time_zone="Mars/Olympus")
    with pytest.raises(ValueUnsupported, match="1 columns has 0 formats"):
        encode_rows(batch, [])


def test_rows_longer_than_a_message_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MESSAGE_BYTES_MAX", 20)
    batch = pa.record_batch([pa.array(["x" * 30])], names=["c"])
    with pytest.raises(MessageTooLarge):
        encode_rows_vectorized(batch, [RowFormat(type_oid=oids.TEXT)])


def test_copy_text_is_what_postgresql_writes() -> None:
    columns = [
        pa.array(["a\tb\nc\\d\re\bf\fg\vh", "plain"]),
        pa.array([b"\x00\xff", None]),
        pa.array([None, 1], pa.int32()),
        pa.array([["a\\b"], None]),
    ]
    batch = pa.record_batch(columns, names=list("abcd"))
    formats = [RowFormat(type_oid=oid) for oid in (oids.TEXT, oids.BYTEA, oids.INT4, 1009)]
    encoded = encode_copy_text(batch, formats)
    lines = [
        b'a\\tb\\nc\\\\d\\re\\bf\\fg\\vh\t\\\\x00ff\t\\N\t{"a\\\\\\\\b"}\n',
        b"plain\t\\N\t1\t\\N\n",
    ]
    assert bytes(encoded.data) == b"".join(b"d" + (len(line) + 4).to_bytes(4, "big") + line for line in lines)
    assert bytes(encoded.slice(1, 2)).endswith(lines[1])
    with pytest.raises(ValueUnsupported):
        encode_copy_text(batch, [RowFormat(type_oid=25, format=1)] * 4)
