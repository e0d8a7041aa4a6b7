"""Whole rows: both ways of encoding, chunks, slices, refusals and COPY lines."""

from uuid import UUID

import pyarrow as pa
import pytest
from encoded_columns import decoded, timestamps

from wire import oids, rows
from wire.errors import MessageTooLarge, ValueUnsupported
from wire.rows import RowFormat, encode_rows, encode_rows_vectorized


def test_character_types_of_fixed_length_are_padded_and_others_are_not() -> None:
    batch = pa.record_batch([pa.array(["ab", None]), pa.array(["ab", None])], names=["a", "b"])
    formats = [RowFormat(type_oid=oids.BPCHAR, type_modifier=8), RowFormat(type_oid=oids.VARCHAR, type_modifier=8)]
    assert decoded(encode_rows(batch, formats)) == [(b"ab  ", b"ab"), (None, None)]


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
    monkeypatch.setattr(rows, "JOINED_BYTES_MAX", 2_000)
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
