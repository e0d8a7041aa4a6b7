"""Writes SOQL: every value a literal of its field's type, every clause a superset of what PostgreSQL means.

After Salesforce's SOQL and SOSL Reference (API 66.0): comparisons of text know no case, `!=` takes nulls along, nulls
come first unless it is said otherwise, an empty text is null, times have seconds. Pure.
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
from connectors.sdk.instants import ceil_s, floor_s, iso_utc
from connectors.sdk.scan import Direction, Disjunction, Operator, Predicate, Value

QUERY_CHARACTERS_MAX = 100_000
"""The longest query that Salesforce takes by default."""

LIST_CHARACTERS_MAX = 20_000
TEXT_CHARACTERS_MAX = 1000
NAME_CHARACTERS_MAX = 255
"""The longest text of a field that is not a text area."""

_YEARS = range(1971, 3999)
"""Dates that are sent: Salesforce knows those of the years 1700 to 4000, the SDK rounds times from 1970 on."""

_DIGITS_MAX = 15
"""Decimal digits that a number keeps on its way through JSON's floating point (IEEE 754, binary64)."""

_NUMBER_MAX = Decimal(10) ** 15
_ID = re.compile(r"[A-Za-z0-9]{18}", re.ASCII)
_ID_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# What is no text to look at, the separators of lines among it, is written by its number.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufdd0-\ufdef\ufffe\uffff]")
_SIGNS = {
    Operator.EQ: "=", Operator.NE: "!=", Operator.LT: "<", Operator.LE: "<=", Operator.GT: ">", Operator.GE: ">=",
}  # fmt: skip
_LOWER = frozenset({Operator.GT, Operator.GE})


class Kind(StrEnum):
    """What sort of values a field has, as SOQL compares them."""

    TEXT = "text"
    CHOICE = "choice"
    CHOICES = "choices"
    ID = "id"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    DAY = "day"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoqlField:
    """A field as SOQL names it."""

    name: str
    kind: Kind


def query(
    source: str,
    names: Sequence[str],
    fields: Mapping[str, SoqlField],
    asked: Sequence[Predicate | Disjunction] = (),
    order: Sequence[tuple[str, Direction]] = (),
    limit: int | None = None,
) -> str:
    """Write the query for some fields of an object; `fields` are those that what is asked for is on, by column.

    Raises:
        Fatal: SQLSTATE HV000, a predicate cannot be written; 54001, the query is longer than Salesforce takes.
    """
    text = f"SELECT {', '.join(names)} FROM {source}"
    if asked:
        text += " WHERE " + " AND ".join(_condition(fields, each) for each in asked)
    if order:
        text += " ORDER BY " + ", ".join(_sorted(name, direction) for name, direction in order)
    if limit is not None:
        text += f" LIMIT {limit}"
    if len(text) > QUERY_CHARACTERS_MAX:
        raise Fatal(
            message=f"a query on {source} is longer than the source takes",
            detail=f"It has {len(text)} characters, {QUERY_CHARACTERS_MAX} are allowed.",
            hint="List fewer values or fewer columns.",
            sqlstate="54001",
        )
    return text


def _condition(fields: Mapping[str, SoqlField], asked: Predicate | Disjunction) -> str:
    """Write a predicate, or OR in parentheses: SOQL reads AND and OR beside each other only with them."""
    if isinstance(asked, Predicate):
        return clause(fields[asked.column], asked)
    branches = (" AND ".join(clause(fields[each.column], each) for each in branch) for branch in asked.branches)
    return f"({' OR '.join(f'({branch})' if ' AND ' in branch else branch for branch in branches)})"


def clause(field: SoqlField, predicate: Predicate) -> str:
    """Write a predicate.

    Raises:
        Fatal: SQLSTATE HV000, it has no form in SOQL.
    """
    operator, value = predicate.operator, predicate.value
    if operator in {Operator.IS_NULL, Operator.IS_NOT_NULL}:
        return f"{field.name} {'=' if operator is Operator.IS_NULL else '!='} null"
    if field.kind is Kind.INSTANT:
        return _instant(field.name, operator, value)
    if operator in {Operator.LIKE, Operator.ILIKE}:
        return f"{field.name} LIKE {_like(value)}"
    if operator is Operator.CONTAINS and isinstance(value, tuple):
        return f"{field.name} INCLUDES ({quoted(';'.join(map(str, value)))})"
    if operator in {Operator.IN, Operator.NOT_IN} and isinstance(value, tuple):
        return f"{field.name} {operator.value.upper()} ({', '.join(literal(field, each) for each in value)})"
    if operator in _SIGNS:
        return f"{field.name} {_SIGNS[operator]} {literal(field, value)}"
    raise Fatal(message=f"a predicate on field {field.name} has no form in SOQL")


