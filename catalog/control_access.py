"""Connections to the control database: a few are kept, a dead cluster of ours is started again, an outage is said.

The control database may go away and come back while the server runs: sessions that are open need it for nothing but new
sources and log-ins, which fail with 57P03 meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from catalog.clusters.cluster import Cluster
from catalog.connection import Connection, OwnConnection
from catalog.control import CONTROL_DATABASE
from catalog.errors import CatalogError, ClusterUnavailable

CONNECTIONS_MAX = 8
CONNECTIONS_KEPT_MAX = 4
WAIT_MAX_S = 10.0
FRESH_S = 0.5
"""How long a connection is taken to answer after it has."""
UNAVAILABLE_HINT = "Try again later; open sessions go on."
# What a connection raises when its server is gone or going.
LOST = (
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    OSError,
)

log = structlog.get_logger(__name__)


class ControlDatabase:
    """Hands out connections to the control database, `CONNECTIONS_MAX` at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._kept: deque[tuple[OwnConnection, float]] = deque()
        self._permits = asyncio.Semaphore(CONNECTIONS_MAX)
        self._closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Give a connection for the time of the block.

        Raises: ClusterUnavailable (57P03) when the control database cannot be reached, or all connections stay taken.
        """
        await self._acquire()
        try:
            connection = await self._take()
            try:
                yield connection
            except LOST as error:
                raise ClusterUnavailable("the control database went away", hint=UNAVAILABLE_HINT) from error
            finally:
                await self._give_back(connection)
        finally:
            self._permits.release()

    async def aclose(self) -> None:
        """Close what is kept."""
        self._closed = True
        while self._kept:
            await self._kept.pop()[0].close()

    async def _acquire(self) -> None:
        if not self._permits.locked():
            # Never waits, so it needs no time.
            await self._permits.acquire()
            return
        try:
            async with asyncio.timeout(WAIT_MAX_S):
                await self._permits.acquire()
        except TimeoutError as error:
            raise ClusterUnavailable("the control database is overloaded") from error

    async def _take(self) -> OwnConnection:
        while self._kept:
            kept, given_back_s = self._kept.pop()
            # One that answered a moment ago is asked no more: a cluster that dies closes it, which is seen.
            fresh = not kept.is_closed() and time.monotonic() - given_back_s < FRESH_S
            if fresh or await _answers(kept):
                return kept
        try:
            # Does nothing while the cluster runs; one that died is started again.
            await self.cluster.start()
            return await self.cluster.connect(self.cluster.superuser, CONTROL_DATABASE)
        except (CatalogError, asyncpg.PostgresError, OSError) as error:
            log.error("control_database_unavailable", reason=str(error))
            raise ClusterUnavailable("the control database is not available", hint=UNAVAILABLE_HINT) from error

    async def _give_back(self, connection: OwnConnection) -> None:
        if connection.is_closed():
            return
        usable = not connection.is_in_transaction()
        if usable and not self._closed and len(self._kept) < CONNECTIONS_KEPT_MAX:
            self._kept.append((connection, time.monotonic()))
        else:
            await connection.close(timeout=WAIT_MAX_S)


async def _answers(connection: OwnConnection) -> bool:
    """Say whether a kept connection is alive; one that is not is gone afterwards."""
    try:
        await connection.execute("SELECT")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        connection.terminate()
        return False
    return True
