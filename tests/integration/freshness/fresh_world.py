"""A source whose rows change and fail at will, read through stage fetch and what is kept in a real Valkey.

The reference is every state the source ever had: within a bound, an answer must be that of some state of that time.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import blake2b
from typing import Any

import pyarrow as pa
from authorized import shown_by

from connectors.sdk.connector import FetchContext, RequestRecord, Source
from connectors.sdk.errors import ConnectorError, RateLimited, Retryable
from connectors.sdk.grades import EXACT, SUPERSET
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Direction, Operator, Page, Predicate, Scan, SortKey
from connectors.sdk.table import AccessPath, Column, Delta, Table
from connectors.sdk.testing.reference import holds
from connectors.sdk.trail import Step, Trail
from omnisql_server.fetch.budget import CallBudget
from omnisql_server.fetch.scheduler import FetchBounds, FetchedScan, OpenSource, fetch
from omnisql_server.freshness.cache import Shared, TenantCache
from omnisql_server.freshness.flight import Flights
from omnisql_server.freshness.store import Store
from omnisql_server.freshness.tier import Tier
from omnisql_server.limits.valkey import Valkey
from omnisql_server.materialize.relations import materialize
from omnisql_server.model.freshness import Staleness
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.query import Occurrence
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.model.row_filter import RowFilter
from omnisql_server.plan.domains import NoRowCanMatch, Wanted, reduce_conditions
from omnisql_server.plan.paths import choose_path

COLUMNS = {
    "id": "int8",
    "repo": "text",
    "state": "text",
    "n": "int8",
    "team": "text",
    "private": "bool",
    "changed": "timestamptz",
}
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
"""When the source's own clock began, and when rows were changed that nobody has changed."""
_BOTH = frozenset(Direction)
_RANGES = dict.fromkeys((Operator.GT, Operator.GE, Operator.LT, Operator.LE), SUPERSET)
_OPERATORS = {
    "state": {Operator.EQ: EXACT},
    "team": {Operator.EQ: EXACT, Operator.IN: EXACT},
    "n": _RANGES,
    "changed": dict.fromkeys((Operator.GT, Operator.GE), SUPERSET),
}
_DELTA = Delta(column="changed", overlap_s=0)
TABLE = Table(
    name="items",
    description="",
    columns=tuple(Column(name=name, type_name=kind, path=name) for name, kind in COLUMNS.items()),
    primary_key=("id",),
    access_paths=(
        AccessPath(
            name="by_repo",
            request="GET /items",
            keys=("repo",),
            operators=_OPERATORS,
            order={"id": _BOTH},
            delta=_DELTA,
        ),
        AccessPath(name="all", request="GET /all", operators={"team": _OPERATORS["team"]}, order={"id": _BOTH}),
    ),
    rows_expected=2000,
)
KEYED = replace(TABLE, access_paths=TABLE.access_paths[:1])
BATCHED = replace(
    TABLE,
    access_paths=(
        AccessPath(
            name="by_repos",
            request="GET /some",
            keys=("repo",),
            operators=_OPERATORS,
            batch="repo",
            batch_keys_max=3,
            delta=_DELTA,
        ),
    ),
)
REVALIDATED = replace(TABLE, revalidates=True)
RELATION = Relation(
    oid=1,
    schema="s",
    name="items",
    kind=RelationKind.API,
    owner="o",
    attributes=tuple(
        Attribute(number=i, name=name, type_oid=0, type_sql="", api_column=name) for i, name in enumerate(COLUMNS)
    ),
    server="hub",
    wrapper="fake",
    api_table="items",
)
Row = dict[str, Any]
Rows = dict[int, Row]


@dataclass(slots=True)
class FakeSource:
    """The source itself: rows by id; `gate` holds requests back while it is not set."""

    rows: Rows = field(default_factory=dict)
    fault: ConnectorError | None = None
    truncated: str | None = None
    truncated_by: tuple[Predicate, ...] | None = None
    """The conditions of the only request that is truncated, None for all."""
    requests: int = 0
    calls_each: int = 1
    """API calls that one reading counts for."""
    clock: Callable[[], datetime] = lambda: BEGIN
    log: list[Scan] = field(default_factory=list)
    confirmed: int = 0
    changed: int = 0
    scans: dict[str, Scan] = field(default_factory=dict)
    gate: asyncio.Event | None = None

    def change(self, changed: Row) -> None:
        """Change or add a row, now."""
        self.rows = {**self.rows, changed["id"]: {**changed, "changed": self.clock()}}

    def visible(self, sees_private: bool) -> list[Row]:
        return [dict(row) for _, row in sorted(self.rows.items()) if sees_private or not row["private"]]


