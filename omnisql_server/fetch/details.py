"""Columns that waited until it was known which rows need them: fetched for rows of a scan that was read before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from math import ceil

import pyarrow as pa

from connectors.sdk.connector import FetchContext
from connectors.sdk.errors import ConnectorError, Fatal
from connectors.sdk.hydrate import Hydrating
from connectors.sdk.misfits import Misfit, added
from connectors.sdk.scan import Scan
from omnisql_server.errors import InternalError, LimitExceeded
from omnisql_server.fetch.budget import BudgetedLimiter, CallBudget, CallsExhausted
from omnisql_server.fetch.listing import inputs_of
from omnisql_server.fetch.misfits import taken
from omnisql_server.fetch.scheduler import FetchBounds, FetchedScan, OpenSource, closable, first_of, timed_out
from omnisql_server.fetch.tally import ScanMeter, Tally
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.spending import spent_together


@dataclass(frozen=True, slots=True, kw_only=True)
class LateFetch:
    """How columns are fetched later: as the scans of the statement were, within what is left of its budget."""

    open_source: Callable[[ScanPlan], Awaitable[OpenSource]]
    bounds: FetchBounds
    budget: CallBudget
    partial_allowed: bool


async def fetch_details(scans: Sequence[tuple[FetchedScan, Sequence[int]]], late: LateFetch) -> tuple[FetchedScan, ...]:
    """Return scans with some of their rows, by their places, and the columns that they awaited.

    Raises:
        ConnectorError: a source failed, and partial answers are not allowed.
        LimitExceeded: the rows need more calls than the budget has left (54000).
    """
    if not late.partial_allowed:
        _check_calls(scans, late.budget)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_detailed(listed, places, late)) for listed, places in scans]
    except BaseExceptionGroup as failures:
        raise first_of(failures) from failures
    return tuple(task.result() for task in tasks)


async def _detailed(listed: FetchedScan, places: Sequence[int], late: LateFetch) -> FetchedScan:
    plan = listed.plan
    rows = _rows(listed).take(pa.array(places, pa.int64()))
    tally = Tally(connector=plan.relation.wrapper)
    batches: list[pa.RecordBatch] = []
    misfits: list[Misfit] = []
    if places:
        source = await late.open_source(plan)
        try:
            async with asyncio.timeout(late.bounds.timeout_s):
                await _read(plan, rows, source, _context(source, tally, late), batches, misfits)
        except TimeoutError:
            failure: ConnectorError | CallsExhausted | None = timed_out(plan, late.bounds.timeout_s)
        except (ConnectorError, CallsExhausted) as error:
            failure = error
        else:
            failure = None
        if failure is not None and not late.partial_allowed:
            raise failure
        tally.truncated = None if failure is None else failure.message
    found = pa.Table.from_batches(batches) if batches else None
    known = rows.slice(0, found.num_rows if found is not None else 0)
    whole = known
    for name in plan.awaited:
        kind = plan.table.column(name).type.arrow
        whole = whole.append_column(name, found.column(name) if found is not None else pa.chunked_array([], kind))
    return FetchedScan(
        plan=replace(plan, columns=tuple(whole.column_names), awaited=()),
        batches=tuple(whole.to_batches()),
        report=replace(
            listed.report,
            requests=listed.report.requests + tally.requests,
            spent=spent_together((*listed.report.spent, *tally.spending.spent)),
            revalidated=listed.report.revalidated + tally.revalidated,
            bytes_received=listed.report.bytes_received + tally.bytes_received,
            duration_ms=listed.report.duration_ms + (time.monotonic() - tally.started) * 1000,
            complete=listed.report.complete and tally.truncated is None,
            incomplete_reason=tally.truncated or listed.report.incomplete_reason,
            rows_hydrated=known.num_rows,
            misfits=added(listed.report.misfits, taken(plan, plan.awaited, added(misfits))),
        ),
    )


def _rows(listed: FetchedScan) -> pa.Table:
    plan = listed.plan
    schema = pa.schema([(name, plan.table.column(name).type.arrow) for name in plan.columns])
    return pa.Table.from_batches([batch.select(schema.names).cast(schema) for batch in listed.batches], schema=schema)


def _check_calls(scans: Sequence[tuple[FetchedScan, Sequence[int]]], budget: CallBudget) -> None:
    needed = {listed.plan.relation.qualified_name: _calls(listed.plan, len(places)) for listed, places in scans}
    if sum(needed.values()) > budget.left:
        raise LimitExceeded(
            message=f"the columns that cost calls for each row would need {sum(needed.values())} more API calls",
            detail=f"{'; '.join(f'{name}: {calls}' for name, calls in needed.items())};"
            f" {max(budget.left, 0)} more are allowed",
            hint="leave these columns out, add conditions that reduce the rows, "
            "or raise omnisql.max_api_calls within fetch.api_calls_max",
        )


def _calls(plan: ScanPlan, row_count: int) -> int:
    return ceil(plan.calls_per_row * row_count)


def _context(source: OpenSource, tally: Tally, late: LateFetch) -> FetchContext:
    return FetchContext(
        meter=ScanMeter(tally=tally),
        limiter=BudgetedLimiter(limiter=source.limiter, budget=late.budget),
        timeout_s=late.bounds.timeout_s,
    )


async def _read(
    plan: ScanPlan,
    rows: pa.Table,
    source: OpenSource,
    context: FetchContext,
    batches: list[pa.RecordBatch],
    misfits: list[Misfit],
) -> None:
    connection = source.connection
    if not isinstance(connection, Hydrating):
        raise InternalError(message=f"the source of {plan.relation.qualified_name} fetches nothing for rows")
    inputs = rows.select(list(inputs_of(plan.table, plan.awaited))).combine_chunks()
    scan = Scan(table=plan.table.name, access_path=plan.path.name, columns=plan.awaited)
    asked = inputs.to_batches()[0]
    async with aclosing(closable(connection.hydrate(scan, asked, context))) as pages:
        async for page in pages:
            batches.append(page.rows)
            misfits += page.misfits
    if sum(batch.num_rows for batch in batches) != rows.num_rows:
        raise Fatal(message=f"the source gave details of other rows of {plan.table.name} than it was asked for")
