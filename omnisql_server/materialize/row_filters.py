"""Row filters of policy over fetched columns, with the three truth values of SQL. Pure; Arrow to Arrow.

Texts are ordered by the codes of their characters, numbers as PostgreSQL orders them: NaN is equal to itself and above
all others.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.sdk.scan import Value
from connectors.sdk.table import Table
from omnisql_server.model.row_filter import Comparison, Condition, Connective, FilterOperator, Junction

_COMPARE: dict[FilterOperator, tuple[Any, Callable[[Any, Any], bool]]] = {
    FilterOperator.EQ: (pc.equal, operator.eq),
    FilterOperator.NE: (pc.not_equal, operator.ne),
    FilterOperator.LT: (pc.less, operator.lt),
    FilterOperator.LE: (pc.less_equal, operator.le),
    FilterOperator.GT: (pc.greater, operator.gt),
    FilterOperator.GE: (pc.greater_equal, operator.ge),
}
_NAN_MEETS = frozenset({FilterOperator.GT, FilterOperator.GE, FilterOperator.NE, FilterOperator.NOT_IN})
_TEXT_PARTS = {
    FilterOperator.STARTS_WITH: pc.starts_with,
    FilterOperator.ENDS_WITH: pc.ends_with,
    FilterOperator.CONTAINS: pc.match_substring,
}


def truth_of(condition: Condition, rows: pa.Table, table: Table) -> pa.ChunkedArray:
    """Evaluate a condition for every row: true, false, or null where that is unknown."""
    if isinstance(condition, Junction):
        return _joined(condition, rows, table)
    column = rows.column(condition.column)
    if condition.value is None:
        return _constant(None, rows)
    if condition.operator is FilterOperator.EXISTS:
        valid = pc.is_valid(column)
        return valid if condition.value else pc.invert(valid)
    of_type = table.column(condition.column).type
    if of_type.element is not None:
        return _contains(column, condition.value, numeric=of_type.element == "numeric")
    if of_type.name == "numeric":
        return _numeric(column, condition)
    return _plain(column, condition)


def _joined(junction: Junction, rows: pa.Table, table: Table) -> pa.ChunkedArray:
    parts = [truth_of(part, rows, table) for part in junction.parts]
    if junction.connective is Connective.NOT:
        return pc.invert(parts[0])
    if junction.connective is Connective.ALL:
        return reduce(pc.and_kleene, parts, _constant(True, rows))
    return reduce(pc.or_kleene, parts, _constant(False, rows))


def _constant(truth: bool | None, rows: pa.Table) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array([truth] * rows.num_rows, pa.bool_())])


def _plain(column: pa.ChunkedArray, comparison: Comparison) -> pa.ChunkedArray:
    """Compare values that Arrow orders as PostgreSQL does, but for NaN."""
    known, value = comparison.operator, comparison.value
    values = value if isinstance(value, tuple) else (value,)
    if known in _TEXT_PARTS:
        return reduce(pc.or_kleene, [_TEXT_PARTS[known](column, pattern=part) for part in values])
    if known in (FilterOperator.IN, FilterOperator.NOT_IN):
        found = _is_in(column, values)
        met = found if known is FilterOperator.IN else pc.invert(found)
        met = pc.if_else(pc.is_valid(column), met, pa.scalar(None, pa.bool_()))
    else:
        met = _COMPARE[known][0](column, pa.scalar(value, column.type))
    if pa.types.is_floating(column.type):
        met = pc.if_else(pc.is_nan(column), known in _NAN_MEETS, met)
    return met


def _is_in(column: pa.ChunkedArray, values: tuple[Value, ...]) -> pa.ChunkedArray:
    """Say whether a value is among some; as sets compare representations, the two zeros of floats are made one."""
    wanted = pa.array(values, column.type)
    if not pa.types.is_floating(column.type):
        return pc.is_in(column, value_set=wanted)
    zero = pa.scalar(0.0, column.type)
    return pc.is_in(pc.add(column, zero), value_set=pc.add(wanted, zero))


def _numeric(column: pa.ChunkedArray, comparison: Comparison) -> pa.ChunkedArray:
    """Compare numbers that travel as texts, since their scale varies."""
    known, value = comparison.operator, comparison.value
    if known in (FilterOperator.IN, FilterOperator.NOT_IN):
        wanted = {_order(Decimal(str(entry))) for entry in (value if isinstance(value, tuple) else (value,))}
        return _each(column, lambda text: (_order(Decimal(text)) in wanted) is (known is FilterOperator.IN))
    compare, other = _COMPARE[known][1], _order(Decimal(str(value)))
    return _each(column, lambda text: compare(_order(Decimal(text)), other))


def _order(number: Decimal) -> tuple[bool, Decimal]:
    return (True, Decimal(0)) if number.is_nan() else (False, number)


def _contains(column: pa.ChunkedArray, value: Value, *, numeric: bool) -> pa.ChunkedArray:
    """Say whether an array has one of some values, as `&&` does."""
    wanted = set(value if isinstance(value, tuple) else (value,))
    if numeric:
        return _each(column, lambda entries: any(e is not None and Decimal(e) in wanted for e in entries))
    return _each(column, lambda entries: not wanted.isdisjoint(entries))


def _each(column: pa.ChunkedArray, test: Callable[[Any], bool]) -> pa.ChunkedArray:
    truths = [None if value is None else test(value) for value in column.to_pylist()]
    return pa.chunked_array([pa.array(truths, pa.bool_())])
