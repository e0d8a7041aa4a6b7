"""Faults of a source in front of any aiohttp application: what goes wrong with one request, and a middleware for it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
WRONG: list[object] = [{"spoiled": [1]}]
"""A value that fits no type but json: neither a scalar nor a list of scalars."""


class Fault(StrEnum):
    """What goes wrong with one request."""

    NONE = "none"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not found"
    CONFLICT = "conflict"
    THROTTLED = "throttled"
    THROTTLED_SHORTLY = "throttled shortly"
    THROTTLED_LONG = "throttled long"
    INTERNAL_ERROR = "internal error"
    SERVER_ERROR = "server error"
    UNAVAILABLE = "unavailable"
    TRUNCATED = "truncated"
    NO_JSON = "no JSON"
    EXTENDED = "extended"
    RETYPED = "retyped"
    MISSING = "missing"
    NULLED = "nulled"
    MOVED = "moved"
    FOUND = "found"
    REDIRECTED = "redirected"
    RENAMED = "renamed"
    MOVED_AWAY = "moved away"
    FOUND_AWAY = "found away"
    REDIRECTED_AWAY = "redirected away"
    RENAMED_AWAY = "renamed away"
    DISCONNECTED = "disconnected"
    HANGING = "hanging"
    REPEATED = "repeated"


_ANSWERS: dict[Fault, tuple[int, dict[str, str]]] = {
    Fault.UNAUTHORIZED: (401, {}),
    Fault.FORBIDDEN: (403, {}),
    Fault.NOT_FOUND: (404, {}),
    Fault.CONFLICT: (409, {}),
    Fault.THROTTLED: (429, {}),
    Fault.THROTTLED_SHORTLY: (429, {"Retry-After": "1"}),
    Fault.THROTTLED_LONG: (429, {"Retry-After": "3600"}),
    Fault.INTERNAL_ERROR: (500, {}),
    Fault.SERVER_ERROR: (502, {}),
    Fault.UNAVAILABLE: (503, {}),
}
_REDIRECTS = {Fault.MOVED: 301, Fault.FOUND: 302, Fault.REDIRECTED: 307, Fault.RENAMED: 308}
_AWAY = {Fault.MOVED_AWAY: 301, Fault.FOUND_AWAY: 302, Fault.REDIRECTED_AWAY: 307, Fault.RENAMED_AWAY: 308}


class Faults:
    """A middleware that spoils the next requests, in order, and then every further one by `always`.

    `place` is the path of the field that is retyped, left out or null, from the object that has it; `spoiled_count`
    tells in how many objects it was. `elsewhere` is the address of another host, for redirects to it.
    """

    def __init__(self, application: web.Application) -> None:
        self.coming: deque[Fault] = deque()
        self.always = Fault.NONE
        self.request_count = 0
        self.spoiled_count = 0
        self.place: tuple[str, ...] = ()
        self.elsewhere = ""
        self._first: dict[str, web.Response] = {}

        @web.middleware
        async def spoil(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._spoil(request, handler)

        # The outermost one: a fault hits before anything of the application does.
        application.middlewares.insert(0, spoil)

    def arrange(self, *coming: Fault, always: Fault = Fault.NONE, place: tuple[str, ...] = ()) -> None:
        """Set what happens from now on."""
        self.coming = deque(coming)
        self.always = always
        self.place = place
        self.request_count = self.spoiled_count = 0
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
        if fault in _REDIRECTS:
            return web.Response(status=_REDIRECTS[fault], headers={"Location": request.raw_path})
        if fault in _AWAY:
            return web.Response(status=_AWAY[fault], headers={"Location": f"{self.elsewhere}{request.raw_path}"})
        response = await handler(request)
        if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
            return response
        if fault is Fault.REPEATED:
            return self._repeated(request, response)
        body = self._spoiled(fault, response.body)
        if body is None:
            return response
        return web.Response(body=body, status=response.status, headers=_kept(response))

    def _spoiled(self, fault: Fault, body: bytes) -> bytes | None:
        """Return a body as the fault leaves it, None where it does nothing to it."""
        if fault is Fault.TRUNCATED:
            return body[: len(body) // 2]
        if fault is Fault.NO_JSON:
            return b"<html>maintenance</html>"
        if fault is Fault.EXTENDED:
            return json.dumps(_extended(json.loads(body))).encode()
        if fault in {Fault.RETYPED, Fault.MISSING, Fault.NULLED}:
            read = json.loads(body)
            self._spoil_fields(read, fault)
            return json.dumps(read).encode()
        return None

    def _spoil_fields(self, value: Any, fault: Fault) -> None:
        if isinstance(value, list):
            for each in value:
                self._spoil_fields(each, fault)
        if not isinstance(value, dict):
            return
        holder = _holder(value, self.place)
        for each in value.values():
            self._spoil_fields(each, fault)
        if holder is not None and holder[self.place[-1]] is not None:
            self.spoiled_count += 1
            if fault is Fault.MISSING:
                del holder[self.place[-1]]
            else:
                holder[self.place[-1]] = WRONG if fault is Fault.RETYPED else None

    def _repeated(self, request: web.Request, response: web.Response) -> web.Response:
        # Pages may have paths of their own; they have one route.
        resource = request.match_info.route.resource
        place = request.path if resource is None else resource.canonical
        first = self._first.setdefault(place, response)
        return web.Response(body=first.body, headers=_kept(first))


def _kept(response: web.Response) -> dict[str, str]:
    """Return the headers that stay true of a changed body: no length, and no entity tag."""
    return {name: text for name, text in response.headers.items() if name in {"Link", "Content-Type"}}


def _holder(value: dict[str, Any], place: Sequence[str]) -> dict[str, Any] | None:
    """Return the object below one that has the last field of a path, None where there is none."""
    found: Any = value
    for name in place[:-1]:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) and place and place[-1] in found else None


def _extended(value: Any) -> Any:
    """Add a field to every object, as an API may at any time."""
    if isinstance(value, list):
        return [_extended(each) for each in value]
    if isinstance(value, dict):
        return {**{name: _extended(each) for name, each in value.items()}, "field_of_tomorrow": {"is": ["new"]}}
    return value
