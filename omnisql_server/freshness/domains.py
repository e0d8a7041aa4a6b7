"""Requests as domains: what each column was restricted to when an API was asked, and which request implies which. Pure.

Everything here errs on one side: where it is not certain that a request's rows are among an entry's, they are not.
Values are compared together with their type, and ordered only where Python orders them as PostgreSQL does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias

from connectors.sdk.scan import Disjunction, Operator, Predicate, Scan, Value

Typed: TypeAlias = tuple[str, Any]
"""A value with the name of its type: 1, 1.0 and true are three different ones."""
Bound: TypeAlias = tuple[Typed, bool]
"""An end of a range, and whether it belongs to it."""

Identity: TypeAlias = tuple[Any, ...]
"""A condition by column, operator and value; a disjunction by those of its branches, in an order of their own."""

_LOWER, _UPPER = (Operator.GT, Operator.GE), (Operator.LT, Operator.LE)
_MEMBERSHIPS = (Operator.EQ, Operator.IN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What all conditions on one column together leave of it.

    `values` is None where no list bounds it. `elements` are those that an array must hold. `others` are conditions that
    are only ever compared as a whole.
    """

    values: frozenset[Typed] | None = None
    lower: Bound | None = None
    upper: Bound | None = None
    null: bool = False
    not_null: bool = False
    elements: frozenset[Typed] = frozenset()
    others: frozenset[tuple[Operator, Typed]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A scan with the conditions it sends: keys are equalities among them. `identity` has its disjunctions, too."""

    scan: Scan
    conditions: tuple[Predicate, ...]
    domains: dict[str, Domain]
    identity: frozenset[Identity]
    columns: frozenset[str] = field(default_factory=frozenset)


def request_of(scan: Scan) -> Request:
    """Describe a scan."""
    conditions = (*_key_conditions(scan), *scan.predicates)
    plain, either = map(_identity, conditions), map(_identity_of_any, scan.disjunctions)
    return Request(
        scan=scan,
        conditions=conditions,
        domains=_domains({}, conditions),
        identity=frozenset((*plain, *either)),
        columns=frozenset(scan.columns),
    )


def covers(entry: Request, request: Request) -> bool:
    """Say whether every row that a request asks for is among those that an earlier, fully answered one gave.

    Rows beyond those may be there as well: who asks evaluates its conditions again.
    """
    known, asked = entry.scan, request.scan
    if known.table != asked.table or known.access_path != asked.access_path or not request.columns <= entry.columns:
        return False
    if known.limit is not None:
        return (
            asked.limit is not None
            and asked.limit <= known.limit
            and known.order == asked.order
            and entry.identity == request.identity
        )
    return all(
        _identity(c) in request.identity or _implies(request.domains.get(c.column), c) for c in entry.conditions
    ) and all(_is_any_implied(request, each) for each in known.disjunctions)


def _is_any_implied(request: Request, wanted: Disjunction) -> bool:
    """Say whether of every row that a request asks for, one branch of a disjunction is true."""
    if _identity_of_any(wanted) in request.identity or _has_implied_branch(request, (), wanted):
        return True
    return any(
        all(_has_implied_branch(request, branch, wanted) for branch in own.branches)
        for own in request.scan.disjunctions
    )


def _has_implied_branch(request: Request, given: Iterable[Predicate], wanted: Disjunction) -> bool:
    """Say whether what a request asks for, together with what is `given`, leaves one branch true."""
    known = tuple(given)
    domains = _domains(request.domains, known)
    identity = request.identity | set(map(_identity, known))
    return any(
        all(_identity(c) in identity or _implies(domains.get(c.column), c) for c in branch)
        for branch in wanted.branches
    )


def with_value(request: Request, column: str, value: Typed) -> Request:
    """Return a request narrowed to one value of a listed column, only for comparing."""
    domains = {**request.domains, column: replace(request.domains[column], values=frozenset({value}))}
    return replace(request, domains=domains)


def typed(value: Value) -> Typed:
    """Put a value's type beside it, through and through."""
    if isinstance(value, tuple):
        return "tuple", tuple(typed(each) for each in value)
    return type(value).__name__, value


def listed_columns(scan: Scan) -> Iterator[tuple[str, tuple[Value, ...], bool]]:
    """Give the columns for which a scan lists several values in one request: name, values, whether it is a key."""
    for name, value in scan.keys.items():
        if isinstance(value, tuple):
            yield name, value, True
    for predicate in scan.predicates:
        if predicate.operator is Operator.IN and isinstance(predicate.value, tuple):
            yield predicate.column, predicate.value, False


def with_list(scan: Scan, column: str, values: tuple[Value, ...], *, is_key: bool) -> Scan:
    """Return a scan that lists other values for a column."""
    if is_key:
        return replace(scan, keys={**scan.keys, column: values})
    predicates = tuple(
        replace(p, value=values) if p.column == column and p.operator is Operator.IN else p for p in scan.predicates
    )
    return replace(scan, predicates=predicates)


def _domains(known: Mapping[str, Domain], conditions: Iterable[Predicate]) -> dict[str, Domain]:
    """Return domains with what more conditions leave of them."""
    domains = dict(known)
    for condition in conditions:
        domains[condition.column] = _narrowed(domains.get(condition.column, Domain()), condition)
    return domains


def _identity(condition: Predicate) -> Identity:
    return condition.column, condition.operator, typed(condition.value)


def _identity_of_any(disjunction: Disjunction) -> Identity:
    branches = {tuple(sorted(set(map(_identity, branch)), key=repr)) for branch in disjunction.branches}
    return "or", *sorted(branches, key=repr)


def _key_conditions(scan: Scan) -> Iterator[Predicate]:
    for name, value in scan.keys.items():
        operator = Operator.IN if isinstance(value, tuple) else Operator.EQ
        yield Predicate(column=name, operator=operator, value=value)


def _narrowed(domain: Domain, condition: Predicate) -> Domain:
    operator, value = condition.operator, condition.value
    if operator is Operator.IS_NULL:
        return replace(domain, null=True)
    # Every other condition is met by no null.
    domain = replace(domain, not_null=True)
    if operator in _MEMBERSHIPS:
        listed = _listed(condition)
        return replace(domain, values=listed if domain.values is None else domain.values & listed)
    if operator in _LOWER:
        bound = (typed(value), operator is Operator.GE)
        return replace(domain, lower=bound if _is_tighter(bound, domain.lower, 1) else domain.lower)
    if operator in _UPPER:
        bound = (typed(value), operator is Operator.LE)
        return replace(domain, upper=bound if _is_tighter(bound, domain.upper, -1) else domain.upper)
    if operator is Operator.CONTAINS and isinstance(value, tuple):
        return replace(domain, elements=domain.elements | {typed(each) for each in value})
    return replace(domain, others=domain.others | {(operator, typed(value))})


def _listed(condition: Predicate) -> frozenset[Typed]:
    value = condition.value
    values = value if condition.operator is Operator.IN and isinstance(value, tuple) else (value,)
    return frozenset(typed(each) for each in values if each is not None)


def _implies(domain: Domain | None, condition: Predicate) -> bool:
    """Say whether a column's domain leaves no value that a condition would refuse."""
    if domain is None:
        return False
    operator, value = condition.operator, condition.value
    if operator is Operator.IS_NULL:
        return domain.null
    if domain.null and not domain.not_null:
        return False
    if operator is Operator.IS_NOT_NULL:
        return domain.not_null
    if operator in _MEMBERSHIPS:
        return domain.values is not None and domain.values <= _listed(condition)
    if operator in _LOWER:
        return _within(domain, domain.lower, (typed(value), operator is Operator.GE), 1)
    if operator in _UPPER:
        return _within(domain, domain.upper, (typed(value), operator is Operator.LE), -1)
    if operator is Operator.CONTAINS and isinstance(value, tuple):
        return domain.elements >= {typed(each) for each in value}
    return (operator, typed(value)) in domain.others


def _within(domain: Domain, own: Bound | None, wanted: Bound, direction: int) -> bool:
    """Say whether the listed values, or else the range's own end, are all on the right side of an end."""
    if own is not None and _is_at_least(own, wanted, direction):
        return True
    return domain.values is not None and all(_is_at_least((v, True), wanted, direction) for v in domain.values)


def _is_at_least(bound: Bound, wanted: Bound, direction: int) -> bool:
    """Say whether everything from `bound` on, upward for a direction of 1, is also from `wanted` on."""
    if bound == wanted:
        return True
    order = _compared(bound[0], wanted[0])
    if order is None:
        return False
    order *= direction
    return order > 0 or (order == 0 and (wanted[1] or not bound[1]))


def _is_tighter(bound: Bound, known: Bound | None, direction: int) -> bool:
    return known is None or (bound != known and _is_at_least(bound, known, direction))


def _compared(left: Typed, right: Typed) -> int | None:
    """Order two values: -1, 0 or 1; None where Python and PostgreSQL may disagree, as for text under a collation."""
    if left[0] != right[0]:
        return None
    one, other = left[1], right[1]
    if isinstance(one, float) and (math.isnan(one) or math.isnan(other)):
        return None
    if isinstance(one, Decimal) and (one.is_nan() or other.is_nan()):
        return None
    if isinstance(one, datetime) and (one.tzinfo is None) != (other.tzinfo is None):
        return None
    if isinstance(one, bool) or not isinstance(one, int | float | Decimal | date):
        return None
    return int(one > other) - int(one < other)
