"""Zendesk's listings with cursors (page[size], page[after]), lookups of many, searches and changes of tickets.

- Cursors, at most 100 a page, `meta.has_more`: https://developer.zendesk.com/api-reference/introduction/pagination.
- Limits, their headers, 429 with Retry-After and a plain text: https://developer.zendesk.com/api-reference/introduction/rate-limits.
- Search export: one type, 1,000 a page, newest first, unordered otherwise:
  https://developer.zendesk.com/api-reference/ticketing/ticket-management/search.
- Changed tickets: compared with `generated_timestamp`, deleted ones too unless excluded, `end_of_stream`, 1,000 a page:
  https://developer.zendesk.com/documentation/ticketing/managing-tickets/using-the-incremental-export-api.

All answers fit Zendesk's own description, which says nothing of cursors and of nulls.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from connectors.simulators.company import Company
from connectors.simulators.paging import page_token, token_offset
from connectors.simulators.plain_rest import Node, PlainRules, checked_query, moment_of, sorted_by, whole
from connectors.simulators.rate_limit import RateLimit, WindowState
from connectors.simulators.toolkit import SIMULATION, Simulation, create_simulator
from connectors.simulators.vendor import json_response
from connectors.simulators.zendesk.desk import Desk

EMAIL = "demo@acme.example"
PAGE_ROWS_MAX = 100
EXPORT_ROWS_MAX = 1000
MANY_MAX = 100
_PAGES = ("page[size]", "page[after]")
_WORD = re.compile(r'([a-z_]+)(:|>=|<=|>|<)("[^"]*"|[^\s"]+)(?:\s+|$)')
_DATES = {"created": "created_at", "updated": "updated_at", "due_date": "due_at"}
_FIELDS = {
    "status": "status", "priority": "priority", "ticket_type": "type", "requester": "requester_id",
    "assignee": "assignee_id", "group": "group_id", "organization": "organization_id", "tags": "tags",
}  # fmt: skip


def create_app(company: Company, *, token: str, clock: Callable[[], float] = time.time) -> web.Application:
    """Return the API over a company, open to one user's API token and to the same as an OAuth token."""
    basic = base64.b64encode(f"{EMAIL}/token:{token}".encode()).decode()
    rules = _Rules(
        accepted=frozenset({("Authorization", f"Basic {basic}"), ("Authorization", f"Bearer {token}")}),
        limit=RateLimit(limit=700, window_s=60.0),
        error=_error,
        told=_told,
        clock=clock,
    )
    app = create_simulator(rules, clock)
    server = _Server(app[SIMULATION], rules, Desk(company), token)
    app.router.add_post("/oauth/tokens", server.token)
    filters = {"tickets": ("external_id", "sort"), "users": ("role", "external_id"),
               "satisfaction_ratings": ("score", "start_time", "end_time")}  # fmt: skip
    for name in ("users", "organizations", "groups", "group_memberships", "ticket_fields", "ticket_metrics",
                 "satisfaction_ratings", "tickets"):  # fmt: skip
        app.router.add_get(f"/api/v2/{name}", server.listing(name, filters.get(name, ())))
    app.router.add_get("/api/v2/users/me", server.me)
    for name in ("tickets", "users", "organizations"):
        app.router.add_get(f"/api/v2/{name}/show_many", server.many(name))
    app.router.add_get("/api/v2/groups/{id}", server.group)
    app.router.add_get("/api/v2/tickets/{id}/comments", server.comments)
    app.router.add_get("/api/v2/tickets/{id}/metrics", server.metrics)
    app.router.add_get("/api/v2/tickets/{id}/audits", server.audits)
    app.router.add_get("/api/v2/search/export", server.search)
    app.router.add_get("/api/v2/incremental/tickets/cursor", server.changed)
    return app


class _Rules(PlainRules):
    def check_access(self, request: web.Request) -> None:
        """Require a credential, but where a token is got."""
        if request.path != "/oauth/tokens":
            super().check_access(request)