@dataclass(slots=True, kw_only=True)
class FakeConnection:
    """What one credential sees of it; ranges are evaluated loosely, as a superset may be.

    Each reading has two pages; a page's entity tag stands for its rows.
    """

    source: FakeSource
    sees_private: bool

    async def fetch(self, scan: Scan, context: FetchContext) -> AsyncIterator[Page]:
        source = self.source
        source.requests += 1
        source.log.append(scan)
        pages = self._pages(scan)
        fault = source.fault
        truncated = source.truncated if source.truncated_by in (None, scan.predicates) else None
        for _ in range(source.calls_each):
            context.meter.request(_record(200))
        asked_at = source.clock()
        if source.gate is not None:
            await source.gate.wait()
        if context.trail is not None:
            source.scans[repr(scan)] = scan
            for number, page in enumerate(pages):
                _note(context.trail, f"{number} {scan!r}", page, asked_at)
        yield Page(rows=_batch(pages[0], scan.columns))
        if fault is not None:
            raise fault
        if truncated is not None:
            yield Page(rows=_batch([], scan.columns), truncated=truncated)
            return
        yield Page(rows=_batch(pages[1], scan.columns))

    async def confirm(self, steps: Sequence[Step], context: FetchContext) -> bool:
        source = self.source
        if source.gate is not None:
            await source.gate.wait()
        for at, step in enumerate(steps):
            if source.fault is not None and at > 0:
                raise source.fault
            number, _, place = step.url.partition(" ")
            stands = _tag(self._pages(source.scans[place])[int(number)]) == step.etag
            context.meter.request(_record(304 if stands else 200))
            source.confirmed += stands
            source.changed += not stands
            if not stands:
                return False
        return True

    def _pages(self, scan: Scan) -> tuple[list[Row], list[Row]]:
        rows = self.source.visible(self.sees_private)
        for name, value in scan.keys.items():
            rows = [row for row in rows if row[name] in (value if isinstance(value, tuple) else (value,))]
        rows = [row for row in rows if all(_loosely(row, predicate) for predicate in scan.predicates)]
        for key in reversed(scan.order):
            rows.sort(key=lambda row: row[key.column], reverse=key.direction is Direction.DESC)
        rows = rows[: scan.limit]
        half = len(rows) // 2
        return rows[:half], rows[half:]

    async def check(self) -> str:
        return "fake"

    async def disconnect(self) -> None:
        return


def _record(status: int) -> RequestRecord:
    return RequestRecord(
        method="GET",
        template="",
        status=status,
        duration_ms=1,
        bytes_received=1,
        attempt=1,
        revalidated=status == 304,
    )


def _tag(page: list[Row]) -> str:
    return blake2b(repr(page).encode()).hexdigest()


def _note(trail: Trail, url: str, page: list[Row], asked_at: datetime) -> None:
    headers = {"etag": _tag(page), "date": format_datetime(asked_at, usegmt=True)}
    trail.note(Request(template="", path=""), Response(status=200, headers=headers, body=None, url=url))


def _loosely(row: Row, predicate: Predicate) -> bool:
    value = predicate.value
    if predicate.operator in (Operator.GT, Operator.GE) and isinstance(value, int):
        return bool(row["n"] >= value - 1)
    if isinstance(value, datetime):
        return bool(row["changed"] >= value - timedelta(seconds=10))
    if predicate.operator in (Operator.LT, Operator.LE) and isinstance(value, int):
        return bool(row["n"] <= value + 1)
    return holds(row, predicate)


