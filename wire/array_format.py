"""One-dimensional arrays in text and binary format, column at a time. Pure.

The elements of all rows are encoded as one column, then joined row by row.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wire import oids
from wire.arrow_columns import (
    Int64Array,
    end_offsets,
    fixed_rows,
    is_list,
    joined,
    plain_column,
    unsupported,
    valid_rows,
    validity_buffer,
)
from wire.binary_format import binary_column
from wire.text_format import text_column

# Text of these types never holds a character that an array literal must quote.
_NEVER_QUOTED = frozenset(
    {oids.BOOL, oids.INT2, oids.INT4, oids.INT8, oids.OID, oids.FLOAT4, oids.FLOAT8, oids.NUMERIC}
    | {oids.DATE, oids.TIME, oids.UUID}
)
_QUOTED = r'(?i)^$|^null$|[\\"{},\x09-\x0d ]'


def text_array_column(column: pa.Array, type_oid: int, type_modifier: int, time_zone: str) -> pa.Array:
    """Return a list column as array literals."""
    element_oid, elements, offsets = _flattened(column, type_oid)
    texts = text_column(elements, element_oid, type_modifier, time_zone).cast(pa.large_string())
    if element_oid not in _NEVER_QUOTED:
        texts = _quoted(texts)
    texts = joined(texts.type, _openings(offsets), pc.fill_null(texts, "NULL"))
    closings = pc.if_else(pa.array(np.diff(offsets) == 0), "{}", "}").cast(texts.type)
    return joined(texts.type, _regrouped(texts, offsets, column), closings)


def binary_array_column(column: pa.Array, type_oid: int, type_modifier: int) -> pa.Array:
    """Return a list column as binary arrays: dimensions, flags, element type, then the sized elements."""
    element_oid, elements, offsets = _flattened(column, type_oid)
    encoded = _as_binary(binary_column(elements, element_oid, type_modifier))
    null_elements = np.zeros(len(encoded) + 1, dtype=np.int64)
    valid = valid_rows(encoded)
    if valid is not None:
        np.cumsum(~valid, out=null_elements[1:])
    sized = pc.binary_join_element_wise(
        *_sized_pieces(encoded),
        pa.scalar(b"", pa.large_binary()),
        null_handling="replace",
        null_replacement=b"\xff\xff\xff\xff",
    )
    sizes = np.diff(offsets)
    flags = (null_elements[offsets[1:]] - null_elements[offsets[:-1]] > 0).astype(np.int64)
    return joined(sized.type, _array_headers(sizes, flags, element_oid), _regrouped(sized, offsets, column))


def _sized_pieces(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return a large_binary column's length words and values as two columns to be joined.

    Where a value is null its length word is empty, so that a replacement for null stands alone.
    """
    offsets = end_offsets(column)
    lengths = np.diff(offsets).astype(">i4")
    valid = valid_rows(column)
    word_bytes = np.full(len(column) + 1, 4, dtype=np.int64)
    word_bytes[0] = 0
    if valid is not None:
        lengths = lengths[valid]
        word_bytes[1:] *= valid
    buffers = [None, pa.py_buffer(np.cumsum(word_bytes)), pa.py_buffer(lengths.tobytes())]
    return pa.Array.from_buffers(pa.large_binary(), len(column), buffers), column


def _as_binary(column: pa.Array) -> pa.Array:
    """Return a column of strings or byte strings as large_binary, without copying its data where Arrow can."""
    if pa.types.is_fixed_size_binary(column.type):
        width = column.type.byte_width
        offsets = np.arange(0, (len(column) + 1) * width, width or 1, dtype=np.int64)[: len(column) + 1]
        buffers = [validity_buffer(column), pa.py_buffer(offsets), pa.py_buffer(fixed_rows(column).tobytes())]
        return pa.Array.from_buffers(pa.large_binary(), len(column), buffers)
    return column.cast(pa.large_binary())


def _flattened(column: pa.Array, type_oid: int) -> tuple[int, pa.Array, Int64Array]:
    element_oid = oids.ARRAY_ELEMENTS[type_oid]
    if not is_list(column.type):
        raise unsupported(column.type, type_oid)
    sizes = np.asarray(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    elements = plain_column(column.flatten())
    if is_list(elements.type):
        raise unsupported(column.type, type_oid)
    offsets = np.zeros(len(column) + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return element_oid, elements, offsets


def _regrouped(elements: pa.Array, offsets: Int64Array, like: pa.Array) -> pa.Array:
    """Return the elements of each row run together: the same bytes, cut only where a row ends."""
    row_ends = end_offsets(elements)[offsets]
    buffers = [validity_buffer(like), pa.py_buffer(row_ends), elements.buffers()[2]]
    return pa.Array.from_buffers(elements.type, len(like), buffers)


def _openings(offsets: Int64Array) -> pa.Array:
    """Return what stands before each element: a brace before the first of its row, else a comma."""
    count = int(offsets[-1])
    characters = np.full(count, ord(","), dtype=np.uint8)
    characters[offsets[:-1][np.diff(offsets) > 0]] = ord("{")
    ends = np.arange(count + 1, dtype=np.int64)
    return pa.Array.from_buffers(pa.large_string(), count, [None, pa.py_buffer(ends), pa.py_buffer(characters)])


def _quoted(texts: pa.Array) -> pa.Array:
    must_quote = pc.match_substring_regex(texts, _QUOTED)
    if not pc.any(must_quote).as_py():
        return texts
    escaped = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
    return pc.if_else(must_quote, joined(texts.type, '"', escaped, '"'), texts)


def _array_headers(sizes: Int64Array, flags: Int64Array, element_oid: int) -> pa.Array:
    words = np.empty((len(sizes), 5), dtype=">i4")
    words[:, 0] = sizes > 0
    words[:, 1] = flags
    words[:, 2] = element_oid
    words[:, 3] = sizes
    words[:, 4] = 1
    # An empty array has no dimension, so its header ends before the dimension's size and lower bound.
    present = np.ones((len(sizes), 5), dtype=np.bool_)
    present[sizes == 0, 3:] = False
    offsets = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(np.where(sizes > 0, 20, 12), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(words[present].tobytes())]
    return pa.Array.from_buffers(pa.large_binary(), len(sizes), buffers)
