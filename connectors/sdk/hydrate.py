"""Columns that need a call of their own per row: the calls of one page, or of rows read before, a few at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol, runtime_checkable

import pyarrow as pa

from connectors.sdk.connector import FetchContext
from connectors.sdk.decode import Row, RowDecoder, attach, is_attached
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.ordered import in_order
from connectors.sdk.pagination import Reader
from connectors.sdk.request import Request
from connectors.sdk.scan import Page, Scan

HYDRATED_TOGETHER_MAX = 500
"""Rows whose details are given as one page."""


@runtime_checkable
class Hydrating(Protocol):
    """A connection that fetches columns of rows that it listed before, of tables that declare `hydrations`."""

    def hydrate(self, scan: Scan, rows: pa.RecordBatch, context: FetchContext) -> AsyncIterator[Page]:
        """Fetch the scan's columns, all of which a call for each row fills, for rows of the inputs of these calls.

        The pages have a row for each, in order. The scan has neither keys nor predicates.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """


async def hydrated_pages(
    rows: pa.RecordBatch, hydrate: Callable[[list[Row]], Awaitable[None]], decoder: RowDecoder
) -> AsyncGenerator[Page, None]:
    """Give the pages of rows read before, once `hydrate` has attached to each what the decoder reads."""
    for start in range(0, rows.num_rows, HYDRATED_TOGETHER_MAX):
        found: list[Row] = rows.slice(start, HYDRATED_TOGETHER_MAX).to_pylist()
        await hydrate(found)
        decoded = decoder.decoded(found)
        yield Page(rows=decoded.batch, misfits=decoded.misfits)


async def hydrate_rows(
    reader: Reader,
    rows: list[Row],
    *,
    name: str,
    request_of: Callable[[Row], Request],
    concurrency: int,
    has_gaps: bool = False,
) -> None:
    """Attach the body of one call per row to those rows that do not have it yet.

    With `has_gaps` a row without details is one whose columns are null.

    Raises:
        Fatal: SQLSTATE HV000, a row that was just listed has no details any more.
    """
    lacking = [row for row in rows if not is_attached(row, name)]

    async def body_of(row: Row) -> object:
        try:
            return (await reader.send(request_of(row))).body
        except EmptyResult:
            if has_gaps:
                return None
            raise Fatal(
                message=f"a row of {reader.table} vanished while it was read", hint="Run the statement again."
            ) from None

    async with aclosing(in_order(body_of, iter(lacking), concurrency)) as bodies:
        position = 0
        async for body in bodies:
            attach(lacking[position], name, body)
            position += 1
