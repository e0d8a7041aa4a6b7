"""Faults of a source in front of any aiohttp application, and the proof that a connector takes each as it should."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from enum import StrEnum
from typing import Any

from aiohttp import web

from connectors.sdk.connector import Connection, FetchContext
from connectors.sdk.errors import ConnectorError, CredentialsRejected, Fatal, RateLimited, Retryable, SourceTimeout
from connectors.sdk.scan import Scan

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Fault(StrEnum):
    """What goes wrong with one request."""

    NONE = "none"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    THROTTLED_SHORTLY = "throttled shortly"
    THROTTLED_LONG = "throttled long"
    SERVER_ERROR = "server error"
    TRUNCATED = "truncated"
    NO_JSON = "no JSON"
    EXTENDED = "extended"
    REDIRECTED = "redirected"
    DISCONNECTED = "disconnected"
    HANGING = "hanging"
    REPEATED = "repeated"


class Faults:
    """A middleware that spoils the next requests, in order, and then every further one by `always`."""

    def __init__(self, application: web.Application) -> None:
        self.coming: deque[Fault] = deque()
        self.always = Fault.NONE
        self.request_count = 0
        self._first: dict[str, web.Response] = {}

        @web.middleware
        async def spoil(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._spoil(request, handler)

        # The outermost one: a fault hits before anything of the application does.
        application.middlewares.insert(0, spoil)

    def arrange(self, *coming: Fault, always: Fault = Fault.NONE) -> None:
        """Set what happens from now on."""
        self.coming = deque(coming)
        self.always = always
        self.request_count = 0
        self._first.clear()

    async def _spoil(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.request_count += 1
        fault = self.coming.popleft() if self.coming else self.always
        if fault is Fault.HANGING:
            await asyncio.Event().wait()
        if fault is Fault.DISCONNECTED and request.transport is not None:
            request.transport.abort()
        if fault in _ANSWERS:
            status, headers = _ANSWERS[fault]
            return web.json_response({"message": "spoiled"}, status=status, headers=headers)
        if fault is Fault.REDIRECTED:
            return web.Response(status=307, headers={"Location": request.raw_path})
        response = await handler(request)
        if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
            return response
        if fault is Fault.TRUNCATED:
            return web.Response(body=response.body[: len(response.body) // 2], content_type="application/json")
        if fault is Fault.NO_JSON:
            return web.Response(body=b"<html>maintenance</html>", content_type="application/json")
        if fault is Fault.EXTENDED:
            response.body = json.dumps(_extended(json.loads(response.body))).encode()
        if fault is Fault.REPEATED:
            # Pages may have paths of their own; they have one route.
            resource = request.match_info.route.resource
            place = request.path if resource is None else resource.canonical
            first = self._first.setdefault(place, response)
            headers = {name: text for name, text in first.headers.items() if name in {"Link", "Content-Type"}}
            return web.Response(body=first.body, headers=headers)
        return response


async def prove_faults(
    connect: Callable[[], Awaitable[Connection]],
    scan: Scan,
    faults: Faults,
    context: FetchContext,
    *,
    server: str,
    secret: str,
) -> list[str]:
    """Read a scan of several pages under every fault and return what was taken wrongly.

    `connect` opens a fresh connection with short timeouts each time.
    """
    good = len(await _outcome(connect, scan, context))
    wrong: list[str] = [] if good else ["without a fault: the scan has no rows"]
    for name, arranged, expected in _CASES:
        faults.arrange(*arranged[0], always=arranged[1])
        try:
            rows = await _outcome(connect, scan, context)
        except ConnectorError as error:
            wrong += _judged(name, error, expected, server, secret)
        else:
            if expected is not None:
                wrong.append(f"{name}: no error")
            elif len(rows) != good:
                wrong.append(f"{name}: {len(rows)} rows instead of {good}")
    faults.arrange()
    return wrong


def _extended(value: Any) -> Any:
    """Add a field to every object, as an API may at any time."""
    if isinstance(value, list):
        return [_extended(each) for each in value]
    if isinstance(value, dict):
        return {**{name: _extended(each) for name, each in value.items()}, "field_of_tomorrow": {"is": ["new"]}}
    return value


def _judged(
    name: str, error: ConnectorError, expected: tuple[type[ConnectorError], str, str] | None, server: str, secret: str
) -> list[str]:
    wrong = []
    if expected is None:
        return [f"{name}: {error.message}"]
    kind, sqlstate, words = expected
    if not isinstance(error, kind) or error.sqlstate != sqlstate or words not in error.message:
        wrong.append(f"{name}: {type(error).__name__} {error.sqlstate} {error.message}")
    shown = f"{error.message} {error.detail} {error.hint}"
    if secret in shown:
        wrong.append(f"{name}: shows the secret")
    if kind is not Fatal and server not in error.message:
        wrong.append(f"{name}: does not name the server")
    return wrong


async def _outcome(connect: Callable[[], Awaitable[Connection]], scan: Scan, context: FetchContext) -> list[Any]:
    connection = await connect()
    rows: list[Any] = []
    pages: Any = connection.fetch(scan, context)
    try:
        async with aclosing(pages) as opened:
            async for page in opened:
                rows += page.rows.to_pylist()
    finally:
        await connection.disconnect()
    return rows


_ANSWERS: dict[Fault, tuple[int, dict[str, str]]] = {
    Fault.UNAUTHORIZED: (401, {}),
    Fault.FORBIDDEN: (403, {}),
    Fault.THROTTLED_SHORTLY: (429, {"Retry-After": "1"}),
    Fault.THROTTLED_LONG: (429, {"Retry-After": "3600"}),
    Fault.SERVER_ERROR: (502, {}),
}
_CASES: tuple[tuple[str, tuple[tuple[Fault, ...], Fault], tuple[type[ConnectorError], str, str] | None], ...] = (
    ("401", ((), Fault.UNAUTHORIZED), (CredentialsRejected, "28000", "CREDENTIALS_REJECTED: ")),
    ("403", ((), Fault.FORBIDDEN), (Fatal, "42501", "denies access")),
    ("short 429", ((Fault.THROTTLED_SHORTLY,), Fault.NONE), None),
    ("long 429", ((), Fault.THROTTLED_LONG), (RateLimited, "53400", "RATE_LIMIT_EXHAUSTED: ")),
    ("502 once", ((Fault.NONE, Fault.SERVER_ERROR), Fault.NONE), None),
    ("502", ((), Fault.SERVER_ERROR), (Retryable, "08006", "SOURCE_UNAVAILABLE: ")),
    ("truncated once", ((Fault.TRUNCATED,), Fault.NONE), None),
    ("truncated", ((), Fault.TRUNCATED), (Retryable, "08006", "SOURCE_UNAVAILABLE: ")),
    ("no JSON once", ((Fault.NO_JSON,), Fault.NONE), None),
    ("no JSON", ((), Fault.NO_JSON), (Retryable, "08006", "SOURCE_UNAVAILABLE: ")),
    ("fields that are new", ((), Fault.EXTENDED), None),
    ("redirected once", ((Fault.REDIRECTED,), Fault.NONE), None),
    ("redirected without end", ((), Fault.REDIRECTED), (Fatal, "HV000", "redirects without end")),
    ("disconnected once", ((Fault.DISCONNECTED,), Fault.NONE), None),
    ("disconnected", ((), Fault.DISCONNECTED), (Retryable, "08006", "SOURCE_UNAVAILABLE: ")),
    ("hanging", ((), Fault.HANGING), (SourceTimeout, "08006", "SOURCE_TIMEOUT: ")),
    ("repeated page", ((), Fault.REPEATED), (Fatal, "HV000", "repeats a page")),
)
