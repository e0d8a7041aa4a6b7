"""DataRow messages for batches of a few rows: value by value, without the fixed cost of column kernels. Pure."""

import struct
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from wire import oids
from wire.backend import data_row
from wire.columns import RowFormat, encode_column
from wire.scalar_text import bool_text, bytea_text, date_text, float4_text, float8_text, timestamp_text, uuid_text
from wire.temporal_columns import (
    DATE_DAYS,
    POSTGRES_EPOCH_DAYS,
    POSTGRES_EPOCH_MICROSECONDS,
    TIMESTAMP_MICROSECONDS,
    out_of_range,
)

_Writer = Callable[[Any], bytes]


def encode_small_rows(batch: pa.RecordBatch, formats: Sequence[RowFormat], time_zone: str) -> list[bytes]:
    """Return one DataRow message per row."""
    columns = [
        _encode_values(column, row_format, time_zone) for column, row_format in zip(batch.columns, formats, strict=True)
    ]
    if not columns:
        return [data_row(())] * batch.num_rows
    return [data_row(row) for row in zip(*columns, strict=True)]


def _encode_values(column: pa.Array, row_format: RowFormat, time_zone: str) -> list[bytes | None]:
    entry = _WRITERS.get((row_format.type_oid, row_format.format, column.type))
    if entry is None:
        encoded = encode_column(column, row_format, time_zone).to_pylist()
        return [value.encode() if isinstance(value, str) else value for value in encoded]
    storage, write = entry
    values = (column if storage is None else column.view(storage)).to_pylist()
    return [None if value is None else write(value) for value in values]


def _text(write: Callable[[Any], str]) -> _Writer:
    return lambda value: write(value).encode()


def _packed(layout: str, shift: int = 0) -> _Writer:
    pack = struct.Struct(layout).pack
    if shift:
        return lambda value: pack(value - shift)
    return pack


def _in_range(write: _Writer, allowed: range, type_name: str) -> _Writer:
    def checked(value: int) -> bytes:
        if value not in allowed:
            raise out_of_range(type_name)
        return write(value)

    return checked


_INTEGERS = {oids.INT2: (pa.int16(), ">h"), oids.INT4: (pa.int32(), ">i"), oids.INT8: (pa.int64(), ">q")}

# (announced type, format, Arrow type) to (type the values are viewed as, writer); all other columns are encoded whole.
_WRITERS: dict[tuple[int, int, pa.DataType], tuple[pa.DataType | None, _Writer]] = {
    (oids.BOOL, 0, pa.bool_()): (None, _text(bool_text)),
    (oids.BOOL, 1, pa.bool_()): (None, _packed(">?")),
    (oids.FLOAT8, 0, pa.float64()): (None, _text(float8_text)),
    (oids.FLOAT8, 1, pa.float64()): (None, _packed(">d")),
    (oids.FLOAT4, 0, pa.float32()): (None, _text(float4_text)),
    (oids.FLOAT4, 1, pa.float32()): (None, _packed(">f")),
    (oids.BYTEA, 0, pa.binary()): (None, _text(bytea_text)),
    (oids.BYTEA, 1, pa.binary()): (None, bytes),
    (oids.UUID, 0, pa.binary(16)): (None, _text(uuid_text)),
    (oids.UUID, 1, pa.binary(16)): (None, bytes),
    (oids.DATE, 0, pa.date32()): (pa.int32(), _in_range(_text(date_text), DATE_DAYS, "date")),
    (oids.DATE, 1, pa.date32()): (pa.int32(), _in_range(_packed(">i", POSTGRES_EPOCH_DAYS), DATE_DAYS, "date")),
    (oids.TIMESTAMP, 0, pa.timestamp("us")): (
        pa.int64(),
        _in_range(_text(timestamp_text), TIMESTAMP_MICROSECONDS, "timestamp"),
    ),
    (oids.TIMESTAMP, 1, pa.timestamp("us")): (
        pa.int64(),
        _in_range(_packed(">q", POSTGRES_EPOCH_MICROSECONDS), TIMESTAMP_MICROSECONDS, "timestamp"),
    ),
    **{(oid, 0, arrow_type): (None, _text(str)) for oid, (arrow_type, _) in _INTEGERS.items()},
    **{(oid, 1, arrow_type): (None, _packed(layout)) for oid, (arrow_type, layout) in _INTEGERS.items()},
    **{
        (oid, format_code, arrow_type): (None, str.encode)
        for oid in oids.CHARACTER_TYPES - {oids.BPCHAR}
        for format_code in (0, 1)
        for arrow_type in (pa.string(), pa.large_string())
    },
}
