"""PagerDuty's listings: filters by repeated parameters, pages by offset up to 10,000 rows, ranges of six months.

- `limit` 25 without, 100 at most, `more`, offset and limit 10,000 together, no total unless asked:
  https://developer.pagerduty.com/docs/pagination.
- Incidents of the last month without a range, six months at most, `date_range=all`: the description of
  https://github.com/PagerDuty/api-schema, which all answers fit.
- `ratelimit-..` headers with seconds until the reset: https://support.pagerduty.com/docs/rest-api-rate-limits.
- Errors with codes, 2020 beyond the limit: https://developer.pagerduty.com/docs/errors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from connectors.simulators.company import Company
from connectors.simulators.pagerduty.account import Account
from connectors.simulators.plain_rest import Node, PlainRules, checked_query, moment_of, sorted_by, whole
from connectors.simulators.rate_limit import RateLimit, WindowState
from connectors.simulators.toolkit import SIMULATION, Simulation, create_simulator
from connectors.simulators.vendor import json_response

ROWS_DEFAULT = 25
ROWS_MAX = 100
REACH_ROWS = 10_000
RANGE_MAX = timedelta(days=184)
RANGE_DEFAULT = timedelta(days=30)
_PAGES = ("limit", "offset", "total")
_CODES = {400: 2001, 401: 2006, 403: 2010, 404: 2100, 429: 2020}
_SORTS = {"incident_number", "created_at", "resolved_at", "urgency"}


def create_app(company: Company, *, token: str, clock: Callable[[], float] = time.time) -> web.Application:
    """Return the API over a company, open to one API key; `clock` is the time of rate limits."""
    rules = PlainRules(
        accepted=frozenset({("Authorization", f"Token token={token}"), ("Authorization", f"Bearer {token}")}),
        limit=RateLimit(limit=960, window_s=60.0),
        error=_error,
        told=_told,
        clock=clock,
    )
    app = create_simulator(rules, clock)
    server = _Server(app[SIMULATION], rules, Account(company), company.epoch)
    for name in ("services", "users", "teams", "escalation_policies", "schedules", "priorities"):
        app.router.add_get(f"/{name}", server.listing(name))
        # A priority cannot be asked for alone.
        if name != "priorities":
            app.router.add_get(f"/{name}/{{id}}", server.single(name))
    app.router.add_get("/incidents", server.incidents)
    app.router.add_get("/incidents/{id}", server.single("incidents"))
    app.router.add_get("/incidents/{id}/alerts", server.alerts)
    app.router.add_get("/incidents/{id}/notes", server.notes)
    app.router.add_get("/incidents/{id}/log_entries", server.log_entries)
    app.router.add_get("/log_entries", server.log_entries)
    app.router.add_get("/oncalls", server.oncalls)
    app.router.add_get("/abilities", server.abilities)
    return app


class _Server:
    def __init__(self, simulation: Simulation, rules: PlainRules, account: Account, epoch: datetime) -> None:
        self._simulation = simulation
        self._rules = rules
        self._account = account
        self._epoch = epoch

    def listing(self, name: str) -> Callable[[web.Request], Any]:
        """`GET /services` and the like: by name and by team."""

        async def answer(request: web.Request) -> web.Response:
            has_teams = name in {"services", "users", "escalation_policies", "schedules"}
            filters = [] if name == "priorities" else ["query", *(["team_ids[]"] if has_teams else [])]
            filters += ["name"] if name == "services" else []
            checked_query(request, [*_PAGES, *filters], self._rules.refusal)
            rows: list[Node] = getattr(self._account, name)
            if exact := request.query.get("name"):
                rows = [row for row in rows if row["name"] == exact]
            if text := request.query.get("query"):
                rows = [row for row in rows if text.lower() in row["name"].lower()]
            return self._page(request, name, _of(request, "team_ids[]", rows, _teams))

        return answer

    def single(self, name: str) -> Callable[[web.Request], Any]:
        """`GET /services/{id}` and the like."""

        async def answer(request: web.Request) -> web.Response:
            checked_query(request, (), self._rules.refusal)
            found = self._one(name, request)
            return json_response({_SINGULAR[name]: found})

        return answer

    async def incidents(self, request: web.Request) -> web.Response:
        """`GET /incidents`: without a range, those of the last month."""
        filters = ("statuses[]", "urgencies[]", "service_ids[]", "team_ids[]", "incident_key", "sort_by")
        checked_query(request, [*_PAGES, *filters, "date_range", "since", "until"], self._rules.refusal)
        rows = self._in_range(request, self._account.incidents)
        rows = _of(request, "statuses[]", rows, lambda row: [row["status"]])
        rows = _of(request, "urgencies[]", rows, lambda row: [row["urgency"]])
        rows = _of(request, "service_ids[]", rows, lambda row: [row["service"]["id"]])
        rows = _of(request, "team_ids[]", rows, _teams)
        rows = _of(request, "incident_key", rows, lambda row: [row["incident_key"]])
        field, _, direction = request.query.get("sort_by", "created_at:asc").partition(":")
        if field not in _SORTS or direction not in {"", "asc", "desc"}:
            raise self._rules.refusal(400, "Invalid Input Provided")
        return self._page(request, "incidents", sorted_by(rows, field, direction == "desc"))

    def _in_range(self, request: web.Request, rows: list[Node]) -> list[Node]:
        query = request.query
        if "date_range" in query:
            if query["date_range"] != "all":
                raise self._rules.refusal(400, "Invalid Input Provided")
            return rows
        end = moment_of(query["until"], self._rules.refusal) if "until" in query else self._epoch
        start = moment_of(query["since"], self._rules.refusal) if "since" in query else end - RANGE_DEFAULT
        if end - start > RANGE_MAX:
            raise self._rules.refusal(400, "Time range exceeds 6 months")
        return [row for row in rows if start <= datetime.fromisoformat(row["created_at"]) < end]

    async def log_entries(self, request: web.Request) -> web.Response:
        """`GET /log_entries`, of the account or of an incident; newest first."""
        checked_query(request, [*_PAGES, "since", "until", "team_ids[]", "is_overview"], self._rules.refusal)
        rows = sorted_by(self._account.log_entries, "created_at", True)
        if "id" in request.match_info:
            incident = self._one("incidents", request)
            rows = [row for row in rows if row["incident"]["id"] == incident["id"]]
        if since := request.query.get("since"):
            start = moment_of(since, self._rules.refusal)
            rows = [row for row in rows if datetime.fromisoformat(row["created_at"]) >= start]
        if until := request.query.get("until"):
            end = moment_of(until, self._rules.refusal)
            rows = [row for row in rows if datetime.fromisoformat(row["created_at"]) < end]
        return self._page(request, "log_entries", _of(request, "team_ids[]", rows, _teams))

    async def alerts(self, request: web.Request) -> web.Response:
        """`GET /incidents/{id}/alerts`."""
        checked_query(request, [*_PAGES, "statuses[]", "alert_key", "sort_by"], self._rules.refusal)
        rows = self._account.alerts[self._one("incidents", request)["id"]]
        rows = _of(request, "statuses[]", rows, lambda row: [row["status"]])
        return self._page(request, "alerts", _of(request, "alert_key", rows, lambda row: [row["alert_key"]]))

    async def notes(self, request: web.Request) -> web.Response:
        """`GET /incidents/{id}/notes`, which has no pages."""
        checked_query(request, (), self._rules.refusal)
        return json_response({"notes": self._account.notes[self._one("incidents", request)["id"]]})

    async def oncalls(self, request: web.Request) -> web.Response:
        """`GET /oncalls`: who is on call now."""
        known = ("user_ids[]", "escalation_policy_ids[]", "schedule_ids[]")
        checked_query(request, [*_PAGES, *known], self._rules.refusal)
        rows = self._account.oncalls
        for name, field in zip(known, ("user", "escalation_policy", "schedule"), strict=True):
            rows = _of(request, name, rows, lambda row, field=field: [(row[field] or {}).get("id")])  # type: ignore[misc]
        return self._page(request, "oncalls", rows)

    async def abilities(self, request: web.Request) -> web.Response:
        """`GET /abilities`."""
        checked_query(request, (), self._rules.refusal)
        return json_response({"abilities": ["teams", "urgencies"]})

    def _one(self, name: str, request: web.Request) -> Node:
        wanted = request.match_info["id"]
        for row in getattr(self._account, name):
            if row["id"] == wanted:
                found: Node = row
                return found
        raise self._rules.not_found()

    def _page(self, request: web.Request, name: str, rows: list[Node]) -> web.Response:
        limit = whole(request, "limit", ROWS_DEFAULT, self._rules.refusal)
        offset = whole(request, "offset", 0, self._rules.refusal)
        if limit > ROWS_MAX or limit < 1 or offset + limit > REACH_ROWS:
            raise self._rules.refusal(400, "Invalid Input Provided")
        size = self._simulation.page_rows(limit)
        end = offset + size
        total = len(rows) if request.query.get("total") == "true" else None
        return json_response(
            {name: rows[offset:end], "limit": size, "offset": offset, "more": end < len(rows), "total": total}
        )


_SINGULAR = {
    "services": "service", "users": "user", "teams": "team", "escalation_policies": "escalation_policy",
    "schedules": "schedule", "incidents": "incident",
}  # fmt: skip


def _of(request: web.Request, name: str, rows: list[Node], values: Callable[[Node], Iterable[Any]]) -> list[Node]:
    wanted = set(request.query.getall(name, []))
    return [row for row in rows if wanted & set(values(row))] if wanted else rows


def _teams(row: Node) -> list[str]:
    return [team["id"] for team in row["teams"]]


def _error(status: int, message: str) -> Any:
    return {"error": {"message": message, "code": _CODES.get(status, 2000), "errors": [message]}}


def _told(state: WindowState, now_s: float) -> dict[str, str]:
    return {
        "ratelimit-limit": str(state.limit),
        "ratelimit-remaining": str(state.remaining),
        "ratelimit-reset": str(max(0, round(state.reset_s - now_s))),
    }
