"""Run every scan of a plan concurrently and keep what came back. Takes scan plans, gives batches and reports.

All tasks belong to one group: the first failure, a cancel or the caller's end stops the rest at once, and with them
their requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

import pyarrow as pa

from connectors.sdk.confirm import Confirming
from connectors.sdk.connector import Connection, FetchContext, Limiter, Pauses
from connectors.sdk.errors import ConnectorError, Fatal, SourceTimeout
from connectors.sdk.misfits import Misfits, added
from connectors.sdk.resumption import Mark, Resumption
from connectors.sdk.scan import Page, Scan
from connectors.sdk.trail import Step, Trail
from omnisql_server.errors import LimitExceeded
from omnisql_server.fetch.budget import BudgetedLimiter, CallBudget, CallsExhausted, Sparing
from omnisql_server.fetch.listing import listing_of
from omnisql_server.fetch.misfits import decided_by, taken
from omnisql_server.fetch.own_rows import own_rows
from omnisql_server.fetch.pages import Pages
from omnisql_server.fetch.reporting import report_of
from omnisql_server.fetch.tally import ScanMeter, Tally
from omnisql_server.model.freshness import (
    Answer,
    Confirm,
    Fetch,
    Fetched,
    Give,
    Later,
    Reading,
    ScanCache,
    Staleness,
    answer_of,
)
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.report import SourceReport
from omnisql_server.observability.metrics import INSTRUMENTS

Survivors = Callable[[ScanPlan, pa.RecordBatch], Awaitable[Sequence[int]]]
"""Gives the places of a batch's rows that may be in the answer, before they are hydrated."""

TIMER_SLACK_S = 0.01
"""How much too early a timer of the event loop may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSource:
    """An open connection to a scan's source, with its rate limits and what is kept of it within a bound."""

    connection: Connection
    limiter: Limiter
    cache: ScanCache | None = None
    staleness: Staleness = field(default_factory=Staleness)


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


