"""Every kind of request that connectors sent to simulators while tests ran, to be judged when all of them have run.

Simulators of this process are watched where a request arrives; those of a demo, which is another process, tell theirs
when they are reset and stopped. What tests send by clients of their own is no connector's, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiohttp import web
from legal_requests import Sent, logged, problems

from connectors.sdk.transport import USER_AGENT
from connectors.simulators.catalogue import NAMES
from connectors.simulators.request_log import RequestLog, RequestRecord

QUERIES_MAX = 40
"""How many queries in GraphQL are kept of a vendor; the first of each kind of any other request is."""
Kinds = dict[tuple[object, ...], Sent]
_NOTED: list[Kinds] = []


@contextmanager
def noted() -> Iterator[Kinds]:
    """Note what arrives from now on, until the end."""
    made: Kinds = {}
    arrived = RequestLog.arrived

    async def arrived_and_noted(log: RequestLog, request: web.Request, time_s: float) -> RequestRecord:
        record = await arrived(log, request, time_s)
        vendor = _vendor_of(request.app)
        if vendor is not None and len(_NOTED) == depth:
            note(vendor, [record.to_json()])
        return record

    _NOTED.append(made)
    depth = len(_NOTED)
    RequestLog.arrived = arrived_and_noted  # type: ignore[method-assign, assignment]
    try:
        yield made
    finally:
        RequestLog.arrived = arrived  # type: ignore[method-assign]
        _NOTED.pop()


def note(vendor: str, records: Iterable[Mapping[str, Any]]) -> None:
    """Note the requests of connectors in the log of a vendor's simulator."""
    for record in records:
        if not _NOTED or not str(record["user_agent"]).startswith(USER_AGENT):
            continue
        made, sent = _NOTED[-1], logged(vendor, record)
        kind = _kind(sent)
        queries = sum(each[:2] == (vendor, "/graphql") for each in made) if sent.path == "/graphql" else 0
        if queries < QUERIES_MAX:
            made.setdefault(kind, sent)


def illegal(made: Kinds) -> set[str]:
    """Tell what of the requests that were made nobody can vouch for."""
    return {problem for sent in made.values() for problem in problems(sent)}


def _kind(sent: Sent) -> tuple[object, ...]:
    """Tell requests apart: by method, path with what may be a name or number left out, names of what is sent."""
    if sent.path == "/graphql":
        return sent.vendor, sent.path, str(sent.body)
    names = frozenset(name for name, _ in sent.parameters)
    body = frozenset(sent.body) if isinstance(sent.body, dict) else None
    return sent.vendor, sent.method, sent.path, names, body


def _vendor_of(application: web.Application) -> str | None:
    """Name the vendor whose simulator an application is, by where its handlers are written."""
    for route in application.router.routes():
        parts = getattr(route.handler, "__module__", "").split(".")
        if parts[:2] == ["connectors", "simulators"] and len(parts) > 2 and parts[2] in NAMES:
            return parts[2]
    return None
