"""ORs to try a path with: every column that may stand below OR with every operator beside another column. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from typing import Any

from connectors.sdk.grades import grade_of
from connectors.sdk.scan import Disjunction, Predicate
from connectors.sdk.table import AccessPath, Disjunctions, Grade
from connectors.sdk.testing.literals import literals
from connectors.sdk.testing.reference import holds

Rows = Sequence[Mapping[str, Any]]
BRANCHES_TRIED_MAX = 16
"""What is tried where a source has no bound of its own: as many as the planner makes."""


def tried(path: AccessPath, columns: Sequence[str], rows: Rows) -> Iterator[tuple[Disjunction, ...]]:
    """Yield what one request has of OR each: pairs of columns, AND below OR, one of the greatest size, two at once.

    `columns` are those whose values are known, `rows` what the path gives without any predicate.
    """
    taken = path.disjunctions
    if taken is None:
        return
    by_column = {name: _predicates(path, name, rows) for name in sorted(taken.columns & set(columns))}
    names = [name for name, found in by_column.items() if found]
    if not names:
        return
    for left, right in zip(names, [*names[1:], names[0]], strict=True):
        one, other = by_column[left], by_column[right]
        for at in range(max(len(one), len(other))):
            yield (Disjunction(branches=((one[at % len(one)],), (other[at % len(other)],))),)
    every = [found[0] for found in by_column.values() if found]
    if len(every) > 2:
        nested = Disjunction(branches=((every[0], every[1]), (every[2],)))
        yield (nested,)
        if not taken.alone:
            yield nested, Disjunction(branches=((every[1],), (every[-1],)))
    yield (_greatest(taken, [predicate for found in by_column.values() for predicate in found]),)


def _predicates(path: AccessPath, column: str, rows: Rows) -> list[Predicate]:
    """Return for every operator the predicate that fewest rows meet, and one that none meets."""
    found: list[Predicate] = []
    for operator, pushdown in path.operators[column].items():
        met: list[tuple[int, Predicate]] = []
        for predicate in literals(column, operator, [row[column] for row in rows]):
            is_known = pushdown.values is None or predicate.value in pushdown.values
            if is_known and grade_of(path, predicate) is not Grade.NONE:
                met.append((sum(holds(row, predicate) for row in rows), predicate))
        some = sorted((each for each in met if each[0]), key=lambda each: each[0])[:1]
        found += [predicate for _, predicate in (*some, *[each for each in met if not each[0]][:1])]
    return found


def _greatest(taken: Disjunctions, predicates: Sequence[Predicate]) -> Disjunction:
    """Return a disjunction with as many branches as are taken, and as many predicates in them."""
    branches = taken.branches_max or BRANCHES_TRIED_MAX
    of_each = taken.branch_predicates_max or 1
    if taken.predicates_max is not None:
        of_each = max(1, min(of_each, taken.predicates_max // branches))
    coming = cycle(predicates)
    return Disjunction(branches=tuple(tuple(islice(coming, of_each)) for _ in range(branches)))