class _Server:
    def __init__(self, simulation: Simulation, rules: PlainRules, desk: Desk, token: str) -> None:
        self._token = token
        self._simulation = simulation
        self._rules = rules
        self._desk = desk

    async def token(self, request: web.Request) -> web.Response:
        """`POST /oauth/tokens`: a token for the client's own credentials."""
        form = dict(await request.post())
        known = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "shh", "scope": "read"}
        if form != known:
            return json_response({"error": "invalid_client"}, status=401)
        return json_response({"access_token": self._token, "token_type": "bearer", "scope": "read"})

    def listing(self, name: str, filters: tuple[str, ...]) -> Callable[[web.Request], Any]:
        """`GET /api/v2/users` and the like."""

        async def answer(request: web.Request) -> web.Response:
            checked_query(request, [*_PAGES, *filters], self._rules.refusal)
            rows: list[Node] = getattr(self._desk, name)
            for field in ("external_id", "role", "score"):
                if text := request.query.get(field):
                    rows = [row for row in rows if row[field] == text]
            for bound in request.query.keys() & {"start_time", "end_time"}:
                at = datetime.fromtimestamp(whole(request, bound, 0, self._rules.refusal), UTC)
                comparator = ">=" if bound == "start_time" else "<="
                rows = [row for row in rows if self._in_bounds(row["created_at"], comparator, at.isoformat())]
            if sort := request.query.get("sort"):
                if sort.removeprefix("-") not in {"id", "updated_at", "status"}:
                    raise self._rules.refusal(400, "InvalidPaginationParameter")
                rows = sorted_by(rows, sort.removeprefix("-"), sort.startswith("-"))
            return self._page(request, name, rows, PAGE_ROWS_MAX)

        return answer

    def many(self, name: str) -> Callable[[web.Request], Any]:
        """`GET /api/v2/tickets/show_many`: those that exist of up to 100."""

        async def answer(request: web.Request) -> web.Response:
            checked_query(request, ("ids",), self._rules.refusal)
            wanted = request.query.get("ids", "").split(",")
            if len(wanted) > MANY_MAX or not all(each.isdigit() for each in wanted):
                raise self._rules.refusal(400, "TooManyValues")
            found = [row for row in getattr(self._desk, name) if str(row["id"]) in wanted]
            return json_response({name: found, "count": len(found), "next_page": None, "previous_page": None})

        return answer

    async def me(self, request: web.Request) -> web.Response:
        """`GET /api/v2/users/me`."""
        checked_query(request, (), self._rules.refusal)
        return json_response({"user": self._desk.users[0]})

    async def group(self, request: web.Request) -> web.Response:
        """`GET /api/v2/groups/{id}`."""
        found = [row for row in self._desk.groups if str(row["id"]) == request.match_info["id"]]
        if not found:
            raise self._rules.not_found()
        return json_response({"group": found[0]})

    async def comments(self, request: web.Request) -> web.Response:
        """`GET /api/v2/tickets/{id}/comments`."""
        checked_query(request, _PAGES, self._rules.refusal)
        return self._page(request, "comments", self._desk.comments[self._ticket(request)], PAGE_ROWS_MAX)

    async def audits(self, request: web.Request) -> web.Response:
        """`GET /api/v2/tickets/{id}/audits`."""
        checked_query(request, _PAGES, self._rules.refusal)
        return self._page(request, "audits", self._desk.audits[self._ticket(request)], PAGE_ROWS_MAX)

    async def changed(self, request: web.Request) -> web.Response:
        """`GET /api/v2/incremental/tickets/cursor`: by the time they were generated at, deleted ones too."""
        known = ("start_time", "cursor", "exclude_deleted", "per_page")
        checked_query(request, known, self._rules.refusal)
        size = whole(request, "per_page", EXPORT_ROWS_MAX, self._rules.refusal)
        if not 1 <= size <= EXPORT_ROWS_MAX or not {"start_time", "cursor"} & request.query.keys():
            raise self._rules.refusal(400, "InvalidValue")
        # A cursor takes precedence over the time it began with.
        bound_to = (request.path, request.query.get("exclude_deleted"))
        cursor, start_s = request.query.get("cursor"), whole(request, "start_time", 0, self._rules.refusal)
        rows = sorted(self._desk.tickets, key=lambda row: (row["generated_timestamp"], row["id"]))
        gone = [{**row, "id": row["id"] + 1_000_000, "status": "deleted"} for row in rows[::7]]
        rows = rows if request.query.get("exclude_deleted") == "true" else [*rows, *gone]
        first = next((at for at, row in enumerate(rows) if row["generated_timestamp"] >= start_s), len(rows))
        start = first if cursor is None else token_offset(cursor, bound_to)
        if start is None:
            raise self._rules.refusal(400, "InvalidCursor")
        end = start + self._simulation.page_rows(size)
        after = page_token(min(end, len(rows)), bound_to)
        return json_response(
            {"tickets": rows[start:end], "after_cursor": after, "before_cursor": None, "after_url": None,
             "before_url": None, "end_of_stream": end >= len(rows)}
        )  # fmt: skip

    async def metrics(self, request: web.Request) -> web.Response:
        """`GET /api/v2/tickets/{id}/metrics`."""
        number = self._ticket(request)
        found = [row for row in self._desk.ticket_metrics if row["ticket_id"] == number]
        if not found:
            raise self._rules.not_found()
        return json_response({"ticket_metric": found[0]})

    async def search(self, request: web.Request) -> web.Response:
        """`GET /api/v2/search/export` for tickets; newest first."""
        checked_query(request, [*_PAGES, "query", "filter[type]"], self._rules.refusal)
        if request.query.get("filter[type]") != "ticket":
            raise self._rules.refusal(422, "filter[type] is required")
        rows = sorted_by(self._desk.tickets, "created_at", True)
        for (field, comparator), values in self._words(request.query.get("query", "")).items():
            rows = [row for row in rows if self._holds(row, field, comparator, values)]
        return self._page(request, "results", rows, EXPORT_ROWS_MAX)

    def _words(self, query: str) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        position = 0
        while position < len(query):
            match = _WORD.match(query, position)
            if match is None:
                raise self._rules.refusal(422, "Invalid search: the query is not understood")
            found.setdefault((match.group(1), match.group(2)), []).append(match.group(3).strip('"'))
            position = match.end()
        return found

    def _holds(self, row: Node, field: str, comparator: str, values: list[str]) -> bool:
        if field in _DATES:
            return all(self._in_bounds(row[_DATES[field]], comparator, each) for each in values)
        if comparator != ":":
            raise self._rules.refusal(422, "Invalid search: the comparator is not for this field")
        if field == "subject":
            return all(each.lower() in row["subject"].lower() for each in values)
        if field not in _FIELDS:
            raise self._rules.refusal(422, "Invalid search: no such field")
        actual = row[_FIELDS[field]]
        if field == "tags":
            known = {tag.lower() for tag in actual}
            return all(each.lower() in known for each in values)
        text = "none" if actual is None else str(actual).lower()
        return text in {each.lower() for each in values}

    def _in_bounds(self, text: str | None, comparator: str, value: str) -> bool:
        bound = moment_of(value, self._rules.refusal)
        if text is None:
            return False
        moment = datetime.fromisoformat(text)
        return {
            ">": moment > bound, ">=": moment >= bound, "<": moment < bound, "<=": moment <= bound,
            ":": moment.date() == bound.date(),
        }[comparator]  # fmt: skip

    def _ticket(self, request: web.Request) -> int:
        text = request.match_info["id"]
        if not text.isdigit() or int(text) not in self._desk.comments:
            raise self._rules.not_found()
        return int(text)

    def _page(self, request: web.Request, name: str, rows: list[Node], rows_max: int) -> web.Response:
        size = whole(request, "page[size]", 100, self._rules.refusal)
        if not 1 <= size <= rows_max:
            raise self._rules.refusal(400, "InvalidPaginationParameter")
        bound_to = (request.path, sorted((k, v) for k, v in request.query.items() if k not in _PAGES))
        after = request.query.get("page[after]")
        start = 0 if after is None else token_offset(after, bound_to)
        if start is None:
            raise self._rules.refusal(400, "InvalidPaginationParameter")
        end = start + self._simulation.page_rows(size)
        more = end < len(rows)
        meta = {"has_more": more, "after_cursor": page_token(end, bound_to) if rows else None, "before_cursor": None}
        return json_response({name: rows[start:end], "meta": meta, "links": {"prev": None, "next": None}})


def _error(status: int, message: str) -> Any:
    if status == 401:
        return {"error": "Couldn't authenticate you"}
    if status == 429:
        # A text, as what answers is not the application.
        return "Number of allowed API requests per minute exceeded"
    if status == 404:
        return {"error": "RecordNotFound", "description": "Not found"}
    return {"error": {"title": message, "message": message}}


def _told(state: WindowState, now_s: float) -> dict[str, str]:
    return {
        "X-Rate-Limit": str(state.limit), "X-Rate-Limit-Remaining": str(state.remaining),
        "ratelimit-limit": str(state.limit), "ratelimit-remaining": str(state.remaining),
        "ratelimit-reset": str(max(0, round(state.reset_s - now_s))),
    }  # fmt: skip
