"""From a scan to the Jira requests that answer it: pure builders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote

import msgspec

from connectors.jira import jql
from connectors.jira.issues import BARE_PAGE_ROWS_MAX, IssueModel
from connectors.jira.jql import JqlField
from connectors.jira.tables import LISTINGS
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.instants import ceil_s, floor_s
from connectors.sdk.request import Request, filled
from connectors.sdk.scan import Direction, Operator, Predicate, Scan, Value

SEARCH = "/rest/api/3/search/jql"
COUNT = "/rest/api/3/search/approximate-count"
FIELDS = "/rest/api/3/field"
MYSELF = "/rest/api/3/myself"
PAGE_ROWS_MAX = 100
_URL_CHARACTERS_MAX = 4000
_IDENTITY = frozenset({"id", "key"})


def search_predicates(scan: Scan) -> tuple[Predicate, ...]:
    """Return the predicates of an issue search, its keys among them.

    Raises:
        EmptyResult: no key has the form of one.
    """
    if scan.access_path != "by_key":
        return scan.predicates
    asked = scan.keys["key"]
    keys = tuple(key for key in (asked if isinstance(asked, tuple) else (asked,)) if jql.is_issue_key(key))
    if not keys:
        raise EmptyResult(message="no issue has a key of this form")
    return (Predicate(column="key", operator=Operator.IN, value=keys), *scan.predicates)


def search(model: IssueModel, scan: Scan, predicates: tuple[Predicate, ...]) -> Request:
    """Return the first request of an issue search, with only the fields that the scan's columns need."""
    text = jql.query(model.fields, predicates, scan.order)
    requested = {model.requested[column] for column in scan.columns} - {"id"}
    fields = ("*all",) if "*all" in requested else tuple(sorted(requested)) or ("id",)
    # Only bare identities come in pages of more than a hundred.
    rows_max = BARE_PAGE_ROWS_MAX if _IDENTITY.issuperset(fields) else PAGE_ROWS_MAX
    rows = rows_max if scan.limit is None else max(1, min(rows_max, scan.limit))
    if len(quote(text)) > _URL_CHARACTERS_MAX:
        body = {"jql": text, "fields": list(fields), "maxResults": rows}
        return Request(
            template=SEARCH,
            path=SEARCH,
            method="POST",
            body=msgspec.json.encode(body),
            conditional=False,
            bucket="burst",
        )
    parameters = (("jql", text), ("fields", ",".join(fields)), ("maxResults", str(rows)))
    return Request(template=SEARCH, path=SEARCH, parameters=parameters, conditional=False, bucket="burst")


def next_search(request: Request, token: str) -> Request:
    """Return the request for the page that a token stands for."""
    if request.body is not None:
        body = msgspec.json.decode(request.body, type=dict[str, object])
        return replace(request, body=msgspec.json.encode({**body, "nextPageToken": token}))
    kept = tuple((name, text) for name, text in request.parameters if name != "nextPageToken")
    return replace(request, parameters=(*kept, ("nextPageToken", token)))


def without_literals(
    predicates: tuple[Predicate, ...], fields: Mapping[str, JqlField], unknown: Mapping[str, frozenset[str]]
) -> tuple[Predicate, ...]:
    """Return the predicates without values that the site does not know, given in lower case by JQL field.

    Raises:
        EmptyResult: a predicate can hold for no row, because none of its values exists.
    """
    names = {fields[predicate.column].name.lower() for predicate in predicates}
    # A custom field may be called by its name instead of by its number; then the value alone tells.
    stray = frozenset(value for name, values in unknown.items() if name not in names for value in values)
    kept: list[Predicate] = []
    for predicate in predicates:
        gone = unknown.get(fields[predicate.column].name.lower(), frozenset()) | stray
        value = predicate.value
        values = value if isinstance(value, tuple) else (value,)
        left = tuple(each for each in values if str(each).lower() not in gone)
        if len(left) == len(values):
            kept.append(predicate)
        elif predicate.operator is Operator.CONTAINS or (predicate.operator in _POSITIVE and not left):
            raise EmptyResult(message="a value that is asked for does not exist on the source")
        elif left:
            kept.append(replace(predicate, value=left))
        # A value that does not exist excludes nothing: the comparison with it is left out.
    return tuple(kept)


