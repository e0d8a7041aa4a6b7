"""The sessions that are open, and their graceful end: idle ones at once, busy ones when they are idle or time is up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Protocol

import structlog

_log = structlog.get_logger(__name__)


class Drainable(Protocol):
    """What can be asked to end: a session."""

    def drain(self) -> None:
        """End as soon as it is idle."""

    def stop(self) -> None:
        """End now."""

    def is_overdue(self, now_s: float) -> bool:
        """Say whether a relayed statement has run for longer than any may."""

    async def cancel_overdue(self) -> None:
        """Stop that statement."""

    def consider_parking(self, now_s: float) -> None:
        """Give the backend away if it has not been needed for long enough."""


class OpenSessions:
    """The set of open sessions; one that is added while the set drains is drained too."""

    def __init__(self) -> None:
        self._sessions: set[Drainable] = set()
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        """Return how many sessions are open."""
        return len(self._sessions)

    def __iter__(self) -> Iterator[Drainable]:
        """Iterate over the sessions open now."""
        return iter(tuple(self._sessions))

    def add(self, session: Drainable) -> None:
        """Count a session in."""
        self._sessions.add(session)
        self._empty.clear()
        if self._draining:
            session.drain()

    def remove(self, session: Drainable) -> None:
        """Count a session out."""
        self._sessions.discard(session)
        if not self._sessions:
            self._empty.set()

    async def drain(self, limit_s: float) -> None:
        """End all sessions: each with 57P01, idle ones now, busy ones after `limit_s` at the latest."""
        self._draining = True
        _log.info("drain_started", sessions=len(self._sessions))
        for session in self:
            session.drain()
        try:
            async with asyncio.timeout(limit_s):
                await self._empty.wait()
        except TimeoutError:
            _log.info("drain_limit_reached", sessions=len(self._sessions))
            for session in self:
                session.stop()
            await self._empty.wait()
