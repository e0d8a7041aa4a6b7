"""A parsed query over the records of its object.

After the SOQL and SOSL Reference: text is compared without regard to case, an empty text is null, `!=` and NOT IN are
true of nulls, LIKE is for text alone, dates and times are compared with their own kind of literal. Of what it does not
say, the stricter reading was taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from connectors.simulators.salesforce.identifiers import full_id
from connectors.simulators.salesforce.schema import Field, SObject
from connectors.simulators.salesforce.soql.errors import SoqlError
from connectors.simulators.salesforce.soql.syntax import Comparison, Condition, Query, SortItem
from connectors.simulators.salesforce.soql.tokens import Kind, Token, unescaped

Record = Mapping[str, Any]
Test = Callable[[Record], bool]
TEXTS = frozenset({"string", "email", "phone", "url", "textarea", "picklist", "combobox"})
PATTERNED = frozenset({"string", "email", "phone", "url", "textarea"})
_NUMBERS = frozenset({"int", "double", "currency", "percent"})
_HIDDEN_DIGITS = Decimal("1E-20")
_IDS = frozenset({"id", "reference"})
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def chosen(query: Query, source: SObject, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records that a query finds, in order, whole.

    Raises:
        SoqlError: a field is not there, or a comparison is not possible.
    """
    for name in query.names:
        field_of(source, name)
    found = [record for record in records if not record["IsDeleted"]] if "isdeleted" in source.fields else records
    if query.where is not None:
        test = _test(query.where, source)
        found = [record for record in found if test(record)]
    if query.order:
        found = sorted(found, key=cmp_to_key(_ordering(query.order, source)))
    end = None if query.limit is None else query.offset + query.limit
    return found[query.offset : end]


def field_of(source: SObject, name: str) -> Field:
    """Return a field by its name in any case.

    Raises:
        SoqlError: INVALID_FIELD, there is none.
    """
    found = source.fields.get(name.lower())
    if found is None:
        raise SoqlError(
            "INVALID_FIELD",
            f"\nERROR at Row:1:Column:1\nNo such column '{name}' on entity '{source.name}'. If you are attempting to"
            " use a custom field, be sure to append the '__c' after the custom field name.",
        )
    return found


def comparable(field: Field, value: Any) -> Any:
    """Return a stored value as comparisons see it; None for null."""
    if value is None or value == "":
        return None
    if field.type in TEXTS:
        return value.casefold()
    if field.type in _NUMBERS:
        # What a formula computes has digits that are not shown.
        return Decimal(str(value)) + (_HIDDEN_DIGITS if field.detail == "formula" else 0)
    if field.type == "date":
        return date.fromisoformat(value)
    if field.type == "datetime":
        return datetime.fromisoformat(value)
    if field.type == "multipicklist":
        return frozenset(each.casefold() for each in value.split(";"))
    return value


def _test(condition: Condition, source: SObject) -> Test:
    if isinstance(condition, Comparison):
        return _comparison(condition, source)
    members = [_test(member, source) for member in condition.members]
    if condition.operator == "NOT":
        return lambda record: not members[0](record)
    combine = all if condition.operator == "AND" else any
    return lambda record: combine(member(record) for member in members)


def _comparison(condition: Comparison, source: SObject) -> Test:
    field = field_of(source, condition.name)
    if not field.filterable:
        raise SoqlError("INVALID_FIELD", f"field '{field.name}' can not be filtered in a query call")
    operator = condition.operator
    if operator == "LIKE":
        return _like(field, condition.values[0])
    if (operator in {"INCLUDES", "EXCLUDES"}) != (field.type == "multipicklist") and operator not in {"=", "!="}:
        raise _wrong_operator(field)
    if operator in {"INCLUDES", "EXCLUDES"}:
        return _includes(field, condition)
    values = [_literal(field, token) for token in condition.values]
    name = field.name
    if operator in {"=", "IN"}:
        return lambda record: comparable(field, record[name]) in values
    if operator in {"!=", "NOT IN"}:
        return lambda record: comparable(field, record[name]) not in values
    if field.type in _IDS or field.type == "boolean" or values[0] is None:
        raise _wrong_operator(field)
    compare = _ORDERS[operator]

    def ordered(record: Record) -> bool:
        value = comparable(field, record[name])
        return value is not None and compare(value, values[0])

    return ordered