def listing(scan: Scan) -> Request:
    """Return the first request of any table but issues.

    Raises:
        EmptyResult: a key cannot be one.
    """
    found = LISTINGS[scan.table]
    # A small page of a listing that leaves rows out can be empty before the end.
    wanted = None if found.hides_rows else scan.limit
    rows = found.page_rows_max if wanted is None else max(1, min(found.page_rows_max, wanted))
    parameters = [("maxResults", str(rows))]
    keys: dict[str, object] = {}
    if "issue_key" in scan.keys:
        if not jql.is_issue_key(scan.keys["issue_key"]):
            raise EmptyResult(message="no issue has a key of this form")
        keys["issueIdOrKey"] = scan.keys["issue_key"]
    if "board_id" in scan.keys:
        keys["boardId"] = scan.keys["board_id"]
    parameters += _EXTRAS[scan.table](scan) if scan.table in _EXTRAS else []
    return Request(
        template=found.template,
        path=filled(found.template, **keys),
        parameters=tuple(parameters),
        empty_statuses=frozenset({404}) if keys else frozenset(),
        conditional=False,
        bucket="burst",
    )


def approximate_count() -> Request:
    """Return the request that counts all issues the credentials can see."""
    return Request(
        template=COUNT,
        path=COUNT,
        method="POST",
        body=msgspec.json.encode({"jql": jql.UNRESTRICTED}),
        conditional=False,
        bucket="burst",
    )


def smallest_page(table: str) -> Request:
    """Return the request for one row of a listing without keys, whose answer tells the total."""
    template = LISTINGS[table].template
    return Request(
        template=template, path=template, parameters=(("maxResults", "1"),), conditional=False, bucket="burst"
    )


def vocabulary(template: str) -> Request:
    """Return the request for all values of a field."""
    return Request(template=template, path=template, conditional=False, bucket="burst")


def _projects(scan: Scan) -> list[tuple[str, str]]:
    parameters: list[tuple[str, str]] = []
    asked = scan.keys.get("key")
    if asked is not None:
        parameters += [("keys", str(key)) for key in (asked if isinstance(asked, tuple) else (asked,)) if key]
        if not parameters:
            raise EmptyResult(message="no project has an empty key")
    parameters += [("typeKey", str(predicate.value)) for predicate in scan.predicates]
    expand = [name for name, columns in _PROJECT_EXPANSIONS.items() if columns & set(scan.columns)]
    return parameters + ([("expand", ",".join(expand))] if expand else [])


def _comments(scan: Scan) -> list[tuple[str, str]]:
    if len(scan.order) > 1:
        raise Fatal(message=f"{scan.table} cannot be read in this order")
    descending = bool(scan.order) and scan.order[0].direction is Direction.DESC
    return [("orderBy", "-created" if descending else "created")]


def _worklogs(scan: Scan) -> list[tuple[str, str]]:
    parameters: dict[str, int] = {}
    for predicate in scan.predicates:
        moment = _moment(predicate.value)
        # Whether the bounds belong to the range is not documented: a second on either side makes sure.
        if predicate.operator in {Operator.GE, Operator.GT}:
            after = max(0, floor_s(moment) - 1) * 1000
            parameters["startedAfter"] = max(after, parameters.get("startedAfter", after))
        else:
            before = (ceil_s(moment) + 1) * 1000
            parameters["startedBefore"] = min(before, parameters.get("startedBefore", before))
    return [(name, str(value)) for name, value in parameters.items()]


def _boards(scan: Scan) -> list[tuple[str, str]]:
    return [("type", str(predicate.value)) for predicate in scan.predicates]


def _sprints(scan: Scan) -> list[tuple[str, str]]:
    return [("state", str(predicate.value)) for predicate in scan.predicates]


def _moment(value: Value) -> datetime:
    if not isinstance(value, datetime):
        raise Fatal(message="started can only be compared with a time")
    return value


_POSITIVE = frozenset({Operator.EQ, Operator.IN})
_PROJECT_EXPANSIONS = {"description": {"description"}, "lead": {"lead_account_id", "lead_name"}}
_EXTRAS = {
    "projects": _projects,
    "issue_comments": _comments,
    "issue_worklogs": _worklogs,
    "boards": _boards,
    "sprints": _sprints,
}
