"""What was asked for lately of one API table, whatever answered it, here and on other replicas.

It tells whether a wider request is worth reading when a part of it has to be read anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from omnisql_server.freshness.domains import Request
from omnisql_server.freshness.entries import Seal, Spoiled, read_request, written_request
from omnisql_server.freshness.store import Told

REMEMBERED_MAX = 1000
"""Requests of one table that a process remembers; the one asked for longest ago makes room."""
TOLD_AGAIN_AFTER_US = 5_000_000
"""How long others are not told of a request again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    request: Request
    asked_us: int
    told_us: int


@dataclass(slots=True, kw_only=True)
class Asked:
    """Requests of a shelf by name, the one asked for last at the end."""

    shelf: str
    seal: Seal
    _known: dict[str, _Known] = field(default_factory=dict)
    _untold: dict[str, None] = field(default_factory=dict)

    def note(self, request: Request, now_us: int) -> None:
        """Remember that a request was asked for."""
        name = name_of(self.seal, request)
        known = self._known.pop(name, None)
        told_us = 0 if known is None else known.told_us
        if now_us - told_us >= TOLD_AGAIN_AFTER_US:
            self._untold[name] = None
            told_us = now_us
        self._remember(name, _Known(request=request, asked_us=now_us, told_us=told_us))

    def untold(self) -> Sequence[Told]:
        """Take what others have not been told yet."""
        names, self._untold = self._untold, {}
        return [self._told(name, self._known[name]) for name in names]

    def hear(self, told: Iterable[Told]) -> int:
        """Take over what others tell, and return how many of it no replica of ours can have written."""
        spoiled = 0
        for each in told:
            known = self._known.get(each.name)
            if known is not None and known.asked_us >= each.asked_us:
                continue
            try:
                request = known.request if known is not None else self._read(each)
            except Spoiled:
                spoiled += 1
                continue
            self._known.pop(each.name, None)
            self._remember(each.name, _Known(request=request, asked_us=each.asked_us, told_us=each.asked_us))
        return spoiled

    def since(self, oldest_us: int) -> Iterator[Request]:
        """Give the requests that were asked for since a moment, the last one first."""
        for known in reversed(self._known.values()):
            if known.asked_us >= oldest_us:
                yield known.request

    def _remember(self, name: str, known: _Known) -> None:
        self._known[name] = known
        if len(self._known) > REMEMBERED_MAX:
            oldest = next(iter(self._known))
            self._known.pop(oldest)
            self._untold.pop(oldest, None)

    def _read(self, told: Told) -> Request:
        return read_request(self.seal.open(told.description, self.shelf, told.name, "asked"))

    def _told(self, name: str, known: _Known) -> Told:
        description = self.seal.close(written_request(known.request), self.shelf, name, "asked")
        return Told(name=name, asked_us=known.asked_us, description=description)


def name_of(seal: Seal, request: Request) -> str:
    """Give a request a name that tells nothing of it to whoever lacks the key."""
    scan = request.scan
    identity = sorted(map(repr, request.identity))
    return seal.name("asked", scan.access_path, sorted(scan.columns), identity, repr(scan.order), scan.limit)