def _batch(rows: Sequence[Row], columns: Iterable[str]) -> pa.RecordBatch:
    names = list(columns)
    arrays = [pa.array([row[name] for row in rows], TABLE.column(name).type.arrow) for name in names]
    return pa.RecordBatch.from_arrays(arrays, names=names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a statement asks of the table: conditions, the first rows by id, and the columns that it uses."""

    conditions: tuple[Predicate, ...] = ()
    limit: int | None = None
    policy: tuple[str, ...] | None = None
    table: Table = TABLE

    def answer(self, rows: Iterable[Row]) -> list[Row]:
        """Answer from rows as PostgreSQL would."""
        found = [row for row in rows if self.policy is None or row["team"] in self.policy]
        found = [row for row in found if all(holds(row, condition) for condition in self.conditions)]
        return sorted(found, key=lambda row: row["id"])[: self.limit]

    def plan(self) -> ScanPlan:
        """Plan it as the planner does."""
        wanted = [Wanted(predicate=condition, sql="") for condition in self.conditions]
        filters: tuple[RowFilter, ...] = ()
        if self.policy is not None:
            filters = (shown_by("team", *self.policy),)
            rule = Predicate(column="team", operator=Operator.IN, value=self.policy)
            wanted.append(Wanted(predicate=rule, sql="", policy="p"))
        try:
            reduced = reduce_conditions(wanted)
        except NoRowCanMatch as proof:
            return self._plan(self.table.access_paths[0], empty=str(proof))
        chosen = choose_path(self.table, "s.items", reduced, frozenset(COLUMNS), 50)
        exact = not chosen.not_pushed and all(pushed.grade == EXACT.grade for pushed in chosen.pushed)
        limit = self.limit if exact else None
        order = (SortKey(column="id", direction=Direction.ASC),) if limit is not None else ()
        scans = tuple(
            Scan(
                table="items",
                access_path=chosen.path.name,
                columns=tuple(COLUMNS),
                keys=keys,
                predicates=tuple(pushed.predicate for pushed in chosen.pushed),
                order=order,
                limit=limit,
            )
            for keys in chosen.keys
        )
        return replace(self._plan(chosen.path, empty=chosen.empty), scans=scans, pushed=chosen.pushed, filters=filters)

    def _plan(self, path: AccessPath, empty: str | None) -> ScanPlan:
        return ScanPlan(
            scan_name="s0",
            relation=RELATION,
            table=self.table,
            path=path,
            columns=tuple(COLUMNS),
            scans=(),
            empty=empty,
        )


class World:
    """A source and two replicas over one Valkey, whose clock can be moved ahead."""

    def __init__(
        self, client: Valkey, *, replicas: int = 2, bytes_max: int = 64 * 1024**2, entry_bytes_max: int = 8 * 1024**2
    ) -> None:
        self.client = client
        self.source = FakeSource(clock=lambda: BEGIN + timedelta(microseconds=self.ahead_us))
        self.ahead_us = 0
        self.tenant = uuid.uuid4().hex
        self.key = uuid.uuid4().bytes * 2
        self.shared = [self._shared(bytes_max, entry_bytes_max) for _ in range(replicas)]
        self.replicas = [TenantCache(shared, tenant=self.tenant, data_key=self._data_key) for shared in self.shared]

    def _shared(self, bytes_max: int, entry_bytes_max: int) -> Shared:
        store = Store(self.client, bytes_max=bytes_max, kept_us=3_600_000_000, ahead_us=lambda: self.ahead_us)
        return Shared(
            store=store, tier=Tier(16 * 1024**2), flights=Flights(store=store), entry_bytes_max=entry_bytes_max
        )

    async def _data_key(self) -> bytes:
        return self.key

    @staticmethod
    def origin(credential: str) -> Source:
        """Describe the source under a credential."""
        return Source(tenant="t", server="hub", connector="fake", credential_id=credential)

    async def read(
        self,
        question: Question,
        staleness: Staleness,
        *,
        credential: str = "all",
        replica: int = 0,
        partial: bool = False,
        calls_max: int | None = None,
    ) -> tuple[list[Row], FetchedScan]:
        """Read and answer as a statement does, policy and conditions after the fetch."""
        connection = FakeConnection(source=self.source, sees_private=credential.startswith("all"))
        opened = OpenSource(
            connection=connection,
            limiter=QUIET_CONTEXT.limiter,
            cache=self.replicas[replica].of(self.origin(credential)),
            staleness=staleness,
        )

        async def open_source(_: ScanPlan) -> OpenSource:
            return opened

        (fetched,) = await fetch(
            [question.plan()],
            open_source,
            FetchBounds(),
            partial_allowed=partial,
            budget=None if calls_max is None else CallBudget(allowed=calls_max),
        )
        occurrence = Occurrence(scan_name="s0", relation=RELATION, columns=tuple(COLUMNS))
        relation = materialize(fetched.plan, occurrence, fetched.batches, b"")
        return question.answer(relation.rows.to_pylist()), fetched


async def until(holds: Callable[[], bool]) -> None:
    """Let other tasks go on until something holds."""
    for _ in range(1_000_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come about")


def unavailable() -> ConnectorError:
    return Retryable(message="SOURCE_UNAVAILABLE: it is down")


def exhausted() -> ConnectorError:
    return RateLimited(message="RATE_LIMIT_EXHAUSTED: it is used up", retry_after_s=60)


def on(column: str, operator: Operator, value: Any = None) -> Predicate:
    return Predicate(column=column, operator=operator, value=value)


def row(number: int, repo: str = "a", state: str = "open", n: int = 0, team: str = "x", private: bool = False) -> Row:
    return {"id": number, "repo": repo, "state": state, "n": n, "team": team, "private": private, "changed": BEGIN}