def _literal(field: Field, token: Token) -> Any:
    """Return a literal as comparisons see it.

    Raises:
        SoqlError: it is of another kind than the field.
    """
    if token.is_word("NULL"):
        return None
    if field.type == "boolean" and token.is_word("TRUE", "FALSE"):
        return token.text.upper() == "TRUE"
    if field.type in _NUMBERS and token.kind is Kind.NUMBER:
        return Decimal(token.text)
    if field.type == "date" and token.kind is Kind.DATE:
        return _moment(field, token)
    if field.type == "datetime" and token.kind is Kind.DATETIME:
        return _moment(field, token)
    if token.kind is Kind.STRING and field.type in _IDS:
        identifier = full_id(unescaped(token.text))
        if identifier is None:
            raise SoqlError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {token.text}")
        return identifier
    if token.kind is Kind.STRING and (field.type in TEXTS or field.type == "multipicklist"):
        return comparable(field, unescaped(token.text))
    quotes = "should be enclosed in quotes" if field.type in TEXTS | _IDS else "should not be enclosed in quotes"
    raise SoqlError(
        "INVALID_FIELD",
        f"value of filter criterion for field '{field.name}' must be of type {field.type} and {quotes}",
    )


def _moment(field: Field, token: Token) -> Any:
    try:
        found = comparable(field, token.text)
    except ValueError:
        found = None
    if found is None or not 1700 <= found.year <= 4000:
        raise SoqlError("INVALID_FIELD", f"{token.text} is no valid {field.type}")
    return found.astimezone(UTC) if isinstance(found, datetime) else found


def _like(field: Field, token: Token) -> Test:
    if field.type not in PATTERNED:
        raise _wrong_operator(field)
    if token.kind is not Kind.STRING:
        raise SoqlError("MALFORMED_QUERY", "LIKE needs a string in quotes")
    parts = re.findall(r"\\.|.", unescaped(token.text, in_pattern=True), re.DOTALL)
    wild = {"%": ".*", "_": "."}
    written = "".join(wild.get(part) or re.escape(part[-1:].casefold()) for part in parts)
    pattern = re.compile(written, re.DOTALL)

    def matches(record: Record) -> bool:
        value = comparable(field, record[field.name])
        return value is not None and pattern.fullmatch(value) is not None

    return matches


def _includes(field: Field, condition: Comparison) -> Test:
    groups = [_literal(field, token) for token in condition.values]
    if None in groups:
        raise _wrong_operator(field)
    wanted = condition.operator == "INCLUDES"

    def holds(record: Record) -> bool:
        value = comparable(field, record[field.name]) or frozenset()
        return any(group <= value for group in groups) is wanted

    return holds


def _ordering(items: tuple[SortItem, ...], source: SObject) -> Callable[[Record, Record], int]:
    fields = [field_of(source, item.name) for item in items]
    for field in fields:
        if not field.sortable:
            raise SoqlError("INVALID_FIELD", f"field '{field.name}' can not be sorted in a query call")

    def compare(left: Record, right: Record) -> int:
        for item, field in zip(items, fields, strict=True):
            one, other = (comparable(field, record[field.name]) for record in (left, right))
            if one == other:
                continue
            if one is None or other is None:
                return -1 if (one is None) == item.nulls_first else 1
            return -1 if (one < other) != item.descending else 1
        return 0

    return compare


def _wrong_operator(field: Field) -> SoqlError:
    return SoqlError("INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {field.type} field")
