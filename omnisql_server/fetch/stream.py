"""A scan that is read while its first pages are evaluated. Owns the task that reads it, which ends with the stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace

import pyarrow as pa

from omnisql_server.fetch.pages import Pages
from omnisql_server.fetch.scheduler import FetchedScan
from omnisql_server.model.report import SourceReport

AHEAD_BYTES_MAX = 16 * 1024 * 1024
"""Rows that wait while as many before them are evaluated, for a client that is slow or has stopped to read."""
UNFINISHED = "it was not read to its end"

Fetching = Callable[[Pages], Awaitable[Sequence[FetchedScan]]]


class PageStream:
    """One scan under way; `aclose` must be awaited on every way out."""

    def __init__(self, fetching: Fetching, *, in_turn: bool, streams: int = 1) -> None:
        """Begin to read, as one of some streams; `in_turn`, a page is asked for when that before was made use of."""
        self._pages = Pages(ahead_bytes_max=0 if in_turn else AHEAD_BYTES_MAX // streams)
        self._task = asyncio.create_task(self._read(fetching), name="stream")
        self._over = False

    async def is_whole(self) -> bool:
        """Wait for the first page, and say whether there is no other.

        Raises:
            ConnectorError, LimitExceeded: it failed before the first page.
        """
        await self._pages.came()
        if not (self._pages.read_out or self._task.done()):
            return False
        await self._task
        return True

    async def whole(self) -> FetchedScan:
        """Return the scan of which all pages have come."""
        fetched = await self._task
        self._over = True
        return replace(fetched, batches=(*await self._pages.take(), *fetched.batches))

    @property
    def task(self) -> asyncio.Task[FetchedScan]:
        """Return what reads the scan; it is not to be cancelled."""
        return self._task

    async def batches(self) -> AsyncGenerator[Sequence[pa.RecordBatch], None]:
        """Yield rows as they come, all that are there at once.

        Raises:
            ConnectorError, LimitExceeded: it failed on the way.
        """
        while taken := await self._pages.take():
            yield taken
        fetched = await self._task
        self._over = True
        if fetched.batches:
            yield fetched.batches

    def report(self, *, enough: bool) -> SourceReport | None:
        """Say what has been read so far; None before its source was opened. It is all if that was `enough`."""
        report = self._pages.report() if self._pages.report is not None else None
        if report is None or enough or self._over or not report.complete:
            return report
        return replace(report, complete=False, incomplete_reason=UNFINISHED)

    @property
    def is_over(self) -> bool:
        """Say whether the scan was read to its end."""
        return self._over

    async def aclose(self) -> None:
        """Stop the requests that are under way."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self, fetching: Fetching) -> FetchedScan:
        try:
            (fetched,) = await fetching(self._pages)
        finally:
            self._pages.end()
        return fetched
