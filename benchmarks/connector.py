"""A connector without an API: its one table gives batches that are ready in memory.

So only the server is measured. The batches come from an Arrow file and are read at the first fetch, so that a server
that has not been asked yet does not hold them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow as pa

from benchmarks.rows import COLUMNS
from connectors.sdk.connector import Connection, FetchContext, Source
from connectors.sdk.scan import Page, Scan
from connectors.sdk.table import AccessPath, Column, Table

NAME = "memory"
TABLE = Table(
    name="facts",
    description="Rows that are ready in memory.",
    columns=tuple(Column(name=name, type_name=type_name, path=name) for name, type_name in COLUMNS),
    primary_key=("id",),
    access_paths=(AccessPath(name="all", request="none", page_rows_max=16_384),),
    rows_expected=1_000_000,
)


class MemoryConnector:
    """Serves the rows of one Arrow file."""

    name = NAME
    options = ()
    tables = (TABLE,)

    def __init__(self, rows_file: Path) -> None:
        self._rows_file = rows_file

    async def connect(self, source: Source) -> MemoryConnection:  # noqa: ARG002 - the protocol's signature
        """Open the source."""
        return MemoryConnection(self._rows_file)

    async def discover(self, connection: Connection) -> tuple[Table, ...]:  # noqa: ARG002 - the protocol's signature
        """Return the one table."""
        return (TABLE,)


class MemoryConnection:
    """Holds the batches."""

    def __init__(self, rows_file: Path) -> None:
        self._rows_file = rows_file
        self._batches: list[pa.RecordBatch] | None = None

    async def fetch(self, scan: Scan, context: FetchContext) -> AsyncIterator[Page]:
        """Give the batches as pages, the wanted columns only."""
        if self._batches is None:
            # Not mapped: mapped pages would count as the server's memory or not, as the kernel likes.
            with pa.OSFile(str(self._rows_file)) as file, pa.ipc.open_file(file) as reader:
                self._batches = [reader.get_batch(index) for index in range(reader.num_record_batches)]
        for batch in self._batches:
            context.meter.page(batch.num_rows)
            yield Page(rows=batch.select(list(scan.columns)))

    async def check(self) -> str:
        """Say who the credentials belong to: nobody."""
        return "nobody"

    async def disconnect(self) -> None:
        """Let go of the rows."""
        self._batches = None
