"""OR between API columns: what is wanted of a scan, in as few branches as say it, and what a path takes of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from connectors.sdk.grades import lowest
from connectors.sdk.scan import Disjunction, Operator, Predicate, Value
from connectors.sdk.table import AccessPath, Disjunctions
from omnisql_server.model.plan import NotPushed, Pushed
from omnisql_server.plan.domains import NoRowCanMatch, Wanted, reduce_conditions, values_of

COUNTED = "it is evaluated over what was counted, which costs no request"
PushOne = Callable[[Wanted], Pushed | NotPushed | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedAny:
    """Of one branch at least, everything is wanted; where it comes from is said as in `Wanted`."""

    branches: tuple[tuple[Wanted, ...], ...]
    sql: str
    policy: str | None = None


def reduced_any(wanted: WantedAny) -> WantedAny | tuple[Wanted, ...]:
    """Return the same with those branches alone that can hold; plain conditions where one is left.

    Raises:
        NoRowCanMatch: none of them can hold.
    """
    branches: list[tuple[Wanted, ...]] = []
    for branch in wanted.branches:
        try:
            branches.append(reduce_conditions(branch))
        except NoRowCanMatch:
            continue
    if not branches:
        raise NoRowCanMatch(f"no row satisfies any side of {wanted.sql}")
    if len(branches) == 1:
        return branches[0]
    return replace(wanted, branches=tuple(dict.fromkeys(branches)))


def memberships(wanted: WantedAny) -> Iterator[Wanted]:
    """Yield for each column that every branch compares with values of its own that it is one of all of these."""
    for first in wanted.branches[0]:
        column = first.predicate.column
        values: list[Value] = []
        for branch in wanted.branches:
            found = [item.predicate for item in branch if item.predicate.column == column]
            listed = next((values_of(each) for each in found if each.operator in (Operator.EQ, Operator.IN)), None)
            if listed is None:
                break
            values += listed
        else:
            predicate = Predicate(column=column, operator=Operator.IN, value=tuple(dict.fromkeys(values)))
            yield Wanted(predicate=predicate, sql=wanted.sql, policy=wanted.policy, implied=True)


def push_any(
    path: AccessPath, item: WantedAny, beside: Sequence[str | Pushed], push: PushOne
) -> tuple[tuple[Pushed, ...], NotPushed | None] | None:
    """Decide a disjunction on one path, `beside` keys and what is pushed already; None means that no row can match it.

    A side that no row can meet is left out; if one alone is left, it is plain. Of a side, what cannot be sent is left
    to do after: what is not pushed is said beside what is. Of a side of which nothing can be sent, nothing is sent.
    """
    if path.counts:
        return (), NotPushed(condition=item.sql, reason=COUNTED, costs=False)
    taken = path.disjunctions
    if taken is None:
        return (), NotPushed(condition=item.sql, reason=f"{path.request} has no OR between conditions")
    if taken.alone and any(isinstance(each, Pushed) and isinstance(each.predicate, Disjunction) for each in beside):
        return (), NotPushed(condition=item.sql, reason=f"{path.request} takes one OR at most, and has another")
    branches: dict[tuple[Predicate, ...], list[Pushed]] = {}
    left_out = ""
    for branch in item.branches:
        parts, reason = _pushed_parts(path, taken, branch, push)
        if parts is None:
            continue
        if not parts:
            return (), NotPushed(condition=item.sql, reason=reason)
        left_out = left_out or reason
        branches[tuple(each for part in parts if isinstance(each := part.predicate, Predicate))] = parts
    if not branches:
        return None
    kept = NotPushed(condition=item.sql, reason=wider(left_out)) if left_out else None
    if len(branches) == 1:
        return tuple(next(iter(branches.values()))), kept
    if kept is not None and _is_membership(path, branches):
        return (), kept
    if excess := _excess(taken, [len(branch) for branch in branches], len(beside)):
        return (), NotPushed(condition=item.sql, reason=f"{path.request} takes {excess} at most")
    grade = lowest(part.grade for parts in branches.values() for part in parts)
    return (Pushed(predicate=Disjunction(branches=tuple(branches)), grade=grade, policy=item.policy),), kept


def _is_membership(path: AccessPath, branches: Collection[tuple[Predicate, ...]]) -> bool:
    """Say whether no more is left of an OR than what is wanted as a membership of one column as well."""
    found = [branch[0] for branch in branches if len(branch) == 1]
    listed = all(each.operator in (Operator.EQ, Operator.IN) for each in found) and len(found) == len(branches)
    column = found[0].column if found else ""
    return listed and {each.column for each in found} == {column} and Operator.IN in path.operators.get(column, {})


def wider(left_out: str) -> str:
    """Say why a condition is evaluated here as well, of which not all is sent."""
    return f"{left_out}; what is sent is wider"


def _pushed_parts(
    path: AccessPath, taken: Disjunctions, branch: Sequence[Wanted], push: PushOne
) -> tuple[list[Pushed] | None, str]:
    """Return what of a side can be sent, None where no row can meet it, and why the first of the rest is not."""
    parts: list[Pushed] = []
    left_out = ""
    for wanted in branch:
        outcome = push(wanted)
        if outcome is None:
            return None, ""
        if wanted.predicate.column in path.operators and wanted.predicate.column not in taken.columns:
            left_out = left_out or _part(wanted, f"{path.request} has no OR with {wanted.predicate.column}")
        elif isinstance(outcome, NotPushed):
            left_out = left_out or _part(wanted, outcome.reason)
        else:
            parts.append(outcome)
    return parts, left_out


def _part(wanted: Wanted, reason: str) -> str:
    """Return why a part is not sent; what policy compares with is not told."""
    part = f"its part {wanted.sql}" if wanted.policy is None else f"a part of it on {wanted.predicate.column}"
    return f"{part} cannot be sent: {reason}"


def _excess(taken: Disjunctions, sizes: list[int], beside: int) -> str:
    """Say which bound of the source branches of some sizes are beyond, empty where they are within all."""
    if taken.alone:
        sizes = [size + beside for size in sizes]
    bounds = (
        (len(sizes), taken.branches_max, "alternatives"),
        (max(sizes), taken.branch_predicates_max, "conditions in one alternative"),
        (sum(sizes), taken.predicates_max, "conditions in all alternatives"),
    )
    return next((f"{most} {what}" for found, most, what in bounds if most is not None and found > most), "")
