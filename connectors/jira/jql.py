"""Writes JQL from conditions: every value quoted, and what JQL cannot hold told beforehand.

After Atlassian's JQL documentation. Times are epoch milliseconds, because quoted ones are read in the time zone of the
token's user; they are compared by the minute. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from connectors.declarative.hooks import Condition, Dialect, Either
from connectors.sdk.scan import Direction, Operator, Value

UNRESTRICTED = "created >= 0"
"""True of every issue; Jira refuses a query without a restriction."""

_NUMBER_MAX = 10**15
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


def written(always: str, conditions: Sequence[Condition | Either], order: Sequence[tuple[str, Direction]]) -> str:
    """Write the query for conditions, in an order that ends with the key."""
    clauses = [text for condition in conditions for text in _clauses(condition)]
    where = " AND ".join(clauses) or always or UNRESTRICTED
    if not order:
        return where
    keys = [f"{place} {'ASC' if direction is Direction.ASC else 'DESC'}" for place, direction in order]
    return f"{where} ORDER BY {', '.join(keys)}, key ASC"


def _clauses(condition: Condition | Either) -> list[str]:
    """Write what has to hold as clauses; OR is in parentheses, and so is AND within it."""
    if isinstance(condition, Condition):
        return clause(condition)
    branches = [[text for each in branch for text in clause(each)] for branch in condition.branches]
    joined = [texts[0] if len(texts) == 1 else f"({' AND '.join(texts)})" for texts in branches]
    return [f"({' OR '.join(joined)})"]


def clause(condition: Condition) -> list[str]:
    """Write a condition as clauses that must all hold."""
    place, comparator, value = condition.place, condition.comparator, condition.value
    if comparator in {"is", "is not"}:
        return [f"{place} {comparator} EMPTY"]
    if comparator == "~":
        return [f"{place} ~ {quoted(_searched(str(value), condition.operator))}"]
    values = value if isinstance(value, list) else [value]
    if comparator in {"in", "not in"}:
        return [f"{place} {comparator} ({', '.join(map(_literal, values))})"]
    return [f"{place} {comparator} {_literal(each)}" for each in values]


def can_say(value: Value) -> bool:
    """Tell whether a value, or each of several, is one that JQL can compare with."""
    if isinstance(value, tuple):
        return all(map(can_say, value))
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return math.isfinite(value) and -_NUMBER_MAX < value < _NUMBER_MAX
    return isinstance(value, date)


def quoted(text: str) -> str:
    """Write a text as a JQL string."""
    return '"' + _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text.translate(_ESCAPES)) + '"'


def has_words(value: Value) -> bool:
    """Tell whether a pattern says which words a text has."""
    return isinstance(value, str) and bool(whole_words(value))


def has_plain_words(value: Value) -> bool:
    """Tell whether a text has words that Jira's index has, and nothing that would be a wildcard."""
    return isinstance(value, str) and "%" not in value and "_" not in value and has_words(value)


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


def _literal(value: object) -> str:
    if isinstance(value, str):
        return quoted(value)
    number = format(Decimal(str(value)), "f")
    return number if number.isdecimal() else quoted(number)


JQL = Dialect(can_say=can_say, written=written, orders=True, disjoins=True)
