"""OR between API columns: what is wanted of a scan, in as few branches as say it, and what a path takes of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from connectors.sdk.grades import lowest
from connectors.sdk.scan import Disjunction, Predicate
from connectors.sdk.table import AccessPath, Disjunctions
from omnisql_server.model.plan import NotPushed, Pushed
from omnisql_server.plan.domains import NoRowCanMatch, Wanted, reduce_conditions

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


def push_any(
    path: AccessPath, item: WantedAny, beside: Sequence[str | Pushed], push: PushOne
) -> tuple[Pushed, ...] | NotPushed | None:
    """Decide a disjunction on one path, `beside` keys and what is pushed already; None means that no row can match it.

    It is sent whole or not at all. A side that no row can meet is left out; if one alone is left, it is plain.
    """
    if path.counts:
        return NotPushed(condition=item.sql, reason=COUNTED, costs=False)
    taken = path.disjunctions
    if taken is None:
        return NotPushed(condition=item.sql, reason=f"{path.request} has no OR between conditions")
    if taken.alone and any(isinstance(each, Pushed) and isinstance(each.predicate, Disjunction) for each in beside):
        return NotPushed(condition=item.sql, reason=f"{path.request} takes one OR at most, and has another")
    branches: list[list[Pushed]] = []
    for branch in item.branches:
        parts: list[Pushed] = []
        for wanted in branch:
            if wanted.predicate.column in path.operators and wanted.predicate.column not in taken.columns:
                return _part(item, wanted, f"{path.request} has no OR with {wanted.predicate.column}")
            outcome = push(wanted)
            if isinstance(outcome, NotPushed):
                return _part(item, wanted, outcome.reason)
            if outcome is None:
                break
            parts.append(outcome)
        else:
            branches.append(parts)
    if not branches:
        return None
    if len(branches) == 1:
        return tuple(branches[0])
    if excess := _excess(taken, [len(branch) for branch in branches], len(beside)):
        return NotPushed(condition=item.sql, reason=f"{path.request} takes {excess} at most")
    predicates = tuple(
        tuple(each for part in branch if isinstance(each := part.predicate, Predicate)) for branch in branches
    )
    grade = lowest(part.grade for branch in branches for part in branch)
    return (Pushed(predicate=Disjunction(branches=predicates), grade=grade, policy=item.policy),)


def _part(item: WantedAny, wanted: Wanted, reason: str) -> NotPushed:
    """Return why a part is not sent, and the whole with it; what policy compares with is not told."""
    part = f"its part {wanted.sql}" if wanted.policy is None else f"a part of it on {wanted.predicate.column}"
    return NotPushed(condition=item.sql, reason=f"{part} cannot be sent: {reason}")


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