async def fetch(
    plans: Sequence[ScanPlan],
    open_source: Callable[[ScanPlan], Awaitable[OpenSource]],
    bounds: FetchBounds,
    *,
    partial_allowed: bool,
    budget: CallBudget | None = None,
    survivors: Survivors | None = None,
    pages: Pages | None = None,
) -> tuple[FetchedScan, ...]:
    """Read all scans; the rows of the only one go to `pages` as they come, as far as they can, and are not returned.

    Raises:
        ConnectorError: a source failed, or gave less than there is, and partial answers are not allowed.
        LimitExceeded: a scan has more rows than the bound, or all of them more calls than the budget (54000).
    """
    fetching = _Fetching(
        open_source=open_source,
        bounds=bounds,
        slots=asyncio.Semaphore(bounds.concurrency_max),
        partial_allowed=partial_allowed,
        budget=budget,
        survivors=survivors,
        pages=pages,
    )
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(fetching.scan(plan)) for plan in plans]
    except BaseExceptionGroup as failures:
        raise first_of(failures) from failures
    return tuple(task.result() for task in tasks)


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Take the failure that happened first; the others were stopped because of it."""
    first = failures.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetching:
    """What all scans of one statement share."""

    open_source: Callable[[ScanPlan], Awaitable[OpenSource]]
    bounds: FetchBounds
    slots: asyncio.Semaphore
    partial_allowed: bool
    budget: CallBudget | None
    survivors: Survivors | None = None
    pages: Pages | None = None

    async def scan(self, plan: ScanPlan) -> FetchedScan:
        tally = Tally(connector=plan.relation.wrapper)
        tasks: list[asyncio.Task[tuple[pa.RecordBatch, ...]]] = []
        if plan.scans:
            source = await self.open_source(plan)
            plan = listing_of(plan, source.connection, kept=source.staleness.is_used)
            if self.pages is not None:
                self.pages.begin(len(plan.scans), partial(report_of, plan, tally))
            reading = None
            # Of rows that are passed over nothing can be kept; an answer that may be older is better than calls.
            late = plan.hydrates_late and self.survivors is not None and not source.staleness.is_used
            if source.cache is not None and not late and (source.staleness.is_used or plan.table.revalidates):
                reading = await source.cache.begin(plan.table, source.staleness)
            async with asyncio.TaskGroup() as group:
                for scan in plan.scans:
                    asked = _Asked(plan=plan, scan=scan, source=source, tally=tally, late=late)
                    tasks.append(group.create_task(self._answer(asked, reading)))
        if tally.truncated is not None and not self.partial_allowed:
            raise Fatal(
                message=f"{plan.relation.qualified_name} cannot be read completely",
                detail=tally.truncated,
                hint="add conditions so that fewer rows match, or SET omnisql.on_source_error = 'partial'",
                sqlstate="54000",
            )
        INSTRUMENTS.rows_fetched(plan.relation.wrapper, tally.rows)
        batches = tuple(batch for task in tasks for batch in task.result())
        read = plan if plan.scans else replace(plan, awaited=())
        return FetchedScan(plan=read, batches=batches, report=report_of(plan, tally))

    async def _answer(self, asked: _Asked, reading: Reading | None) -> tuple[pa.RecordBatch, ...]:
        """Answer one scan from what is kept or by its source."""
        tally = asked.tally

        async def ask(scan: Scan, start: Mark | None = None, give: Give | None = None) -> Fetched:
            return await self._read(replace(asked, scan=scan), start, give)

        try:
            answer = await self._answered(asked, reading, ask, self._giving(asked))
        except CallsExhausted as stop:
            if not self.partial_allowed:
                raise
            # What was being read may have had more columns than what was asked for.
            names = list(asked.scan.columns)
            batches = tuple(batch if batch.schema.names == names else batch.select(names) for batch in stop.batches)
            answer = Answer(batches=batches, truncated=stop.message, misfits=stop.misfits)
        if answer.stale:
            tally.stale = answer.error.message if answer.error is not None else ""
        elif answer.error is not None:
            if not self.partial_allowed:
                raise answer.error
            tally.truncated = answer.error.message
        tally.truncated = answer.truncated or tally.truncated
        tally.misfits = added(tally.misfits, taken(asked.plan, asked.scan.columns, answer.misfits))
        tally.rows += sum(batch.num_rows for batch in answer.batches)
        _check_rows(asked.plan, tally.rows, self.bounds)
        if self.pages is not None:
            self.pages.scan_ended()
        return tuple(_own(asked, batch) for batch in answer.batches)

    def _giving(self, asked: _Asked) -> Give | None:
        """Return what takes a scan's pages as they come.

        None where older rows may yet have to stand in for them, where all are read, to be kept for others, and where
        policy decides by values that may be found not to fit.
        """
        pages = self.pages
        staleness = asked.source.staleness
        if pages is None or staleness.if_error_us or (pages.in_turn and staleness.is_used) or decided_by(asked.plan):
            return None

        async def give(batch: pa.RecordBatch) -> None:
            asked.tally.rows += batch.num_rows
            _check_rows(asked.plan, asked.tally.rows, self.bounds)
            await pages.give(_own(asked, batch))

        return give

    async def _answered(self, asked: _Asked, reading: Reading | None, ask: Fetch, give: Give | None) -> Answer:
        if reading is None:
            fetched = await ask(asked.scan, give=give)
            answer = answer_of(fetched)
            asked.tally.answered(answer)
            return answer
        calls_left = None if self.budget is None else self.budget.left
        answer = await reading.read(asked.scan, ask, self._confirm_for(asked), calls_left, self._later(asked), give)
        asked.tally.answered(answer)
        INSTRUMENTS.cache_asked(_outcome(answer))
        return answer

    def _later(self, asked: _Asked) -> Later | None:
        """Return what reads a scan when no statement waits; it takes nothing of this one's bounds, and counts apart."""
        if not asked.source.staleness.revalidate_us:
            return None
        budget = None if self.budget is None else CallBudget(self.budget.allowed)
        alone = replace(self, slots=asyncio.Semaphore(1), budget=budget)
        limiter = asked.source.limiter
        source = replace(asked.source, limiter=limiter.sparing() if isinstance(limiter, Sparing) else limiter)
        own = replace(asked, source=source, tally=Tally(connector=asked.tally.connector))

        async def ask(scan: Scan, start: Mark | None = None, give: Give | None = None) -> Fetched:
            return await alone._read(replace(own, scan=scan), start, give)

        return Later(
            fetch=ask,
            confirm=alone._confirm_for(own),
            calls_left=None if budget is None else budget.left,
            what=f"{asked.plan.relation.server} {asked.plan.relation.api_table}",
        )

    def _confirm_for(self, asked: _Asked) -> Confirm | None:
        """Return what asks the source whether earlier answers stand; None where the table does not say it can."""
        connection = asked.source.connection
        if not asked.plan.table.revalidates or not isinstance(connection, Confirming):
            return None

        async def confirm(steps: tuple[Step, ...]) -> bool:
            context = self._context(asked, ScanMeter(tally=asked.tally))
            try:
                async with self.slots, asyncio.timeout(self.bounds.timeout_s):
                    return await connection.confirm(steps, context)
            except TimeoutError:
                raise self._timed_out(asked) from None

        return confirm

    def _context(self, asked: _Asked, meter: ScanMeter, trail: Trail | None = None) -> FetchContext:
        source = asked.source
        limiter = source.limiter
        if self.budget is not None:
            limiter = BudgetedLimiter(limiter=limiter, budget=self.budget)
        bodies = None
        if source.cache is not None and asked.plan.table.revalidates:
            bodies = source.cache.bodies(kept=source.staleness.is_used)
        return FetchContext(
            meter=meter,
            limiter=limiter,
            timeout_s=self.bounds.timeout_s,
            trail=trail,
            bodies=bodies,
            survivors=partial(self.survivors, asked.plan) if asked.late and self.survivors is not None else None,
            in_turn=self.pages is not None and self.pages.in_turn and not source.staleness.is_used,
        )

    def _timed_out(self, asked: _Asked) -> SourceTimeout:
        return timed_out(asked.plan, self.bounds.timeout_s)

    async def _read(self, asked: _Asked, start: Mark | None, give: Give | None) -> Fetched:
        """Ask the source; its rows are counted as read, and as the statement's once they are part of its answer.

        Each page is given away as it comes, where there is somebody to `give` it to; that takes none of its time.
        """
        meter = ScanMeter(tally=asked.tally)
        trail = Trail()
        resumption = Resumption(start) if asked.plan.path.resumes else None
        context = replace(self._context(asked, meter, trail), resumption=resumption)
        batches: list[pa.RecordBatch] = []
        rows, truncated = 0, None
        misfits: Misfits = ()
        failure: ConnectorError | None = None
        try:
            pages = closable(asked.source.connection.fetch(asked.scan, context))
            async with self.slots, asyncio.timeout(self.bounds.timeout_s) as bound, aclosing(pages) as closing:
                async for page in closing:
                    asked.tally.passed_over += page.passed_over
                    truncated = page.truncated or truncated
                    if page.misfits:
                        misfits = added(misfits, page.misfits)
                        asked.tally.coming = added(asked.tally.coming, page.misfits)
                    rows += page.rows.num_rows
                    if give is not None:
                        _check_rows(asked.plan, rows, self.bounds)
                        await _untimed(bound, context.pauses, give(page.rows))
                        continue
                    batches.append(page.rows)
                    asked.tally.reading += page.rows.num_rows
                    _check_rows(asked.plan, asked.tally.rows + asked.tally.reading, self.bounds)
        except TimeoutError:
            failure = self._timed_out(asked)
        except CallsExhausted as stop:
            # Raised, for this statement's bound is nobody else's who waits for the same rows.
            stop.batches, stop.misfits = tuple(batches), misfits
            raise
        except ConnectorError as error:
            # A connector keeps the same bound for each request: whoever notices it first, it is the scan's.
            is_over = isinstance(error, SourceTimeout) and _is_over(bound)
            failure = self._timed_out(asked) if is_over else error
        finally:
            asked.tally.reading -= sum(batch.num_rows for batch in batches)
        return Fetched(
            batches=tuple(batches),
            requests=meter.requests,
            truncated=truncated,
            error=failure,
            steps=trail.steps if asked.plan.table.revalidates else (),
            asked_at=trail.asked_at,
            mark=resumption.mark if resumption is not None and failure is not None else None,
            resumed_at=resumption.resumed_at if resumption is not None else 0,
            misfits=misfits,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One scan of a plan, with the source to ask and the plan's tally."""

    plan: ScanPlan
    scan: Scan
    source: OpenSource
    tally: Tally
    late: bool = False


async def _untimed(bound: asyncio.Timeout, pauses: Pauses, waiting: Awaitable[None]) -> None:
    """Wait for somebody else than the source, which is not charged for it."""
    at_s, began_s = bound.when(), asyncio.get_running_loop().time()
    bound.reschedule(None)
    await waiting
    waited_s = asyncio.get_running_loop().time() - began_s
    pauses.total_s += waited_s
    bound.reschedule(None if at_s is None else at_s + waited_s)


def _own(asked: _Asked, batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch if len(asked.plan.scans) == 1 else own_rows(asked.scan, batch)


def timed_out(plan: ScanPlan, timeout_s: float) -> SourceTimeout:
    """Say that a source did not finish in time."""
    return SourceTimeout(
        message=f"SOURCE_TIMEOUT: source {plan.relation.server} did not finish in {timeout_s:g} s",
        hint="add conditions that reduce the rows, or raise fetch.scan_timeout_s in the configuration",
    )


def _is_over(bound: asyncio.Timeout) -> bool:
    when_s = bound.when()
    return when_s is not None and asyncio.get_running_loop().time() >= when_s - TIMER_SLACK_S


def _outcome(answer: Answer) -> str:
    if answer.stale:
        return "stale"
    if answer.shared:
        return "shared"
    if answer.hits == 0:
        return "miss"
    return "hit" if answer.not_kept is None else "part"


def _check_rows(plan: ScanPlan, rows: int, bounds: FetchBounds) -> None:
    if rows > bounds.scan_rows_max:
        raise LimitExceeded(
            message=f"{plan.relation.qualified_name} gave more than {bounds.scan_rows_max} rows",
            hint="add conditions, or raise fetch.scan_rows_max in the configuration",
        )


async def closable(pages: AsyncIterator[Page]) -> AsyncGenerator[Page, None]:
    """Wrap a connection's iterator so that leaving it closes it, whatever kind of iterator it is."""
    try:
        async for page in pages:
            yield page
    finally:
        if isinstance(pages, AsyncGenerator):
            await pages.aclose()
