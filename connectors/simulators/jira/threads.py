"""What hangs on one issue: comments, work logs and its history, singly and in bulk."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from connectors.simulators.company.model import Change, TrackerComment, TrackerIssue, Worklog
from connectors.simulators.jira import render
from connectors.simulators.jira.adf import document
from connectors.simulators.jira.exchange import View, issue_of, json_body, page_bean, start_and_rows, view_of
from connectors.simulators.jira.rules import bad_request
from connectors.simulators.paging import page_token, token_offset, whole_number
from connectors.simulators.toolkit import SIMULATION
from connectors.simulators.vendor import json_response

COMMENTS_MAX = 100
WORKLOGS_MAX = 5000
CHANGES_MAX = 100
BULK_ISSUES_MAX = 1000
BULK_FIELDS_MAX = 10
BULK_CHANGES_DEFAULT = 1000
BULK_CHANGES_MAX = 10_000
_BULK_KEYS = frozenset({"issueIdsOrKeys", "fieldIds", "maxResults", "nextPageToken"})


async def list_comments(request: web.Request) -> web.Response:
    """`GET /rest/api/3/issue/{issue}/comment`."""
    issue, view = issue_of(request), view_of(request)
    order = request.query.get("orderBy", "created")
    if order.lstrip("+-") != "created":
        raise bad_request(f"'{order}' is not a valid value for orderBy.")
    comments = view.site.company.tracker.comments(issue)
    if order.startswith("-"):
        comments = comments[::-1]
    start, rows = start_and_rows(request, COMMENTS_MAX, COMMENTS_MAX)
    page = [comment(view, issue, found) for found in comments[start : start + rows]]
    return json_response({"startAt": start, "maxResults": rows, "total": len(comments), "comments": page})


async def list_worklogs(request: web.Request) -> web.Response:
    """`GET /rest/api/3/issue/{issue}/worklog`; both bounds of `started` are exclusive, in epoch milliseconds."""
    issue, view = issue_of(request), view_of(request)
    after_ms = whole_number(request.query.get("startedAfter"), -1)
    before_ms = whole_number(request.query.get("startedBefore"), 2**62)
    found = [w for w in view.site.company.tracker.worklogs(issue) if after_ms < w.started_ms < before_ms]
    start, rows = start_and_rows(request, WORKLOGS_MAX, WORKLOGS_MAX)
    page = [worklog(view, issue, entry) for entry in found[start : start + rows]]
    return json_response({"startAt": start, "maxResults": rows, "total": len(found), "worklogs": page})


async def list_changes(request: web.Request) -> web.Response:
    """`GET /rest/api/3/issue/{issue}/changelog`, oldest first."""
    issue, view = issue_of(request), view_of(request)
    changes = view.site.company.tracker.changes(issue)
    body = page_bean(
        request,
        changes,
        lambda found: change(view, found, render.timestamp(view, found.created_ms)),
        rows_default=CHANGES_MAX,
        rows_max=CHANGES_MAX,
    )
    return json_response(body)


async def fetch_changes(request: web.Request) -> web.Response:
    """`POST /rest/api/3/changelog/bulkfetch`; here, unlike elsewhere, times are epoch milliseconds."""
    body, view = await json_body(request, _BULK_KEYS), view_of(request)
    names, fields = body.get("issueIdsOrKeys"), body.get("fieldIds") or []
    if not isinstance(names, list) or not 1 <= len(names) <= BULK_ISSUES_MAX:
        raise bad_request(f"issueIdsOrKeys must have 1 to {BULK_ISSUES_MAX} entries.")
    if not isinstance(fields, list) or len(fields) > BULK_FIELDS_MAX:
        raise bad_request(f"fieldIds must have at most {BULK_FIELDS_MAX} entries.")
    rows = body.get("maxResults") or BULK_CHANGES_DEFAULT
    if not isinstance(rows, int) or not 1 <= rows <= BULK_CHANGES_MAX:
        raise bad_request(f"maxResults must be between 1 and {BULK_CHANGES_MAX}.")
    rows = request.app[SIMULATION].page_rows(rows)
    start = 0
    if body.get("nextPageToken") is not None:
        offset = token_offset(str(body["nextPageToken"]), names, fields)
        if offset is None:
            raise bad_request("The provided next page token is invalid or expired.")
        start = offset
    entries = _entries(view, [str(name) for name in names], {str(field) for field in fields})
    answer: dict[str, Any] = {"issueChangeLogs": _grouped(view, entries[start : start + rows])}
    if start + rows < len(entries):
        answer["nextPageToken"] = page_token(start + rows, names, fields)
    return json_response(answer)


def _entries(view: View, names: list[str], fields: set[str]) -> list[tuple[TrackerIssue, Change]]:
    """Return the changes of the issues that exist, by issue and then oldest first."""
    tracker = view.site.company.tracker
    issues = {found.id: found for found in map(tracker.issue, names) if found is not None}
    return [
        (issues[issue_id], found)
        for issue_id in sorted(issues)
        for found in tracker.changes(issues[issue_id])
        if not fields or found.field_id in fields
    ]


def _grouped(view: View, entries: list[tuple[TrackerIssue, Change]]) -> list[dict[str, Any]]:
    histories: dict[int, list[dict[str, Any]]] = {}
    for issue, found in entries:
        histories.setdefault(issue.id, []).append(change(view, found, found.created_ms))
    return [{"issueId": str(issue_id), "changeHistories": history} for issue_id, history in histories.items()]


def comment(view: View, issue: TrackerIssue, found: TrackerComment) -> dict[str, Any]:
    """Return a comment."""
    author = render.user(view, found.author) or render.former_user(view)
    return {
        "self": render.link(view, f"issue/{issue.id}/comment/{found.id}"),
        "id": str(found.id),
        "author": author,
        "body": document(found.body),
        "updateAuthor": author,
        "created": render.timestamp(view, found.created_ms),
        "updated": render.timestamp(view, found.updated_ms),
        "jsdPublic": True,
    }


def worklog(view: View, issue: TrackerIssue, found: Worklog) -> dict[str, Any]:
    """Return a work log; one without a note has no key `comment`."""
    author = render.user(view, found.author)
    body = {
        "self": render.link(view, f"issue/{issue.id}/worklog/{found.id}"),
        "author": author,
        "updateAuthor": author,
        "created": render.timestamp(view, found.created_ms),
        "updated": render.timestamp(view, found.created_ms),
        "started": render.timestamp(view, found.started_ms),
        "timeSpent": f"{found.spent_s // 3600}h",
        "timeSpentSeconds": found.spent_s,
        "id": str(found.id),
        "issueId": str(issue.id),
    }
    return {**body, "comment": document(found.note)} if found.note else body


def change(view: View, found: Change, created: str | int | None) -> dict[str, Any]:
    """Return an entry of the history; one of a deleted author has no key `author`."""
    item = {
        "field": found.field,
        "fieldtype": "jira",
        "fieldId": found.field_id,
        "from": found.from_id,
        "fromString": found.from_text,
        "to": found.to_id,
        "toString": found.to_text,
    }
    body: dict[str, Any] = {"id": str(found.id), "created": created, "items": [item]}
    return {**body, "author": render.user(view, found.author)} if found.author else body
