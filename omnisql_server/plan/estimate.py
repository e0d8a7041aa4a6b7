"""How many rows a request gives: what was observed of its shape, else what is known of a wider one, else priors. Pure.

A wrong estimate costs calls and never an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.sdk.scan import Operator
from connectors.sdk.table import Table
from omnisql_server.model.statistics import OR, Shape, ShapePart, Statistic, TableStatistics

SELECTIVITY = {
    Operator.EQ.value: 0.1,
    Operator.IN.value: 0.2,
    Operator.LT.value: 0.3,
    Operator.LE.value: 0.3,
    Operator.GT.value: 0.3,
    Operator.GE.value: 0.3,
    Operator.LIKE.value: 0.1,
    Operator.ILIKE.value: 0.1,
    Operator.CONTAINS.value: 0.1,
    Operator.IS_NULL.value: 0.2,
    OR: 0.2,
}
"""Share of rows a predicate keeps when nothing is known; order of magnitude only, used to compare paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Rows for each combination of keys; `statistic` is what they were taken or derived from, None for a prior."""

    rows: float
    statistic: Statistic | None = None
    exact_shape: bool = False


def estimate_rows(
    table: Table, known: TableStatistics, keys: Sequence[str], shape: Shape | None, literals: Sequence[Shape] = ()
) -> Estimate:
    """Estimate the rows of a request with one value for each of its `keys`.

    `literals` are its shapes with literals told apart: what one of them gave is believed before the mean over all.
    """
    for particular in literals:
        if (seen := known.literals.get(particular)) is not None:
            return Estimate(rows=seen.rows, statistic=seen, exact_shape=True)
    if shape is None:
        return Estimate(rows=float(table.rows_expected))
    found = known.shapes.get(shape)
    if found is not None:
        return Estimate(rows=found.rows, statistic=found, exact_shape=True)
    key_parts = frozenset(part for part in shape if part.column in keys)
    wider = [
        (other, statistic)
        for other, statistic in known.shapes.items()
        if key_parts <= frozenset(other) <= frozenset(shape)
    ]
    if wider:
        # The one that leaves the least to guess, of several the one seen last.
        nearest, statistic = max(wider, key=lambda one: (len(one[0]), one[1].seen_at))
        left = [part for part in shape if part not in nearest]
        return Estimate(rows=statistic.rows * _share(known, left), statistic=statistic)
    return Estimate(rows=table.rows_expected * _share(known, [part for part in shape if part not in key_parts]))


def _share(known: TableStatistics, parts: Sequence[ShapePart]) -> float:
    share = 1.0
    for part in parts:
        share *= _selectivity(known, part)
    return share


def _selectivity(known: TableStatistics, part: ShapePart) -> float:
    """Return the share of rows that a part keeps, as observed with and without it; else the prior."""
    for shape, statistic in known.shapes.items():
        if part not in shape:
            continue
        without = known.shapes.get(tuple(other for other in shape if other != part))
        if without is not None and without.rows > 0:
            return min(1.0, statistic.rows / without.rows)
    return SELECTIVITY.get(part.operator, 1.0)
