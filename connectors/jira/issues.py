"""Jira's issues table: the columns every site has, custom fields from `GET /rest/api/3/field`, and what JQL takes.

Pure. Names of custom fields need not be unique nor distinct from other columns; those that are not get their number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from connectors.jira import jql
from connectors.jira.jql import JqlField, Kind
from connectors.sdk.extract import Extract, adf_text, matched, number, path
from connectors.sdk.grades import EXACT, ranges, when
from connectors.sdk.scan import Direction, Operator, Value
from connectors.sdk.table import AccessPath, Column, Delta, Grade, Pushdown, Table

KEYS_MAX = 100
PAGE_ROWS_MAX = 100
BARE_PAGE_ROWS_MAX = 5000
BARE_COLUMNS = frozenset({"id", "key", "project_key"})
"""What the identities of issues tell: without any other field, they come in pages of thousands."""

_NAME_BYTES_MAX = 63
_BOTH = frozenset({Direction.ASC, Direction.DESC})
_CATEGORIES = frozenset({"To Do", "In Progress", "Done"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueModel:
    """The issues table of one site: `requested` names the Jira field behind each column, where it is one."""

    table: Table
    fields: Mapping[str, JqlField]
    requested: Mapping[str, str]
    extractors: Mapping[str, Extract]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    column: Column
    jira_id: str
    field: JqlField | None
    extract: Extract | None = None


def issue_model(custom: Iterable[Mapping[str, object]] = ()) -> IssueModel:
    """Build the model from the custom fields that a site describes; without any, the one that all sites share."""
    found = _custom_fields([field for field in custom if field.get("custom") is True])
    fields = {**_FIELDS, **{each.column.name: each.field for each in found if each.field is not None}}
    table = Table(
        name="issues",
        description="Issues of all projects that the credentials can see.",
        columns=(*_COLUMNS, *(each.column for each in found)),
        primary_key=("id",),
        rows_expected=10_000,
        size_request="POST /rest/api/3/search/approximate-count",
        access_paths=(
            AccessPath(
                name="by_key",
                request="GET /rest/api/3/search/jql, key in (..)",
                keys=("key",),
                batch="key",
                batch_keys_max=KEYS_MAX,
                page_rows_max=PAGE_ROWS_MAX,
                single=True,
            ),
            AccessPath(
                name="search",
                request="GET /rest/api/3/search/jql",
                operators={name: operators_of(field) for name, field in fields.items() if name not in {"id", "key"}},
                order={"created": _BOTH, "updated": _BOTH},
                order_keys_max=2,
                page_rows_max=PAGE_ROWS_MAX,
                # The index of searches lags: https://developer.atlassian.com/cloud/jira/platform/search-and-reconcile/
                delta=Delta(column="updated", overlap_s=300, keeps=("project_key", "project_id")),
                bare_columns=BARE_COLUMNS,
                bare_page_rows_max=BARE_PAGE_ROWS_MAX,
            ),
        ),
    )
    extractors = {**_EXTRACTORS, **{each.column.name: each.extract for each in found if each.extract is not None}}
    requested = {**_REQUESTED, **{each.column.name: each.jira_id for each in found}}
    return IssueModel(table=table, fields=fields, requested=requested, extractors=extractors)


def operators_of(field: JqlField) -> dict[Operator, Pushdown]:
    """Return what JQL evaluates on a field, and how faithfully."""
    operators = dict(_OPERATORS[field.kind](field))
    if field.nullable:
        operators |= {Operator.IS_NULL: EXACT, Operator.IS_NOT_NULL: EXACT}
    return operators


def _choice(field: JqlField) -> dict[Operator, Pushdown]:
    # "Unresolved" stands for no resolution at all.
    def accepts(value: Value) -> bool:
        return jql.is_text(value) and not (field.name == "resolution" and str(value).lower() == "unresolved")

    operators = {Operator.EQ: when(accepts), Operator.IN: when(_all(accepts))}
    if field.vocabulary is not None:
        # Sent only for a value in the site's own spelling, see `connectors.jira.connector`: JQL compares names without
        # regard to case, so that `!= "done"` would leave out the Done issues that `<> 'done'` keeps.
        operators |= {Operator.NE: when(accepts), Operator.NOT_IN: when(_all(accepts))}
    elif field.name == "statusCategory":
        operators |= {
            Operator.NE: when(_CATEGORIES.__contains__),
            Operator.NOT_IN: when(_all(_CATEGORIES.__contains__)),
        }
    return operators


def _person(_field: JqlField) -> dict[Operator, Pushdown]:
    one, many = jql.is_account_id, _all(jql.is_account_id)
    return {
        Operator.EQ: when(one, Grade.EXACT),
        Operator.IN: when(many, Grade.EXACT),
        Operator.NE: when(one),
        Operator.NOT_IN: when(many),
    }


def _key(_field: JqlField) -> dict[Operator, Pushdown]:
    return {Operator.EQ: when(jql.is_issue_key), Operator.IN: when(_all(jql.is_issue_key))}


def _instant(_field: JqlField) -> dict[Operator, Pushdown]:
    return dict(ranges())


def _day(_field: JqlField) -> dict[Operator, Pushdown]:
    return {Operator.EQ: EXACT, **ranges()}


def _number(_field: JqlField) -> dict[Operator, Pushdown]:
    exact = when(jql.is_number, Grade.EXACT)
    return {Operator.EQ: exact, Operator.NE: when(jql.is_number), **ranges(exact)}


def _labels(_field: JqlField) -> dict[Operator, Pushdown]:
    return {Operator.CONTAINS: when(_all(jql.is_text))}


def _summary(_field: JqlField) -> dict[Operator, Pushdown]:
    pattern = when(lambda value: isinstance(value, str) and bool(jql.whole_words(value)))
    text = when(lambda value: isinstance(value, str) and "%" not in value and "_" not in value and _has_words(value))
    return {Operator.LIKE: pattern, Operator.ILIKE: pattern, Operator.EQ: text}


def _has_words(value: str) -> bool:
    return bool(jql.whole_words(value))


def _all(accepts: Callable[[Value], bool]) -> Callable[[Value], bool]:
    return lambda value: isinstance(value, tuple) and bool(value) and all(accepts(each) for each in value)


_OPERATORS: dict[Kind, Callable[[JqlField], dict[Operator, Pushdown]]] = {
    Kind.CHOICE: _choice,
    Kind.PERSON: _person,
    Kind.KEY: _key,
    Kind.INSTANT: _instant,
    Kind.DAY: _day,
    Kind.NUMBER: _number,
    Kind.LABELS: _labels,
    Kind.SUMMARY: _summary,
}


def _custom_fields(described: list[Mapping[str, object]]) -> list[_Found]:
    names = {str(field.get("name", "")).strip().lower() for field in described}
    wanted = [_column_name(str(field.get("name", "")), names) for field in described]
    shared = Counter(wanted)
    found = []
    for field, name in zip(described, wanted, strict=True):
        identifier = str(field.get("id", ""))
        digits = identifier.removeprefix("customfield_")
        if not digits.isdecimal() or digits == identifier:
            continue
        is_taken = shared[name] > 1 or name in _BASE_NAMES
        own = f"{_cut(name, _NAME_BYTES_MAX - len(digits) - 2)}__{digits}" if is_taken else name
        found.append(_custom(field, own, identifier, f"cf[{digits}]"))
    return found


def _custom(field: Mapping[str, object], name: str, identifier: str, jql_name: str) -> _Found:
    schema = field.get("schema")
    kind = str(schema.get("type")) if isinstance(schema, dict) else "any"
    items = str(schema.get("items")) if isinstance(schema, dict) else ""
    type_name, suffix, jql_kind = _CUSTOM_TYPES.get(kind, ("jsonb", "", None))
    if kind == "array" and items == "string":
        type_name, jql_kind = "text[]", Kind.LABELS
    searchable = field.get("searchable") is not False and jql_kind is not None
    where = f"fields.{identifier}{suffix}"
    return _Found(
        column=Column(name=name, type_name=type_name, path=where, description=str(field.get("name", ""))),
        jira_id=identifier,
        field=JqlField(name=jql_name, kind=jql_kind, nullable=jql_kind is not Kind.LABELS)
        if searchable and jql_kind is not None
        else None,
        # A multi-line text field comes as a document.
        extract=adf_text(where) if type_name == "text" and not suffix else None,
    )


def _column_name(name: str, all_names: set[str]) -> str:
    lowered = name.strip().lower()
    # What company-managed projects call story points, team-managed ones call an estimate.
    if lowered == "story point estimate" and "story points" not in all_names:
        lowered = "story points"
    snake = re.sub(r"\W+|_+", "_", lowered).strip("_") or "field"
    return _cut(f"field_{snake}" if snake[0].isdecimal() else snake, _NAME_BYTES_MAX)


def _cut(name: str, bytes_max: int) -> str:
    return name.encode()[:bytes_max].decode(errors="ignore").rstrip("_")


_CUSTOM_TYPES: dict[str, tuple[str, str, Kind | None]] = {
    "number": ("float8", "", Kind.NUMBER),
    "string": ("text", "", None),
    "date": ("date", "", Kind.DAY),
    "datetime": ("timestamptz", "", Kind.INSTANT),
    "option": ("text", ".value", Kind.CHOICE),
    "user": ("text", ".accountId", Kind.PERSON),
}

# Column, type, path in the answer, the Jira field to ask for.
_BASE = (
    ("id", "int8", "id", "id"),
    ("key", "text", "key", "key"),
    ("summary", "text", "fields.summary", "summary"),
    ("description", "text", "fields.description", "description"),
    ("description_adf", "jsonb", "fields.description", "description"),
    ("status", "text", "fields.status.name", "status"),
    ("status_category", "text", "fields.status.statusCategory.name", "status"),
    ("issue_type", "text", "fields.issuetype.name", "issuetype"),
    ("priority", "text", "fields.priority.name", "priority"),
    ("resolution", "text", "fields.resolution.name", "resolution"),
    ("project_key", "text", "key", "key"),
    ("project_id", "int8", "fields.project.id", "project"),
    ("parent_key", "text", "fields.parent.key", "parent"),
    ("assignee_account_id", "text", "fields.assignee.accountId", "assignee"),
    ("assignee_name", "text", "fields.assignee.displayName", "assignee"),
    ("reporter_account_id", "text", "fields.reporter.accountId", "reporter"),
    ("reporter_name", "text", "fields.reporter.displayName", "reporter"),
    ("creator_account_id", "text", "fields.creator.accountId", "creator"),
    ("creator_name", "text", "fields.creator.displayName", "creator"),
    ("labels", "text[]", "fields.labels", "labels"),
    ("components", "text[]", "fields.components[*].name", "components"),
    ("fix_versions", "text[]", "fields.fixVersions[*].name", "fixVersions"),
    ("created", "timestamptz", "fields.created", "created"),
    ("updated", "timestamptz", "fields.updated", "updated"),
    ("resolved", "timestamptz", "fields.resolutiondate", "resolutiondate"),
    ("due_date", "date", "fields.duedate", "duedate"),
    ("time_spent_s", "int4", "fields.timespent", "timespent"),
    ("votes", "int4", "fields.votes.votes", "votes"),
    ("watches", "int4", "fields.watches.watchCount", "watches"),
    ("raw", "jsonb", "", "*all"),
)
_REQUIRED = frozenset(
    {"id", "key", "summary", "status", "issue_type", "project_key", "project_id", "created", "updated"}
)
_BASE_NAMES = frozenset(name for name, _, _, _ in _BASE)
_COLUMNS = tuple(
    Column(name=name, type_name=kind, path=where, nullable=name not in _REQUIRED) for name, kind, where, _ in _BASE
)
_REQUESTED = {name: requested for name, _, _, requested in _BASE}
_EXTRACTORS: dict[str, Extract] = {
    "id": number("id"),
    # A key begins with that of its project; read from it, it costs no field, and bare keys come in large pages.
    "project_key": matched("key", r"^(.+)-[0-9]+$"),
    "project_id": number("fields.project.id"),
    "description": adf_text("fields.description"),
    "raw": path(""),
}
_FIELDS: dict[str, JqlField] = {
    "key": JqlField(name="key", kind=Kind.KEY),
    "summary": JqlField(name="summary", kind=Kind.SUMMARY),
    "status": JqlField(name="status", kind=Kind.CHOICE, vocabulary="/rest/api/3/status"),
    "status_category": JqlField(name="statusCategory", kind=Kind.CHOICE),
    "issue_type": JqlField(name="issuetype", kind=Kind.CHOICE, vocabulary="/rest/api/3/issuetype"),
    "priority": JqlField(name="priority", kind=Kind.CHOICE, nullable=True, vocabulary="/rest/api/3/priority"),
    "resolution": JqlField(name="resolution", kind=Kind.CHOICE, nullable=True, vocabulary="/rest/api/3/resolution"),
    "project_key": JqlField(name="project", kind=Kind.CHOICE),
    "parent_key": JqlField(name="parent", kind=Kind.KEY, nullable=True),
    "assignee_account_id": JqlField(name="assignee", kind=Kind.PERSON, nullable=True),
    "reporter_account_id": JqlField(name="reporter", kind=Kind.PERSON, nullable=True),
    "creator_account_id": JqlField(name="creator", kind=Kind.PERSON),
    "labels": JqlField(name="labels", kind=Kind.LABELS),
    "components": JqlField(name="component", kind=Kind.LABELS),
    "fix_versions": JqlField(name="fixVersion", kind=Kind.LABELS),
    "created": JqlField(name="created", kind=Kind.INSTANT),
    "updated": JqlField(name="updated", kind=Kind.INSTANT),
    "resolved": JqlField(name="resolved", kind=Kind.INSTANT, nullable=True),
    "due_date": JqlField(name="duedate", kind=Kind.DAY, nullable=True),
}
