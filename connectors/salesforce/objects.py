"""Objects as tables: columns, grades and access paths from what `describe` says of their fields. Pure.

After the Object Reference (field types and properties) and the REST API's sObject Describe, API 66.0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from connectors.salesforce import soql
from connectors.salesforce.soql import Kind, SoqlField
from connectors.sdk.extract import Extract, path
from connectors.sdk.grades import EXACT, SUPERSET, ranges, when
from connectors.sdk.scan import Direction, Operator, Value
from connectors.sdk.table import AccessPath, Column, Disjunctions, Grade, Pushdown, Table

PAGE_ROWS_MAX = 2000
KEYS_MAX = 500
"""Identifiers in one query: 10,500 characters of the 100,000 that one may have."""

NAMES_MAX = 100
"""Texts in one query: as long as fields may be, 255 characters that may need two each, they are half of it."""

BY_ID = "by_id"
QUERY = "query"
COUNT = "count"
BULK = "bulk"
BULK_ROWS_MAX = 25_000
BULK_REQUESTS = 12
"""Making a job, asking for its state until it is done, deleting it: fewer calls than queries above 26,000 records."""

_NAME_BYTES_MAX = 63
_ORDER_KEYS_MAX = 4
_BOTH = frozenset({Direction.ASC, Direction.DESC})
_ROWS_EXPECTED = 10_000

TABLE_NAMES = {
    "Account": "accounts", "Contact": "contacts", "Lead": "leads", "Opportunity": "opportunities", "Case": "cases",
    "User": "users", "Task": "tasks", "Event": "events", "Campaign": "campaigns", "Contract": "contracts",
    "Order": "orders", "Asset": "assets", "Product2": "products", "Pricebook2": "pricebooks",
    "OpportunityLineItem": "opportunity_line_items", "CampaignMember": "campaign_members",
}  # fmt: skip
"""Standard objects whose names would be reserved words of SQL, or singulars beside the plurals of other sources."""

STANDARD = (
    "Account", "Contact", "Lead", "Opportunity", "Case", "User", "Task", "Event", "Campaign", "OpportunityLineItem",
)  # fmt: skip
"""Objects that are tables wherever they exist, unless the source's option `objects` says otherwise."""

# Field type: column type, kind of comparison (None: never sent).
_TYPES: dict[str, tuple[str, Kind | None]] = {
    "id": ("text", Kind.ID),
    "reference": ("text", Kind.ID),
    "string": ("text", Kind.TEXT),
    "email": ("text", Kind.TEXT),
    "phone": ("text", Kind.TEXT),
    "url": ("text", Kind.TEXT),
    "textarea": ("text", Kind.TEXT),
    "picklist": ("text", Kind.CHOICE),
    "combobox": ("text", Kind.CHOICE),
    "multipicklist": ("text[]", Kind.CHOICES),
    "boolean": ("bool", Kind.BOOLEAN),
    "int": ("int4", Kind.INTEGER),
    "long": ("int8", None),
    "double": ("numeric", Kind.NUMBER),
    "currency": ("numeric", Kind.NUMBER),
    "percent": ("numeric", Kind.NUMBER),
    "date": ("date", Kind.DAY),
    "datetime": ("timestamptz", Kind.INSTANT),
    "time": ("text", None),
    "encryptedstring": ("text", None),
    "address": ("jsonb", None),
    "location": ("jsonb", None),
    "anyType": ("jsonb", None),
    "complexvalue": ("jsonb", None),
    "json": ("jsonb", None),
}
_UNREADABLE = frozenset({"base64"})
"""The content of a file is not in the rows of a query but at an address of its own."""

