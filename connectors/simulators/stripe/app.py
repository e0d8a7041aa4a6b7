"""Stripe's listings: newest first, `starting_after` the last object, ranges of creation in brackets.

- `limit` 10 without, 1 to 100, `has_more`, `starting_after`: https://docs.stripe.com/api/pagination.
- Errors and `rate_limit` with 429: https://docs.stripe.com/api/errors, https://docs.stripe.com/rate-limits.
- Subscriptions are those not canceled unless `status` says otherwise: https://docs.stripe.com/api/subscriptions/list.
- What does not exist is a 404 by its address, and a 400 `resource_missing` as a parameter: https://docs.stripe.com/error-codes.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from connectors.simulators.company import Company
from connectors.simulators.plain_rest import Node, PlainRules, checked_query, whole
from connectors.simulators.rate_limit import RateLimit
from connectors.simulators.stripe.account import Account
from connectors.simulators.toolkit import SIMULATION, Simulation, create_simulator
from connectors.simulators.vendor import ApiError, json_response

ROWS_DEFAULT = 10
ROWS_MAX = 100
_PAGES = ("limit", "starting_after")
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "created[gt]": operator.gt, "created[gte]": operator.ge, "created[lt]": operator.lt, "created[lte]": operator.le,
}  # fmt: skip
_CREATED = tuple(_COMPARE)
_FILTERS: dict[str, tuple[str, ...]] = {
    "customers": ("email", *_CREATED),
    "charges": ("customer", "payment_intent", *_CREATED),
    "invoices": ("customer", "status", "subscription", "collection_method", *_CREATED),
    "subscriptions": ("customer", "status", "price", "collection_method", *_CREATED),
    "products": ("active", *_CREATED),
    "prices": ("active", "product", "type", "currency", *_CREATED),
    "payment_intents": ("customer", *_CREATED),
    "refunds": ("charge", "payment_intent", *_CREATED),
    "balance_transactions": ("type", "currency", "source", *_CREATED),
}
_REFERRED = {"customer": "customers", "charge": "charges", "subscription": "subscriptions", "product": "products",
             "payment_intent": "payment_intents"}  # fmt: skip
_STATUSES = {
    "invoices": {"draft", "open", "paid", "uncollectible", "void"},
    "subscriptions": {"active", "past_due", "unpaid", "canceled", "incomplete", "incomplete_expired", "trialing",
                      "paused", "ended", "all"},
}  # fmt: skip


def create_app(company: Company, *, token: str, clock: Callable[[], float] = time.time) -> web.Application:
    """Return the API over a company, open to one secret key."""
    rules = PlainRules(
        accepted=frozenset({("Authorization", f"Bearer {token}")}),
        limit=RateLimit(limit=100, window_s=1.0),
        error=_error,
        told=lambda _state, _now_s: {},
        clock=clock,
    )
    app = create_simulator(rules, clock)
    server = _Server(app[SIMULATION], rules, Account(company))
    app.router.add_get("/v1/account", server.account)
    app.router.add_get("/v1/subscription_items", server.items)
    app.router.add_get("/v1/invoices/{id}/lines", server.lines)
    for name in _FILTERS:
        app.router.add_get(f"/v1/{name}", server.listing(name))
        app.router.add_get(f"/v1/{name}/{{id}}", server.single(name))
    return app


class _Server:
    def __init__(self, simulation: Simulation, rules: PlainRules, account: Account) -> None:
        self._simulation = simulation
        self._rules = rules
        self._account = account

    async def account(self, request: web.Request) -> web.Response:
        """`GET /v1/account`."""
        self._check(request, ())
        return json_response({"id": "acct_1AcmeAcmeAcme", "object": "account", "country": "DE"})

    def listing(self, name: str) -> Callable[[web.Request], Any]:
        """`GET /v1/customers` and the like."""

        async def answer(request: web.Request) -> web.Response:
            self._check(request, [*_PAGES, *_FILTERS[name]])
            rows = sorted(getattr(self._account, name), key=lambda row: row["created"], reverse=True)
            status = request.query.get("status")
            if status is not None and status not in _STATUSES[name]:
                raise self._rules.refusal(400, "Invalid status")
            if name == "subscriptions" and status is None:
                # All that have not been canceled, says the reference.
                rows = [row for row in rows if row["status"] != "canceled"]
            elif status not in {None, "all"}:
                rows = [row for row in rows if row["status"] == status]
            for field in set(_FILTERS[name]) - set(_CREATED) - {"status"}:
                if field in request.query:
                    rows = self._filtered(rows, field, request.query[field])
            return self._page(request, f"/v1/{name}", self._in_range(request, rows))

        return answer

    def _filtered(self, rows: list[Node], field: str, text: str) -> list[Node]:
        if field in _REFERRED and all(row["id"] != text for row in getattr(self._account, _REFERRED[field])):
            raise _missing(field, text)
        if field == "active":
            return [row for row in rows if row["active"] is (text == "true")]
        # The reference calls the filter by email case-sensitive.
        return [row for row in rows if row[field] == text]

    def _in_range(self, request: web.Request, rows: list[Node]) -> list[Node]:
        for name in request.query.keys() & set(_CREATED):
            at = whole(request, name, 0, self._rules.refusal)
            compare = _COMPARE[name]
            rows = [row for row in rows if compare(row["created"], at)]
        return rows

    def single(self, name: str) -> Callable[[web.Request], Any]:
        """`GET /v1/customers/{id}` and the like."""

        async def answer(request: web.Request) -> web.Response:
            self._check(request, ())
            for row in getattr(self._account, name):
                if row["id"] == request.match_info["id"]:
                    return json_response(row)
            raise _missing(name, request.match_info["id"])

        return answer

    async def items(self, request: web.Request) -> web.Response:
        """`GET /v1/subscription_items` of one subscription."""
        self._check(request, [*_PAGES, "subscription"])
        found = self._account.subscription_items.get(request.query.get("subscription", ""))
        if found is None:
            raise _missing("subscription", request.query.get("subscription", ""))
        return self._page(request, "/v1/subscription_items", found)

    async def lines(self, request: web.Request) -> web.Response:
        """`GET /v1/invoices/{id}/lines`."""
        self._check(request, _PAGES)
        found = self._account.lines.get(request.match_info["id"])
        if found is None:
            raise _missing("invoice", request.match_info["id"])
        return self._page(request, request.path, found)

    def _check(self, request: web.Request, known: Any) -> None:
        checked_query(request, known, self._rules.refusal)
        if "Stripe-Version" not in request.headers:
            raise self._rules.refusal(400, "the version is not pinned")

    def _page(self, request: web.Request, url: str, rows: list[Node]) -> web.Response:
        limit = whole(request, "limit", ROWS_DEFAULT, self._rules.refusal)
        if not 1 <= limit <= ROWS_MAX:
            raise self._rules.refusal(400, "Invalid limit")
        start = 0
        if after := request.query.get("starting_after"):
            known = [row["id"] for row in rows]
            if after not in known:
                raise _missing("starting_after", after)
            start = known.index(after) + 1
        end = start + self._simulation.page_rows(limit)
        return json_response({"object": "list", "url": url, "has_more": end < len(rows), "data": rows[start:end]})


def _missing(field: str, text: str) -> ApiError:
    status = 404 if field.endswith("s") else 400
    found = {"type": "invalid_request_error", "code": "resource_missing", "param": field, "message": f"No such: {text}"}
    return ApiError(status, {"error": found})


def _error(status: int, message: str) -> Any:
    if status == 429:
        return {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": message}}
    return {"error": {"type": "api_error" if status >= 500 else "invalid_request_error", "message": message}}
