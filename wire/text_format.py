"""Columns in PostgreSQL's text format: an Arrow column in, an Arrow column of strings out, computed column at a time.

Strings are taken to be the text form already, whatever the announced type. Pure.
"""

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wire import oids
from wire.arrow_columns import (
    data_bytes,
    end_offsets,
    fixed_rows,
    fixed_text,
    is_character,
    joined,
    natural_oid,
    numbers,
    plain_column,
    replace_rows,
    unsupported,
    valid_rows,
)
from wire.scalar_text import decimal_text, float4_text, float8_text
from wire.text_temporal import date_column, interval_column, time_column, timestamp_column, timestamptz_column

_HEX_PAIRS = np.frombuffer(bytes(range(256)).hex().encode(), dtype=np.uint8).reshape(256, 2)
_UUID_DASHES = (8, 13, 18, 23)
_UUID_DIGITS = tuple(i for i in range(36) if i not in _UUID_DASHES)
# Between these bounds Arrow and PostgreSQL write the same digits, without an exponent.
_PLAIN_FLOAT_MIN = 1e-4
_PLAIN_FLOAT8_END = 1e10
_PLAIN_FLOAT4_END = 1e6
_PLAIN_INTEGRAL_END = 1e15


def text_column(column: pa.Array, type_oid: int, type_modifier: int = -1, time_zone: str = "UTC") -> pa.Array:
    """Return the column's values in text format, null as null.

    Raises:
        ValueUnsupported: 0A000, the Arrow type has no form as the announced type.
    """
    column = plain_column(column)
    if is_character(column.type):
        return _padded(column, type_modifier) if type_oid == oids.BPCHAR else column
    written_oid = type_oid if type_oid in _WRITERS or type_oid == oids.TIMESTAMPTZ else natural_oid(column.type)
    try:
        if written_oid == oids.TIMESTAMPTZ:
            return timestamptz_column(column, time_zone)
        if written_oid is None:
            raise unsupported(column.type, type_oid)
        return _WRITERS[written_oid](column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise unsupported(column.type, type_oid) from error


def _padded(column: pa.Array, type_modifier: int) -> pa.Array:
    return pc.utf8_rpad(column, type_modifier - 4, " ") if type_modifier > 4 else column


def _bool(column: pa.Array) -> pa.Array:
    return pc.if_else(column.cast(pa.bool_()), "t", "f")


def _integer(column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        column = column.cast(pa.int64())
    return _numeric(column)


def _float8(column: pa.Array) -> pa.Array:
    column = column.cast(pa.float64())
    values = numbers(column)
    magnitudes = np.abs(values)
    with np.errstate(invalid="ignore"):
        integral = (values == np.trunc(values)) & (magnitudes < _PLAIN_INTEGRAL_END)
    integral &= (magnitudes > 0) | ~np.signbit(values)
    if integral.all():
        return column.cast(pa.int64()).cast(pa.string())
    plain = ((magnitudes >= _PLAIN_FLOAT_MIN) & (magnitudes < _PLAIN_FLOAT8_END)) | (magnitudes == 0)
    return _with_exceptions(column.cast(pa.string()), values, ~plain, float8_text)


def _float4(column: pa.Array) -> pa.Array:
    column = column.cast(pa.float32(), safe=False)
    values = numbers(column)
    magnitudes = np.abs(values)
    plain = ((magnitudes >= _PLAIN_FLOAT_MIN) & (magnitudes < _PLAIN_FLOAT4_END)) | (magnitudes == 0)
    return _with_exceptions(column.cast(pa.string()), values, ~plain, float4_text)


def _with_exceptions(
    texts: pa.Array, values: np.ndarray, exceptional: np.ndarray, write: Callable[[float], str]
) -> pa.Array:
    if not exceptional.any():
        return texts
    return replace_rows(texts, exceptional, [write(value) for value in values[exceptional].tolist()])


def _numeric(column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type):
        texts = [None if value is None else decimal_text(Decimal(repr(value))) for value in column.to_pylist()]
        return pa.array(texts, type=pa.string())
    texts = column.cast(pa.string())
    if not pa.types.is_decimal(column.type):
        return texts
    # Arrow writes decimals below 0.000001 with an exponent, PostgreSQL never does.
    exponents = numbers(pc.match_substring(texts, "E").fill_null(False)).astype(np.bool_)
    if not exponents.any():
        return texts
    values = column.filter(pa.array(exponents)).to_pylist()
    return replace_rows(texts, exponents, [decimal_text(value) for value in values])


def _bytea(column: pa.Array) -> pa.Array:
    if pa.types.is_fixed_size_binary(column.type):
        column = column.cast(pa.binary())
    valid = valid_rows(column)
    if valid is not None:
        column = pc.fill_null(column, b"")
    offsets = end_offsets(column)
    digits = _HEX_PAIRS[data_bytes(column)[offsets[0] : offsets[-1]]]
    starts = (offsets - offsets[0]) * 2
    buffers = [None, pa.py_buffer(starts), pa.py_buffer(digits)]
    texts = joined(pa.large_string(), "\\x", pa.Array.from_buffers(pa.large_string(), len(column), buffers))
    return texts if valid is None else pc.if_else(pa.array(valid), texts, pa.scalar(None, texts.type))


def _uuid(column: pa.Array) -> pa.Array:
    if column.type != pa.binary(16):
        column = column.cast(pa.binary(16))
    matrix = np.empty((len(column), 36), dtype=np.uint8)
    matrix[:, _UUID_DASHES] = ord("-")
    matrix[:, _UUID_DIGITS] = _HEX_PAIRS[fixed_rows(column)].reshape(len(column), 32)
    return fixed_text(matrix, column)


_WRITERS: dict[int, Callable[[pa.Array], pa.Array]] = {
    oids.BOOL: _bool,
    oids.INT2: _integer,
    oids.INT4: _integer,
    oids.INT8: _integer,
    oids.OID: _integer,
    oids.FLOAT4: _float4,
    oids.FLOAT8: _float8,
    oids.NUMERIC: _numeric,
    oids.BYTEA: _bytea,
    oids.UUID: _uuid,
    oids.DATE: date_column,
    oids.TIME: time_column,
    oids.TIMESTAMP: timestamp_column,
    oids.INTERVAL: interval_column,
}
