"""A tenant's statistics while it is served: loaded once, kept in bounded memory, written in batches behind the answers.

The control database may be away: then statistics are lost, and nothing else. Two servers of one tenant each write what
they hold; the last one wins, which costs calls and never an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from secrets import token_bytes
from uuid import UUID

import asyncpg
import structlog

from catalog.connection import Connection
from catalog.errors import CatalogError
from catalog.statistics import StatisticRecord, load_statistics, put_statistics
from connectors.sdk.scan import Value
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.report import SourceReport
from omnisql_server.model.statistics import (
    NO_STATISTICS,
    Observation,
    Origin,
    Shape,
    ShapePart,
    Statistic,
    StatisticRow,
    TableStatistics,
    literal_shapes,
    shape_of,
    smoothed,
)
from omnisql_server.observability.metrics import INSTRUMENTS

STATISTICS_MAX = 5_000
"""Statistics of one tenant, some 300 bytes each; beyond it the ones seen longest ago are forgotten."""

LITERALS_MAX = 2_000
"""Literals of one tenant that are told apart, in memory alone: what they are is known to nobody but this process."""

_Key = tuple[int, str, Shape]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsBounds:
    """How often statistics are written, how long that may take, and how many a tenant may have."""

    write_interval_s: float = 5.0
    write_timeout_s: float = 5.0
    count_max: int = STATISTICS_MAX


class StatisticsKeeper:
    """The statistics of one tenant. `control_connection` opens a connection to the control database for a moment.

    What planners see changes only when a plan may change with it, so that plans can be kept.
    """

    def __init__(
        self,
        tenant_id: UUID,
        control_connection: Callable[[], AbstractAsyncContextManager[Connection]],
        bounds: StatisticsBounds | None = None,
    ) -> None:
        self._tenant_id = tenant_id
        self._control_connection = control_connection
        self._bounds = bounds or StatisticsBounds()
        self._known: dict[_Key, Statistic] = {}
        self._literals: dict[_Key, Statistic] = {}
        self._salt = token_bytes(16)
        self._shown: dict[tuple[int, str], TableStatistics] = {}
        self._unwritten: dict[_Key, None] = {}
        self._woken = asyncio.Event()

    async def load(self) -> None:
        """Read what was kept; without the control database there is nothing, which is logged."""
        try:
            async with asyncio.timeout(self._bounds.write_timeout_s), self._control_connection() as connection:
                records = await load_statistics(connection, self._tenant_id, self._bounds.count_max)
        except (CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            _log.warning("statistics_not_loaded", tenant=str(self._tenant_id), reason=str(error))
            return
        for record in reversed(records):
            shape = tuple(ShapePart(column=name, operator=sign, values=count) for name, sign, count in record.shape)
            self._known[record.server_oid, record.api_table, shape] = _statistic(record)
        self._show(key[:2] for key in self._known)

    def of_table(self, server_oid: int | None, api_table: str) -> TableStatistics:
        """Return what planners may know of an API table; the same object until a plan may change with it."""
        return NO_STATISTICS if server_oid is None else self._shown.get((server_oid, api_table), NO_STATISTICS)

    def rows(self) -> tuple[StatisticRow, ...]:
        """Return everything that is known, to the last observation."""
        return tuple(
            StatisticRow(server_oid=oid, api_table=table, shape=shape, statistic=statistic)
            for (oid, table, shape), statistic in self._known.items()
        )

    def record(self, server_oid: int, api_table: str, shape: Shape, seen: Observation) -> None:
        """Take an observation in; it is written later."""
        key = (server_oid, api_table, shape)
        # Taken out and put in again, so that the first ones are those that were seen longest ago.
        statistic = smoothed(self._known.pop(key, None), seen)
        self._known[key] = statistic
        self._write_later(key)
        while len(self._known) > self._bounds.count_max:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._unwritten.pop(oldest, None)
            self._show([oldest[:2]])
        if statistic.differs_from(self.of_table(server_oid, api_table).shapes.get(shape)):
            self._show([key[:2]])

    def record_literals(self, server_oid: int, plan: ScanPlan, seen: Observation) -> None:
        """Take in what a scan's own literals gave, which may be unlike the mean; it is not written."""
        scan = plan.scans[0]
        given = scan.keys if len(plan.scans) == 1 and _combinations(scan.keys.get(plan.path.batch or "")) == 1 else None
        found = literal_shapes(self._salt, plan.path.keys, given, scan.predicates)
        if plan.path.single:
            return
        table = (server_oid, plan.relation.api_table)
        changed = False
        for shape in found:
            before = self._literals.pop((*table, shape), None)
            now = self._literals[*table, shape] = smoothed(before, seen)
            changed = changed or now.differs_from(self.of_table(*table).literals.get(shape))
        while len(self._literals) > LITERALS_MAX:
            del self._literals[next(iter(self._literals))]
        if changed:
            self._show([table])

    def mark_stale(self, server_oid: int, api_table: str) -> int:
        """Have the next observation replace each statistic of a table, and return how many there are."""
        keys = [key for key in self._known if key[:2] == (server_oid, api_table)]
        for key in keys:
            self._known[key] = replace(self._known[key], stale=True)
            self._write_later(key)
        self._forget_literals({(server_oid, api_table)})
        self._show([(server_oid, api_table)])
        return len(keys)

    def forget(self, tables: Iterable[tuple[int, str]]) -> None:
        """Forget all of some tables, which are gone."""
        gone = frozenset(tables)
        for key in [key for key in self._known if key[:2] in gone]:
            del self._known[key]
            self._unwritten.pop(key, None)
        self._forget_literals(gone)
        self._show(gone)

    def _forget_literals(self, tables: Collection[tuple[int, str]]) -> None:
        for key in [key for key in self._literals if key[:2] in tables]:
            del self._literals[key]

    async def serve(self) -> None:
        """Write what is new from time to time, until canceled."""
        while True:
            await self._woken.wait()
            await asyncio.sleep(self._bounds.write_interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what is new now; what cannot be written is lost, with a line in the log and in a counter."""
        self._woken.clear()
        keys, self._unwritten = list(self._unwritten), {}
        records = [_record(key, self._known[key]) for key in keys if key in self._known]
        if not records:
            return
        try:
            async with asyncio.timeout(self._bounds.write_timeout_s), self._control_connection() as connection:
                await put_statistics(connection, self._tenant_id, records, self._bounds.count_max)
        except asyncio.CancelledError:
            self._unwritten = {**dict.fromkeys(keys), **self._unwritten}
            raise
        except (CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            INSTRUMENTS.statistics_lost(len(records))
            _log.warning("statistics_not_written", tenant=str(self._tenant_id), count=len(records), reason=str(error))

    def _write_later(self, key: _Key) -> None:
        self._unwritten[key] = None
        self._woken.set()

    def _show(self, tables: Iterable[tuple[int, str]]) -> None:
        wanted = frozenset(tables)
        found: dict[tuple[int, str], dict[Shape, Statistic]] = {table: {} for table in wanted}
        for (oid, table, shape), statistic in self._known.items():
            if (oid, table) in wanted:
                found[oid, table][shape] = statistic
        literals: dict[tuple[int, str], dict[Shape, Statistic]] = {table: {} for table in wanted}
        for (oid, table, shape), statistic in self._literals.items():
            if (oid, table) in wanted:
                literals[oid, table][shape] = statistic
        for key, shapes in found.items():
            if shapes or literals[key]:
                self._shown[key] = TableStatistics(shapes=shapes, literals=literals[key], salt=self._salt)
            else:
                self._shown.pop(key, None)


def observed(plan: ScanPlan, report: SourceReport) -> tuple[Shape, Observation] | None:
    """Return what a finished scan tells of its table; None when it was not read to its end, or not asked at all."""
    # Rows of earlier fetches were counted when they were fetched.
    if not report.complete or not report.requests or report.cache_hits or not plan.scans:
        return None
    if plan.limit is not None and report.rows_fetched >= plan.limit:
        return None
    shape = shape_of(plan.path.keys, (pushed.predicate for pushed in plan.pushed))
    if shape is None:
        return None
    combinations = sum(_combinations(scan.keys.get(plan.path.batch or "")) for scan in plan.scans)
    return shape, Observation(
        rows=report.rows_fetched / combinations,
        pages=report.pages / combinations,
        calls=report.requests / combinations,
        latency_ms=report.duration_ms / report.requests,
        seen_at=report.fetched_at,
    )


def _combinations(batched: Value) -> int:
    return len(batched) if isinstance(batched, tuple) else 1


def _statistic(record: StatisticRecord) -> Statistic:
    return Statistic(
        rows=record.rows,
        pages=record.pages,
        calls=record.calls,
        latency_ms=record.latency_ms,
        sightings=record.sightings,
        seen_at=record.seen_at,
        origin=Origin(record.origin),
        stale=record.stale,
    )


def _record(key: _Key, statistic: Statistic) -> StatisticRecord:
    server_oid, api_table, shape = key
    return StatisticRecord(
        server_oid=server_oid,
        api_table=api_table,
        shape=tuple((part.column, part.operator, part.values) for part in shape),
        rows=statistic.rows,
        pages=statistic.pages,
        calls=statistic.calls,
        latency_ms=statistic.latency_ms,
        sightings=statistic.sightings,
        seen_at=statistic.seen_at,
        origin=statistic.origin.value,
        stale=statistic.stale,
    )
