"""A scan: what the planner asks of a connector, and the pages that come back. Frozen values, no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from math import prod

import pyarrow as pa

from connectors.sdk.misfits import Misfits
from connectors.sdk.whole import WholeStatement

Value = None | bool | int | float | Decimal | str | date | datetime | tuple["Value", ...]
"""A literal in Python's terms: timestamptz is an aware datetime in UTC, json and uuid are text, arrays are tuples."""


class Operator(StrEnum):
    """The comparisons a predicate may carry, with PostgreSQL's meaning.

    `IN` and `NOT_IN` carry a tuple; `CONTAINS` is `column @> value` (or `x = ANY(column)`) with a tuple of elements;
    `LIKE` and `ILIKE` carry the SQL pattern; `IS_NULL` and `IS_NOT_NULL` carry None.
    """

    EQ = "="
    NE = "<>"
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    IN = "in"
    NOT_IN = "not in"
    LIKE = "like"
    ILIKE = "ilike"
    CONTAINS = "@>"
    IS_NULL = "is null"
    IS_NOT_NULL = "is not null"


class Direction(StrEnum):
    """A sort direction with PostgreSQL's default null placement: ascending puts nulls last, descending first."""

    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """`column operator value`, one conjunct."""

    column: str
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Disjunction:
    """Predicates between columns joined by OR: of one branch at least, all predicates are true."""

    branches: tuple[tuple[Predicate, ...], ...]

    @property
    def predicates(self) -> tuple[Predicate, ...]:
        """Return the predicates of all branches."""
        return tuple(predicate for branch in self.branches for predicate in branch)


@dataclass(frozen=True, slots=True, kw_only=True)
class SortKey:
    """One key of an order."""

    column: str
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One reading of an API table by one access path.

    `columns` are the API columns wanted, in the order the pages must have. `keys` holds one value per key column of
    the path (a tuple of values for the batched one). `predicates` are all to be sent, and so is each of the
    `disjunctions`, which only a path that takes them is given; their grade was settled by the planner. `limit` counts
    rows and is present only when stopping there cannot change the answer. With `whole` the rows are those of that
    statement, and `columns` its outputs.
    """

    table: str
    access_path: str
    columns: tuple[str, ...]
    keys: Mapping[str, Value] = field(default_factory=dict)
    predicates: tuple[Predicate, ...] = ()
    disjunctions: tuple[Disjunction, ...] = ()
    order: tuple[SortKey, ...] = ()
    limit: int | None = None
    whole: WholeStatement | None = None

    @property
    def compared(self) -> frozenset[str]:
        """Return the columns by whose values the source chooses or orders rows."""
        asked = (*(each.column for each in self.every_predicate()), *(each.column for each in self.order))
        return frozenset({*self.keys, *asked})

    def every_predicate(self) -> Iterator[Predicate]:
        """Yield the predicates, those below OR among them."""
        yield from self.predicates
        for disjunction in self.disjunctions:
            yield from disjunction.predicates


def keys_asked(scan: Scan) -> int:
    """Return how many combinations of keys a scan asks for, a batch's values being one each."""
    return prod(len(value) if isinstance(value, tuple) else 1 for value in scan.keys.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a scan: a batch with the scan's columns in order.

    `truncated` says why the API will not give the rest (a search cap, for example); None otherwise. `passed_over`
    counts rows that were listed and left out, because the scan's context said that they cannot be in the answer.
    `misfits` tells which values are null because they did not fit, those of rows that were passed over included.
    """

    rows: pa.RecordBatch
    truncated: str | None = None
    passed_over: int = 0
    misfits: Misfits = ()
