"""Arrow columns made simple enough to encode: encodings undone, validity and buffers as numpy arrays. Pure."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from wire import oids
from wire.errors import ValueUnsupported

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ByteMatrix = npt.NDArray[np.uint8]


def plain_column(column: pa.Array) -> pa.Array:
    """Return the column without dictionary, run-end, view or extension encoding; all-null columns become strings."""
    if isinstance(column, pa.ExtensionArray):
        return plain_column(column.storage)
    arrow_type = column.type
    if pa.types.is_dictionary(arrow_type):
        return plain_column(column.dictionary_decode())
    if pa.types.is_run_end_encoded(arrow_type):
        return plain_column(pc.run_end_decode(column))
    if arrow_type == pa.string_view():
        return column.cast(pa.large_string())
    if arrow_type == pa.binary_view():
        return column.cast(pa.large_binary())
    if pa.types.is_null(arrow_type):
        return column.cast(pa.string())
    return column


def is_character(arrow_type: pa.DataType) -> bool:
    """Tell whether values of the type are strings."""
    return bool(pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type))


def is_binary(arrow_type: pa.DataType) -> bool:
    """Tell whether values of the type are byte strings."""
    return bool(
        pa.types.is_binary(arrow_type)
        or pa.types.is_large_binary(arrow_type)
        or pa.types.is_fixed_size_binary(arrow_type)
    )


def is_list(arrow_type: pa.DataType) -> bool:
    """Tell whether values of the type are lists."""
    return bool(
        pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type) or pa.types.is_fixed_size_list(arrow_type)
    )


def natural_oid(arrow_type: pa.DataType) -> int | None:
    """Return the type whose text form suits an Arrow type where the announced type says nothing (text, enums)."""
    for test, oid in _NATURAL_OIDS:
        if test(arrow_type):
            return oid
    return None


_NATURAL_OIDS = (
    (pa.types.is_boolean, oids.BOOL),
    (pa.types.is_integer, oids.INT8),
    (pa.types.is_float32, oids.FLOAT4),
    (pa.types.is_floating, oids.FLOAT8),
    (pa.types.is_decimal, oids.NUMERIC),
    (pa.types.is_date, oids.DATE),
    (pa.types.is_time, oids.TIME),
    (lambda arrow_type: pa.types.is_timestamp(arrow_type) and arrow_type.tz is not None, oids.TIMESTAMPTZ),
    (pa.types.is_timestamp, oids.TIMESTAMP),
    (pa.types.is_interval, oids.INTERVAL),
    (pa.types.is_duration, oids.INTERVAL),
    (is_binary, oids.BYTEA),
)


def valid_rows(column: pa.Array) -> BoolArray | None:
    """Return which rows are not null, None if all are."""
    if column.null_count == 0:
        return None
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)


def validity_buffer(column: pa.Array) -> pa.Buffer | None:
    """Return the column's validity bitmap, starting at bit 0 whatever the column's offset."""
    valid = valid_rows(column)
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))


def numbers(column: pa.Array) -> npt.NDArray[np.generic]:
    """Return a primitive column as numpy numbers, null as zero."""
    if column.null_count:
        column = pc.fill_null(column, 0)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def end_offsets(column: pa.Array) -> Int64Array:
    """Return the n + 1 offsets of a variable-length column into its data buffer."""
    is_large = pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)
    layout = np.int64 if is_large else np.int32
    offsets = np.frombuffer(column.buffers()[1], dtype=layout, count=column.offset + len(column) + 1)
    return offsets[column.offset :].astype(np.int64, copy=False)


def data_bytes(column: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the data buffer of a variable-length column."""
    buffer = column.buffers()[2]
    return np.empty(0, np.uint8) if buffer is None else np.frombuffer(buffer, dtype=np.uint8)


def fixed_rows(column: pa.Array) -> ByteMatrix:
    """Return a fixed-size binary column as one row of bytes per value."""
    width = column.type.byte_width
    data = np.frombuffer(column.buffers()[1], dtype=np.uint8)
    return data[column.offset * width : (column.offset + len(column)) * width].reshape(len(column), width)


def fixed_column(rows: npt.NDArray[np.generic], like: pa.Array) -> pa.Array:
    """Return values of equal width, one per element or row, as fixed-size binary, null where `like` is."""
    count = len(like)
    width = rows.nbytes // count if count else 1
    buffers = [validity_buffer(like), pa.py_buffer(np.ascontiguousarray(rows).tobytes())]
    return pa.Array.from_buffers(pa.binary(width), count, buffers)


def fixed_text(matrix: ByteMatrix, like: pa.Array) -> pa.Array:
    """Return rows of ASCII characters as strings, null where `like` is."""
    count, width = matrix.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int64)
    buffers = [validity_buffer(like), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(matrix))]
    return pa.Array.from_buffers(pa.large_string(), count, buffers)


def joined(arrow_type: pa.DataType, *parts: pa.Array | str, separator: str = "") -> pa.Array:
    """Join columns and constants row by row; all columns are of `arrow_type`, for the kernel converts none."""
    values = [pa.scalar(part, arrow_type) if isinstance(part, str) else part for part in (*parts, separator)]
    return pc.binary_join_element_wise(*values)


def replace_rows(texts: pa.Array, rows: BoolArray, replacements: list[str]) -> pa.Array:
    """Return `texts` with the marked rows replaced, in order; rows that are null stay null."""
    valid = valid_rows(texts)
    values = pa.array(replacements, type=texts.type)
    replaced = pc.replace_with_mask(texts, pa.array(rows), values)
    return replaced if valid is None else pc.if_else(pa.array(valid), replaced, pa.scalar(None, texts.type))


def unsupported(arrow_type: pa.DataType, type_oid: int) -> ValueUnsupported:
    """Build the error for a column that cannot be written as its announced type."""
    return ValueUnsupported(
        message=f"values of type {arrow_type} cannot be sent as the type with OID {type_oid}",
    )
