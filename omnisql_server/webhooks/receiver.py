"""The HTTP endpoint that vendors send webhooks to: POST /webhooks/TENANT/SERVER, signed with the server's secret.

Whoever cannot sign learns nothing: a tenant, a server and a secret that do not exist are refused in the same words.
What is signed only marks rows stale; sent again it does not even that.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import structlog
from aiohttp import web

from catalog.errors import CatalogError
from catalog.webhooks import Webhook
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.model.freshness import Change
from omnisql_server.observability.metrics import INSTRUMENTS
from omnisql_server.webhooks.vendors import VENDORS, Vendor, is_signed

FOUND_KEPT_S = 30.0
FOUND_MAX = 1000
"""How long, and for how many servers, it is remembered which secrets they have: senders are nobody's users."""

Find = Callable[[str, str], Awaitable[Webhook | None]]
"""Gives the secrets of a tenant's server."""
Note = Callable[[Webhook, str, Change, str], Awaitable[bool]]
"""Marks what has changed of a server's rows; the last argument names the delivery. False where it was noted before."""

_log = structlog.get_logger(__name__)


class Receiver:
    """Takes webhooks; `clock` is the wall clock in seconds."""

    def __init__(self, *, find: Find, note: Note, body_bytes_max: int, clock: Callable[[], float] = time.time) -> None:
        self._find = find
        self._note = note
        self._clock = clock
        self._nobody = Webhook(tenant=UUID(int=0), connector="github", secrets=(secrets.token_bytes(32),))
        self._found: OrderedDict[tuple[str, str], tuple[float, Webhook | None]] = OrderedDict()
        self.application = web.Application(client_max_size=body_bytes_max)
        self.application.router.add_post("/webhooks/{tenant}/{server}", self._receive)

    async def _receive(self, request: web.Request) -> web.Response:
        tenant, server = request.match_info["tenant"], request.match_info["server"]
        try:
            content = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _answered(413, "too_large")
        try:
            webhook = await self._known(tenant, server)
        except CatalogError as error:
            _log.warning("webhook_not_taken", reason=type(error).__name__)
            return _answered(503, "unavailable")
        vendor = VENDORS.get(webhook.connector)
        signature = "" if vendor is None else vendor.signature(request.headers)
        if not is_signed(content, signature, webhook.secrets) or vendor is None:
            return _answered(401, "refused")
        return await self._noted(webhook, vendor, server, request, content)

    async def _noted(
        self, webhook: Webhook, vendor: Vendor, server: str, request: web.Request, content: bytes
    ) -> web.Response:
        try:
            body = json.loads(content)
        except ValueError:
            return _answered(400, "not_json")
        if not isinstance(body, dict):
            return _answered(400, "not_json")
        if not vendor.is_recent(body, self._clock()):
            return _answered(401, "too_old")
        change = vendor.changes(request.headers, body)
        if change is None:
            return _answered(204, "nothing")
        try:
            is_new = await self._note(webhook, server, change, hashlib.sha256(content).hexdigest())
        except (*VALKEY_ERRORS, CatalogError) as error:
            _log.warning("webhook_not_taken", reason=type(error).__name__)
            return _answered(503, "unavailable")
        return _answered(204, "noted" if is_new else "repeated")

    async def _known(self, tenant: str, server: str) -> Webhook:
        """Return a server's secrets, or one that nobody knows."""
        place, now_s = (tenant, server), time.monotonic()
        kept = self._found.get(place)
        if kept is None or now_s - kept[0] > FOUND_KEPT_S:
            kept = (now_s, await self._find(tenant, server))
            self._found[place] = kept
            self._found.move_to_end(place)
            if len(self._found) > FOUND_MAX:
                self._found.popitem(last=False)
        return kept[1] or self._nobody


def _answered(status: int, outcome: str) -> web.Response:
    INSTRUMENTS.webhook_received(outcome)
    return web.Response(status=status)


@asynccontextmanager
async def listening(receiver: Receiver, host: str, port: int) -> AsyncIterator[int]:
    """Take webhooks for the time of the block, and give the port."""
    runner = web.AppRunner(receiver.application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = int(runner.addresses[0][1])
        _log.info("webhooks_ready", host=host, port=bound)
        yield bound
    finally:
        await runner.cleanup()
