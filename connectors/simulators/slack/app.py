"""Slack's methods: everything is answered 200, with `ok` and `error`, but for too many requests; cursors lead on.

- Cursors: `response_metadata.next_cursor`, empty at the end, a short page is not the end:
  https://docs.slack.dev/apis/web-api/pagination. `has_more` is told with messages alone.
- Limits by method and workspace in tiers of 20, 50 and 100 a minute, 429 with Retry-After and no headers before:
  https://docs.slack.dev/apis/web-api/rate-limits. Distributed apps outside the Marketplace get 15 messages a minute.
- `oldest` and `latest` are left out unless `inclusive`, at most 999 messages, newest first:
  https://docs.slack.dev/reference/methods/conversations.history. Replies are oldest first: conversations.replies.
- Public channels without `types`, at most 1,000: conversations.list. Files have numbered pages, with bounds included:
  files.list.

Every answer fits Slack's archived description, but for `edited` and cursors that are younger than it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from aiohttp import web

from connectors.simulators.company import Company
from connectors.simulators.paging import page_token, token_offset
from connectors.simulators.plain_rest import Node, PlainRules, checked_query, whole
from connectors.simulators.rate_limit import RateLimit
from connectors.simulators.slack.workspace import Workspace
from connectors.simulators.toolkit import SIMULATION, Simulation, create_simulator
from connectors.simulators.vendor import ApiError, json_response

PAGE_ROWS_DEFAULT = 100
PAGE_ROWS_MAX = 1000
_PAGES = ("cursor", "limit")
_KINDS = {"public_channel", "private_channel", "mpim", "im"}


TIERS = {2: 20, 3: 50, 4: 100}
"""Requests a minute, to one method, at the least."""

_TIER_OF = {"conversations.list": 2, "users.list": 2, "usergroups.list": 2, "conversations.members": 4, "users.info": 4}
"""Of the methods that are not of tier 3, by their pages."""


def create_app(company: Company, *, token: str, clock: Callable[[], float] = time.time) -> web.Application:
    """Return the API over a company, open to one bot token."""
    rules = _Rules(
        accepted=frozenset({("Authorization", f"Bearer {token}")}),
        limit=RateLimit(limit=TIERS[3], window_s=60.0),
        error=_error,
        told=lambda _state, _now_s: {},
        clock=clock,
        unauthorized_status=200,
    )
    tiers = {f"/{method}": RateLimit(limit=TIERS[tier], window_s=60.0) for method, tier in _TIER_OF.items()}
    rules.limits = {**rules.limits, **tiers}
    app = create_simulator(rules, clock)
    server = _Server(app[SIMULATION], Workspace(company))
    for name, answer in (
        ("auth.test", server.test), ("conversations.list", server.channels), ("conversations.info", server.channel),
        ("conversations.history", server.history), ("conversations.replies", server.replies),
        ("conversations.members", server.members), ("users.list", server.users), ("users.info", server.user),
        ("users.getPresence", server.presence), ("usergroups.list", server.usergroups), ("files.list", server.files),
    ):  # fmt: skip
        app.router.add_get(f"/{name}", answer)
    return app


class _Rules(PlainRules):
    """A limit for each method."""

    def bucket(self, request: web.Request) -> str | None:
        """Count by method, unless a test sets one limit for all."""
        return (
            request.path
            if request.path in self.limits and not request.app[SIMULATION].config.rate_limit
            else "requests"
        )


class _Server:
    def __init__(self, simulation: Simulation, workspace: Workspace) -> None:
        self._simulation = simulation
        self._workspace = workspace

    async def test(self, request: web.Request) -> web.Response:
        """`auth.test`."""
        checked_query(request, (), _refuse)
        return json_response({"ok": True, "team": "Acme", "user": self._workspace.users[0]["name"]})

    async def channels(self, request: web.Request) -> web.Response:
        """`conversations.list`: public channels unless other types are asked for."""
        checked_query(request, [*_PAGES, "types", "exclude_archived"], _refuse)
        kinds = set(request.query.get("types", "public_channel").split(","))
        if not kinds <= _KINDS:
            raise _refuse(200, "invalid_types")
        rows = [
            row
            for row in self._workspace.channels
            if ("private_channel" if row["is_private"] else "public_channel") in kinds
        ]
        if request.query.get("exclude_archived") == "true":
            rows = [row for row in rows if not row["is_archived"]]
        return self._page(request, "channels", rows)

    async def channel(self, request: web.Request) -> web.Response:
        """`conversations.info`."""
        checked_query(request, ("channel", "include_num_members"), _refuse)
        wanted = self._channel(request)
        return json_response(
            {"ok": True, "channel": next(row for row in self._workspace.channels if row["id"] == wanted)}
        )

    async def history(self, request: web.Request) -> web.Response:
        """`conversations.history`: newest first, bounds left out unless they are included."""
        checked_query(request, [*_PAGES, "channel", "oldest", "latest", "inclusive"], _refuse)
        rows = self._workspace.messages[self._channel(request)]
        rows = sorted(_within(request, rows), key=lambda row: Decimal(row["ts"]), reverse=True)
        return self._page(request, "messages", rows, rows_max=999)

    async def replies(self, request: web.Request) -> web.Response:
        """`conversations.replies`: the thread's first message, then its replies, oldest first."""
        checked_query(request, [*_PAGES, "channel", "ts", "oldest", "latest", "inclusive"], _refuse)
        found = self._workspace.replies.get((self._channel(request), request.query.get("ts", "")))
        if found is None:
            raise _refuse(200, "thread_not_found")
        return self._page(request, "messages", _within(request, found))

    async def members(self, request: web.Request) -> web.Response:
        """`conversations.members`: identifiers alone."""
        checked_query(request, [*_PAGES, "channel"], _refuse)
        return self._page(request, "members", self._workspace.members[self._channel(request)])

    async def users(self, request: web.Request) -> web.Response:
        """`users.list`."""
        checked_query(request, _PAGES, _refuse)
        return self._page(request, "members", self._workspace.users)

    async def user(self, request: web.Request) -> web.Response:
        """`users.info`."""
        checked_query(request, ("user",), _refuse)
        return json_response({"ok": True, "user": self._user(request)})

    async def presence(self, request: web.Request) -> web.Response:
        """`users.getPresence`."""
        checked_query(request, ("user",), _refuse)
        at = self._workspace.users.index(self._user(request))
        return json_response({"ok": True, "presence": ("active", "away")[at % 2]})

    async def usergroups(self, request: web.Request) -> web.Response:
        """`usergroups.list`: disabled ones when asked for."""
        checked_query(request, ("include_disabled", "include_count"), _refuse)
        has_all = request.query.get("include_disabled") == "true"
        rows = [row for row in self._workspace.usergroups if has_all or not row["date_delete"]]
        return json_response({"ok": True, "usergroups": rows})

    async def files(self, request: web.Request) -> web.Response:
        """`files.list`, with numbered pages."""
        checked_query(request, ("user", "channel", "ts_from", "ts_to", "types", "count", "page"), _refuse)
        rows = self._workspace.files
        if user := request.query.get("user"):
            rows = [row for row in rows if row["user"] == user]
        if channel := request.query.get("channel"):
            rows = [row for row in rows if channel in row["channels"]]
        start, end = _number(request, "ts_from", "0"), _number(request, "ts_to", "Infinity")
        rows = [row for row in rows if start <= row["created"] <= end]
        size = self._simulation.page_rows(whole(request, "count", 100, _refuse))
        number = whole(request, "page", 1, _refuse)
        paging = {"count": size, "total": len(rows), "page": number, "pages": -(-len(rows) // size)}
        return json_response({"ok": True, "files": rows[(number - 1) * size : number * size], "paging": paging})

    def _channel(self, request: web.Request) -> str:
        wanted = request.query.get("channel", "")
        if wanted not in self._workspace.messages:
            raise _refuse(200, "channel_not_found")
        return wanted

    def _user(self, request: web.Request) -> Node:
        for row in self._workspace.users:
            if row["id"] == request.query.get("user"):
                return row
        raise _refuse(200, "user_not_found")

    def _page(self, request: web.Request, name: str, rows: list[Any], *, rows_max: int = PAGE_ROWS_MAX) -> web.Response:
        size = whole(request, "limit", PAGE_ROWS_DEFAULT, _refuse)
        if not 1 <= size <= rows_max:
            raise _refuse(200, "invalid_limit")
        bound_to = (request.path, sorted((k, v) for k, v in request.query.items() if k not in _PAGES))
        start = token_offset(request.query["cursor"], bound_to) if "cursor" in request.query else 0
        if start is None:
            raise _refuse(200, "invalid_cursor")
        end = start + self._simulation.page_rows(size)
        following = page_token(end, bound_to) if end < len(rows) else ""
        more = {"has_more": bool(following)} if name == "messages" else {}
        return json_response(
            {"ok": True, name: rows[start:end], **more, "response_metadata": {"next_cursor": following}}
        )


def _within(request: web.Request, rows: list[Node]) -> list[Node]:
    oldest, latest = _number(request, "oldest", "0"), _number(request, "latest", "Infinity")
    if request.query.get("inclusive") == "true":
        return [row for row in rows if oldest <= Decimal(row["ts"]) <= latest]
    return [row for row in rows if oldest < Decimal(row["ts"]) < latest]


def _number(request: web.Request, name: str, default: str) -> Decimal:
    try:
        return Decimal(request.query.get(name, default))
    except InvalidOperation:
        raise _refuse(200, f"invalid_ts_{name}") from None


def _refuse(status: int, message: str) -> ApiError:
    """Refuse as Slack does: with 200 and a word."""
    word = message if " " not in message else "invalid_arguments"
    return ApiError(status if status == 429 else 200, {"ok": False, "error": word})


def _error(status: int, message: str) -> Any:
    words = {"unauthorized": "invalid_auth", "rate limited": "ratelimited", "not found": "unknown_method"}
    return {"ok": False, "error": words.get(message, "internal_error" if status >= 500 else "fatal_error")}
