"""Conditions of policy on rows of an API table, as a tree over its columns. Frozen values.

Truth has three values, as in SQL: a row is seen when its condition is true, and neither when it is false nor when it is
unknown, for want of a value in the row or with the principal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from connectors.sdk.scan import Value


class FilterOperator(StrEnum):
    """The comparisons that policy knows, by their names in UCAST.

    `IN` and `NOT_IN` carry a tuple; `CONTAINS` is a part of a text or an element of an array; `EXISTS` carries whether
    there has to be a value.
    """

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    NOT_IN = "nin"
    STARTS_WITH = "startswith"
    ENDS_WITH = "endswith"
    CONTAINS = "contains"
    EXISTS = "exists"


SETS = frozenset({FilterOperator.IN, FilterOperator.NOT_IN})
TEXT_PARTS = frozenset({FilterOperator.STARTS_WITH, FilterOperator.ENDS_WITH, FilterOperator.CONTAINS})


class Connective(StrEnum):
    """How the parts of a condition are joined; `NOT` has one part."""

    ALL = "and"
    ANY = "or"
    NOT = "not"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`column operator value`; a comparison with None is unknown."""

    column: str
    operator: FilterOperator
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Junction:
    """Parts joined by a connective; all of nothing is true, any of nothing is false."""

    connective: Connective
    parts: tuple[Condition, ...]


Condition = Comparison | Junction


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilter:
    """One policy's condition on an API table, in API column names; a row for which it is not true is hidden."""

    policy: str
    condition: Condition

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that are looked at, each once."""
        return tuple(dict.fromkeys(comparison.column for comparison in comparisons(self.condition)))

    @property
    def conjuncts(self) -> tuple[Condition, ...]:
        """Return conditions that all have to be true."""
        return tuple(_conjuncts(self.condition))

    @property
    def shows_nothing(self) -> bool:
        """Say whether no row can pass, whatever it holds."""
        return any(_is_never_true(conjunct) for conjunct in self.conjuncts)


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Yield every comparison of a tree."""
    if isinstance(condition, Comparison):
        yield condition
        return
    for part in condition.parts:
        yield from comparisons(part)


def _conjuncts(condition: Condition) -> Iterator[Condition]:
    if isinstance(condition, Junction) and condition.connective is Connective.ALL:
        for part in condition.parts:
            yield from _conjuncts(part)
    else:
        yield condition


def _is_never_true(condition: Condition) -> bool:
    if isinstance(condition, Comparison):
        return condition.value is None or (condition.operator is FilterOperator.IN and condition.value == ())
    if condition.connective is Connective.ANY:
        return all(_is_never_true(part) for part in condition.parts)
    return condition.connective is Connective.ALL and any(_is_never_true(part) for part in condition.parts)
