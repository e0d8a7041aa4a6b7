"""Ranges of time that an API bounds: one request with a long range becomes several, each with a piece of it. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connectors.declarative.manifest import Window
from connectors.sdk.request import Request

_SLACK = timedelta(days=1)
"""Clocks differ: a range without an end is read to a day from now."""


def windowed(request: Request, window: Window, now_s: float, *, descending: bool) -> list[Request]:
    """Return the requests that read what one request asks for, the pieces in the order of the listing.

    A request without the start of a range is sent without its end, so that it gives more rows than were asked for.
    """
    given = dict(request.parameters)
    if window.start not in given:
        return [_without(request, (window.end,))]
    start = datetime.fromisoformat(given[window.start])
    end = (
        datetime.fromisoformat(given[window.end])
        if window.end in given
        else datetime.fromtimestamp(now_s, UTC) + _SLACK
    )
    bare = _without(request, (window.start, window.end, *window.replaces))
    found = []
    while start < end:
        until = min(end, start + timedelta(days=window.days_max))
        bounds = ((window.start, _written(start)), (window.end, _written(until)))
        found.append(replace(bare, parameters=(*bare.parameters, *bounds)))
        start = until
    return found[::-1] if descending else found


def _without(request: Request, names: tuple[str, ...]) -> Request:
    return replace(request, parameters=tuple(each for each in request.parameters if each[0] not in names))


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
