"""Turns parsed JQL into a predicate and an order over issues.

NOT is pushed down to the clauses by inverting their operators, as Jira does; so an issue without a value is excluded by
`assignee != x` and by `NOT assignee = x` alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connectors.simulators.company.model import TrackerIssue
from connectors.simulators.jira.jql.dates import MINUTE_MS, day_of, instant_ms
from connectors.simulators.jira.jql.errors import JqlError
from connectors.simulators.jira.jql.fields import Context, Field, find_field
from connectors.simulators.jira.jql.functions import call
from connectors.simulators.jira.jql.syntax import And, Call, Clause, Node, Not, Query, SortKey, Value
from connectors.simulators.jira.jql.text import text_matcher

Predicate = Callable[[TrackerIssue], bool]
_INVERSE = {
    "=": "!=",
    "!=": "=",
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
    "~": "!~",
    "!~": "~",
    "in": "not in",
    "not in": "in",
    "is": "is not",
    "is not": "is",
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledQuery:
    """A query that is ready to run."""

    predicate: Predicate
    order: tuple[tuple[Callable[[TrackerIssue], Any], bool], ...]

    def run(self, issues: tuple[TrackerIssue, ...]) -> list[TrackerIssue]:
        """Return the issues found in the order asked for, newest first where that says nothing."""
        found = [issue for issue in issues if self.predicate(issue)]
        found.sort(key=lambda issue: (issue.created_ms, issue.id), reverse=True)
        for key, is_descending in reversed(self.order):
            found.sort(key=key, reverse=is_descending)
        return found


def compile_query(query: Query, context: Context) -> CompiledQuery:
    """Check fields, operators and values and return what runs.

    Raises:
        JqlError: with a message for every clause that Jira would refuse; also for a query without any restriction.
    """
    if query.where is None:
        raise JqlError("Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
    problems: list[str] = []
    predicate = _compile(query.where, context, problems, negated=False)
    order = []
    for key in query.order:
        try:
            order.append(_sort(key))
        except JqlError as error:
            problems.extend(error.messages)
    if problems:
        raise JqlError(*problems)
    return CompiledQuery(predicate=predicate, order=tuple(order))


def _compile(node: Node, context: Context, problems: list[str], *, negated: bool) -> Predicate:
    if isinstance(node, Not):
        return _compile(node.child, context, problems, negated=not negated)
    if isinstance(node, Clause):
        try:
            return _clause(node, context, _INVERSE[node.operator] if negated else node.operator)
        except JqlError as error:
            problems.extend(error.messages)
            return lambda _issue: False
    parts = [_compile(child, context, problems, negated=negated) for child in node.children]
    # De Morgan: a negated AND is an OR of the negated parts.
    if isinstance(node, And) != negated:
        return lambda issue: all(part(issue) for part in parts)
    return lambda issue: any(part(issue) for part in parts)


def _sort(key: SortKey) -> tuple[Callable[[TrackerIssue], Any], bool]:
    field = find_field(key.field)
    value = field.sort
    if value is None:
        raise JqlError(f"Not able to sort using field '{key.field}'.")
    is_descending = field.is_descending_by_default if key.is_descending is None else key.is_descending

    def sortable(issue: TrackerIssue) -> tuple[bool, Any]:
        found = value(issue)
        return (True, 0) if found is None else (False, found)

    return sortable, is_descending


def _clause(clause: Clause, context: Context, operator: str) -> Predicate:
    field = find_field(clause.field)
    if operator not in field.operators:
        raise JqlError(f"The operator '{clause.operator}' is not supported by the '{clause.field}' field.")
    texts = _texts(clause, context)
    if operator in {"is", "is not"} or texts == (None,):
        return _emptiness(field, operator)
    if operator in _COMPARE or operator in {"~", "!~"}:
        return _single(field, operator, clause, texts, context)
    return _membership(field, operator, clause, texts, context)


def _texts(clause: Clause, context: Context) -> tuple[str | None, ...]:
    texts: list[str | None] = []
    for operand in clause.operands:
        if isinstance(operand, Value):
            texts.append(operand.text)
        elif isinstance(operand, Call):
            texts.extend(call(operand, context))
    return tuple(texts)


def _emptiness(field: Field, operator: str) -> Predicate:
    if operator in {"is", "=", "in"}:
        return lambda issue: not field.values(issue)
    if operator in {"is not", "!=", "not in"}:
        return lambda issue: bool(field.values(issue))
    raise JqlError(f"The operator '{operator}' does not support searching for EMPTY in the '{field.name}' field.")


def _single(field: Field, operator: str, clause: Clause, texts: tuple[str | None, ...], context: Context) -> Predicate:
    """Return the predicate of an operator that takes one value."""
    if len(texts) != 1 or texts[0] is None:
        raise JqlError(f"The operator '{operator}' needs exactly one value for the '{clause.field}' field.")
    if operator in {"~", "!~"}:
        matches = text_matcher(clause.field, texts[0])
        if operator == "~":
            return lambda issue: any(matches(text) for text in field.values(issue))
        # What has no text is not found by either operator.
        return lambda issue: bool(field.values(issue)) and not any(matches(text) for text in field.values(issue))
    compare, rank = _COMPARE[operator], field.rank
    if rank is None:
        raise JqlError(f"The operator '{operator}' is not supported by the '{clause.field}' field.")
    limit = rank(_resolved(field, clause, texts[0], context)[0])
    if field.name == "key":
        return _key_comparison(compare, limit)
    return lambda issue: any(compare(rank(value), limit) for value in field.values(issue))


def _key_comparison(compare: Callable[[Any, Any], bool], limit: tuple[str, int]) -> Predicate:
    project, number = limit
    return lambda issue: issue.project_key == project and compare(issue.number, number)


def _membership(
    field: Field, operator: str, clause: Clause, texts: tuple[str | None, ...], context: Context
) -> Predicate:
    """Return the predicate of `=`, `!=`, `in` and `not in`."""
    wanted: set[Any] = set()
    problems: list[str] = []
    for text in texts:
        try:
            wanted.update((None,) if text is None else _resolved(field, clause, text, context))
        except JqlError as error:
            problems.extend(error.messages)
    if problems:
        raise JqlError(*problems)
    accepts_empty = None in wanted

    def has_one(issue: TrackerIssue) -> bool:
        values = field.values(issue)
        if not values:
            return accepts_empty
        if field.kind == "datetime":
            return any(value // MINUTE_MS * MINUTE_MS in wanted for value in values)
        return any(value in wanted for value in values)

    if operator in {"=", "in"}:
        return has_one
    return lambda issue: bool(field.values(issue)) and not has_one(issue)


def _resolved(field: Field, clause: Clause, text: str, context: Context) -> tuple[Any, ...]:
    if field.kind == "datetime":
        return (instant_ms(clause.field, text, now_ms=context.now_ms, zone=context.zone),)
    if field.kind == "date":
        return (day_of(clause.field, text, now_ms=context.now_ms, zone=context.zone),)
    if field.resolve is None:
        raise JqlError(f"The operator '{clause.operator}' is not supported by the '{clause.field}' field.")
    return field.resolve(context, text)
