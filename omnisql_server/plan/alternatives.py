"""One OR between columns as alternatives: conjunctions of conditions, of which one at least has to hold. Pure.

Conditions are what SQL finds true of a row, and of an OR that is what it finds true of one side at least: what is
unknown is as good as false there. Below NOT it would not be, and no such thing is read here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

from sqlglot import exp

from connectors.sdk.scan import Operator
from omnisql_server.plan.recognize import Condition, TypeOf, in_one_list, recognize
from omnisql_server.plan.texts import text_of

BRANCHES_MAX = 16
CONDITIONS_MAX = 64
"""Of all branches together: what AND between several OR multiplies to ends somewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternatives:
    """Conditions on one source of which all in one branch at least hold, with the SQL they were recognized in."""

    source: str
    branches: tuple[tuple[Condition, ...], ...]
    sql: str

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Return the conditions of all branches."""
        return tuple(condition for branch in self.branches for condition in branch)

    def renamed(self, columns: dict[str, str]) -> Alternatives | None:
        """Return the same over columns of other names, None where one has none."""
        if not all(condition.column in columns for condition in self.conditions):
            return None
        branches = (tuple(c.renamed(c.source, columns[c.column]) for c in branch) for branch in self.branches)
        return Alternatives(source=self.source, branches=tuple(branches), sql=self.sql)

    def may_hold_for_null(self) -> bool:
        """Say whether a row without any value could meet them."""
        return any(condition.operator is Operator.IS_NULL for condition in self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why an OR is not one of alternatives, for people."""

    reason: str


class _Stopped(Exception):
    """A part of an OR has a form that no API evaluates, or there are too many of them; the message tells."""


def recognize_alternatives(conjunct: exp.Expr, type_of: TypeOf) -> Alternatives | Obstacle | None:
    """Return the alternatives that an OR is equivalent to, or what stands in the way; None for anything else."""
    node = conjunct.unnest()
    if not isinstance(node, exp.Or):
        return None
    try:
        branches = _branches(node, type_of)
    except _Stopped as obstacle:
        return Obstacle(reason=str(obstacle))
    return of_branches(branches, text_of(conjunct))


def of_branches(branches: Iterable[tuple[Condition, ...]], sql: str) -> Alternatives | Obstacle:
    """Return branches over one source as alternatives."""
    known = tuple(dict.fromkeys(branches))
    sources = {condition.source for branch in known for condition in branch}
    if len(sources) != 1:
        return Obstacle(reason="it compares more than one relation")
    return Alternatives(source=sources.pop(), branches=known, sql=sql)


def _branches(node: exp.Expr, type_of: TypeOf) -> list[tuple[Condition, ...]]:
    node = node.unnest()
    found = recognize(node, type_of)
    if found:
        return [tuple(found)]
    if isinstance(node, exp.Or):
        return _bounded(_merged([branch for side in node.flatten() for branch in _branches(side, type_of)], node))
    if isinstance(node, exp.And):
        return _bounded(_joined([_branches(side, type_of) for side in node.flatten()]))
    raise _Stopped(f"its part {text_of(node)} has a form that no API evaluates")


def _merged(branches: Iterable[tuple[Condition, ...]], node: exp.Expr) -> list[tuple[Condition, ...]]:
    """Return `x = 1` and `x IN (2, 3)` as one branch, where the first of them stood."""
    lists: dict[tuple[str, str], list[Condition]] = {}
    places: dict[object, tuple[Condition, ...]] = {}
    for branch in branches:
        first = branch[0]
        if len(branch) > 1 or first.operator not in (Operator.EQ, Operator.IN):
            places[branch] = branch
            continue
        alike = lists.setdefault((first.source, first.column), [])
        alike.append(first)
        places[first.source, first.column] = branch if len(alike) == 1 else (in_one_list(alike, text_of(node)),)
    return list(places.values())


def _joined(sides: list[list[tuple[Condition, ...]]]) -> list[tuple[Condition, ...]]:
    """Return a branch for each choice of one branch from every side."""
    count = 1
    for side in sides:
        count *= len(side)
    if count > BRANCHES_MAX:
        raise _Stopped(_TOO_MANY)
    return [tuple(condition for branch in choice for condition in branch) for choice in product(*sides)]


def _bounded(branches: list[tuple[Condition, ...]]) -> list[tuple[Condition, ...]]:
    if len(branches) > BRANCHES_MAX or sum(map(len, branches)) > CONDITIONS_MAX:
        raise _Stopped(_TOO_MANY)
    return branches


_TOO_MANY = f"it comes to more than {BRANCHES_MAX} alternatives or {CONDITIONS_MAX} comparisons"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What is left of alternatives one relation further down: others, plain conditions, or nothing to ask for.

    With `never` no row meets them. `lost` says that they cannot be said of what the relation is made of.
    """

    alternatives: Alternatives | None = None
    conditions: tuple[Condition, ...] = ()
    never: bool = False
    lost: bool = False


def carried(alternatives: Alternatives, through: Callable[[Condition], Condition | bool | None]) -> Carried:
    """Carry alternatives down; `through` says a condition by what is there, or that it holds always or never."""
    branches: list[tuple[Condition, ...]] = []
    for branch in alternatives.branches:
        mapped = [through(condition) for condition in branch]
        if any(each is False for each in mapped):
            continue
        if any(each is None for each in mapped):
            return Carried(lost=True)
        left = tuple(each for each in mapped if isinstance(each, Condition))
        if not left:
            return Carried()
        branches.append(left)
    if not branches:
        return Carried(never=True)
    if len(branches) == 1:
        return Carried(conditions=branches[0])
    found = of_branches(branches, alternatives.sql)
    return Carried(alternatives=found) if isinstance(found, Alternatives) else Carried(lost=True)
