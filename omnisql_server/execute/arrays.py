"""Arrow columns as PostgreSQL array parameters in text form, and as lines of COPY's text format. Pure, vectorised."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from catalog.types import ARRAY_OF, BY_OID, BY_SQL_NAME

_TEXT_ARRAY = BY_SQL_NAME["text[]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayParameter:
    """One array parameter: its type, its value in a `format`, and whether elements must be cast to the column's type.

    An array of arrays cannot be unnested row by row, so a column of arrays travels as an array of their text forms.
    """

    type_oid: int
    array_sql: str
    value: bytes
    needs_cast: bool
    format: int = 0


def array_parameter(column: pa.ChunkedArray, type_oid: int) -> ArrayParameter:
    """Write a column as one array of its PostgreSQL type, or of text where PostgreSQL has to cast each element."""
    known = ARRAY_OF.get(type_oid)
    element = BY_OID.get(type_oid)
    if element is not None and element.element is not None:
        column = _list_texts(column)
        known = None
    return ArrayParameter(
        type_oid=(known or _TEXT_ARRAY).oid,
        array_sql=(known or _TEXT_ARRAY).sql_name,
        value=_literal(_texts(column)).encode(),
        needs_cast=known is None,
    )


def copy_lines(batch: pa.RecordBatch) -> bytes:
    r"""Write rows as lines of COPY's text format: tabs between values, \N for null, a backslash before other signs."""
    columns = [
        _escaped(_list_texts(column) if pa.types.is_list(column.type) else _plain(column)) for column in batch.columns
    ]
    lines = pc.binary_join_element_wise(*columns, "\t")
    whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    text: bytes = pc.binary_join(whole, "\n")[0].as_buffer().to_pybytes()
    return text + b"\n"


def _escaped(texts: pa.Array) -> pa.Array:
    for sign, written in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        texts = pc.replace_substring(texts, sign, written)
    return pc.fill_null(texts, "\\N")


def _texts(column: pa.ChunkedArray) -> pa.Array:
    """Give the text form of each element, quoted for an array literal, NULL for a null."""
    plain = _plain(column)
    return pc.fill_null(
        _quoted(plain) if pa.types.is_string(column.type) or _is_written(column.type) else plain, "NULL"
    )


def _is_written(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_interval(kind))


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """Give the text form of each element that PostgreSQL reads; null stays null."""
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_binary(flat.type):
        flat = pa.array([None if v is None else "\\x" + v.hex() for v in flat.to_pylist()], pa.string())
    if pa.types.is_interval(flat.type):
        flat = pa.array([None if v is None else _interval(v) for v in flat.to_pylist()], pa.string())
    return flat if pa.types.is_string(flat.type) else pc.cast(flat, pa.string())


def _interval(value: pa.MonthDayNano) -> str:
    """Write an interval as ISO 8601, whose signs mean the same under every IntervalStyle."""
    sign = "-" if value.nanoseconds < 0 else ""
    seconds, rest = divmod(abs(value.nanoseconds) // 1000, 1_000_000)
    return f"P{value.months}M{value.days}DT{sign}{seconds}.{rest:06}S"


def _quoted(texts: pa.Array) -> pa.Array:
    escaped = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
    return pc.binary_join_element_wise('"', escaped, '"', "")


def _literal(elements: pa.Array) -> str:
    whole = pa.ListArray.from_arrays(pa.array([0, len(elements)], pa.int32()), elements)
    joined = pc.binary_join(whole, ",")[0].as_py()
    return "{" + (joined or "") + "}"


def _list_texts(column: pa.ChunkedArray) -> pa.Array:
    """Give each row's array as an array literal."""
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    elements = _texts(lists.flatten())
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    offsets = pa.array([0], pa.int32()).to_pylist() + pc.cumulative_sum(lengths).to_pylist()
    rebuilt = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), elements)
    joined = pc.binary_join_element_wise("{", pc.binary_join(rebuilt, ","), "}", "")
    return pc.if_else(pc.is_valid(lists), joined, pa.scalar(None, pa.string()))