_ORDERED = frozenset({"int", "double", "percent", "date", "datetime"})
"""Text is sorted by a language's rules, and currency by what it is worth in the company's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectModel:
    """One object: its API name, its table, and by column the API name, the field as SOQL compares it, and the value."""

    name: str
    table: Table
    requested: Mapping[str, str]
    fields: Mapping[str, SoqlField]
    extractors: Mapping[str, Extract]


def object_model(described: Mapping[str, object], table: str) -> ObjectModel:
    """Build the model of an object from the answer of `describe`; fields that are of no known type are left out."""
    name = str(described.get("name"))
    listed = described.get("fields")
    fields = [each for each in listed if _is_readable(each)] if isinstance(listed, list) else []
    columns = dict(zip(column_names([str(each["name"]) for each in fields]), fields, strict=True))
    sent = {column: sent_as for column, each in columns.items() if (sent_as := _sent(each)) is not None}
    return ObjectModel(
        name=name,
        table=_table(table, name, str(described.get("label", name)), columns, sent),
        requested={column: str(each["name"]) for column, each in columns.items()},
        fields=sent,
        extractors={
            column: _choices(str(each["name"])) for column, each in columns.items() if each["type"] == "multipicklist"
        },
    )


def table_names(names: Sequence[str]) -> dict[str, str]:
    """Return the names of tables by the API names of their objects."""
    return {name: TABLE_NAMES.get(name, made) for name, made in zip(names, column_names(names), strict=True)}


def column_names(names: Sequence[str]) -> list[str]:
    """Return the names of columns for API names, in snake case, each of them once.

    API names differ without regard to case; where snake case would make two of them one, or would be too long for
    PostgreSQL, both are the API's own in lower case.
    """
    snakes = [_snake(name) for name in names]
    shared = Counter(snakes)
    taken = Counter(name.lower() for name in names)
    return [
        snake
        if len(snake) <= _NAME_BYTES_MAX and shared[snake] == 1 and taken[snake] == (snake == name.lower())
        else name.lower()
        for name, snake in zip(names, snakes, strict=True)
    ]


def operators_of(field: SoqlField, *, field_type: str, nullable: bool) -> dict[Operator, Pushdown]:
    """Return what SOQL evaluates on a field, and how faithfully."""
    operators = dict(_OPERATORS[field.kind])
    if field.kind is Kind.TEXT and field_type != "textarea":
        alike = when(lambda value: soql.pattern(value) is not None)
        operators |= {Operator.LIKE: alike, Operator.ILIKE: alike}
    if nullable:
        operators |= {Operator.IS_NULL: EXACT, Operator.IS_NOT_NULL: EXACT}
    return operators


def _table(
    table: str, name: str, label: str, columns: Mapping[str, Mapping[str, object]], sent: Mapping[str, SoqlField]
) -> Table:
    operators = {
        column: operators_of(field, field_type=str(columns[column]["type"]), nullable=_is_nullable(columns[column]))
        for column, field in sent.items()
        if column != "id"
    }
    keys = [column for column, each in columns.items() if column in sent and _is_key(each)]
    asked = "GET /services/data/{version}/query"
    return Table(
        name=table,
        description=f"{label}: records of {name} that the credentials can see, deleted ones excepted.",
        columns=tuple(_column(column, each) for column, each in columns.items()),
        primary_key=("id",),
        rows_expected=_ROWS_EXPECTED,
        size_request=f"{asked}, SELECT COUNT() FROM {name}",
        access_paths=(
            AccessPath(
                name=BY_ID,
                request=f"{asked}, {name} WHERE Id IN (..)",
                keys=("id",),
                operators=operators,
                disjunctions=_below_or(operators),
                batch="id",
                batch_keys_max=KEYS_MAX,
                page_rows_max=PAGE_ROWS_MAX,
                single=True,
            ),
            AccessPath(
                name=QUERY,
                request=f"{asked}, {name}",
                operators=operators,
                disjunctions=_below_or(operators),
                order={
                    column: _BOTH
                    for column, each in columns.items()
                    if each["type"] in _ORDERED and each.get("sortable") is True
                },
                order_keys_max=_ORDER_KEYS_MAX,
                page_rows_max=PAGE_ROWS_MAX,
                resumes=True,  # a result stays there, with a locator, for two days
            ),
            _counted(asked, name),
            _in_bulk(name, columns, operators),
            *(_by_key(asked, name, column, sent[column], operators) for column in keys),
        ),
    )


def _below_or(operators: Mapping[str, Mapping[Operator, Pushdown]]) -> Disjunctions:
    """Return what may stand below OR: whatever SOQL evaluates, it evaluates there too."""
    return Disjunctions(columns=frozenset(operators))


def _counted(asked: str, name: str) -> AccessPath:
    request = f"{asked}, SELECT COUNT() FROM {name}"
    return AccessPath(name=COUNT, request=request, columns=frozenset(), counts=True)


def _column(name: str, field: Mapping[str, object]) -> Column:
    return Column(
        name=name,
        type_name=_TYPES[str(field["type"])][0],
        path=str(field["name"]),
        nullable=_is_nullable(field),
        description=str(field.get("label") or field["name"]),
    )


def _in_bulk(
    name: str, columns: Mapping[str, Mapping[str, object]], operators: Mapping[str, Mapping[Operator, Pushdown]]
) -> AccessPath:
    """Return the path for long readings; compound fields are not in the text that a job gives."""
    return AccessPath(
        name=BULK,
        request=f"POST /services/data/{{version}}/jobs/query, {name}",
        operators=operators,
        disjunctions=_below_or(operators),
        page_rows_max=BULK_ROWS_MAX,
        requests_fixed=BULK_REQUESTS,
        columns=frozenset(column for column, each in columns.items() if _TYPES[str(each["type"])][0] != "jsonb"),
    )


def _by_key(
    asked: str,
    name: str,
    column: str,
    field: SoqlField,
    operators: Mapping[str, Mapping[Operator, Pushdown]],
) -> AccessPath:
    """Return the path by the values of a field, many at a time: what joins use."""
    others = {other: taken for other, taken in operators.items() if other != column}
    return AccessPath(
        name=f"by_{column}",
        request=f"{asked}, {name} WHERE {field.name} IN (..)",
        keys=(column,),
        operators=others,
        disjunctions=_below_or(others),
        batch=column,
        batch_keys_max=KEYS_MAX if field.kind is Kind.ID else NAMES_MAX,
        page_rows_max=PAGE_ROWS_MAX,
        resumes=True,
    )


def _is_readable(field: object) -> bool:
    if not isinstance(field, dict) or not isinstance(field.get("name"), str):
        return False
    # The name goes into queries as it is.
    is_plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", field["name"], re.ASCII) is not None
    return is_plain and field.get("type") in _TYPES and field.get("type") not in _UNREADABLE


def _is_key(field: Mapping[str, object]) -> bool:
    """Tell whether a field is what other tables know records by: a reference, an address, an identifier of elsewhere.

    Salesforce has an index of these.
    """
    if field["type"] in {"reference", "email"}:
        return True
    return field["type"] == "string" and (field.get("idLookup") is True or field.get("externalId") is True)


def _is_nullable(field: Mapping[str, object]) -> bool:
    return field.get("nillable") is not False


def _sent(field: Mapping[str, object]) -> SoqlField | None:
    """Return a field as SOQL compares it, None when it cannot be filtered by."""
    kind = _TYPES[str(field["type"])][1]
    # A formula's digits beyond those of JSON count in a comparison and are not seen here.
    is_hidden = field.get("calculated") is True and kind is Kind.NUMBER
    if kind is None or is_hidden or field.get("filterable") is not True:
        return None
    return SoqlField(name=str(field["name"]), kind=kind)


def _snake(name: str) -> str:
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return parted.lower()


def _choices(name: str) -> Extract:
    inner = path(name)

    def extract(row: object) -> object:
        value = inner(row)
        return value.split(";") if isinstance(value, str) else value

    return extract


def _each(accepts: Callable[[Value], bool]) -> Callable[[Value], bool]:
    def accepted(value: Value) -> bool:
        if not isinstance(value, tuple) or not value or not all(map(accepts, value)):
            return False
        return len(value) <= KEYS_MAX and sum(len(str(each)) for each in value) <= soql.LIST_CHARACTERS_MAX

    return accepted


def _compared(accepts: Callable[[Value], bool]) -> dict[Operator, Pushdown]:
    """Return the comparisons of values that SOQL and PostgreSQL order alike; `!=` and NOT IN find nulls as well."""
    exact, exact_list = when(accepts, Grade.EXACT), when(_each(accepts), Grade.EXACT)
    return {
        Operator.EQ: exact,
        Operator.IN: exact_list,
        Operator.NE: when(accepts),
        Operator.NOT_IN: when(_each(accepts)),
        **ranges(exact),
    }


def _named(accepts: Callable[[Value], bool]) -> dict[Operator, Pushdown]:
    """Return the comparisons of text, which know no case: what is alike there may be unequal here, so no NE."""
    return {Operator.EQ: when(accepts), Operator.IN: when(_each(accepts))}


def _without(operators: Mapping[Operator, Pushdown], left_out: Iterable[Operator]) -> dict[Operator, Pushdown]:
    return {operator: pushdown for operator, pushdown in operators.items() if operator not in set(left_out)}


_OPERATORS: dict[Kind, dict[Operator, Pushdown]] = {
    Kind.TEXT: _named(soql.is_text),
    Kind.CHOICE: _named(soql.is_text),
    Kind.CHOICES: {Operator.CONTAINS: when(_each(soql.is_choice))},
    Kind.ID: _without(_compared(soql.is_id), ranges()),
    Kind.BOOLEAN: {Operator.EQ: EXACT, Operator.NE: SUPERSET},
    Kind.INTEGER: _compared(soql.is_integer),
    Kind.NUMBER: _compared(soql.is_number),
    Kind.DAY: _compared(soql.is_day),
    Kind.INSTANT: {Operator.EQ: when(soql.is_instant), **ranges(when(soql.is_instant))},
}
