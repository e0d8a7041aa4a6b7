"""Arrow batches to CopyData messages, column at a time, in every format of COPY (PostgreSQL 18, COPY). Pure.

Each column is written as its values stand in a line, escaped or quoted; one kernel joins all columns row by row. The
end of a line travels with the header of the next message, so that a row takes no more pieces than it has columns.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wire import oids
from wire.arrow_columns import Int64Array, data_bytes, end_offsets, is_binary, is_character, valid_rows
from wire.backend import MESSAGE_BYTES_MAX, row_too_large
from wire.columns import RowFormat, encode_column
from wire.copy import COPY_DATA, ESCAPES, CopyFormat, forced_columns
from wire.rows import (
    JOINED_BYTES_MAX,
    EncodedRows,
    as_binary,
    check_formats,
    chunks,
    concatenated,
    encode_rows_vectorized,
)

_HEAD_BYTES = 6
"""The end of the line before, and CopyData's kind and length."""
_PLAIN_OIDS = frozenset(
    {
        oids.BOOL,
        oids.INT2,
        oids.INT4,
        oids.INT8,
        oids.OID,
        oids.FLOAT4,
        oids.FLOAT8,
        oids.DATE,
        oids.TIME,
        oids.TIMESTAMP,
        oids.TIMESTAMPTZ,
    }
)
"""Types whose text has nothing to escape or quote beside the usual delimiters."""
_END_OF_DATA = b"\\."


def encode_copy_columns(
    batch: pa.RecordBatch,
    formats: Sequence[RowFormat],
    copy_format: CopyFormat,
    column_names: Sequence[str] = (),
    *,
    time_zone: str = "UTC",
) -> EncodedRows:
    """Encode a batch as CopyData messages, one per row, without what comes before or after all rows.

    Names are needed where FORCE_QUOTE lists columns. Memory is proportional to the batch.

    Raises:
        ValueUnsupported: 0A000, a column's format is not COPY's, or it has no form as its announced type.
        CopyOptionInvalid: 42703 or 42701, FORCE_QUOTE names no column of `column_names`, or one twice.
        MessageTooLarge: 08P01, a row is longer than PostgreSQL would send.
    """
    check_formats(batch, formats, binary=copy_format.binary)
    if copy_format.binary:
        return encode_rows_vectorized(batch, formats, time_zone=time_zone, kind=COPY_DATA)
    forced = forced_columns(copy_format, column_names) or (copy_format.force_quote == "*",) * len(formats)
    return concatenated([_lines(chunk, formats, copy_format, forced, time_zone) for chunk in chunks(batch)])


def encode_copy_tuples(batch: pa.RecordBatch, formats: Sequence[RowFormat]) -> memoryview:
    """Encode a batch as rows of COPY's binary format without messages around them, for loading them into PostgreSQL.

    Raises:
        ValueUnsupported: 0A000, a column's format is text, or it has no form as its announced type.
    """
    check_formats(batch, formats, binary=True)
    return encode_rows_vectorized(batch, formats, kind=b"").data


def _lines(
    batch: pa.RecordBatch, formats: Sequence[RowFormat], copy_format: CopyFormat, forced: Sequence[bool], time_zone: str
) -> EncodedRows:
    null = copy_format.null
    columns: list[pa.Array] = []
    row_bytes = np.full(batch.num_rows, _HEAD_BYTES + len(formats) - 1, dtype=np.int64)
    for column, row_format, force in zip(batch.columns, formats, forced, strict=True):
        values = _written(encode_column(column, row_format, time_zone), row_format, copy_format, force=force)
        if copy_format.format == "csv" and len(formats) == 1:
            # A line of its own that reads like the end of all data is quoted.
            values = _quoted_where(values, pc.equal(values, pa.scalar(_END_OF_DATA, values.type)), copy_format)
        offsets = end_offsets(values)
        lengths, valid = np.diff(offsets), valid_rows(values)
        row_bytes += lengths if valid is None else np.where(valid, lengths, len(null))
        if int(offsets[-1] - offsets[0]) > JOINED_BYTES_MAX:
            return _halves(batch, formats, copy_format, forced, time_zone)
        columns.append(as_binary(values, offsets))
    ends = np.cumsum(row_bytes)
    if int(row_bytes.max()) > MESSAGE_BYTES_MAX:
        raise row_too_large(int(row_bytes.max()))
    if int(ends[-1]) > JOINED_BYTES_MAX:
        return _halves(batch, formats, copy_format, forced, time_zone)
    heads = _heads(row_bytes)
    if columns:
        first = pc.fill_null(columns[0], null) if columns[0].null_count else columns[0]
        columns[0] = pc.binary_join_element_wise(heads, first, pa.scalar(b"", pa.binary()))
    lines = pc.binary_join_element_wise(
        *(columns or [heads]),
        pa.scalar(copy_format.delimiter, pa.binary()),
        null_handling="replace",
        null_replacement=null,
    )
    return EncodedRows(data=_shifted(lines), ends=ends, copied=True)


