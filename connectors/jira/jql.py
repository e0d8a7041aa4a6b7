"""Writes JQL from predicates: every value quoted, every clause a superset of what PostgreSQL means, or no clause.

After Atlassian's JQL documentation. Times are epoch milliseconds, because quoted ones are read in the time zone of the
token's user; they are compared by the minute, so bounds are moved outward to whole minutes. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from connectors.sdk.errors import Fatal
from connectors.sdk.instants import ceil_s, floor_s
from connectors.sdk.scan import Direction, Operator, Predicate, SortKey, Value

UNRESTRICTED = "created >= 0"
"""True of every issue; Jira refuses a query without a restriction."""

ISSUE_KEY = re.compile(r"[A-Z][A-Z0-9_]+-[1-9][0-9]{0,17}")
_ACCOUNT_ID = re.compile(r"(?=.*[0-9])[0-9A-Za-z:_-]{12,128}")
_MINUTE_S = 60
_NUMBER_MAX = 10**15
_LOWER = frozenset({Operator.GE, Operator.GT})
_COMPARISONS = frozenset({Operator.EQ, Operator.NE, Operator.LT, Operator.LE, Operator.GT, Operator.GE})
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
# The characters that JQL does not take as they are, not even within a string.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
# Words that Jira's text index leaves out, or that its text query language reads as operators.
_UNSEARCHABLE = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not"),
        *("of", "on", "or", "s", "such", "t", "that", "the", "their", "then", "there", "these", "they", "this", "to"),
        *("was", "will", "with"),
    )
)
_WORD = re.compile(r"[A-Za-z0-9]{2,40}")


class Kind(StrEnum):
    """What sort of values a field has."""

    CHOICE = "choice"
    PERSON = "person"
    KEY = "key"
    INSTANT = "instant"
    DAY = "day"
    NUMBER = "number"
    LABELS = "labels"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True, kw_only=True)
class JqlField:
    """A field as JQL names it. `vocabulary` is the template of the list of its values, where there is one."""

    name: str
    kind: Kind
    nullable: bool = False
    vocabulary: str | None = None


def query(fields: Mapping[str, JqlField], predicates: Sequence[Predicate], order: Sequence[SortKey] = ()) -> str:
    """Write the query for predicates that the table declares.

    Raises:
        Fatal: SQLSTATE HV000, a predicate cannot be written.
    """
    clauses = [text for predicate in predicates for text in clause(fields[predicate.column], predicate)]
    where = " AND ".join(clauses) or UNRESTRICTED
    if not order:
        return where
    keys = [f"{fields[key.column].name} {'ASC' if key.direction is Direction.ASC else 'DESC'}" for key in order]
    return f"{where} ORDER BY {', '.join(keys)}, key ASC"


def clause(field: JqlField, predicate: Predicate) -> list[str]:
    """Write a predicate as clauses that must all hold."""
    operator, value = predicate.operator, predicate.value
    if operator in {Operator.IS_NULL, Operator.IS_NOT_NULL}:
        return [f"{field.name} is {'not ' if operator is Operator.IS_NOT_NULL else ''}EMPTY"]
    if operator is Operator.CONTAINS and isinstance(value, tuple):
        return [f"{field.name} = {quoted(str(element))}" for element in value]
    if field.kind is Kind.SUMMARY and isinstance(value, str):
        return [f"{field.name} ~ {quoted(_searched(value, operator))}"]
    if operator in {Operator.IN, Operator.NOT_IN} and isinstance(value, tuple):
        return [f"{field.name} {operator.value} ({', '.join(_literal(field, each, operator) for each in value)})"]
    if operator in _COMPARISONS:
        sign = _sign(field, operator)
        return [f"{field.name} {sign} {_literal(field, value, operator)}"]
    raise Fatal(message=f"a predicate on field {field.name} has no form in JQL")


def quoted(text: str) -> str:
    """Write a text as a JQL string."""
    return '"' + _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text.translate(_ESCAPES)) + '"'


def is_text(value: Value) -> bool:
    """Tell whether a value is text that JQL can compare with."""
    return isinstance(value, str) and bool(value.strip())


def is_account_id(value: Value) -> bool:
    """Tell whether a value has the form of an account identifier; JQL takes other texts for names or addresses."""
    return isinstance(value, str) and _ACCOUNT_ID.fullmatch(value) is not None


def is_issue_key(value: Value) -> bool:
    """Tell whether a value has the form of an issue key."""
    return isinstance(value, str) and ISSUE_KEY.fullmatch(value) is not None


def is_number(value: Value) -> bool:
    """Tell whether a value is a number that JQL can write."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    return math.isfinite(value) and -_NUMBER_MAX < value < _NUMBER_MAX


def whole_words(pattern: str) -> list[str]:
    """Return the words that any text matching a LIKE pattern contains as words, and that Jira's index has.

    Jira finds words, not parts of words: `%ord%` says nothing about words, `% word %` does.
    """
    if "\\" in pattern:
        return []
    parts = re.split(r"([%_])", pattern)
    words: list[str] = []
    for index in range(0, len(parts), 2):
        pieces = parts[index].split(" ")
        # A piece at the edge of a wildcard may go on behind it.
        first = 1 if index > 0 else 0
        last = len(pieces) - 1 if index < len(parts) - 1 else len(pieces)
        words += [piece for piece in pieces[first:last] if _is_searchable(piece)]
    return words


def _is_searchable(word: str) -> bool:
    return _WORD.fullmatch(word) is not None and word.lower() not in _UNSEARCHABLE


def _searched(value: str, operator: Operator) -> str:
    words = whole_words(value) if operator is not Operator.EQ else [w for w in value.split(" ") if _is_searchable(w)]
    is_phrase = operator is Operator.EQ and len(words) == len(value.split(" ")) > 1
    return '"' + " ".join(words) + '"' if is_phrase else " ".join(words)


def _sign(field: JqlField, operator: Operator) -> str:
    if operator is Operator.NE:
        return "!="
    if field.kind is Kind.INSTANT:
        return ">=" if operator in _LOWER else "<="
    return operator.value


def _literal(field: JqlField, value: Value, operator: Operator) -> str:
    if field.kind is Kind.INSTANT and isinstance(value, datetime):
        rounded_s = floor_s(value, _MINUTE_S) if operator in _LOWER else ceil_s(value, _MINUTE_S)
        return str(rounded_s * 1000)
    if field.kind is Kind.DAY and isinstance(value, date):
        return quoted(value.isoformat()[:10])
    if field.kind is Kind.NUMBER and is_number(value):
        number = format(Decimal(str(value)), "f")
        return number if number.isdecimal() else quoted(number)
    if isinstance(value, str):
        return quoted(value)
    raise Fatal(message=f"a value of field {field.name} has no form in JQL")
