"""Notion's listings: `start_cursor` and `page_size`, in the query of a GET and the body of a POST.

After https://developers.notion.com/reference, version 2022-06-28:
- At most 100 a page, `has_more`, `next_cursor` null at the end: intro#pagination.
- About three calls a second, 429 `rate_limited` with Retry-After, no headers before: request-limits.
- Conditions on `created_time` and `last_edited_time`, by the millisecond, joined by and and or, two levels deep:
  post-database-query-filter. It is superseded by data sources in 2025-09-03, which is why the version is pinned.
- A search sorts by the last edit alone and filters by the kind of object alone: post-search.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from connectors.simulators.company import Company
from connectors.simulators.notion.workspace import Workspace
from connectors.simulators.paging import page_token, token_offset
from connectors.simulators.plain_rest import Node, PlainRules, checked_query, moment_of, sorted_by
from connectors.simulators.rate_limit import RateLimit
from connectors.simulators.toolkit import SIMULATION, Simulation, create_simulator
from connectors.simulators.vendor import json_response

ROWS_MAX = 100
NESTING_MAX = 2
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PAGES = ("start_cursor", "page_size")
_TIMESTAMPS = ("created_time", "last_edited_time")


def create_app(company: Company, *, token: str, clock: Callable[[], float] = time.time) -> web.Application:
    """Return the API over a company, open to one integration token."""
    rules = PlainRules(
        accepted=frozenset({("Authorization", f"Bearer {token}")}),
        limit=RateLimit(limit=2700, window_s=900.0),
        error=_error,
        told=lambda _state, _now_s: {},
        clock=clock,
    )
    app = create_simulator(rules, clock)
    server = _Server(app[SIMULATION], rules, Workspace(company))
    app.router.add_get("/v1/users", server.users)
    app.router.add_get("/v1/users/me", server.me)
    app.router.add_get("/v1/comments", server.comments)
    app.router.add_get("/v1/blocks/{id}/children", server.children)
    for name in ("users", "pages", "databases"):
        app.router.add_get(f"/v1/{name}/{{id}}", server.single(name))
    app.router.add_post("/v1/search", server.search)
    app.router.add_post("/v1/databases/{id}/query", server.query)
    return app


class _Server:
    def __init__(self, simulation: Simulation, rules: PlainRules, workspace: Workspace) -> None:
        self._simulation = simulation
        self._rules = rules
        self._workspace = workspace

    async def me(self, request: web.Request) -> web.Response:
        """`GET /v1/users/me`: the integration itself."""
        self._check(request, ())
        return json_response(self._workspace.users[-1])

    async def users(self, request: web.Request) -> web.Response:
        """`GET /v1/users`."""
        self._check(request, _PAGES)
        return self._page(request, request.query, self._workspace.users, "user")

    async def comments(self, request: web.Request) -> web.Response:
        """`GET /v1/comments` of a page."""
        self._check(request, [*_PAGES, "block_id"])
        return self._page(
            request, request.query, self._of(self._workspace.comments, request.query.get("block_id", "")), "comment"
        )

    async def children(self, request: web.Request) -> web.Response:
        """`GET /v1/blocks/{id}/children`."""
        self._check(request, _PAGES)
        return self._page(request, request.query, self._of(self._workspace.blocks, request.match_info["id"]), "block")

    def single(self, name: str) -> Callable[[web.Request], Any]:
        """`GET /v1/pages/{id}` and the like."""

        async def answer(request: web.Request) -> web.Response:
            self._check(request, ())
            for row in getattr(self._workspace, name):
                if row["id"] == request.match_info["id"]:
                    return json_response(row)
            raise self._rules.refusal(404, "Could not find it")

        return answer

    async def search(self, request: web.Request) -> web.Response:
        """`POST /v1/search`: pages or databases, by the time of the last edit."""
        asked = await self._body(request, {"filter", "sort", "query", *_PAGES})
        wanted = asked.get("filter", {})
        if wanted.keys() != {"property", "value"} or wanted["property"] != "object":
            raise self._rules.refusal(400, "body failed validation: filter")
        rows = {"page": self._workspace.pages, "database": self._workspace.databases}.get(wanted["value"])
        if rows is None:
            raise self._rules.refusal(400, "body failed validation: filter.value")
        sort = asked.get("sort", {"timestamp": "last_edited_time", "direction": "descending"})
        if sort.get("timestamp") != "last_edited_time":
            raise self._rules.refusal(400, "body failed validation: sort.timestamp")
        return self._page(request, asked, self._sorted(rows, sort), "page_or_database")

    async def query(self, request: web.Request) -> web.Response:
        """`POST /v1/databases/{id}/query`: conditions on timestamps, joined by and."""
        asked = await self._body(request, {"filter", "sorts", *_PAGES})
        wanted = request.match_info["id"]
        if all(row["id"] != wanted for row in self._workspace.databases):
            raise self._rules.refusal(404, "Could not find database")
        rows = [row for row in self._workspace.pages if row["parent"].get("database_id") == wanted]
        condition = asked.get("filter", {"and": []})
        rows = [row for row in rows if self._fits(row, condition)]
        for sort in asked.get("sorts", [])[:1]:
            rows = self._sorted(rows, sort)
        return self._page(request, asked, rows, "page_or_database")

    def _fits(self, row: Node, condition: Any, depth: int = 0) -> bool:
        """Tell whether a row meets a filter: `and` and `or` have others in them, two levels deep."""
        if not isinstance(condition, dict):
            raise self._rules.refusal(400, "body failed validation: filter")
        connective = next(iter(condition), None)
        if connective not in {"and", "or"}:
            return self._holds(row, condition)
        parts = condition[connective]
        if len(condition) > 1 or not isinstance(parts, list) or depth >= NESTING_MAX or (depth > 0 and not parts):
            raise self._rules.refusal(400, f"body failed validation: filter.{connective}")
        found = [self._fits(row, part, depth + 1) for part in parts]
        return any(found) if connective == "or" else all(found)

    def _holds(self, row: Node, each: Mapping[str, Any]) -> bool:
        name = each.get("timestamp")
        if name not in _TIMESTAMPS or each.keys() != {"timestamp", name} or len(each[name]) != 1:
            raise self._rules.refusal(400, "body failed validation: filter")
        ((comparator, text),) = each[name].items()
        moment, bound = (moment_of(value, self._rules.refusal) for value in (row[name], text))
        if comparator not in {"after", "before", "on_or_after", "on_or_before"}:
            raise self._rules.refusal(400, "body failed validation: filter")
        return {"after": moment > bound, "before": moment < bound, "on_or_after": moment >= bound,
                "on_or_before": moment <= bound}[comparator]  # fmt: skip

    def _sorted(self, rows: list[Node], sort: Mapping[str, Any]) -> list[Node]:
        if sort.get("timestamp") not in _TIMESTAMPS or sort.get("direction") not in {"ascending", "descending"}:
            raise self._rules.refusal(400, "body failed validation: sorts")
        return sorted_by(rows, sort["timestamp"], sort["direction"] == "descending")

    def _of(self, found: Mapping[str, list[Node]], key: str) -> list[Node]:
        if key not in found:
            raise self._rules.refusal(404, "Could not find block")
        return found[key]

    async def _body(self, request: web.Request, known: set[str]) -> dict[str, Any]:
        self._check(request, ())
        try:
            asked = msgspec.json.decode(await request.read(), type=dict[str, Any])
        except msgspec.DecodeError:
            raise self._rules.refusal(400, "Error parsing JSON body.") from None
        if asked.keys() - known:
            raise self._rules.refusal(400, "body failed validation: unknown field")
        return asked

    def _check(self, request: web.Request, known: Any) -> None:
        for text in (request.match_info.get("id"), request.query.get("block_id")):
            if text is not None and not _UUID.fullmatch(text):
                raise self._rules.refusal(400, "path failed validation: it should be a valid uuid")
        checked_query(request, known, self._rules.refusal)
        if request.headers.get("Notion-Version") != "2022-06-28":
            raise self._rules.refusal(400, "Notion-Version header failed validation")

    def _page(self, request: web.Request, asked: Mapping[str, Any], rows: list[Node], kind: str) -> web.Response:
        size = int(asked.get("page_size", ROWS_MAX))
        if not 1 <= size <= ROWS_MAX:
            raise self._rules.refusal(400, "page_size should be less than or equal to 100")
        bound_to = (request.path, sorted((name, str(value)) for name, value in asked.items() if name not in _PAGES))
        cursor = asked.get("start_cursor")
        start = 0 if cursor is None else token_offset(str(cursor), bound_to)
        if start is None:
            raise self._rules.refusal(400, "The start_cursor provided is invalid")
        end = start + self._simulation.page_rows(size)
        more = end < len(rows)
        return json_response(
            {"object": "list", "results": rows[start:end], "has_more": more, "type": kind,
             "next_cursor": page_token(end, bound_to) if more else None}
        )  # fmt: skip


def _error(status: int, message: str) -> Any:
    codes = {401: "unauthorized", 404: "object_not_found", 400: "validation_error", 429: "rate_limited"}
    return {"object": "error", "status": status, "code": codes.get(status, "internal_server_error"), "message": message}
