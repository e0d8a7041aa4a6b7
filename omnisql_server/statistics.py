"""A tenant's statistics while it is served: loaded once, kept in bounded memory, written in batches behind the answers.

The control database may be away: then statistics are lost, and nothing else. Servers of one tenant share them: each
reads what others have seen when it writes; of two that saw the same shape meanwhile the last one wins, which costs
calls and never an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
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
"""Literals of one tenant that are told apart, as digests under its data key: with that gone, nobody can tell them."""

LITERALS = b"omnisql literals"
"""What the data key is used for here: the personalization of the digest that the salt is."""

OVERLAP = timedelta(seconds=60)
"""What was seen so long before the last writing is read again: another server may have been slower to write it."""

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

    What planners see changes only when a plan may change with it, so that plans can be kept. Literals are kept beyond
    the process only under `data_key`.
    """

    def __init__(
        self,
        tenant_id: UUID,
        control_connection: Callable[[], AbstractAsyncContextManager[Connection]],
        bounds: StatisticsBounds | None = None,
        data_key: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        self._data_key = data_key
        self._keeps_literals = False
        self._tenant_id = tenant_id
        self._control_connection = control_connection
        self._bounds = bounds or StatisticsBounds()
        self._known: dict[_Key, Statistic] = {}
        self._literals: dict[_Key, Statistic] = {}
        self._salt = token_bytes(16)
        self._shown: dict[tuple[int, str], TableStatistics] = {}
        self._unwritten: dict[_Key, None] = {}
        self._unwritten_literals: dict[_Key, None] = {}
        self._read_to: datetime | None = None
        self._woken = asyncio.Event()

    async def load(self) -> None:
        """Read what was kept; without the control database there is nothing, which is logged."""
        try:
            async with asyncio.timeout(self._bounds.write_timeout_s), self._control_connection() as connection:
                await self._read(connection)
        except (CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            _log.warning("statistics_not_loaded", tenant=str(self._tenant_id), reason=str(error))

    async def load_literals(self) -> None:
        """Read what was kept of literals; without the data key they are known to this process alone, which is logged.

        What was seen before is forgotten: its digests are of another key.
        """
        if self._data_key is None:
            return
        try:
            async with asyncio.timeout(self._bounds.write_timeout_s):
                key = await self._data_key()
                self._salt = blake2b(key=key, person=LITERALS, digest_size=16).digest()
                before = {known[:2] for known in self._literals}
                self._forget_literals(before)
                self._show(before)
                async with self._control_connection() as connection:
                    await self._read(connection, literal=True)
                self._keeps_literals = True
        except (CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            _log.warning("literals_not_loaded", tenant=str(self._tenant_id), reason=str(error))

    async def _read(self, connection: Connection, *, literal: bool = False) -> None:
        """Take over what other servers have seen since the last time, or what was kept."""
        most, known = (LITERALS_MAX, self._literals) if literal else (self._bounds.count_max, self._known)
        found = await load_statistics(connection, self._tenant_id, most, literal=literal, after=self._read_to)
        changed = set()
        for record in reversed(found):
            shape = tuple(ShapePart(column=name, operator=sign, values=count) for name, sign, count in record.shape)
            key = (record.server_oid, record.api_table, shape)
            ours = known.get(key)
            if ours is None or ours.seen_at < record.seen_at:
                known[key] = _statistic(record)
                changed.add(key[:2])
        self._show(changed)

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
        """Take in what a scan's own literals gave, which may be unlike the mean."""
        scan = plan.scans[0]
        given = scan.keys if len(plan.scans) == 1 and _combinations(scan.keys.get(plan.path.batch or "")) == 1 else None
        found = literal_shapes(self._salt, plan.path.keys, given, (*scan.predicates, *scan.disjunctions))
        if plan.path.single:
            return
        table = (server_oid, plan.relation.api_table)
        changed = False
        for shape in found:
            before = self._literals.pop((*table, shape), None)
            now = self._literals[*table, shape] = smoothed(before, seen)
            self._write_later((*table, shape), literal=True)
            changed = changed or now.differs_from(self.of_table(*table).literals.get(shape))
        while len(self._literals) > LITERALS_MAX:
            oldest = next(iter(self._literals))
            del self._literals[oldest]
            self._unwritten_literals.pop(oldest, None)
        if changed:
            self._show([table])

    def mark_stale(self, server_oid: int, api_table: str) -> int:
        """Have the next observation replace each statistic of a table, and return how many there are."""
        keys = [key for key in self._known if key[:2] == (server_oid, api_table)]
        for key in keys:
            self._known[key] = replace(self._known[key], stale=True)
            self._write_later(key)
        for key in [key for key in self._literals if key[:2] == (server_oid, api_table)]:
            self._literals[key] = replace(self._literals[key], stale=True)
            self._write_later(key, literal=True)
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
            self._unwritten_literals.pop(key, None)

    async def serve(self) -> None:
        """Read what was kept of literals, and write what is new from time to time, until canceled."""
        await self.load_literals()
        while True:
            await self._woken.wait()
            await asyncio.sleep(self._bounds.write_interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what is new now; what cannot be written is lost, with a line in the log and in a counter."""
        self._woken.clear()
        keys, self._unwritten = list(self._unwritten), {}
        literals, self._unwritten_literals = list(self._unwritten_literals), {}
        records = [_record(key, self._known[key]) for key in keys if key in self._known]
        if self._keeps_literals:
            records += [_record(key, self._literals[key], literal=True) for key in literals if key in self._literals]
        if not records:
            return
        bounds = self._bounds
        try:
            async with asyncio.timeout(bounds.write_timeout_s), self._control_connection() as connection:
                await put_statistics(connection, self._tenant_id, records, bounds.count_max, LITERALS_MAX)
                for literal in (False, True) if self._keeps_literals else (False,):
                    await self._read(connection, literal=literal)
            self._read_to = max(record.seen_at for record in records) - OVERLAP
        except asyncio.CancelledError:
            self._unwritten = {**dict.fromkeys(keys), **self._unwritten}
            self._unwritten_literals = {**dict.fromkeys(literals), **self._unwritten_literals}
            raise
        except (CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            INSTRUMENTS.statistics_lost(len(records))
            _log.warning("statistics_not_written", tenant=str(self._tenant_id), count=len(records), reason=str(error))

    def _write_later(self, key: _Key, *, literal: bool = False) -> None:
        (self._unwritten_literals if literal else self._unwritten)[key] = None
        self._woken.set()

    def _show(self, tables: Iterable[tuple[int, str]]) -> None:
        wanted = frozenset(tables)
        found: dict[tuple[int, str], dict[Shape, Statistic]] = {table: {} for table in wanted}
        for (oid, table, shape), statistic in self._known.items():
            if (oid, table) in wanted:
                found[oid, table][shape] = statistic
        literals: dict[tuple[int, str], dict[Shape, Statistic]] = {table: {} for table in wanted}
        for (oid, table, shape), statistic in self._literals.items():
            if (oid, table) in wanted and not statistic.stale:
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


def _record(key: _Key, statistic: Statistic, *, literal: bool = False) -> StatisticRecord:
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
        literal=literal,
    )
