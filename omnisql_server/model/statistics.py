"""What is known of the sizes of API tables: observations by the shape of what was asked, without any literal. Frozen.

Statistics choose among plans and give prices. They never decide what an answer is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b

from connectors.sdk.scan import Disjunction, Operator, Predicate, Value

PARTS_MAX = 16
"""A shape with more parts is not kept: its name in the control database has a bounded length."""

OR = "or"
"""The operator of a part that stands for several joined by OR."""

SMOOTHING_SIGHTINGS = 5
"""How many sightings a mean is made of: the first few count alike, later ones a fifth each.

One literal that is unlike the others moves the mean by a fifth at most, and after a source has grown the mean is within
a third of the truth after five fetches and within a tenth after eleven.
"""

MATERIAL_SHARE = 0.1
"""A change by less than this share of the rows changes no plan: plans that are kept stay."""


class Origin(StrEnum):
    """Where a statistic comes from: fetches, or the source's own totals."""

    OBSERVED = "observed"
    SOURCE = "source"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ShapePart:
    """One thing that was asked for: a column, an operator and how many values, in classes; never the values.

    Of a disjunction, `values` are its parts so written, and `column` names all columns.
    """

    column: str
    operator: str
    values: str = ""

    @property
    def text(self) -> str:
        """Write the part for people."""
        if self.operator == OR:
            return f"({self.values})"
        return f"{self.column} {self.operator} {self.values}".rstrip()


Shape = tuple[ShapePart, ...]
"""What was asked, in order and each part once; a key column is asked for one value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One complete fetch, for each combination of keys: rows, pages and calls on average, and time per call."""

    rows: float
    pages: float
    calls: float
    latency_ms: float
    seen_at: datetime
    origin: Origin = Origin.OBSERVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """What many fetches of one shape gave on average, for each combination of keys.

    `stale` says that it was asked to be refreshed and the source could not tell: the next observation replaces it.
    """

    rows: float
    pages: float
    calls: float
    latency_ms: float
    sightings: int
    seen_at: datetime
    origin: Origin = Origin.OBSERVED
    stale: bool = False

    def differs_from(self, other: Statistic | None) -> bool:
        """Say whether a plan may come out differently by this than by another one."""
        if other is None or self.stale is not other.stale:
            return True
        return abs(self.rows - other.rows) > MATERIAL_SHARE * max(self.rows, other.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatistics:
    """Everything known of one API table of one server, by shape.

    `literals` are by shapes that tell literals apart (`literal_shapes`), which only `salt` can make.
    """

    shapes: Mapping[Shape, Statistic] = field(default_factory=dict)
    literals: Mapping[Shape, Statistic] = field(default_factory=dict)
    salt: bytes = field(default=b"", repr=False)


NO_STATISTICS = TableStatistics()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticRow:
    """A statistic with what it is of, as it is kept and shown."""

    server_oid: int
    api_table: str
    shape: Shape
    statistic: Statistic


def shape_of(keys: Iterable[str], asked: Iterable[Predicate | Disjunction]) -> Shape | None:
    """Return the shape of a request, None when it has too many parts to be kept."""
    known = tuple(asked)
    parts = {ShapePart(column=key, operator=Operator.EQ.value, values="1") for key in keys}
    parts |= {part_of(each) for each in known}
    below = sum(len(each.predicates) - 1 for each in known if isinstance(each, Disjunction))
    return tuple(sorted(parts)) if len(parts) + below <= PARTS_MAX else None


def literal_shapes(
    salt: bytes, keys: Iterable[str], given: Mapping[str, Value] | None, asked: Iterable[Predicate | Disjunction]
) -> tuple[Shape, ...]:
    """Return the shapes of a request that tell its literals apart, the most particular one first.

    Literals are only there as digests under `salt`. `given` are the values of the keys where there is one for each:
    what one of them has is told apart from what others have with the same predicates.
    """
    sent = [
        replace(part_of(each), values=_digest(salt, told)) for each in asked if (told := _literals(each)) is not None
    ]
    found: list[Shape] = []
    if given:
        parts = [_key_part(name, _digest(salt, _one(value))) for name, value in given.items()]
        found.append(tuple(sorted({*parts, *sent})))
    if sent:
        found.append(tuple(sorted({*(_key_part(name, "1") for name in keys), *sent})))
    return tuple(shape for shape in found if len(shape) <= PARTS_MAX)


def _key_part(name: str, values: str) -> ShapePart:
    return ShapePart(column=name, operator=Operator.EQ.value, values=values)


def _one(value: Value) -> Value:
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def _digest(salt: bytes, value: Value) -> str:
    return blake2b(repr(_one(value)).encode(), key=salt, digest_size=12).hexdigest()


def _literals(asked: Predicate | Disjunction) -> Value:
    """Return all literals of what is asked for, None where there are none."""
    if isinstance(asked, Predicate):
        return asked.value
    return tuple((_branch_shape(branch), *(each.value for each in branch)) for branch in asked.branches)


def _branch_shape(branch: Iterable[Predicate]) -> str:
    return " and ".join(sorted(part_of(each).text for each in branch))


def part_of(predicate: Predicate | Disjunction) -> ShapePart:
    """Return what is asked for without its literals; a list of one value is an equality."""
    if isinstance(predicate, Disjunction):
        columns = ", ".join(sorted({each.column for each in predicate.predicates}))
        branches = " or ".join(sorted(map(_branch_shape, predicate.branches)))
        return ShapePart(column=columns, operator=OR, values=branches)
    values = _values_class(predicate.value)
    operator = predicate.operator
    if operator is Operator.IN and values == "1":
        operator = Operator.EQ
    if operator in (Operator.IS_NULL, Operator.IS_NOT_NULL):
        values = ""
    return ShapePart(column=predicate.column, operator=operator.value, values=values)


def _values_class(value: Value) -> str:
    count = len(value) if isinstance(value, tuple) else 1
    if count <= 1:
        return "1"
    return next((name for most, name in ((3, "2-3"), (10, "4-10"), (30, "11-30")) if count <= most), "31+")


def smoothed(known: Statistic | None, seen: Observation) -> Statistic:
    """Let a statistic follow an observation; a source's own total, or whatever comes after it was stale, replaces it.

    A total of the source is the mean over all combinations of keys: each observation after it moves it by a fifth only.
    """
    fresh = Statistic(
        rows=seen.rows,
        pages=seen.pages,
        calls=seen.calls,
        latency_ms=seen.latency_ms,
        sightings=1,
        seen_at=seen.seen_at,
        origin=seen.origin,
    )
    if known is None or known.stale or seen.origin is Origin.SOURCE:
        return fresh
    settled = known.origin is Origin.SOURCE
    share = 1 / (SMOOTHING_SIGHTINGS if settled else min(known.sightings + 1, SMOOTHING_SIGHTINGS))
    return replace(
        fresh,
        rows=_mean(known.rows, seen.rows, share),
        pages=_mean(known.pages, seen.pages, share),
        calls=_mean(known.calls, seen.calls, share),
        latency_ms=_mean(known.latency_ms, seen.latency_ms, share),
        sightings=known.sightings + 1,
        origin=known.origin,
    )


def _mean(before: float, now: float, share: float) -> float:
    return before + (now - before) * share
