"""Opens a source for a moment, with the credential of a session's user, to ask its API something.

These few requests are not counted against the source's rate limits; what the API itself refuses is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connectors.sdk.connector import Connection, Connector, WithSchemas, connector_at
from connectors.sdk.errors import SourceTimeout
from connectors.sdk.table import Table
from omnisql_server.errors import InsufficientPrivilege
from omnisql_server.manage.facts import ServerFacts
from omnisql_server.manage.resolver import Resolver
from omnisql_server.manage.wrappers import ConnectorOf


class Asking:
    """Asks the sources of one tenant; `timeout_s` bounds all requests of one asking."""

    def __init__(self, *, resolver: Resolver, connector_of: ConnectorOf, timeout_s: float) -> None:
        self._resolver = resolver
        self._connector_of = connector_of
        self._timeout_s = timeout_s

    def has_schemas(self, server: ServerFacts) -> bool:
        """Say whether sources of the server's kind have schemas of their own."""
        return isinstance(self._connector_of(server.wrapper), WithSchemas)

    async def account(self, server: ServerFacts) -> str:
        """Prove the user's credential and return whose it is.

        Raises:
            CredentialMissing, CatalogError, ConnectorError: 28000, there is none, or it is refused.
        """
        async with self._open(server) as (_, connection):
            return await connection.check()

    async def tables(self, server: ServerFacts, *, prove: bool) -> tuple[Table, ...]:
        """Return the tables that the source has, after proving the credential if that is wanted.

        Raises:
            CredentialMissing, CatalogError, ConnectorError: as `account`.
        """
        async with self._open(server) as (connector, connection):
            if prove:
                await connection.check()
            return await connector.discover(connection)

    @asynccontextmanager
    async def _open(self, server: ServerFacts) -> AsyncIterator[tuple[Connector, Connection]]:
        source = await self._resolver.source_of(server)
        connector = connector_at(self._connector_of(server.wrapper), server.version)
        connection = await connector.connect(source)
        try:
            async with asyncio.timeout(self._timeout_s):
                yield connector, connection
        except TimeoutError as error:
            raise SourceTimeout(
                message=f'SOURCE_TIMEOUT: server "{server.name}" did not answer in time',
                detail=f"It got {self._timeout_s:.0f} seconds.",
                hint="Run the statement again later.",
            ) from error
        finally:
            await connection.disconnect()


def require_usage(server: ServerFacts) -> None:
    """Refuse a server that the current user may not use, before its API is asked anything.

    Raises:
        InsufficientPrivilege: 42501, in PostgreSQL's words.
    """
    if not server.usable:
        raise InsufficientPrivilege(
            message=f"permission denied for foreign server {server.name}",
            hint=f"Its owner can GRANT USAGE ON FOREIGN SERVER {server.name}.",
        )
