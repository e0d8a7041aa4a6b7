"""Asks a source for the size of one API table, under the source's rate limits, and counts what that took."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from connectors.sdk.connector import FetchContext, RequestRecord
from connectors.sdk.errors import SourceTimeout
from connectors.sdk.sizes import Measuring, TableSize
from connectors.sdk.table import Table
from omnisql_server.errors import InternalError
from omnisql_server.fetch.scheduler import OpenSource
from omnisql_server.model.relation import Relation
from omnisql_server.observability.metrics import INSTRUMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a source told of a table (None: nothing), the calls it took, and milliseconds per call."""

    size: TableSize | None
    calls: int
    latency_ms: float


@dataclass(slots=True)
class _Count:
    """Counts the requests of one measuring; implements the SDK's Meter."""

    connector: str
    calls: int = 0

    def request(self, record: RequestRecord) -> None:
        """Count one request."""
        self.calls += 1
        INSTRUMENTS.request_finished(self.connector, record)

    def page(self, row_count: int) -> None:
        """Count nothing: there are no pages of rows."""


async def measure(source: OpenSource, relation: Relation, table: Table, timeout_s: float) -> Measured:
    """Ask for the size of the API table behind a relation; a table that declares no request for it is not asked.

    Raises:
        ConnectorError: the source cannot be asked, or takes longer than `timeout_s`.
    """
    if not table.size_request:
        return Measured(size=None, calls=0, latency_ms=0.0)
    connection = source.connection
    if not isinstance(connection, Measuring):
        raise InternalError(message=f"connector {relation.wrapper} declares a size request that it cannot make")
    count, started_s = _Count(connector=relation.wrapper), time.monotonic()
    context = FetchContext(meter=count, limiter=source.limiter, timeout_s=timeout_s)
    try:
        async with asyncio.timeout(timeout_s):
            size = await connection.measure(table.name, context)
    except TimeoutError as error:
        raise SourceTimeout(
            message=f'SOURCE_TIMEOUT: server "{relation.server}" did not answer in time',
            detail=f"It got {timeout_s:.0f} seconds.",
            hint="Run the statement again later.",
        ) from error
    took_ms = (time.monotonic() - started_s) * 1000
    return Measured(size=size, calls=count.calls, latency_ms=took_ms / max(1, count.calls))