def _halves(
    batch: pa.RecordBatch, formats: Sequence[RowFormat], copy_format: CopyFormat, forced: Sequence[bool], time_zone: str
) -> EncodedRows:
    middle = batch.num_rows // 2
    if not middle:
        raise row_too_large(JOINED_BYTES_MAX)
    halves = (batch.slice(0, middle), batch.slice(middle))
    return concatenated([_lines(half, formats, copy_format, forced, time_zone) for half in halves])


def _heads(row_bytes: Int64Array) -> pa.Array:
    heads = np.empty((len(row_bytes), _HEAD_BYTES), dtype=np.uint8)
    heads[:, 0] = ord("\n")
    heads[:, 1] = ord(COPY_DATA)
    heads[:, 2:] = (row_bytes - 1).astype(">i4").view(np.uint8).reshape(-1, 4)
    offsets = np.arange(0, (len(row_bytes) + 1) * _HEAD_BYTES, _HEAD_BYTES, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), len(row_bytes), [None, pa.py_buffer(offsets), pa.py_buffer(heads)])


def _shifted(lines: pa.Array) -> memoryview:
    """Return the joined bytes with the first line's leading end of line moved behind the last line."""
    offsets = end_offsets(lines)
    joined = memoryview(lines.buffers()[2])[int(offsets[0]) + 1 : int(offsets[-1])]
    return memoryview(b"".join((joined, b"\n")))


def _written(values: pa.Array, row_format: RowFormat, copy_format: CopyFormat, *, force: bool) -> pa.Array:
    """Escape or quote a column's values as the format wants them."""
    usual = copy_format.delimiter in b"\t,;|" and copy_format.quote in b"\"'" and copy_format.null in (b"", b"\\N")
    if row_format.type_oid in _PLAIN_OIDS and usual and not force:
        return values
    if not (is_character(values.type) or is_binary(values.type)):
        values = values.cast(pa.large_string())
    offsets = end_offsets(values)
    content = data_bytes(values)[int(offsets[0]) : int(offsets[-1])].tobytes()
    if copy_format.format == "csv":
        special = {b"\n", b"\r", copy_format.delimiter, copy_format.quote}
        return _quoted(values, copy_format, [byte for byte in special if byte in content], force=force)
    escapes = {copy_format.delimiter: b"\\" + copy_format.delimiter, **ESCAPES}
    # The backslash comes first: the other escapes bring their own.
    for byte in sorted(escapes, key=lambda each: each != b"\\"):
        if byte in content:
            values = pc.replace_substring(values, byte, escapes[byte])
    return values


def _quoted(values: pa.Array, copy_format: CopyFormat, found: Sequence[bytes], *, force: bool) -> pa.Array:
    if force:
        return _quoted_where(values, None, copy_format)
    where = pc.equal(values, pa.scalar(copy_format.null, values.type))
    for byte in found:
        where = pc.or_(where, pc.match_substring(values, byte))
    return _quoted_where(values, where, copy_format)


def _quoted_where(values: pa.Array, where: pa.Array | None, copy_format: CopyFormat) -> pa.Array:
    """Quote the values of some rows, or (None) of all that are not null."""
    if where is not None and not pc.any(where).as_py():
        return values
    quote, escape = copy_format.quote, copy_format.escape
    inner = values
    for byte in dict.fromkeys((escape, quote)):
        inner = pc.replace_substring(inner, byte, escape + byte)
    mark = pa.scalar(quote, values.type)
    whole = pc.binary_join_element_wise(mark, inner, mark, pa.scalar(b"", values.type))
    return whole if where is None else pc.if_else(where, whole, values)
