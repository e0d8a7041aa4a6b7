"""Columns in PostgreSQL's binary format (network order): an Arrow column in, one of byte strings out. Pure."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from uuid import UUID

import numpy as np
import pyarrow as pa

from wire import oids
from wire.arrow_columns import fixed_column, is_binary, is_character, joined, numbers, plain_column, unsupported
from wire.temporal_columns import (
    POSTGRES_EPOCH_DAYS,
    POSTGRES_EPOCH_MICROSECONDS,
    days_of,
    intervals_of,
    time_microseconds_of,
    timestamp_microseconds_of,
)
from wire.text_format import text_column
from wire.values_numeric import encode_numeric

_INTERVAL_LAYOUT = np.dtype([("microseconds", ">i8"), ("days", ">i4"), ("months", ">i4")])


def binary_column(column: pa.Array, type_oid: int, type_modifier: int = -1) -> pa.Array:
    """Return the column's values in binary format, null as null.

    Raises:
        ValueUnsupported: 0A000, the type has no encoder here, or the Arrow type has no form as the announced type.
    """
    column = plain_column(column)
    if type_oid in oids.CHARACTER_TYPES:
        return text_column(column, type_oid, type_modifier)
    writer = _WRITERS.get(type_oid)
    if writer is None:
        raise unsupported(column.type, type_oid)
    try:
        return writer(column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, InvalidOperation) as error:
        raise unsupported(column.type, type_oid) from error


def _number(arrow_type: pa.DataType, layout: str) -> Callable[[pa.Array], pa.Array]:
    def write(column: pa.Array) -> pa.Array:
        return fixed_column(numbers(column.cast(arrow_type)).astype(layout), column)

    return write


def _float4(column: pa.Array) -> pa.Array:
    return fixed_column(numbers(column.cast(pa.float32(), safe=False)).astype(">f4"), column)


def _bool(column: pa.Array) -> pa.Array:
    return fixed_column(numbers(column.cast(pa.bool_()).cast(pa.uint8())), column)


def _numeric(column: pa.Array) -> pa.Array:
    texts = text_column(column, oids.NUMERIC)
    encoded = [None if text is None else encode_numeric(Decimal(text)) for text in texts.to_pylist()]
    return pa.array(encoded, type=pa.binary())


def _bytea(column: pa.Array) -> pa.Array:
    return column if is_binary(column.type) else column.cast(pa.binary())


def _jsonb(column: pa.Array) -> pa.Array:
    if not is_character(column.type):
        raise unsupported(column.type, oids.JSONB)
    return joined(column.type, "\x01", column)


def _uuid(column: pa.Array) -> pa.Array:
    if is_character(column.type):
        column = pa.array([None if text is None else UUID(text).bytes for text in column.to_pylist()], pa.binary(16))
    return column.cast(pa.binary(16))


def _date(column: pa.Array) -> pa.Array:
    return fixed_column((days_of(column) - POSTGRES_EPOCH_DAYS).astype(">i4"), column)


def _time(column: pa.Array) -> pa.Array:
    return fixed_column(time_microseconds_of(column).astype(">i8"), column)


def _timestamp(column: pa.Array) -> pa.Array:
    return fixed_column((timestamp_microseconds_of(column) - POSTGRES_EPOCH_MICROSECONDS).astype(">i8"), column)


def _interval(column: pa.Array) -> pa.Array:
    months, days, microseconds = intervals_of(column)
    parts = np.empty(len(column), dtype=_INTERVAL_LAYOUT)
    parts["microseconds"], parts["days"], parts["months"] = microseconds, days, months
    return fixed_column(parts, column)


_WRITERS: dict[int, Callable[[pa.Array], pa.Array]] = {
    oids.BOOL: _bool,
    oids.INT2: _number(pa.int16(), ">i2"),
    oids.INT4: _number(pa.int32(), ">i4"),
    oids.INT8: _number(pa.int64(), ">i8"),
    oids.OID: _number(pa.uint32(), ">u4"),
    oids.FLOAT4: _float4,
    oids.FLOAT8: _number(pa.float64(), ">f8"),
    oids.NUMERIC: _numeric,
    oids.BYTEA: _bytea,
    oids.JSONB: _jsonb,
    oids.UUID: _uuid,
    oids.DATE: _date,
    oids.TIME: _time,
    oids.TIMESTAMP: _timestamp,
    oids.TIMESTAMPTZ: _timestamp,
    oids.INTERVAL: _interval,
}
