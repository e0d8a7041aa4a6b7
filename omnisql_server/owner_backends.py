"""Backends of the owners of views, which read for others: kept for a short while, for a log-in costs more than a read.

One belongs to the role that it logged in as and is used by one statement at a time, in a read-only transaction whose
settings end with it. It is kept only if that went well, and only while the role has no limit of connections of its own.
What a role may read, PostgreSQL looks up for each statement; who it is, and that it may still connect, is looked up
here each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from catalog.connection import OwnConnection

KEPT_MAX = 4
KEPT_S = 30.0
"""How long a backend is kept that nobody uses: a dashboard asks again within that."""
CLOSE_TIMEOUT_S = 5.0

FIT = """
SELECT r.rolcanlogin AND NOT r.rolsuper
   AND pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CONNECT'), r.rolconnlimit = -1
FROM pg_catalog.pg_roles r WHERE r.rolname = session_user AND r.rolname = $1
"""
"""Whether a backend still is one of a role ($1) that may log in and is no superuser, and may be kept; no row if not."""

Connect = Callable[[str], Awaitable[OwnConnection]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    role: str
    connection: OwnConnection
    expiry: asyncio.TimerHandle


class OwnerBackends:
    """The kept backends of one tenant, the one used last first; `connect` logs a role in."""

    def __init__(self, connect: Connect, *, kept_max: int = KEPT_MAX, kept_s: float = KEPT_S) -> None:
        self._connect = connect
        self._kept_max = kept_max
        self._kept_s = kept_s
        self._kept: list[_Kept] = []
        self._closed = False

    def __len__(self) -> int:
        """Return how many backends are kept."""
        return len(self._kept)

    @asynccontextmanager
    async def lease(self, role: str) -> AsyncIterator[OwnConnection]:
        """Give a backend that is logged in as a role; it is kept if the block ends without an error.

        Raises:
            ClusterUnavailable: there is none, and nobody can log in (57P03).
        """
        connection, may_stay = await self._acquire(role)
        try:
            yield connection
        except BaseException:
            # Also what still runs there is canceled.
            await _end(connection)
            raise
        if may_stay and not self._closed and not connection.is_closed():
            await self._keep(role, connection)
        else:
            await _end(connection)

    async def close(self) -> None:
        """End the kept backends, and those in use when they are given back."""
        self._closed = True
        while self._kept:
            await _end(self._take(self._kept[-1]))

    async def _acquire(self, role: str) -> tuple[OwnConnection, bool]:
        while (kept := next((each for each in reversed(self._kept) if each.role == role), None)) is not None:
            connection = self._take(kept)
            fit = await _fitness(connection, role)
            if fit is not None:
                return connection, fit
            await _end(connection)
        connection = await self._connect(role)
        return connection, bool(await _fitness(connection, role))

    async def _keep(self, role: str, connection: OwnConnection) -> None:
        expiry = asyncio.get_running_loop().call_later(self._kept_s, self._expire, connection)
        self._kept.append(_Kept(role=role, connection=connection, expiry=expiry))
        while len(self._kept) > self._kept_max:
            await _end(self._take(self._kept[0]))

    def _take(self, kept: _Kept) -> OwnConnection:
        self._kept.remove(kept)
        kept.expiry.cancel()
        return kept.connection

    def _expire(self, connection: OwnConnection) -> None:
        for kept in [each for each in self._kept if each.connection is connection]:
            self._take(kept).terminate()


async def _fitness(connection: OwnConnection, role: str) -> bool | None:
    """Say whether a backend may be kept once it was used; None if it may not even be used."""
    try:
        found = await connection.fetchrow(FIT, role)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        # It was ended meanwhile, or its role is gone: a log-in tells.
        return None
    except BaseException:
        connection.terminate()
        raise
    return bool(found[1]) if found is not None and found[0] else None


async def _end(connection: OwnConnection) -> None:
    try:
        await connection.close(timeout=CLOSE_TIMEOUT_S)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        connection.terminate()
