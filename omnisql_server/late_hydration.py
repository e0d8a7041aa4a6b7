"""Which rows are hydrated: those that policy shows and that the answer needs, as far as that can be told.

Policy comes first, so that no condition of a user is evaluated on a row that is hidden from him. Rows are told apart by
conditions on their own columns while a table is read, by what else the statement does once all tables were read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from omnisql_server.execute.instances import InstancePool
from omnisql_server.execute.survivors import may_execute, meeting, rows_named
from omnisql_server.fetch.details import LateFetch, fetch_details
from omnisql_server.fetch.scheduler import FetchedScan, Survivors
from omnisql_server.materialize.relations import LocalRelation
from omnisql_server.materialize.row_filters import truth_of
from omnisql_server.materialized import materialized
from omnisql_server.model.plan import QueryPlan, ScanPlan
from omnisql_server.model.relation import ROW_NUMBER
from omnisql_server.model.report import SourceReport
from omnisql_server.observability.traces import stage_span

__all__ = ["LateFetch", "may_execute", "survivors_of", "with_details"]


def survivors_of(pool: InstancePool, time_zone: str) -> Survivors:
    """Return what tells the rows of a batch that may be in the answer."""

    async def survivors(plan: ScanPlan, batch: pa.RecordBatch) -> Sequence[int]:
        rows = pa.Table.from_batches([batch]).append_column(ROW_NUMBER, pa.array(np.arange(batch.num_rows)))
        for rule in plan.filters:
            rows = rows.filter(truth_of(rule.condition, rows, plan.table))
        return await meeting(rows, plan.survival, pool, time_zone)

    return survivors


async def with_details(
    plan: QueryPlan,
    fetched: list[FetchedScan],
    relations: list[LocalRelation],
    pool: InstancePool,
    late: LateFetch,
    salt: bytes,
) -> tuple[tuple[LocalRelation, ...], tuple[SourceReport, ...]]:
    """Return the relations of a statement and what was read for them, once what waited for all of them was fetched.

    Raises:
        ConnectorError, LimitExceeded: it could not be.
    """
    waiting = {scan.plan.scan_name: scan for scan in fetched if scan.plan.awaited}
    if waiting:
        known = {relation.scan_name: relation.rows for relation in relations}
        needed: dict[str, Sequence[int]] = {}
        for reduction in plan.reductions:
            if reduction.scan_name in waiting:
                needed[reduction.scan_name] = await rows_named(reduction, known, pool)
        with stage_span("fetch"):
            details = await fetch_details([(scan, needed[name]) for name, scan in waiting.items()], late)
        whole = dict(zip(waiting, details, strict=True))
        made = {one.scan_name: one for one in await materialized(plan, list(whole.values()), salt)}
        fetched = [whole.get(scan.plan.scan_name, scan) for scan in fetched]
        relations = [made.get(relation.scan_name, relation) for relation in relations]
    reports = tuple(
        replace(scan.report, rows_returned=relation.rows.num_rows)
        for scan, relation in zip(fetched, relations, strict=True)
    )
    return tuple(relations), reports