def literal(field: SoqlField, value: Value) -> str:
    """Write a value for comparison with a field.

    Raises:
        Fatal: SQLSTATE HV000, it has no form in SOQL.
    """
    if field.kind is Kind.BOOLEAN and isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if field.kind in {Kind.INTEGER, Kind.NUMBER} and is_number(value):
        return format(Decimal(str(value)), "f")
    if field.kind is Kind.DAY and is_day(value) and isinstance(value, date):
        return value.isoformat()
    if field.kind in {Kind.TEXT, Kind.CHOICE, Kind.ID} and isinstance(value, str):
        return quoted(value)
    raise Fatal(message=f"a value of field {field.name} has no form in SOQL")


def quoted(text: str) -> str:
    """Write a text as a string."""
    return f"'{''.join(map(_escaped, text))}'"


def pattern(value: Value) -> str | None:
    """Turn a LIKE pattern of PostgreSQL into the inside of one of SOQL that matches no less; None if it says nothing.

    A character that PostgreSQL counts once may count twice elsewhere, so `_` becomes `%`.
    """
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_CHARACTERS_MAX:
        return None
    written: list[str] = []
    position = 0
    while position < len(value):
        character = value[position]
        if character == "\\":
            position += 1
            character = value[position : position + 1]
            # The backslash is a sign of the string and of the pattern at once, so that as a character it is not sent.
            if character in {"", "\\"}:
                return None
            written.append(f"\\{character}" if character in "%_" else _escaped(character))
        elif character in "%_":
            if written[-1:] != ["%"]:
                written.append("%")
        else:
            written.append(_escaped(character))
        position += 1
    return None if written == ["%"] else "".join(written)


def is_text(value: Value) -> bool:
    """Tell whether a value is a text that SOQL can compare with; an empty one would find nulls."""
    return isinstance(value, str) and 0 < len(value) <= TEXT_CHARACTERS_MAX


def is_name(value: Value) -> bool:
    """Tell whether a value is a text that a field by which records are known can hold."""
    return is_text(value) and len(str(value)) <= NAME_CHARACTERS_MAX


def is_id(value: Value) -> bool:
    """Tell whether a value is an identifier in the form of 18 characters, whose last three check the case of the rest.

    Salesforce refuses a query with anything else, and shows identifiers in no other form.
    """
    if not isinstance(value, str) or _ID.fullmatch(value) is None:
        return False
    bits = (sum(value[start + at].isupper() << at for at in range(5)) for start in (0, 5, 10))
    return value[15:] == "".join(_ID_CHECK[each] for each in bits)


def is_number(value: Value) -> bool:
    """Tell whether a value is a number that reads the same here and there."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return False
    exact = Decimal(str(value))
    return abs(exact) < _NUMBER_MAX and len(exact.normalize().as_tuple().digits) <= _DIGITS_MAX and _scale(exact) <= 18


def is_integer(value: Value) -> bool:
    """Tell whether a value is a whole number that SOQL takes for a field of integers."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31


def is_day(value: Value) -> bool:
    """Tell whether a value is a date, without a time, that SOQL can write."""
    return isinstance(value, date) and not isinstance(value, datetime) and value.year in _YEARS


def is_instant(value: Value) -> bool:
    """Tell whether a value is a time that SOQL can write."""
    return isinstance(value, datetime) and value.year in _YEARS


def is_choice(value: Value) -> bool:
    """Tell whether a value can be one of several that were chosen."""
    return is_text(value) and ";" not in str(value)


def _scale(exact: Decimal) -> int:
    exponent = exact.normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _instant(name: str, operator: Operator, value: Value) -> str:
    if not isinstance(value, datetime):
        raise Fatal(message=f"field {name} can only be compared with a time")
    at_least, at_most = f"{name} >= {iso_utc(floor_s(value))}", f"{name} <= {iso_utc(ceil_s(value))}"
    if operator is Operator.EQ:
        return f"{at_least} AND {at_most}"
    if operator in _LOWER:
        return at_least
    if operator in {Operator.LT, Operator.LE}:
        return at_most
    raise Fatal(message=f"a predicate on field {name} has no form in SOQL")


def _like(value: Value) -> str:
    inside = pattern(value)
    if inside is None:
        raise Fatal(message="a pattern has no form in SOQL")
    return f"'{inside}'"


def _escaped(character: str) -> str:
    known = _ESCAPES.get(character)
    if known is not None:
        return known
    return f"\\u{ord(character):04x}" if _HIDDEN.match(character) else character


def _sorted(name: str, direction: Direction) -> str:
    return f"{name} ASC NULLS LAST" if direction is Direction.ASC else f"{name} DESC NULLS FIRST"
