"""A connection to the server's own state: one page per scan, no request. Implements the connector SDK's Connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from connectors.sdk.connector import FetchContext
from connectors.sdk.decode import RowDecoder
from connectors.sdk.scan import Page, Scan
from omnisql_server.introspection.rows import introspection_rows
from omnisql_server.introspection.state import IntrospectionState
from omnisql_server.introspection.tables import INTROSPECTION_TABLES

__all__ = ["IntrospectionConnection", "IntrospectionState"]

_TABLES = {table.name: table for table in INTROSPECTION_TABLES}


class IntrospectionConnection:
    """Shows one state; it needs no credentials and holds no resources."""

    def __init__(self, state: IntrospectionState) -> None:
        self._state = state

    async def fetch(self, scan: Scan, context: FetchContext) -> AsyncGenerator[Page, None]:
        """Yield the scan's rows as one page."""
        rows = introspection_rows(scan.table, self._state)[: scan.limit]
        page = Page(rows=RowDecoder(_TABLES[scan.table], scan.columns).batch(rows))
        context.meter.page(len(rows))
        yield page

    async def check(self) -> str:
        """Say who the credentials belong to: there are none."""
        return "this server"

    async def disconnect(self) -> None:
        """Close nothing: nothing is open."""
