"""The built-in connector `omnisql`, whose tables are the server's live state."""

from __future__ import annotations

from connectors.sdk.connector import Connection, Option, Source
from connectors.sdk.options import checked_options
from connectors.sdk.table import Table
from omnisql_server.introspection.connection import IntrospectionConnection, IntrospectionState
from omnisql_server.introspection.tables import INTROSPECTION_TABLES


class IntrospectionConnector:
    """Implements the connector SDK's Connector."""

    name = "omnisql"
    options: tuple[Option, ...] = ()
    tables = INTROSPECTION_TABLES

    async def connect(self, source: Source) -> IntrospectionConnection:
        """Open a connection that belongs to no session and so shows no rows.

        Raises:
            OptionInvalid: HV00D, the source has an option.
        """
        checked_options(self.options, source)
        return IntrospectionConnection(IntrospectionState())

    async def discover(self, connection: Connection) -> tuple[Table, ...]:  # noqa: ARG002 - the protocol's signature
        """Return the tables, which are always the same."""
        return self.tables


INTROSPECTION = IntrospectionConnector()
"""The one connector of this kind."""
