"""What Jira's endpoints share: the site, parameters, JSON bodies and pages with `startAt`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from connectors.simulators.company import Company, Person
from connectors.simulators.company.model import TrackerIssue
from connectors.simulators.jira.jql import Context
from connectors.simulators.jira.rules import bad_request, no_such_issue
from connectors.simulators.paging import whole_number
from connectors.simulators.toolkit import SIMULATION

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One Jira site as the user of the API token sees it."""

    company: Company
    user: Person
    zone: tzinfo

    def context(self) -> Context:
        """Return what queries are evaluated against."""
        return Context(company=self.company, user=self.user, zone=self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What rendering needs: the site and the address that clients reach it at."""

    site: Site
    base: str


SITE: web.AppKey[Site] = web.AppKey("site", Site)


def view_of(request: web.Request) -> View:
    """Return the view of a request."""
    return View(site=request.app[SITE], base=str(request.url.origin()))


def listed_values(request: web.Request, name: str) -> list[str]:
    """Return a parameter that may be repeated, each time with values separated by commas."""
    texts = (part.strip() for value in request.query.getall(name, []) for part in value.split(","))
    return [text for text in texts if text]


def start_and_rows(request: web.Request, rows_default: int, rows_max: int) -> tuple[int, int]:
    """Return `startAt` and `maxResults`, the latter cut to what the endpoint gives at most."""
    start = whole_number(request.query.get("startAt"), 0)
    rows = whole_number(request.query.get("maxResults"), rows_default)
    if start < 0 or rows < 0:
        raise bad_request("startAt and maxResults must not be negative.")
    return start, request.app[SIMULATION].page_rows(min(rows, rows_max))


def page_bean(
    request: web.Request,
    records: Sequence[Record],
    render: Callable[[Record], dict[str, Any]],
    *,
    rows_default: int,
    rows_max: int,
) -> dict[str, Any]:
    """Return one page in the shape with `total`, `isLast`, `self` and, before the end, `nextPage`."""
    start, rows = start_and_rows(request, rows_default, rows_max)
    page = records[start : start + rows]
    end = start + len(page)
    body: dict[str, Any] = {
        "self": str(request.url),
        "maxResults": rows,
        "startAt": start,
        "total": len(records),
        "isLast": end >= len(records),
        "values": [render(record) for record in page],
    }
    if end < len(records):
        body["nextPage"] = str(request.url.update_query({"startAt": str(end), "maxResults": str(rows)}))
    return body


async def json_body(request: web.Request, known: frozenset[str]) -> dict[str, Any]:
    """Return the JSON object that a request carries; a key that the endpoint does not know is refused.

    Raises:
        ApiError: 400.
    """
    try:
        body = msgspec.json.decode(await request.read())
    except msgspec.DecodeError:
        body = None
    if not isinstance(body, dict) or not set(body) <= known:
        raise bad_request("Invalid request payload. Refer to the REST API documentation and try again.")
    return body


def issue_of(request: web.Request) -> TrackerIssue:
    """Return the issue whose key or identifier is in the path."""
    issue = request.app[SITE].company.tracker.issue(request.match_info["issue"])
    if issue is None:
        raise no_such_issue()
    return issue
