"""What a plan's scans fetched, as the relations that its statement sees; many rows are made by a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pyarrow as pa

from omnisql_server.fetch.scheduler import FetchedScan
from omnisql_server.materialize.relations import LocalRelation, materialize
from omnisql_server.model.plan import QueryPlan, ScanPlan

ROWS_FOR_A_THREAD = 5_000


async def materialized(plan: QueryPlan, fetched: Sequence[FetchedScan], salt: bytes) -> tuple[LocalRelation, ...]:
    """Apply policy to the rows of some scans and name their columns as the catalog does."""
    if sum(scan.report.rows_fetched for scan in fetched) > ROWS_FOR_A_THREAD:
        return await asyncio.to_thread(_relations, plan, fetched, salt)
    return _relations(plan, fetched, salt)


async def page_materialized(
    plan: QueryPlan, scan: ScanPlan, batches: Sequence[pa.RecordBatch], salt: bytes
) -> LocalRelation:
    """Apply policy to some of the rows of one of a plan's scans."""
    (occurrence,) = (one for one in plan.authorized.query.occurrences if one.scan_name == scan.scan_name)
    if sum(batch.num_rows for batch in batches) > ROWS_FOR_A_THREAD:
        return await asyncio.to_thread(materialize, scan, occurrence, batches, salt)
    return materialize(scan, occurrence, batches, salt)


def _relations(plan: QueryPlan, fetched: Sequence[FetchedScan], salt: bytes) -> tuple[LocalRelation, ...]:
    occurrences = {occurrence.scan_name: occurrence for occurrence in plan.authorized.query.occurrences}
    return tuple(materialize(scan.plan, occurrences[scan.plan.scan_name], scan.batches, salt) for scan in fetched)
