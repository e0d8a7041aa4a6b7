"""One OR between columns as alternatives: conjunctions of conditions, of which one at least has to hold. Pure.

Conditions are what SQL finds true of a row, and of an OR that is what it finds true of one side at least: what is
unknown is as good as false there. Below NOT it would not be: that is brought down to the comparisons first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from sqlglot import exp

from connectors.sdk.scan import Operator
from omnisql_server.plan.disjunctions import wider
from omnisql_server.plan.monotone import implied
from omnisql_server.plan.recognize import Condition, TypeOf, in_one_list, recognize
from omnisql_server.plan.texts import text_of

BRANCHES_MAX = 16
CONDITIONS_MAX = 64
"""Of all branches together: what AND between several OR multiplies to ends somewhere."""

NARROWED = "what is sent is the range that follows from it"
JOINING = "it compares more than one relation"
Branch = tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternatives:
    """Conditions on one source of which all in one branch at least hold, with the SQL they were recognized in.

    `left_out` says, for people, what of it they do not say: they are true of more rows then. Empty: nothing.
    """

    source: str
    branches: tuple[tuple[Condition, ...], ...]
    sql: str
    left_out: str = ""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Return the conditions of all branches."""
        return tuple(condition for branch in self.branches for condition in branch)

    def renamed(self, columns: dict[str, str]) -> Alternatives | None:
        """Return the same over columns of other names, None where one has none."""
        if not all(condition.column in columns for condition in self.conditions):
            return None
        branches = (tuple(c.renamed(c.source, columns[c.column]) for c in branch) for branch in self.branches)
        return replace(self, branches=tuple(branches))

    def may_hold_for_null(self) -> bool:
        """Say whether a row without any value could meet them."""
        return any(condition.operator is Operator.IS_NULL for condition in self.conditions)


