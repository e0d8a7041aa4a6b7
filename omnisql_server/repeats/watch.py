"""Watches a tenant's catalog over one connection of OmniSQL's own, read once for all statements that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from catalog.connection import OwnConnection
from catalog.errors import CatalogError
from catalog.version import Version, read_version
from omnisql_server.repeats.grouped import Grouped

READ_TIMEOUT_S = 2.0

_log = structlog.get_logger(__name__)


class CatalogWatch:
    """Reads what a catalog is at; `last` is what was read last, None before, and after the connection was lost."""

    def __init__(self, connect: Callable[[], Awaitable[OwnConnection]]) -> None:
        self._connect = connect
        self._connection: OwnConnection | None = None
        self._grouped = Grouped(self._read)
        self.last: Version | None = None

    def read(self) -> asyncio.Future[Version | None]:
        """Return what ends with the version as of a moment after this call, None where it cannot be told."""
        return self._grouped.ask()

    def close(self) -> None:
        """Give the connection up."""
        self._grouped.close()
        self._forget()

    async def _read(self) -> Version | None:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._connect()
                self.last = await read_version(self._connection, self.last)
        except (CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            # The cluster went away; its sessions are told, and the next log-in starts it.
            _log.debug("catalog_not_read", reason=str(error))
            self._forget()
        return self.last

    def _forget(self) -> None:
        connection, self._connection, self.last = self._connection, None, None
        if connection is not None:
            connection.terminate()
