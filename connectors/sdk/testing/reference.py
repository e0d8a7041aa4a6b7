"""What PostgreSQL would say: predicates and orders over rows as Python values, the reference of every proof. Pure.

Comparison follows PostgreSQL 18 with the C collation: null satisfies nothing, ascending puts nulls last.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from connectors.sdk.scan import Direction, Disjunction, Operator, Predicate, SortKey

RowValues = Mapping[str, Any]
_COMPARE: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.IN: lambda left, right: left in right,
    Operator.NOT_IN: lambda left, right: left not in right,
    Operator.CONTAINS: lambda left, right: set(right) <= set(left),
    Operator.LIKE: lambda left, right: _like(left, right, 0),
    Operator.ILIKE: lambda left, right: _like(left, right, re.IGNORECASE),
}


def holds(row: RowValues, predicate: Predicate) -> bool:
    """Tell whether a row satisfies a predicate."""
    value = row[predicate.column]
    if predicate.operator is Operator.IS_NULL:
        return value is None
    if value is None or predicate.operator is Operator.IS_NOT_NULL:
        return value is not None
    return _COMPARE[predicate.operator](value, predicate.value)


def holds_any(row: RowValues, disjunction: Disjunction) -> bool:
    """Tell whether a row satisfies all predicates of some branch."""
    return any(all(holds(row, predicate) for predicate in branch) for branch in disjunction.branches)


def is_ordered(rows: Sequence[RowValues], key: SortKey) -> bool:
    """Tell whether rows stand in the order of a key."""
    descending = key.direction is Direction.DESC
    values = [row[key.column] for row in rows]
    return all(_may_precede(left, right, descending) for left, right in pairwise(values))


def _may_precede(left: Any, right: Any, descending: bool) -> bool:
    if left is None or right is None:
        return left is None if descending else right is None
    return bool(left >= right if descending else left <= right)


def _like(text: str, pattern: str, flags: int) -> bool:
    # A backslash makes the character behind it stand for itself.
    pieces = re.findall(r"\\.|.", pattern, re.DOTALL)
    parts = [".*" if piece == "%" else "." if piece == "_" else re.escape(piece[-1]) for piece in pieces]
    return re.fullmatch("".join(parts), text, flags | re.DOTALL) is not None
