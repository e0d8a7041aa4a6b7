"""An answer whose first rows go out before the last page is read: each page is the statement's whole input for a while.

What is evaluated is the statement itself, over the rows of one page of a scan (or of those that came together) after
policy, beside all rows of the scans that are not streamed (`execute/pages.py`). Behind an OFFSET, it is all pages
so far.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import pyarrow as pa

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

GROWTH = 20
"""Behind skipped rows an answer is made again with a twentieth more rows: all together take 21 times the last one."""
Fetching = Callable[..., Awaitable[tuple[FetchedScan, ...]]]
"""Reads scan plans as `fetch.scheduler.fetch` does, whose other arguments are settled."""


class ScanStreams:
    """The scans of a statement whose pages are its input one after the other; `aclose` must be awaited on the way out.

    They are read at the same time, but for those that may not be needed: they wait until those before are read out.
    """

    def __init__(self, streaming: Streaming, fetching: Fetching) -> None:
        self.streaming = streaming
        self._fetching = fetching
        self._plans: dict[str, ScanPlan] = {}
        self._begun: dict[str, PageStream] = {}

    async def read(self, scans: Sequence[ScanPlan]) -> tuple[FetchedScan, ...]:
        """Begin with those that are streamed, and return the others once they are read.

        Raises:
            ConnectorError, LimitExceeded: one of them failed; the others are stopped.
        """
        names = self.streaming.scans
        self._plans |= {scan.scan_name: scan for scan in scans if scan.scan_name in names}
        for name in names[:1] if self.streaming.in_turn else names:
            if name in self._plans:
                self.begin(name)
        others = [scan for scan in scans if scan.scan_name not in names]
        if not others:
            return ()
        reading = asyncio.ensure_future(self._fetching(others))
        try:
            beside = {stream.task for stream in self._begun.values()}
            while not reading.done():
                done, _ = await asyncio.wait({reading, *beside}, return_when=asyncio.FIRST_COMPLETED)
                for task in done & beside:
                    task.result()
                beside -= done
            return reading.result()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def begin(self, name: str) -> PageStream:
        """Return the pages of a scan, which is begun to be read if it is not yet."""
        stream = self._begun.get(name)
        if stream is None:
            plan, of = self._plans[name], self.streaming
            stream = self._begun[name] = PageStream(
                lambda pages: self._fetching([plan], pages=pages), in_turn=of.in_turn, streams=len(of.scans)
            )
        return stream

    def plan(self, name: str) -> ScanPlan:
        """Return the plan by which a scan is read."""
        return self._plans[name]

    async def whole(self) -> tuple[FetchedScan, ...] | None:
        """Return the scans where a first page was all of each, None where more may come.

        Raises:
            ConnectorError, LimitExceeded: one failed before its first page.
        """
        names = self.streaming.scans
        if self.streaming.in_turn and len(names) > 1:
            return None
        for name in names:
            if not await self._begun[name].is_whole():
                return None
        return tuple([await self._begun[name].whole() for name in names])

    def check(self) -> None:
        """Raise what made one of the scans fail, so that nothing more is asked for the others."""
        for stream in self._begun.values():
            if stream.task.done():
                stream.task.result()

    def report(self, name: str, *, enough: bool) -> SourceReport | None:
        """Say what has been read of a scan so far; None before it was begun."""
        stream = self._begun.get(name)
        return None if stream is None else stream.report(enough=enough)

    def is_over(self, name: str) -> bool:
        """Say whether a scan was read to its end."""
        return name in self._begun and self._begun[name].is_over

    async def aclose(self) -> None:
        """Stop the requests that are under way."""
        await asyncio.gather(*(stream.aclose() for stream in self._begun.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeScans:
    """What a streamed statement reads beside its pages: relations with all their rows, and what was told of them."""

    relations: tuple[LocalRelation, ...] = ()
    told: tuple[SourceReport, ...] = ()


class StreamedAnswer:
    """The answer of a streamed statement, of which is told once it is all there."""

    def __init__(
        self,
        *,
        streams: ScanStreams,
        beside: WholeScans,
        plan: QueryPlan,
        salt: bytes,
        evaluation: Evaluation,
        telling: Telling,
    ) -> None:
        self._streams = streams
        self._beside = beside
        self._plan = plan
        self._salt = salt
        self._evaluation = evaluation
        self._telling = telling
        self._returned = dict.fromkeys(streams.streaming.scans, 0)
        self._left = streams.streaming.rows_max
        telling.tell_soon(self.reports)

    def reports(self) -> tuple[SourceReport, ...]:
        """Tell what the sources have given so far."""
        told = {report.scan_name: report for report in self._beside.told}
        for name, rows in self._returned.items():
            report = self._streams.report(name, enough=self._left == 0)
            if report is not None:
                told[name] = replace(report, rows_returned=rows)
        return tuple(told[scan.scan_name] for scan in self._plan.scans if scan.scan_name in told)

    def rows(self) -> AsyncGenerator[EncodedRows, None]:
        """Yield what the client gets."""
        return self._evaluation.copied(self._rows())

    async def _rows(self) -> AsyncGenerator[EncodedRows, None]:
        """Yield the rows until there are enough, and tell of what was read for them."""
        chunks = self._behind_skipped() if self._streams.streaming.skipped else self._page_by_page()
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk
        finally:
            await self._streams.aclose()
        reports = self.reports()
        for report in reports:
            if self._streams.is_over(report.scan_name):
                self._telling.learn(self._streams.plan(report.scan_name), report)
        self._telling.tell(reports)

    async def _page_by_page(self) -> AsyncGenerator[EncodedRows, None]:
        """Yield the rows of one page after the other, until there are enough."""
        chunks = self._evaluation.over_pages(self._relations(), in_turn=self._streams.streaming.in_turn)
        async with aclosing(chunks):
            async for chunk in chunks:
                left = self._left
                sent = chunk if left is None or chunk.row_count <= left else _cut(chunk, left)
                self._left = None if left is None else left - sent.row_count
                yield sent
                if self._left == 0:
                    break

    async def _behind_skipped(self) -> AsyncGenerator[EncodedRows, None]:
        """Yield the rows of all pages so far, OFFSET and LIMIT and all, once they are as many as LIMIT has.

        Each answer takes the longer the more pages there are, so that it is asked for again once these have grown.
        """
        streaming = self._streams.streaming
        wanted = streaming.rows_max or 0
        gathered: list[pa.Table] = []
        relations: tuple[LocalRelation, ...] = ()
        answer: list[EncodedRows] = []
        rows, answered, due = 0, 0, streaming.skipped + wanted
        async with aclosing(self._relations()) as pages:
            async for relations in pages:
                gathered.append(relations[0].rows)
                rows += relations[0].rows.num_rows
                if rows < due:
                    continue
                answer, answered = await self._answer_to(relations, gathered), rows
                if sum(chunk.row_count for chunk in answer) == wanted:
                    self._left = 0
                    break
                due = rows + rows // GROWTH + 1
        if self._left and rows > answered:
            answer = await self._answer_to(relations, gathered)
        for chunk in answer:
            yield chunk

    async def _answer_to(self, relations: Sequence[LocalRelation], gathered: Sequence[pa.Table]) -> list[EncodedRows]:
        """Return what the statement gives for some pages, the last of which is the first of the relations."""
        page, *beside = relations

        async def once() -> AsyncGenerator[Sequence[LocalRelation], None]:
            yield (replace(page, rows=pa.concat_tables(gathered)), *beside)

        async with aclosing(self._evaluation.over_pages(once(), in_turn=True)) as chunks:
            return [chunk async for chunk in chunks]

    async def _relations(self) -> AsyncGenerator[tuple[LocalRelation, ...], None]:
        """Yield the rows of pages after policy, of one scan after the other; those beside it have none meanwhile."""
        names = self._streams.streaming.scans
        for name in names:
            scan = self._streams.plan(name)
            idle = [self._streams.plan(other) for other in names if other != name]
            beside = [await page_materialized(self._plan, other, (), self._salt) for other in idle]
            async with aclosing(self._streams.begin(name).batches()) as coming:
                async for batches in coming:
                    self._streams.check()
                    relation = await page_materialized(self._plan, scan, batches, self._salt)
                    self._returned[name] += relation.rows.num_rows
                    yield (relation, *beside, *self._beside.relations)

    def result(self, result: RunResult) -> RunResult:
        """Have what is under way end with a result, even if nobody has begun to read it."""

        async def close() -> None:
            await result.close()
            await self._streams.aclose()

        return replace(result, close=close, streamed=True)


def _cut(chunk: EncodedRows, rows: int) -> EncodedRows:
    return replace(chunk, data=chunk.slice(0, rows), ends=chunk.ends[:rows])
