"""Cancel requests: whom one means that a client sent, and how to send one (PostgreSQL 18, chapter 54.2.9)."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from catalog.clusters import ClusterAddress
from omnisql_server.errors import TooManyConnections
from omnisql_server.session.dial import dial
from wire.startup import encode_cancel_request

SHORT_KEY_BYTES = 4
LONG_KEY_BYTES = 32
CANCEL_TIMEOUT_S = 5.0


class Cancelable(Protocol):
    """What can be canceled: a session."""

    async def cancel(self) -> None:
        """Stop what runs now, if anything does, and return when it can no longer hit anything later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelKey:
    """What the client got in BackendKeyData."""

    process_id: int
    secret_key: bytes


class CancelRegistry:
    """Maps cancel keys to sessions; holds at most as many as `sessions_max` says at the time.

    A process id may stand for several sessions, because every tenant has a cluster of its own.
    """

    def __init__(self, sessions_max: Callable[[], int]) -> None:
        self._sessions_max = sessions_max
        self._count = 0
        self._sessions: dict[int, dict[bytes, Cancelable]] = {}

    def __len__(self) -> int:
        """Return how many sessions can be canceled."""
        return self._count

    def add(self, process_id: int, session: Cancelable, *, long_key: bool) -> CancelKey:
        """Register a session under a new random key; only protocol 3.2 allows a long one.

        Raises:
            TooManyConnections: 53300.
        """
        limit = self._sessions_max()
        if self._count >= limit:
            raise TooManyConnections(message="too many sessions can be canceled", detail=f"limit {limit}")
        of_process = self._sessions.setdefault(process_id, {})
        key = secrets.token_bytes(LONG_KEY_BYTES if long_key else SHORT_KEY_BYTES)
        while key in of_process:
            key = secrets.token_bytes(len(key))
        of_process[key] = session
        self._count += 1
        return CancelKey(process_id=process_id, secret_key=key)

    def remove(self, key: CancelKey) -> None:
        """Forget a session."""
        of_process = self._sessions.get(key.process_id, {})
        if of_process.pop(key.secret_key, None) is not None:
            self._count -= 1
        if not of_process:
            self._sessions.pop(key.process_id, None)

    def find(self, process_id: int, secret_key: bytes) -> Cancelable | None:
        """Return the session of a key; the time it takes says nothing about how much of the key was right."""
        found = None
        for key, session in self._sessions.get(process_id, {}).items():
            if hmac.compare_digest(key, secret_key):
                found = session
        return found


class CancelsSent:
    """Cancel requests on their way to one backend: what is sent to it before they are over, they may hit."""

    def __init__(self) -> None:
        self._running = 0
        self._over = asyncio.Event()
        self._over.set()

    @property
    def under_way(self) -> bool:
        """Say whether there are any."""
        return self._running > 0

    async def over(self) -> None:
        """Wait until there are none."""
        await self._over.wait()

    async def send(self, address: ClusterAddress, process_id: int, secret_key: bytes) -> None:
        """Send one, and return when it can hit nothing later any more."""
        self._running += 1
        self._over.clear()
        try:
            async with asyncio.timeout(CANCEL_TIMEOUT_S):
                await send_cancel(address, process_id, secret_key)
        except (TimeoutError, OSError):
            # The cluster is on its way out; the loss of the connection itself says so.
            return
        finally:
            self._running -= 1
            if self._running == 0:
                self._over.set()


async def send_cancel(address: ClusterAddress, process_id: int, secret_key: bytes) -> None:
    """Send a cancel request and wait for the end of its connection, which comes after the signal was sent."""
    request = await dial(address, _CancelRequest)
    try:
        request.transport.write(encode_cancel_request(process_id, secret_key))
        await request.over.wait()
    finally:
        request.transport.close()


class _CancelRequest(asyncio.Protocol):
    """The connection of one cancel request; PostgreSQL answers nothing and ends it."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """Note the end."""
        self.over.set()
