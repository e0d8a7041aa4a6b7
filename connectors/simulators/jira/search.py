"""Search by JQL with page tokens, the approximate count, and single issues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from connectors.simulators.company.model import TrackerIssue
from connectors.simulators.jira.exchange import SITE, issue_of, json_body, listed_values, view_of
from connectors.simulators.jira.issue_fields import IssueField, chosen_fields, issue_bean
from connectors.simulators.jira.jql import JqlError, compile_query, parse
from connectors.simulators.jira.rules import bad_request, error_body
from connectors.simulators.paging import page_token, token_offset, whole_number
from connectors.simulators.toolkit import SIMULATION
from connectors.simulators.vendor import ApiError, json_response

ROWS_DEFAULT = 50
ROWS_MAX = 100
# Only a search for nothing but identifiers and keys gets pages of this size.
KEYS_MAX = 5000
RECONCILED_MAX = 50
BULK_ISSUES_MAX = 100
_SEARCH_KEYS = frozenset(
    {"jql", "nextPageToken", "maxResults", "fields", "expand", "properties", "fieldsByKeys", "failFast"}
    | {"reconcileIssues"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The parameters of a search, from a query string or a body."""

    jql: str
    token: str | None
    rows: int
    fields: tuple[str, ...]
    expand: frozenset[str]


async def search_by_query(request: web.Request) -> web.Response:
    """`GET /rest/api/3/search/jql`."""
    _check_reconciled(listed_values(request, "reconcileIssues"))
    return _answer(
        request,
        Search(
            jql=request.query.get("jql", ""),
            token=request.query.get("nextPageToken"),
            rows=whole_number(request.query.get("maxResults"), ROWS_DEFAULT),
            fields=tuple(listed_values(request, "fields")),
            expand=frozenset(listed_values(request, "expand")),
        ),
    )


async def search_by_body(request: web.Request) -> web.Response:
    """`POST /rest/api/3/search/jql`."""
    body = await json_body(request, _SEARCH_KEYS)
    rows, fields = body.get("maxResults", ROWS_DEFAULT), body.get("fields") or []
    if isinstance(rows, bool) or not isinstance(rows, int) or not isinstance(fields, list):
        raise bad_request("Invalid request payload. Refer to the REST API documentation and try again.")
    _check_reconciled(body.get("reconcileIssues") or [])
    return _answer(
        request,
        Search(
            jql=str(body.get("jql") or ""),
            token=body.get("nextPageToken"),
            rows=rows,
            fields=tuple(str(name) for name in fields),
            expand=frozenset(str(body.get("expand") or "").split(",")),
        ),
    )


async def count_approximately(request: web.Request) -> web.Response:
    """`POST /rest/api/3/search/approximate-count`."""
    body = await json_body(request, frozenset({"jql"}))
    return json_response({"count": len(_found(request, str(body.get("jql") or "")))})


async def show_issue(request: web.Request) -> web.Response:
    """`GET /rest/api/3/issue/{issue}`, with all fields unless some are asked for."""
    issue = issue_of(request)
    fields = chosen_fields(listed_values(request, "fields") or ["*all"])
    return json_response(issue_bean(view_of(request), issue, fields))


async def fetch_issues(request: web.Request) -> web.Response:
    """`POST /rest/api/3/issue/bulkfetch`: up to 100 issues, of which those that exist come back."""
    known = frozenset({"issueIdsOrKeys", "fields", "expand", "fieldsByKeys", "properties"})
    body, view = await json_body(request, known), view_of(request)
    names = body.get("issueIdsOrKeys")
    if not isinstance(names, list) or not 1 <= len(names) <= BULK_ISSUES_MAX:
        raise bad_request(f"issueIdsOrKeys must have 1 to {BULK_ISSUES_MAX} entries.")
    fields = chosen_fields([str(name) for name in body.get("fields") or ["*navigable"]])
    found = {name: view.site.company.tracker.issue(str(name)) for name in names}
    issues = {issue.id: issue for issue in found.values() if issue is not None}
    missing = [name for name, issue in found.items() if issue is None]
    answer: dict[str, Any] = {"issues": [issue_bean(view, issues[i], fields) for i in sorted(issues)]}
    if missing:
        message = "These issues do not exist or you do not have permission to see them."
        answer["issueErrors"] = [{"id": name, "errorMessage": message} for name in missing]
    return json_response(answer)


async def removed_search(request: web.Request) -> web.Response:  # noqa: ARG001 - a handler's signature
    """`GET` and `POST /rest/api/3/search`, which Jira Cloud has removed."""
    message = (
        "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full migration "
        "guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046"
    )
    raise ApiError(410, error_body(message))


def _check_reconciled(identifiers: object) -> None:
    if not isinstance(identifiers, list) or len(identifiers) > RECONCILED_MAX:
        raise bad_request(f"reconcileIssues must have at most {RECONCILED_MAX} entries.")


def _answer(request: web.Request, search: Search) -> web.Response:
    if not 1 <= search.rows <= KEYS_MAX:
        raise bad_request(f"The maxResults parameter must be between 1 and {KEYS_MAX}.")
    wanted = search.fields or ("id",)
    issues = _found(request, search.jql)
    start = 0
    if search.token:
        offset = token_offset(search.token, search.jql, sorted(wanted))
        if offset is None:
            raise bad_request("The provided next page token is invalid or expired.")
        start = offset
    has_fields = not set(wanted) <= {"id", "key"}
    rows = request.app[SIMULATION].page_rows(min(search.rows, ROWS_MAX) if has_fields else search.rows)
    fields = chosen_fields(wanted)
    answer: dict[str, Any] = {"issues": _beans(request, issues[start : start + rows], wanted, fields)}
    if start + rows < len(issues):
        answer["nextPageToken"] = page_token(start + rows, search.jql, sorted(wanted))
    answer["isLast"] = start + rows >= len(issues)
    if "names" in search.expand:
        answer["names"] = {field.id: field.name for field in fields}
    if "schema" in search.expand:
        answer["schema"] = {field.id: field.schema for field in fields}
    return json_response(answer)


def _beans(
    request: web.Request, issues: Sequence[TrackerIssue], wanted: Sequence[str], fields: Sequence[IssueField]
) -> list[dict[str, Any]]:
    if set(wanted) == {"id"}:
        return [{"id": str(issue.id)} for issue in issues]
    view = view_of(request)
    return [issue_bean(view, issue, fields) for issue in issues]


def _found(request: web.Request, jql: str) -> list[TrackerIssue]:
    """Return the issues that a query finds, evaluated once for all of its pages."""
    site = request.app[SITE]

    def run() -> list[TrackerIssue]:
        return compile_query(parse(jql), site.context()).run(site.company.tracker.issues())

    try:
        return request.app[SIMULATION].keep(("jql", jql), run)
    except JqlError as error:
        raise bad_request(*error.messages) from None
