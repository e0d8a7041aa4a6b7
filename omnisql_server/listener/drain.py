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
        self._sessions: dict[Drainable, str] = {}
        self._removed = asyncio.Event()
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        """Return how many sessions are open."""
        return len(self._sessions)

    def __iter__(self) -> Iterator[Drainable]:
        """Iterate over the sessions open now."""
        return iter(tuple(self._sessions))

    def add(self, session: Drainable, tenant: str = "") -> None:
        """Count a session of a tenant in."""
        self._sessions[session] = tenant
        self._empty.clear()
        if self._draining:
            session.drain()

    def remove(self, session: Drainable) -> None:
        """Count a session out."""
        self._sessions.pop(session, None)
        self._removed.set()
        if not self._sessions:
            self._empty.set()

    async def end_tenant(self, tenant: str, limit_s: float) -> None:
        """End the sessions of one tenant: each with 57P01, idle ones now, busy ones after `limit_s` at the latest."""
        for session in self._of(tenant):
            session.drain()
        try:
            async with asyncio.timeout(limit_s):
                await self._gone(tenant)
        except TimeoutError:
            for session in self._of(tenant):
                session.stop()
            await self._gone(tenant)

    async def _gone(self, tenant: str) -> None:
        while self._of(tenant):
            self._removed.clear()
            await self._removed.wait()

    def _of(self, tenant: str) -> list[Drainable]:
        return [session for session, its_tenant in self._sessions.items() if its_tenant == tenant]

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
