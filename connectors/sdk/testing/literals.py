"""Literals to try a pushdown with: values that occur, values close to them, and values that do not exist. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from connectors.sdk.scan import Operator, Predicate

UNKNOWN_TEXT = "no-such-value-7f3a"
_UNKNOWN_NUMBER = 987_654_321


def literals(column: str, operator: Operator, occurring: Sequence[Any]) -> list[Predicate]:
    """Return predicates on a column, made from the values that occur in it."""
    if operator in {Operator.IS_NULL, Operator.IS_NOT_NULL}:
        return [Predicate(column=column, operator=operator, value=None)]
    values = [value for value in occurring if value is not None]
    if not values:
        return []
    if operator is Operator.CONTAINS:
        found: list[Any] = _element_sets(values)
    else:
        found = [near for value in spread(values) for near in _near(value)]
        if operator in {Operator.IN, Operator.NOT_IN}:
            absent = unknown(found[0])
            pair = (found[0],) if absent is None else (found[0], absent)
            found = [*((value,) for value in found), tuple(spread(values)), pair]
        elif operator in {Operator.LIKE, Operator.ILIKE}:
            found = [pattern for value in spread(values) for pattern in _patterns(str(value))]
        else:
            found.append(unknown(found[0]))
    return [Predicate(column=column, operator=operator, value=value) for value in found if value is not None]


def spread(values: Sequence[Any]) -> list[Any]:
    """Return the least, the middle and the greatest of the distinct values."""
    distinct = sorted(set(values))
    return list(dict.fromkeys([distinct[0], distinct[len(distinct) // 2], distinct[-1]]))


def unknown(value: Any) -> Any:
    """Return a value of the same kind that does not occur, None where the kind has none."""
    if isinstance(value, str):
        return UNKNOWN_TEXT
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return _UNKNOWN_NUMBER


def _near(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [value, value.swapcase()]
    if isinstance(value, datetime):
        return [value, value + timedelta(milliseconds=500), value - timedelta(seconds=31)]
    if isinstance(value, date):
        return [value, value + timedelta(days=1)]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [value]
    return [value, value + 1]


def _element_sets(values: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    elements = sorted({element for value in values for element in value if element is not None})
    if not elements:
        return []
    longest = max(values, key=len)
    found = [(element,) for element in spread(elements)]
    return [
        *found,
        tuple(element for element in longest if element is not None),
        (elements[0].swapcase(),),
        (UNKNOWN_TEXT,),
    ]


def _patterns(text: str) -> list[str]:
    words = text.split(" ")
    middle = words[len(words) // 2]
    half = len(text) // 2
    whole = [f"{text[: half + 1]}%", f"%{text[half:]}"]
    return [f"% {middle} %", f"%{middle}%", f"{words[0]} %", f"% {words[-1]}", f"%{middle[1:]}%", *whole, text]