def told_of(alternatives: Sequence[Alternatives]) -> str:
    """Say why a condition is evaluated here as well, beside what follows from it; empty where that is all of it."""
    left_out = alternatives[0].left_out
    return left_out if left_out in ("", NARROWED) else wider(left_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why nothing follows from an OR for any source, for people."""

    reason: str


def recognize_alternatives(
    conjunct: exp.Expr, type_of: TypeOf, time_zone: str | None = None
) -> tuple[Alternatives, ...] | Obstacle | None:
    """Return for each source the alternatives that follow from OR or NOT, or why none do; None for anything else.

    Without a `time_zone`, nothing follows from functions.
    """
    node = conjunct.unnest()
    if not isinstance(node, exp.Or | exp.Not):
        return None
    reading = _Reading(type_of, time_zone)
    branches = reading.branches(node)
    left_out = reading.left_out[0] if reading.left_out else ""
    return _by_source(branches, text_of(conjunct), left_out) or Obstacle(reason=left_out or JOINING)


def _by_source(branches: Sequence[Branch], sql: str, left_out: str) -> tuple[Alternatives, ...]:
    """Return what branches say of each source; of one that is not in all of them, they say nothing."""
    sources = dict.fromkeys(condition.source for branch in branches for condition in branch)
    if len(sources) > 1 and len(branches) > 1:
        left_out = left_out or JOINING
    found = []
    for source in sources:
        own = [tuple(condition for condition in branch if condition.source == source) for branch in branches]
        if all(own):
            known = tuple(dict.fromkeys(_merged(own, sql)))
            found.append(Alternatives(source=source, branches=known, sql=sql, left_out=left_out))
    return tuple(found)


_ANYTHING: list[Branch] = [()]
"""A branch without conditions: any row may meet it."""


class _Reading:
    """Reads conditions as branches, true of every row that the conditions are true of; `left_out` says what is not."""

    def __init__(self, type_of: TypeOf, time_zone: str | None) -> None:
        self._type_of = type_of
        self._time_zone = time_zone
        self.left_out: list[str] = []

    def branches(self, node: exp.Expr) -> list[Branch]:
        """Return branches of which one at least is true, wherever a node is."""
        node = node.unnest()
        if isinstance(node, exp.Not):
            node = negated(node.this)
        found = recognize(node, self._type_of)
        if found:
            return [tuple(found)]
        if isinstance(node, exp.Or):
            return self._either(node)
        if isinstance(node, exp.And):
            return self._joined([self.branches(side) for side in node.flatten()])
        ranges = implied(node, self._type_of, self._time_zone) if self._time_zone is not None else []
        if ranges:
            self.left_out.append(NARROWED)
            return [tuple(ranges)]
        return self._anything(f"its part {text_of(node)} has a form that no API evaluates")

    def _anything(self, reason: str) -> list[Branch]:
        self.left_out.append(reason)
        return _ANYTHING

    def _either(self, node: exp.Or) -> list[Branch]:
        found = [branch for side in node.flatten() for branch in self.branches(side)]
        if not all(found):
            return _ANYTHING
        found = _merged(found, text_of(node))
        return found if _is_bounded(found) else self._anything(_TOO_MANY)

    def _joined(self, sides: list[list[Branch]]) -> list[Branch]:
        """Return a branch for each choice of one branch from every side, of as many sides as there may be."""
        joined = _ANYTHING
        for side in sides:
            pairs = product(joined, side)
            found = list(dict.fromkeys(tuple(dict.fromkeys((*before, *branch))) for before, branch in pairs))
            if _is_bounded(found):
                joined = found
            else:
                self.left_out.append(_TOO_MANY)
        return joined


_OPPOSITES: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.NEQ: exp.EQ,
    exp.LT: exp.GTE,
    exp.LTE: exp.GT,
    exp.GT: exp.LTE,
    exp.GTE: exp.LT,
}


def negated(node: exp.Expr) -> exp.Expr:
    """Return what is true, false and unknown where NOT of a node is, without NOT above AND, OR and comparisons."""
    node = node.unnest()
    if isinstance(node, exp.Not):
        inner: exp.Expr = node.this
        return inner.unnest()
    if isinstance(node, exp.And | exp.Or):
        sides = negated(node.this), negated(node.expression)
        return exp.or_(*sides) if isinstance(node, exp.And) else exp.and_(*sides)
    if isinstance(node, exp.Between) and not node.args.get("symmetric"):
        below = exp.LT(this=node.this.copy(), expression=node.args["low"].copy())
        return exp.or_(below, exp.GT(this=node.this.copy(), expression=node.args["high"].copy()))
    opposite = _OPPOSITES.get(type(node))
    if opposite is not None and not isinstance(node.expression.unnest(), exp.Any | exp.All):
        return opposite(this=node.this.copy(), expression=node.expression.copy())
    return exp.Not(this=node.copy())


def _is_bounded(branches: list[Branch]) -> bool:
    return len(branches) <= BRANCHES_MAX and sum(map(len, branches)) <= CONDITIONS_MAX


def _merged(branches: Iterable[Branch], sql: str) -> list[Branch]:
    """Return `x = 1` and `x IN (2, 3)` as one branch, where the first of them stood."""
    lists: dict[tuple[str, str], list[Condition]] = {}
    places: dict[object, Branch] = {}
    for branch in branches:
        first = branch[0]
        if len(branch) > 1 or first.operator not in (Operator.EQ, Operator.IN):
            places[branch] = branch
            continue
        alike = lists.setdefault((first.source, first.column), [])
        alike.append(first)
        places[first.source, first.column] = branch if len(alike) == 1 else (in_one_list(alike, sql),)
    return list(places.values())


_TOO_MANY = f"it comes to more than {BRANCHES_MAX} alternatives or {CONDITIONS_MAX} comparisons"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What is left of alternatives one relation further down, for each source there; without any, nothing to ask for.

    With `never` no row meets them. `lost` says that they cannot be said of what the relation is made of.
    """

    alternatives: tuple[Alternatives, ...] = ()
    never: bool = False
    lost: bool = False


def carried(alternatives: Alternatives, through: Callable[[Condition], Condition | bool | None]) -> Carried:
    """Carry alternatives down; `through` says a condition by what is there, or that it holds always or never."""
    branches: list[Branch] = []
    left_out = alternatives.left_out
    for branch in alternatives.branches:
        mapped = [(condition, through(condition)) for condition in branch]
        if any(each is False for _, each in mapped):
            continue
        left = tuple(each for _, each in mapped if isinstance(each, Condition))
        computed = [condition.sql for condition, each in mapped if each is None]
        if not left:
            return Carried(lost=bool(computed))
        if computed:
            left_out = left_out or f"its part {computed[0]} is on what a query gives for it"
        branches.append(left)
    if not branches:
        return Carried(never=True)
    found = _by_source(list(dict.fromkeys(branches)), alternatives.sql, left_out)
    return Carried(alternatives=found, lost=not found)
