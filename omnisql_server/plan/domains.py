"""Many conditions on a column as few: at most one predicate per operator, or the proof that no row can match. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.sdk.scan import Operator, Predicate, Value
from omnisql_server.plan.constants import Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A predicate on an API column and where it comes from: the SQL that says it, or the policy that demands it.

    It is `implied` where it follows from an OR that is wanted as well: it need not be sent where that is.
    """

    predicate: Predicate
    sql: str
    policy: str | None = None
    implied: bool = False


class NoRowCanMatch(Exception):
    """The conditions contradict each other; the message says on which column."""


_TIGHTER = {Operator.GT: max, Operator.GE: max, Operator.LT: min, Operator.LE: min}


def reduce_conditions(wanted: Iterable[Wanted]) -> tuple[Wanted, ...]:
    """Merge conditions of one scan, column by column.

    Raises:
        NoRowCanMatch: an equality or membership has no value left.
    """
    by_column: dict[str, dict[Operator, list[Wanted]]] = {}
    for item in wanted:
        by_column.setdefault(item.predicate.column, {}).setdefault(item.predicate.operator, []).append(item)
    return tuple(item for column, groups in by_column.items() for item in _reduce_column(column, groups))


def _reduce_column(column: str, groups: Mapping[Operator, list[Wanted]]) -> list[Wanted]:
    out: list[Wanted] = []
    if any(is_unknown(item.predicate.value) for items in groups.values() for item in items):
        # Nobody can say which of them is tighter.
        return [items[0] for items in groups.values()]
    memberships = [*groups.get(Operator.EQ, []), *groups.get(Operator.IN, [])]
    if memberships:
        out.append(_intersection(column, memberships))
    for operator, items in groups.items():
        if operator in (Operator.EQ, Operator.IN):
            continue
        if operator in _TIGHTER:
            choose: Any = _TIGHTER[operator]
            out.append(choose(items, key=lambda item: item.predicate.value))
        elif operator in (Operator.IS_NULL, Operator.IS_NOT_NULL):
            out.append(items[0])
        else:
            out.extend(items)
    return out


def _intersection(column: str, items: list[Wanted]) -> Wanted:
    values = [values_of(item.predicate) for item in items]
    common = tuple(value for value in dict.fromkeys(values[0]) if all(value in other for other in values[1:]))
    if not common:
        raise NoRowCanMatch(f"no value of {column} satisfies every condition on it")
    single = len(common) == 1
    predicate = Predicate(
        column=column,
        operator=Operator.EQ if single else Operator.IN,
        value=common[0] if single else common,
    )
    policies = [item.policy for item in items if item.policy]
    policy = policies[0] if policies else None
    return Wanted(
        predicate=predicate,
        sql=" AND ".join(dict.fromkeys(item.sql for item in items)),
        policy=policy,
        implied=all(item.implied for item in items),
    )


def is_unknown(value: Value) -> bool:
    """Say whether a value is a parameter's that is not known, or has one in it."""
    return isinstance(value, Unknown) or (isinstance(value, tuple) and any(map(is_unknown, value)))


def values_of(predicate: Predicate) -> tuple[Value, ...]:
    """Return the values of an equality or membership."""
    value = predicate.value
    return value if predicate.operator is Operator.IN and isinstance(value, tuple) else (value,)
