"""What an access path of a manifest takes, as the SDK's pushdowns, and predicates as what is sent for them. Pure.

An input takes one value: of several predicates for the same input the narrowest is sent, of several columns that of the
one declared first, and rules for exact grades make sure that nothing exact is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from connectors.declarative.filters import Filter
from connectors.declarative.hooks import Condition, Dialect, Either
from connectors.declarative.manifest import Push
from connectors.declarative.values import LOWER, UPPER, is_sendable, operator_named, text_within, written
from connectors.sdk.errors import EmptyResult, Fatal, ManifestInvalid
from connectors.sdk.scan import Disjunction, Operator, Predicate, Value
from connectors.sdk.table import Grade, Pushdown

_EQUAL = frozenset({Operator.EQ, Operator.IN})
_FAMILIES = (_EQUAL, LOWER, UPPER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How one operator on one column is sent; `shape` is that of the patterns it is for, `at` its place in a filter."""

    push: Push
    operator: Operator
    shape: str | None
    at: tuple[str, ...]
    as_json: bool
    dialect: Dialect | None = None
    check: Callable[[Value], bool] | None = None

    def takes(self, value: Value) -> bool:
        """Tell whether a value can be sent."""
        meant = self._meant(value)
        is_fit = self.dialect is None or self.push.value is not None or self.dialect.can_say(meant)
        is_taken = self.check is None or self.check(meant)
        return is_fit and is_taken and is_sendable(self.push, self.operator, meant, as_json=self.as_json)

    def written(self, value: Value) -> object:
        """Return what is sent for a value."""
        return written(self.push, self.operator, self._meant(value))

    def _meant(self, value: Value) -> Value:
        if self.shape is None:
            return value
        return text_within(value, self.shape, ascii_only=self.operator is Operator.ILIKE)


Sents = Mapping[str, Mapping[Operator, tuple[Sent, ...]]]
"""What is sent, by column and operator; several for an operator on patterns, one for each shape."""


def sents_of(
    operators: Mapping[str, Push],
    at: str,
    *,
    as_json: bool,
    dialect: Dialect | None = None,
    checks: Mapping[str, Callable[[Value], bool]] | None = None,
) -> dict[Operator, tuple[Sent, ...]]:
    """Return what is sent for the operators of one column."""
    found: dict[Operator, tuple[Sent, ...]] = {}
    for name, push in operators.items():
        operator, shape = operator_named(name)
        place = push.at if push.at is not None else at
        sent = Sent(
            push=push,
            operator=operator,
            shape=shape,
            at=tuple(filter(None, place.split("."))),
            as_json=as_json,
            dialect=dialect,
            check=checks[push.takes] if checks and push.takes is not None else None,
        )
        found[operator] = (*found.get(operator, ()), sent)
    return found


def shared_inputs(sents: Sents) -> frozenset[str]:
    """Return the inputs that conditions on several columns are sent as, of which each takes those on one."""
    users = [{sent.push.send for each in operators.values() for sent in each} for operators in sents.values()]
    every = [name for names in users for name in names]
    return frozenset(name for name in every if every.count(name) > 1)


def sent_apart(sents: Sents, taking: Filter | None) -> Sents:
    """Return what is sent by inputs of their own, and not by the filter."""
    return {name: each for name, each in sents.items() if taking is None or name in taking.beside}


def pushdowns_of(
    sents: Mapping[Operator, tuple[Sent, ...]], shared: frozenset[str] = frozenset()
) -> dict[Operator, Pushdown]:
    """Return the SDK's pushdowns of one column, given the inputs that it has to share with others."""
    return {operator: _pushdown(each, shared) for operator, each in sents.items()}


def _pushdown(sents: tuple[Sent, ...], shared: frozenset[str]) -> Pushdown:
    push = sents[0].push
    grade = Grade.EXACT if all(sent.push.grade == "exact" for sent in sents) else Grade.SUPERSET

    def accepts(value: Value) -> Grade:
        return grade if any(sent.takes(value) for sent in sents) else Grade.NONE

    names = {sent.push.send for sent in sents}
    return Pushdown(
        grade=grade,
        values=frozenset(push.values) if push.values else None,
        accepts=accepts,
        needs=push.needs,
        shares=push.send if len(names) == 1 and push.send in shared else None,
    )


def check_exactness(sents: Sents) -> None:
    """Refuse declarations under which something exact could be left out of a request.

    Raises:
        ManifestInvalid: two kinds of predicates share an input that takes one of them only.
    """
    by_input: dict[str, list[tuple[str, Sent]]] = {}
    for column, operators in sents.items():
        for each in operators.values():
            for sent in each:
                by_input.setdefault(sent.push.send, []).append((column, sent))
        inputs = {sent.push.send for name in _EQUAL for sent in operators.get(name, ()) if sent.push.grade == "exact"}
        if len(inputs) > 1:
            raise ManifestInvalid(message=f"= and in on {column} must use the same input to be exact")
    for name, users in by_input.items():
        operators_used = frozenset(sent.operator for _, sent in users)
        family = next((family for family in _FAMILIES if operators_used <= family), frozenset())
        is_clear = len({column for column, _ in users}) == 1 and family
        is_mixed = family != _EQUAL and len(operators_used) > 1
        alone = len(users) == 1 and users[0][1].push.value is not None
        if any(sent.push.grade == "exact" for _, sent in users) and not alone and (not is_clear or is_mixed):
            exact = dict.fromkeys(column for column, sent in users if sent.push.grade == "exact")
            raise ManifestInvalid(
                message=f"input {name} takes one predicate only, so that none of those that use it can be exact",
                hint=f"Leave out grade: exact in the pushdown of {', '.join(exact)}.",
            )


