"""Run every scan of a plan concurrently and keep what came back. Takes scan plans, gives batches and reports.

All tasks belong to one group: the first failure, a cancel or the caller's end stops the rest at once, and with them
their requests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa

from connectors.sdk.connector import Connection, FetchContext, Limiter, RequestRecord
from connectors.sdk.errors import ConnectorError, Fatal, SourceTimeout
from connectors.sdk.scan import Page
from omnisql_server.errors import LimitExceeded
from omnisql_server.model.plan import Pushed, ScanPlan
from omnisql_server.model.report import SourceReport
from omnisql_server.observability.metrics import INSTRUMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSource:
    """An open connection to a scan's source, with its rate limits."""

    connection: Connection
    limiter: Limiter


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchBounds:
    """How much a statement may fetch: scans at once, rows per scan, seconds in all."""

    concurrency_max: int = 16
    scan_rows_max: int = 5_000_000
    timeout_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedScan:
    """The batches of one scan in order, and what it took; `rows_returned` of the report is filled after policy."""

    plan: ScanPlan
    batches: tuple[pa.RecordBatch, ...]
    report: SourceReport


@dataclass(slots=True)
class _Tally:
    """Counts one scan's requests and pages; implements the SDK's Meter."""

    connector: str
    requests: int = 0
    revalidated: int = 0
    pages: int = 0
    rows: int = 0
    bytes_received: int = 0
    truncated: str | None = None
    started: float = field(default_factory=time.monotonic)

    def request(self, record: RequestRecord) -> None:
        """Count one request."""
        self.requests += 1
        self.revalidated += record.revalidated
        self.bytes_received += record.bytes_received
        INSTRUMENTS.request_finished(
            connector=self.connector,
            method=record.method,
            status=record.status,
            duration_s=record.duration_ms / 1000,
            bytes_received=record.bytes_received,
        )

    def page(self, row_count: int) -> None:  # noqa: ARG002 - rows are counted as they arrive here
        """Count one page."""
        self.pages += 1


async def fetch(
    plans: Sequence[ScanPlan],
    open_source: Callable[[ScanPlan], Awaitable[OpenSource]],
    bounds: FetchBounds,
    *,
    partial_allowed: bool,
) -> tuple[FetchedScan, ...]:
    """Read all scans.

    Raises:
        ConnectorError: a source failed, or gave less than there is, and partial answers are not allowed.
        LimitExceeded: a scan has more rows than the bound (54000).
    """
    fetching = _Fetching(
        open_source=open_source,
        bounds=bounds,
        slots=asyncio.Semaphore(bounds.concurrency_max),
        partial_allowed=partial_allowed,
    )
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(fetching.scan(plan)) for plan in plans]
    except BaseExceptionGroup as failures:
        raise _first(failures) from failures
    return tuple(task.result() for task in tasks)


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Take the failure that happened first; the others were stopped because of it."""
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetching:
    """What all scans of one statement share."""

    open_source: Callable[[ScanPlan], Awaitable[OpenSource]]
    bounds: FetchBounds
    slots: asyncio.Semaphore
    partial_allowed: bool

    async def scan(self, plan: ScanPlan) -> FetchedScan:
        tally = _Tally(connector=plan.relation.wrapper)
        parts: list[list[pa.RecordBatch]] = [[] for _ in plan.scans]
        if plan.scans:
            source = await self.open_source(plan)
            context = FetchContext(meter=tally, limiter=source.limiter, timeout_s=self.bounds.timeout_s)
            async with asyncio.TaskGroup() as group:
                for scan, part in zip(plan.scans, parts, strict=True):
                    group.create_task(self._read(plan, source.connection.fetch(scan, context), part, tally))
        if tally.truncated is not None and not self.partial_allowed:
            raise Fatal(
                message=f"{plan.relation.qualified_name} cannot be read completely",
                detail=tally.truncated,
                hint="add conditions so that fewer rows match, or SET omnisql.on_source_error = 'partial'",
                sqlstate="54000",
            )
        INSTRUMENTS.rows_fetched(plan.relation.wrapper, tally.rows)
        batches = tuple(batch for part in parts for batch in part)
        return FetchedScan(plan=plan, batches=batches, report=_report(plan, tally))

    async def _read(
        self, plan: ScanPlan, pages: AsyncIterator[Page], part: list[pa.RecordBatch], tally: _Tally
    ) -> None:
        try:
            async with self.slots, asyncio.timeout(self.bounds.timeout_s), aclosing(_closable(pages)) as closing:
                async for page in closing:
                    part.append(page.rows)
                    tally.rows += page.rows.num_rows
                    tally.truncated = page.truncated or tally.truncated
                    _check_rows(plan, tally, self.bounds)
        except TimeoutError as error:
            raise SourceTimeout(
                message=f"SOURCE_TIMEOUT: source {plan.relation.server} did not finish in {self.bounds.timeout_s:g} s",
                hint="add conditions that reduce the rows, or raise fetch.scan_timeout_s in the configuration",
            ) from error
        except ConnectorError as error:
            if not self.partial_allowed:
                raise
            tally.truncated = error.message


def _check_rows(plan: ScanPlan, tally: _Tally, bounds: FetchBounds) -> None:
    if tally.rows > bounds.scan_rows_max:
        raise LimitExceeded(
            message=f"{plan.relation.qualified_name} gave more than {bounds.scan_rows_max} rows",
            hint="add conditions, or raise fetch.scan_rows_max in the configuration",
        )


async def _closable(pages: AsyncIterator[Page]) -> AsyncGenerator[Page, None]:
    """Wrap a connection's iterator so that leaving it closes it, whatever kind of iterator it is."""
    try:
        async for page in pages:
            yield page
    finally:
        if isinstance(pages, AsyncGenerator):
            await pages.aclose()


def _pushed_text(pushed: Pushed) -> str:
    """Name a pushed predicate by column, operator and grade: its value may be policy's secret."""
    return f"{pushed.predicate.column} {pushed.predicate.operator.value} ({pushed.grade.value})"


def _report(plan: ScanPlan, tally: _Tally) -> SourceReport:
    return SourceReport(
        scan_name=plan.scan_name,
        source=plan.relation.server,
        connector=plan.relation.wrapper,
        table=plan.relation.qualified_name,
        access_path=plan.path.name,
        requests=tally.requests,
        pages=tally.pages,
        revalidated=tally.revalidated,
        rows_fetched=tally.rows,
        rows_returned=tally.rows,
        bytes_received=tally.bytes_received,
        pushed=tuple(
            f"{pushed.predicate.column} {pushed.predicate.operator.value} ({pushed.grade.value})"
            for pushed in plan.pushed
        ),
        not_pushed=tuple((entry.condition, entry.reason) for entry in plan.not_pushed),
        complete=tally.truncated is None,
        incomplete_reason=tally.truncated,
        fetched_at=datetime.now(UTC),
        duration_ms=(time.monotonic() - tally.started) * 1000,
    )
