"""The backends of one tenant that no session uses at the moment, and the making of room for new ones.

A parked backend is clean and belongs to the role, database and start-up parameters it logged in with. The pool is
bounded in number and in time, and empty as soon as the tenant's last session has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog

from catalog.clusters import ClusterAddress
from omnisql_server.errors import BackendError
from omnisql_server.live_settings import LiveSettings
from omnisql_server.session.connection import BackendConnection, ClusterRefused, log_in
from omnisql_server.session.spare import Spare
from omnisql_server.settings import SessionSettings
from wire.sqlstate import TOO_MANY_CONNECTIONS

GIVE_WAY_TIMEOUT_S = 1.0
"""How long a session that was asked for its backend may take to give it."""

ROOM_ATTEMPTS_MAX = 16
"""How many backends or sessions are asked for room before a log-in is refused."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendKey:
    """What makes two backends the same to a client: where they are, and all start-up parameters, role included."""

    address: ClusterAddress
    parameters: tuple[tuple[str, str], ...]


class Holder(Protocol):
    """Who has a backend and may be asked for it: a session."""

    def idle_since_s(self) -> float | None:
        """Say since when its backend has been idle and free to go; None when it cannot go."""

    def give_way(self) -> None:
        """Give the backend away now, if it still can go."""

    def show(self) -> asyncio.Future[None] | None:
        """Have the statement that it runs seen in PostgreSQL; None where there is none, or it is seen already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parked:
    key: BackendKey
    connection: BackendConnection
    expiry: asyncio.TimerHandle


class BackendPool:
    """Keeps parked backends, oldest first, and knows who holds the others."""

    def __init__(self, live: LiveSettings) -> None:
        self._live = live
        self._parked: list[_Parked] = []
        self._holders: set[Holder] = set()
        self._waiting = 0
        self._arrived = asyncio.Event()
        self._spare = Spare()

    def __len__(self) -> int:
        """Return how many backends are parked."""
        return len(self._parked)

    @property
    def wants(self) -> bool:
        """Say whether one more backend would be kept, because there is room or somebody waits."""
        return self._waiting > 0 or len(self._parked) < self._settings.parked_max

    @property
    def has_spare(self) -> bool:
        """Say whether a connection is ready for the next log-in."""
        return self._spare.is_ready

    def enter(self, holder: Holder) -> None:
        """Count a session in that has a backend."""
        self._holders.add(holder)

    def leave(self, holder: Holder) -> None:
        """Count a session out."""
        self._holders.discard(holder)

    def show(self) -> list[asyncio.Future[None]]:
        """Have all statements that run seen in PostgreSQL, and return what ends when those are that are not yet."""
        return [shown for holder in self._holders if (shown := holder.show()) is not None]

    def put(self, key: BackendKey, connection: BackendConnection) -> None:
        """Keep a clean backend; one too many is closed."""
        if not connection.is_open or not self.wants:
            connection.terminate()
        else:
            loop = asyncio.get_running_loop()
            expiry = loop.call_later(self._settings.parked_idle_max_s, self._drop, connection)
            self._parked.append(_Parked(key=key, connection=connection, expiry=expiry))
            connection.on_lost = lambda: self._drop(connection)
        self._arrived.set()

    async def acquire(self, key: BackendKey, timeout_s: float) -> BackendConnection:
        """Give a parked backend of the same kind, else a new one.

        Raises:
            BackendError, ClusterRefused: as `open`.
        """
        return self._take(key) or await self.open(key, timeout_s, parked_too=True)

    async def open(self, key: BackendKey, timeout_s: float, *, parked_too: bool = False) -> BackendConnection:
        """Log in, making room by closing a parked backend or asking an idle session for its own.

        `parked_too` says that a backend parked meanwhile is as good as a new one.

        Raises:
            BackendError: PostgreSQL refused, in its own words.
            ClusterRefused: 57P03, it cannot be reached.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        asked: set[Holder] = set()
        attempts = 0
        while True:
            try:
                connection = await self._log_in(key, until_s)
                self._spare.expect(key.address)
                return connection
            except BackendError as error:
                attempts += 1
                may_retry = error.sqlstate == TOO_MANY_CONNECTIONS and attempts <= ROOM_ATTEMPTS_MAX
                if not may_retry or (not self._parked and not await self._ask_holder(asked)):
                    raise
            taken = self._take(key) if parked_too else None
            if taken is not None:
                return taken
            await self._end_oldest()

    async def _log_in(self, key: BackendKey, until_s: float) -> BackendConnection:
        now_s = asyncio.get_running_loop().time
        spare = self._spare.take(key.address)
        if spare is not None:
            try:
                return await log_in(key.address, dict(key.parameters), max(until_s - now_s(), 0.0), spare)
            except (BackendError, ClusterRefused) as error:
                # PostgreSQL decides what it refuses a connection when that is made, which was a while ago.
                _log.debug("spare_refused", sqlstate=error.sqlstate)
        return await log_in(key.address, dict(key.parameters), max(until_s - now_s(), 0.0))

    def close(self) -> None:
        """Close all parked backends, and the spare one."""
        self._spare.close()
        while self._parked:
            self._drop(self._parked[-1].connection)

    @property
    def _settings(self) -> SessionSettings:
        return self._live.current.sessions

    def _take(self, key: BackendKey) -> BackendConnection | None:
        """Take the backend parked last, whose caches are the warmest."""
        for parked in reversed(self._parked):
            if parked.key == key and parked.connection.is_open:
                self._remove(parked)
                return parked.connection
        return None

    async def _end_oldest(self) -> None:
        if self._parked:
            parked = self._parked[0]
            self._remove(parked)
            await parked.connection.end(self._settings.backend_timeout_s)

    async def _ask_holder(self, asked: set[Holder]) -> bool:
        """Ask the session that has been idle for longest, and wait for what it gives; say whether there was one."""
        idle = [(since_s, holder) for holder in self._holders - asked if (since_s := holder.idle_since_s()) is not None]
        if not idle:
            return False
        _, holder = min(idle, key=lambda pair: pair[0])
        asked.add(holder)
        self._arrived.clear()
        self._waiting += 1
        try:
            async with asyncio.timeout(GIVE_WAY_TIMEOUT_S):
                holder.give_way()
                await self._arrived.wait()
        except TimeoutError:
            _log.info("backend_not_given")
        finally:
            self._waiting -= 1
        return True

    def _drop(self, connection: BackendConnection) -> None:
        for parked in self._parked:
            if parked.connection is connection:
                self._remove(parked)
                connection.terminate()
                return

    def _remove(self, parked: _Parked) -> None:
        self._parked.remove(parked)
        parked.expiry.cancel()
        parked.connection.on_lost = _nothing


class BackendPools:
    """The pools of all tenants; one lives from its tenant's first session to the end of the last."""

    def __init__(self, live: LiveSettings) -> None:
        self._live = live
        self._pools: dict[str, tuple[BackendPool, int]] = {}

    @asynccontextmanager
    async def lease(self, tenant: str) -> AsyncIterator[BackendPool]:
        """Give a tenant's pool for the time of one session."""
        pool, sessions = self._pools.get(tenant) or (BackendPool(self._live), 0)
        self._pools[tenant] = (pool, sessions + 1)
        try:
            yield pool
        finally:
            pool, sessions = self._pools[tenant]
            self._pools[tenant] = (pool, sessions - 1)
            if sessions == 1:
                del self._pools[tenant]
                pool.close()


def _nothing() -> None:
    """Listen to a connection that is the pool's no more."""
