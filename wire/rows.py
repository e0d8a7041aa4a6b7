"""Arrow batches to DataRow messages, column at a time (PostgreSQL 18, chapter 54.7). Pure.

Each column is encoded as a whole, then all columns and their length words are joined row by row into one buffer, which
is the message stream. Batches of a few rows take a plain way through Python, which costs less for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wire.arrow_columns import (
    BoolArray,
    Int64Array,
    data_bytes,
    end_offsets,
    fixed_rows,
    valid_rows,
    validity_buffer,
)
from wire.backend import MESSAGE_BYTES_MAX, row_too_large
from wire.columns import RowFormat, encode_column
from wire.errors import ValueUnsupported
from wire.rows_small import encode_small_rows

__all__ = ["SMALL_ROWS_END", "EncodedRows", "RowFormat", "encode_rows", "encode_rows_vectorized"]

SMALL_ROWS_END = 128
"""Below this many rows the plain way is faster (measured with ten columns of mixed types)."""

_CHUNK_ROWS = 65_536
JOINED_BYTES_MAX = (1 << 31) - 1
_NULL_LENGTH = b"\xff\xff\xff\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedRows:
    """A stream of messages, one per row; `ends[i]` is where row i ends in `data`. `copied` says that it is CopyData."""

    data: memoryview
    ends: Int64Array
    copied: bool = False

    @property
    def row_count(self) -> int:
        """Return how many rows there are."""
        return len(self.ends)

    def slice(self, start: int, stop: int) -> memoryview:
        """Return the messages of rows `start` up to, not including, `stop`, without a copy."""
        stop = min(stop, len(self.ends))
        if start >= stop:
            return self.data[:0]
        first = int(self.ends[start - 1]) if start else 0
        return self.data[first : int(self.ends[stop - 1])]


def encode_rows(batch: pa.RecordBatch, formats: Sequence[RowFormat], *, time_zone: str = "UTC") -> EncodedRows:
    """Encode a batch as DataRow messages; memory is proportional to the batch.

    Raises:
        ValueUnsupported: 0A000, a column has no form as its announced type; 22023, the time zone is unknown.
        MessageTooLarge: 08P01, a row is longer than PostgreSQL would send.
    """
    check_formats(batch, formats)
    if batch.num_rows < SMALL_ROWS_END:
        messages = encode_small_rows(batch, formats, time_zone)
        ends = np.cumsum([len(row) for row in messages], dtype=np.int64)
        return EncodedRows(data=memoryview(b"".join(messages)), ends=ends)
    return encode_rows_vectorized(batch, formats, time_zone=time_zone)


def encode_rows_vectorized(
    batch: pa.RecordBatch, formats: Sequence[RowFormat], *, time_zone: str = "UTC", kind: bytes = b"D"
) -> EncodedRows:
    """Encode a batch of any size column at a time; `encode_rows` chooses this for all but small batches.

    Under the kind of CopyData instead of DataRow's, the messages are rows of COPY's binary format; with none at all,
    these rows have no messages around them.
    """
    return concatenated([_encode_chunk(chunk, formats, time_zone, kind) for chunk in chunks(batch)])


def check_formats(batch: pa.RecordBatch, formats: Sequence[RowFormat], *, binary: bool | None = None) -> None:
    """Refuse formats that do not fit a batch or, where `binary` says what all must be, are not that."""
    if batch.num_columns != len(formats):
        raise ValueUnsupported(message=f"a batch of {batch.num_columns} columns has {len(formats)} formats")
    if binary is not None and any(bool(row_format.format) is not binary for row_format in formats):
        raise ValueUnsupported(message=f"this COPY takes columns in {'binary' if binary else 'text'} format only")


def chunks(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """Cut a batch into pieces that are encoded one by one."""
    return [batch.slice(start, _CHUNK_ROWS) for start in range(0, batch.num_rows, _CHUNK_ROWS)]


def concatenated(parts: list[EncodedRows]) -> EncodedRows:
    """Join messages of one kind; memory is twice theirs."""
    if not parts:
        return EncodedRows(data=memoryview(b""), ends=np.empty(0, dtype=np.int64))
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.data) for part in parts[:-1])])
    ends = np.concatenate([part.ends + start for part, start in zip(parts, starts, strict=True)])
    return EncodedRows(data=memoryview(b"".join(part.data for part in parts)), ends=ends, copied=parts[0].copied)


def _encode_chunk(batch: pa.RecordBatch, formats: Sequence[RowFormat], time_zone: str, kind: bytes) -> EncodedRows:
    pieces: list[pa.Array] = []
    row_bytes = np.full(batch.num_rows, _header_bytes(kind) + 4 * len(formats), dtype=np.int64)
    for column, row_format in zip(batch.columns, formats, strict=True):
        column_pieces, lengths = _column_pieces(encode_column(column, row_format, time_zone))
        pieces += column_pieces
        row_bytes += lengths
    ends = np.cumsum(row_bytes)
    if int(row_bytes.max()) > MESSAGE_BYTES_MAX:
        raise row_too_large(int(row_bytes.max()))
    if int(ends[-1]) > JOINED_BYTES_MAX:
        return _encode_halves(batch, formats, time_zone, kind)
    messages = pc.binary_join_element_wise(
        _row_headers(row_bytes, len(formats), kind),
        *pieces,
        pa.scalar(b"", pa.binary()),
        null_handling="replace",
        null_replacement=_NULL_LENGTH,
    )
    return EncodedRows(data=_joined_bytes(messages), ends=ends, copied=kind != b"D")


def _encode_halves(batch: pa.RecordBatch, formats: Sequence[RowFormat], time_zone: str, kind: bytes) -> EncodedRows:
    middle = batch.num_rows // 2
    return concatenated(
        [_encode_chunk(half, formats, time_zone, kind) for half in (batch.slice(0, middle), batch.slice(middle))]
    )


def _column_pieces(column: pa.Array) -> tuple[list[pa.Array], Int64Array]:
    """Return what to join for a column, and how long each value is; null stands for the replacement, length -1."""
    valid = valid_rows(column)
    if pa.types.is_fixed_size_binary(column.type):
        width = column.type.byte_width
        lengths = np.full(len(column), width, dtype=np.int64)
        if valid is not None:
            lengths *= valid
        return [_prefixed(fixed_rows(column), validity_buffer(column))], lengths
    offsets = end_offsets(column)
    lengths = np.diff(offsets)
    if valid is not None:
        lengths *= valid
        return _sized(column, offsets, lengths, valid), lengths
    width = int(lengths[0])
    if 0 < width <= 64 and (lengths == width).all():
        rows = data_bytes(column)[offsets[0] : offsets[-1]].reshape(len(column), width)
        return [_prefixed(rows, None)], lengths
    return _sized(column, offsets, lengths, None), lengths


def _prefixed(rows: np.ndarray, validity: pa.Buffer | None) -> pa.Array:
    """Return values of one width fused with their length words: one piece to join instead of two."""
    count, width = rows.shape
    matrix = np.empty((count, 4 + width), dtype=np.uint8)
    matrix[:, :4] = np.frombuffer(width.to_bytes(4, "big"), dtype=np.uint8)
    matrix[:, 4:] = rows
    offsets = np.arange(0, (count + 1) * (4 + width), 4 + width, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), count, [validity, pa.py_buffer(offsets), pa.py_buffer(matrix)])


def _sized(column: pa.Array, offsets: Int64Array, lengths: Int64Array, valid: BoolArray | None) -> list[pa.Array]:
    words = lengths.astype(">i4")
    word_bytes = np.full(len(column) + 1, 4, dtype=np.int32)
    word_bytes[0] = 0
    if valid is not None:
        # The replacement for null is a whole length word, so the word of a null is empty.
        words = words[valid]
        word_bytes[1:] *= valid
    buffers = [None, pa.py_buffer(np.cumsum(word_bytes, dtype=np.int32)), pa.py_buffer(words.tobytes())]
    return [pa.Array.from_buffers(pa.binary(), len(column), buffers), as_binary(column, offsets)]


def as_binary(column: pa.Array, offsets: Int64Array) -> pa.Array:
    """Return the column with 32-bit offsets from its first byte: the kernel joins columns of one type only."""
    first, last = int(offsets[0]), int(offsets[-1])
    data = column.buffers()[2]
    data = pa.py_buffer(b"") if data is None else data.slice(first, last - first)
    buffers = [validity_buffer(column), pa.py_buffer((offsets - first).astype(np.int32)), data]
    return pa.Array.from_buffers(pa.binary(), len(column), buffers)


def _header_bytes(kind: bytes) -> int:
    return 7 if kind else 2


def _row_headers(row_bytes: Int64Array, column_count: int, kind: bytes) -> pa.Array:
    width = _header_bytes(kind)
    headers = np.empty((len(row_bytes), width), dtype=np.uint8)
    if kind:
        headers[:, 0] = ord(kind)
        headers[:, 1:5] = (row_bytes - 1).astype(">i4").view(np.uint8).reshape(-1, 4)
    headers[:, -2:] = np.frombuffer(column_count.to_bytes(2, "big"), dtype=np.uint8)
    offsets = np.arange(0, (len(row_bytes) + 1) * width, width, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), len(row_bytes), [None, pa.py_buffer(offsets), pa.py_buffer(headers)])


def _joined_bytes(messages: pa.Array) -> memoryview:
    offsets = end_offsets(messages)
    return memoryview(messages.buffers()[2])[int(offsets[0]) : int(offsets[-1])]