def chosen(sents: Sents, predicate: Predicate) -> Sent:
    """Return how a predicate is sent.

    Raises:
        Fatal: it cannot be; the planner was told so.
    """
    for sent in sents.get(predicate.column, {}).get(predicate.operator, ()):
        if sent.takes(predicate.value):
            return sent
    raise Fatal(message=f"{predicate.column} {predicate.operator} cannot be sent with this value")


def inputs_for(sents: Sents, predicates: Iterable[Predicate]) -> dict[str, object]:
    """Return the inputs that predicates are sent as.

    Raises:
        EmptyResult: they exclude each other.
    """
    by_input: dict[str, list[tuple[Predicate, Sent]]] = {}
    for predicate in predicates:
        sent = chosen(sents, predicate)
        by_input.setdefault(sent.push.send, []).append((predicate, sent))
    columns = list(sents)
    return {name: _narrowest(_of_first(users, columns)) for name, users in by_input.items()}


def _of_first(users: list[tuple[Predicate, Sent]], columns: list[str]) -> list[tuple[Predicate, Sent]]:
    """Leave the predicates on the column that was declared first: an input tells of one column only."""
    first = min((predicate.column for predicate, _ in users), key=columns.index)
    return [(predicate, sent) for predicate, sent in users if predicate.column == first]


def _narrowest(users: list[tuple[Predicate, Sent]]) -> object:
    predicate, sent = users[0]
    operators = {each.operator for each, _ in users}
    if sent.push.range is not None:
        return _ranged(users)
    if len(users) > 1 and operators == {Operator.CONTAINS}:
        elements = tuple(dict.fromkeys(value for each, _ in users for value in _listed(each.value)))
        return sent.written(elements if sent.takes(elements) else predicate.value)
    if len(users) > 1 and (operators <= LOWER or operators <= UPPER):
        predicate, sent = _tightest(users)
    elif len(users) > 1 and operators <= _EQUAL:
        return _common(users)
    return sent.written(predicate.value)


def _tightest(users: list[tuple[Predicate, Sent]]) -> tuple[Predicate, Sent]:
    pick = max if users[0][0].operator in LOWER else min
    return pick(users, key=lambda user: user[0].value)  # type: ignore[arg-type,return-value]


def _ranged(users: list[tuple[Predicate, Sent]]) -> str:
    ends = []
    for family in (LOWER, UPPER):
        bounds = [user for user in users if user[0].operator in family]
        predicate, sent = _tightest(bounds) if bounds else (None, None)
        ends.append(None if predicate is None or sent is None else sent.written(predicate.value))
    lower, upper = ends
    if lower is None or upper is None:
        return f"<={upper}" if lower is None else f">={lower}"
    return f"{lower}..{upper}"


def _common(users: list[tuple[Predicate, Sent]]) -> object:
    left = list(_listed(users[0][0].value))
    for predicate, _ in users[1:]:
        left = [value for value in left if value in _listed(predicate.value)]
    if not left:
        raise EmptyResult(message="the values asked for exclude each other")
    predicate, sent = min(users, key=lambda user: len(_listed(user[0].value)))
    return sent.written(tuple(left) if predicate.operator is Operator.IN else left[0])


def _listed(value: Value) -> tuple[Value, ...]:
    return value if isinstance(value, tuple) else (value,)


def filters_for(sents: Sents, predicates: Iterable[Predicate]) -> list[dict[str, object]]:
    """Return predicates as GraphQL filter objects, all of which must hold."""
    found: list[dict[str, object]] = []
    for predicate in predicates:
        sent = chosen(sents, predicate)
        value = sent.written(predicate.value)
        each = value if predicate.operator is Operator.CONTAINS and isinstance(value, list) else [value]
        found += [_nested((*sent.at, sent.push.send), one) for one in each]
    return found


def any_filters_for(sents: Sents, disjunctions: Iterable[Disjunction]) -> list[dict[str, object]]:
    """Return disjunctions as GraphQL filter objects, all of which must hold."""
    return [{"or": [_together(filters_for(sents, branch)) for branch in each.branches]} for each in disjunctions]


def _together(filters: list[dict[str, object]]) -> dict[str, object]:
    return filters[0] if len(filters) == 1 else {"and": filters}


def eithers_for(sents: Sents, disjunctions: Iterable[Disjunction]) -> list[Either]:
    """Return disjunctions as those of a query language, all of which must hold."""
    return [
        Either(branches=tuple(tuple(conditions_for(sents, branch)) for branch in disjunction.branches))
        for disjunction in disjunctions
    ]


def conditions_for(sents: Sents, predicates: Iterable[Predicate]) -> list[Condition]:
    """Return predicates as conditions of a query language, all of which must hold."""
    found = []
    for predicate in predicates:
        sent = chosen(sents, predicate)
        value = sent.written(predicate.value)
        found.append(
            Condition(
                place=place_of(sent, predicate.column),
                comparator=sent.push.send,
                value=value,
                operator=predicate.operator,
            )
        )
    return found


def place_of(sent: Sent, column: str) -> str:
    """Return the place of a column in a query language."""
    return ".".join(sent.at) or column


def _nested(steps: tuple[str, ...], value: object) -> dict[str, object]:
    for step in reversed(steps):
        value = {step: value}
    return value  # type: ignore[return-value]
