"""An answer whose first rows go out before the last page is read: each page is the statement's whole input for a while.

What is evaluated is the statement itself, over the rows of one page (or of those that came together) after policy
(`execute/pages.py`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

from omnisql_server.evaluation import Evaluation
from omnisql_server.fetch.scheduler import FetchedScan
from omnisql_server.fetch.stream import PageStream
from omnisql_server.materialize.relations import LocalRelation
from omnisql_server.materialized import page_materialized
from omnisql_server.model.plan import QueryPlan, ScanPlan, Streaming
from omnisql_server.model.report import SourceReport
from omnisql_server.model.run import RunResult
from omnisql_server.telling import Telling
from wire.rows import EncodedRows

Fetching = Callable[..., Awaitable[tuple[FetchedScan, ...]]]
"""Reads scan plans as `fetch.scheduler.fetch` does, whose other arguments are settled."""


async def first_page(scan: ScanPlan, streaming: Streaming, fetching: Fetching) -> PageStream | FetchedScan:
    """Begin to read a scan: return it whole where its first page is all of it, else the stream of its pages.

    Raises:
        ConnectorError, LimitExceeded: it failed before its first page.
    """
    stream = PageStream(lambda pages: fetching([scan], pages=pages), in_turn=streaming.in_turn)
    try:
        whole = await stream.whole()
    except BaseException:
        await stream.aclose()
        raise
    return stream if whole is None else whole


class StreamedAnswer:
    """The answer of a streamed statement, of which is told once it is all there."""

    def __init__(
        self,
        *,
        stream: PageStream,
        plan: QueryPlan,
        salt: bytes,
        evaluation: Evaluation,
        telling: Telling,
    ) -> None:
        self._stream = stream
        self._plan = plan
        self._salt = salt
        self._evaluation = evaluation
        self._telling = telling
        self._returned = 0
        self._enough = False
        telling.tell_soon(self.reports)

    def reports(self) -> tuple[SourceReport, ...]:
        """Tell what the source has given so far."""
        report = self._stream.report(enough=self._enough)
        return () if report is None else (replace(report, rows_returned=self._returned),)

    def rows(self) -> AsyncGenerator[EncodedRows, None]:
        """Yield what the client gets."""
        return self._evaluation.copied(self._rows())

    async def _rows(self) -> AsyncGenerator[EncodedRows, None]:
        """Yield the rows of one page after the other, until there are enough."""
        streaming, (scan,) = self._plan.streaming, self._plan.scans
        left = None if streaming is None else streaming.rows_max
        in_turn = streaming is not None and streaming.in_turn
        try:
            async with aclosing(self._evaluation.over_pages(self._relations(scan), in_turn=in_turn)) as chunks:
                async for chunk in chunks:
                    sent = chunk if left is None or chunk.row_count <= left else _cut(chunk, left)
                    left = None if left is None else left - sent.row_count
                    yield sent
                    if left == 0:
                        self._enough = True
                        break
        finally:
            await self._stream.aclose()
        reports = self.reports()
        if self._stream.is_over:
            self._telling.learn(scan, *reports)
        self._telling.tell(reports)

    async def _relations(self, scan: ScanPlan) -> AsyncGenerator[LocalRelation, None]:
        """Yield the rows of pages after policy."""
        async with aclosing(self._stream.batches()) as coming:
            async for batches in coming:
                relation = await page_materialized(self._plan, scan, batches, self._salt)
                self._returned += relation.rows.num_rows
                yield relation

    def result(self, result: RunResult) -> RunResult:
        """Have what is under way end with a result, even if nobody has begun to read it."""

        async def close() -> None:
            await result.close()
            await self._stream.aclose()

        return replace(result, close=close, streamed=True)


def _cut(chunk: EncodedRows, rows: int) -> EncodedRows:
    return replace(chunk, data=chunk.slice(0, rows), ends=chunk.ends[:rows])
