"""The next backend of a tenant before anybody wants it: a connection to its PostgreSQL on which nothing has been said.

PostgreSQL makes a process for each connection before it hears who wants what. Until the start-up packet comes that
process is nobody's: it has no role and no database, has read nothing that belongs to them, and takes no place of
`max_connections`. So any log-in may go on with it once its proof is accepted, and none has a part in making it before.
"""

from __future__ import annotations

import asyncio
import math

import structlog

from catalog.clusters import ClusterAddress
from omnisql_server.session.connection import BackendConnection
from omnisql_server.session.dial import dial

KEPT_S = 10.0
"""How long one is kept, and how soon log-ins must follow each other for the next to be expected. PostgreSQL waits for a
start-up packet for `authentication_timeout`, a minute unless somebody has changed it."""
MADE_AFTER_S = 0.002
"""How long after a log-in the next one is made ready: what its client asks first goes first."""

_log = structlog.get_logger(__name__)


class Spare:
    """At most one connection, made after a log-in that followed another, and given to the next."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self._kept_s = kept_s
        self._connection: BackendConnection | None = None
        self._making: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._expected_s = -math.inf

    @property
    def is_ready(self) -> bool:
        """Say whether there is one."""
        return self._connection is not None

    def take(self, address: ClusterAddress) -> BackendConnection | None:
        """Give the one that is ready, if it leads there."""
        connection = self._connection
        if connection is None or connection.address != address or not connection.is_open:
            return None
        self._forget()
        return connection

    def expect(self, address: ClusterAddress) -> None:
        """Learn of a log-in; if it is not the only one of late, make the next one's connection ready soon."""
        loop = asyncio.get_running_loop()
        before_s, self._expected_s = self._expected_s, loop.time()
        if self._connection is None and self._timer is None and loop.time() - before_s < self._kept_s:
            self._timer = loop.call_later(MADE_AFTER_S, self._begin, address)

    def close(self) -> None:
        """Close what there is, and make no more."""
        connection = self._connection
        self._forget()
        if connection is not None:
            connection.leave()
        if self._making is not None:
            self._making.cancel()

    def _begin(self, address: ClusterAddress) -> None:
        self._making = asyncio.get_running_loop().create_task(self._make(address))

    async def _make(self, address: ClusterAddress) -> None:
        connection = BackendConnection(address)
        kept = False
        try:
            async with asyncio.timeout(self._kept_s):
                await dial(address, lambda: connection)
            if connection.is_open:
                self._connection, kept = connection, True
                connection.on_lost = self._forget
                self._timer = asyncio.get_running_loop().call_later(self._kept_s, self.close)
        except (OSError, TimeoutError) as error:
            # The log-in that it would have been for dials itself, and says so if it fails.
            _log.debug("spare_not_made", reason=str(error))
        finally:
            self._making = None
            if not kept:
                connection.leave()
                self._timer = None

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.on_lost = _nothing
        self._connection = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nothing() -> None:
    """Listen to a connection that is no spare any more."""
