"""HubSpot's listings, lookups and searches: only the properties that are asked for, cursors, 10,000 found rows.

- Lists of 100 at most (10 without), `paging.next.after` absent at the end: the description of CRM v3, which all answers
  fit.
- Searches of 200 at most, 10,000 in all, groups of filters, lower case in IN, values as texts:
  https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm, and
  https://developers.hubspot.com/changelog/breaking-change-expanded-filtering-capabilities-and-error-messaging-in-hubspots-search-api.
- Limits in ten seconds and their headers: https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from aiohttp import web

from connectors.simulators.company import Company
from connectors.simulators.hubspot.portal import Portal
from connectors.simulators.plain_rest import Node, PlainRules, checked_query, whole
from connectors.simulators.rate_limit import RateLimit, WindowState
from connectors.simulators.toolkit import SIMULATION, Simulation, create_simulator
from connectors.simulators.vendor import json_response

LIST_ROWS_MAX = 100
SEARCH_ROWS_MAX = 200
SEARCH_REACH = 10_000
GROUPS_MAX, GROUP_FILTERS_MAX, FILTERS_MAX = 5, 6, 18
"""Of the guide's two statements the stricter one: the changelog of August 2024 allows 10 filters a group, 25 in all."""
_DEFAULTS = ("hs_object_id", "createdate", "lastmodifieddate", "hs_lastmodifieddate")
_OPERATORS = {"EQ", "NEQ", "LT", "LTE", "GT", "GTE", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY"}


def create_app(company: Company, *, token: str, clock: Callable[[], float] = time.time) -> web.Application:
    """Return the API over a company, open to one access token, which refresh token `refresh` is exchanged for."""
    rules = _Rules(
        accepted=frozenset({("Authorization", f"Bearer {token}")}),
        limit=RateLimit(limit=190, window_s=10.0),
        error=_error,
        told=_told,
        clock=clock,
    )
    app = create_simulator(rules, clock)
    server = _Server(app[SIMULATION], rules, Portal(company), token)
    app.router.add_post("/oauth/v1/token", server.token)
    app.router.add_get("/account-info/v3/details", server.details)
    app.router.add_get("/crm/v3/owners", server.owners)
    app.router.add_get("/crm/v3/pipelines/deals", server.pipelines)
    app.router.add_get("/crm/v3/objects/{kind}", server.listing)
    app.router.add_get("/crm/v3/objects/{kind}/{id}", server.single)
    app.router.add_post("/crm/v3/objects/{kind}/search", server.search)
    return app


class _Rules(PlainRules):
    def check_access(self, request: web.Request) -> None:
        """Require the token, but where one is got."""
        if request.path != "/oauth/v1/token":
            super().check_access(request)


class _Server:
    def __init__(self, simulation: Simulation, rules: PlainRules, portal: Portal, token: str) -> None:
        self._simulation = simulation
        self._rules = rules
        self._portal = portal
        self._token = token

    async def token(self, request: web.Request) -> web.Response:
        """`POST /oauth/v1/token`: an access token for the refresh token; that stays the same."""
        form = await request.post()
        known = {"grant_type": "refresh_token", "refresh_token": "refresh", "client_id": "app", "client_secret": "shh"}
        if dict(form) != known:
            return json_response(
                {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}, status=400
            )
        return json_response({"access_token": self._token, "refresh_token": "refresh", "expires_in": 1800})

    async def details(self, request: web.Request) -> web.Response:
        """`GET /account-info/v3/details`."""
        checked_query(request, (), self._rules.refusal)
        return json_response({"portalId": 12345678, "accountType": "STANDARD", "timeZone": "Europe/Berlin"})

    async def owners(self, request: web.Request) -> web.Response:
        """`GET /crm/v3/owners`."""
        checked_query(request, ("after", "limit", "email", "archived"), self._rules.refusal)
        email = request.query.get("email")
        rows = [row for row in self._portal.owners if email is None or row["email"].lower() == email.lower()]
        return self._page(rows, whole(request, "limit", 100, self._rules.refusal), request.query.get("after"), 500)

    async def pipelines(self, request: web.Request) -> web.Response:
        """`GET /crm/v3/pipelines/deals`."""
        checked_query(request, (), self._rules.refusal)
        return json_response({"results": self._portal.pipelines})

    async def listing(self, request: web.Request) -> web.Response:
        """`GET /crm/v3/objects/{kind}`."""
        checked_query(request, ("after", "limit", "properties", "archived"), self._rules.refusal)
        rows = [_shown(row, request.query.get("properties", "").split(",")) for row in self._objects(request)]
        limit = whole(request, "limit", 10, self._rules.refusal)
        return self._page(rows, limit, request.query.get("after"), LIST_ROWS_MAX)

    async def single(self, request: web.Request) -> web.Response:
        """`GET /crm/v3/objects/{kind}/{id}`."""
        checked_query(request, ("properties", "archived"), self._rules.refusal)
        if not request.match_info["id"].isdigit():
            raise self._rules.refusal(400, "the object ID is not valid")
        for row in self._objects(request):
            if row["id"] == request.match_info["id"]:
                return json_response(_shown(row, request.query.get("properties", "").split(",")))
        raise self._rules.refusal(404, "resource not found")

    async def search(self, request: web.Request) -> web.Response:
        """`POST /crm/v3/objects/{kind}/search`: groups of filters, one sort."""
        try:
            asked = msgspec.json.decode(await request.read(), type=dict[str, Any])
        except msgspec.DecodeError:
            raise self._rules.refusal(400, "Invalid input JSON") from None
        if asked.keys() - {"filterGroups", "sorts", "properties", "limit", "after", "query"}:
            raise self._rules.refusal(400, "Invalid input JSON: unknown field")
        rows = self._objects(request)
        groups = asked.get("filterGroups", [])
        counts = [len(group["filters"]) for group in groups]
        if len(counts) > GROUPS_MAX or max(counts, default=0) > GROUP_FILTERS_MAX or sum(counts) > FILTERS_MAX:
            raise self._rules.refusal(400, "too many filters")
        if groups:
            rows = [row for row in rows if any(all(self._holds(row, each) for each in g["filters"]) for g in groups)]
        for sort in asked.get("sorts", [])[:1]:
            name, down = sort["propertyName"], sort["direction"] == "DESCENDING"
            rows = sorted(rows, key=lambda row: _comparable(row["properties"].get(name) or ""), reverse=down)
        shown = [_shown(row, asked.get("properties", [])) for row in rows]
        after = asked.get("after")
        if after is not None and not isinstance(after, str):
            raise self._rules.refusal(400, "Invalid input JSON: after is a text")
        if int(after or 0) + asked.get("limit", 10) > SEARCH_REACH:
            raise self._rules.refusal(400, "ten thousand rows are the limit")
        return self._page(shown, asked.get("limit", 10), after, SEARCH_ROWS_MAX, total=len(rows))

    def _holds(self, row: Node, each: Mapping[str, Any]) -> bool:
        operator, actual = each.get("operator"), row["properties"].get(each.get("propertyName"))
        if operator not in _OPERATORS or each.get("propertyName") is None:
            raise self._rules.refusal(400, "Invalid input JSON: operator")
        has_value = actual not in {None, ""}
        if operator in {"HAS_PROPERTY", "NOT_HAS_PROPERTY"}:
            return bool(has_value) is (operator == "HAS_PROPERTY")
        if operator in {"IN", "NOT_IN"}:
            if not all(isinstance(value, str) for value in each["values"]):
                raise self._rules.refusal(400, "Invalid input JSON: values are texts")
            return bool(has_value) and (str(actual).lower() in each["values"]) is (operator == "IN")
        if not isinstance(each.get("value"), str):
            raise self._rules.refusal(400, "Invalid input JSON: a value is a text")
        if not has_value:
            return bool(operator == "NEQ")
        left, right = _comparable(str(actual)), _comparable(each["value"])
        if left[0] != right[0]:
            return False
        found: dict[str, bool] = {
            "EQ": left == right, "NEQ": left != right, "LT": left < right, "LTE": left <= right,
            "GT": left > right, "GTE": left >= right,
        }  # fmt: skip
        return found[str(operator)]

    def _objects(self, request: web.Request) -> list[Node]:
        found = self._portal.objects.get(request.match_info["kind"])
        if found is None:
            raise self._rules.refusal(400, "Unable to infer object type")
        return found

    def _page(
        self, rows: list[Node], limit: int, after: str | None, rows_max: int, *, total: int | None = None
    ) -> web.Response:
        if not 1 <= limit <= rows_max or not (after is None or after.isdigit()):
            raise self._rules.refusal(400, "Invalid limit or after")
        start = int(after or 0)
        end = start + self._simulation.page_rows(limit)
        body: Node = {"results": rows[start:end]}
        if total is not None:
            body["total"] = total
        if end < len(rows):
            body["paging"] = {"next": {"after": str(end)}}
        return json_response(body)


def _shown(row: Node, names: list[str]) -> Node:
    wanted = {*names, *_DEFAULTS}
    return {**row, "properties": {name: text for name, text in row["properties"].items() if name in wanted}}


def _comparable(text: str) -> tuple[int, Any]:
    """Return what a text compares by: a number (times as epoch milliseconds), else itself without case."""
    try:
        return (0, Decimal(text))
    except InvalidOperation:
        pass
    try:
        return (0, Decimal(round(datetime.fromisoformat(text).timestamp() * 1000)))
    except ValueError:
        return (1, text.lower())


def _error(status: int, message: str) -> Any:
    category = {401: "INVALID_AUTHENTICATION", 429: "RATE_LIMITS", 404: "OBJECT_NOT_FOUND"}.get(status)
    return {"status": "error", "message": message, "category": category or "VALIDATION_ERROR", "correlationId": "0"}


def _told(state: WindowState, now_s: float) -> dict[str, str]:  # noqa: ARG001 - shared signature
    return {
        "X-HubSpot-RateLimit-Max": str(state.limit), "X-HubSpot-RateLimit-Remaining": str(state.remaining),
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
    }  # fmt: skip
