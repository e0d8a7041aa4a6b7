"""A source whose rows change and fail at will: its tables, and what a credential sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from connectors.sdk.connector import FetchContext, RequestRecord
from connectors.sdk.errors import ConnectorError, Fatal
from connectors.sdk.grades import EXACT, SUPERSET
from connectors.sdk.misfits import Misfit
from connectors.sdk.request import Request, Response
from connectors.sdk.resumption import Resumption, key_digest
from connectors.sdk.scan import Direction, Operator, Page, Predicate, Scan
from connectors.sdk.table import AccessPath, Column, Delta, Disjunctions, Table
from connectors.sdk.testing.reference import holds
from connectors.sdk.trail import Step, Trail
from omnisql_server.model.relation import Attribute, Relation, RelationKind

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
_BELOW_OR = Disjunctions(columns=frozenset({"state", "team", "n"}))
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
            disjunctions=_BELOW_OR,
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
            disjunctions=_BELOW_OR,
            batch="repo",
            batch_keys_max=3,
            delta=_DELTA,
        ),
    ),
)
RESUMED = replace(
    TABLE,
    access_paths=(
        AccessPath(
            name="by_place",
            request="GET /after",
            keys=("repo",),
            operators=_OPERATORS,
            disjunctions=_BELOW_OR,
            order={"id": frozenset({Direction.ASC})},
            resumes=True,
        ),
    ),
)
"""Rows come by their ids, and a reading that failed goes on after the last one."""
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
    between: asyncio.Event | None = None
    """Holds the second page of a reading back while it is not set."""
    last: asyncio.Event | None = None
    """Makes two pages of the second one, and holds the last back while it is not set."""
    places: list[str | None] = field(default_factory=list)
    """Where readings by place began."""
    faults_left: int = 1_000_000
    is_n_unfit: bool = False

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
        if context.resumption is not None:
            async for given in self._by_place(scan, context, context.resumption):
                yield given
            return
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
        yield self._page(pages[0], scan)
        if source.between is not None:
            await source.between.wait()
        if fault is not None:
            raise fault
        if truncated is not None:
            yield Page(rows=_batch([], scan.columns), truncated=truncated)
            return
        if source.last is not None:
            yield Page(rows=_batch(pages[1][:1], scan.columns))
            await source.last.wait()
        yield self._page(pages[1][1 if source.last is not None else 0 :], scan)

    async def _by_place(self, scan: Scan, context: FetchContext, resumption: Resumption) -> AsyncIterator[Page]:
        """Give the rows after a cursor, which is an id; without one, their first half, and then the others."""
        source, first = self.source, Request(template="", path=f"{scan.keys} {scan.predicates} {scan.limit}")
        fault, truncated = source.fault, source.truncated
        place = resumption.begin(first)
        source.places.append(place)
        seen, pages = resumption.known(), self._pages(scan)
        for _ in range(source.calls_each):
            context.meter.request(_record(200))
        if place is None:
            yield Page(rows=_batch(_unseen(pages[0], seen), scan.columns))
            resumption.reach(first, str(pages[0][-1]["id"] if pages[0] else -1))
            place = resumption.mark.cursor if resumption.mark is not None else "-1"
        if fault is not None and source.faults_left > 0:
            source.faults_left -= 1
            raise fault
        rest = [row for row in self._pages(replace(scan, limit=None), whole=True)[0] if row["id"] > int(place)]
        limit = None if scan.limit is None else max(0, scan.limit - len(seen))
        rows = _unseen(rest, seen)[:limit]
        yield Page(rows=_batch(rows[: len(rows) // 2] if truncated else rows, scan.columns), truncated=truncated)

    def _page(self, rows: list[Row], scan: Scan) -> Page:
        """Give a page; null in the column that is unfit stands for a value that did not fit."""
        unfit = sum(row["n"] is None for row in rows) if self.source.is_n_unfit and "n" in scan.columns else 0
        if unfit and "n" in scan.compared:
            raise Fatal(message="a value of items.n does not fit type int8")
        misfits = (Misfit(column="n", count=unfit, example="n, row 1 of its page"),) if unfit else ()
        return Page(rows=_batch(rows, scan.columns), misfits=misfits)

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

    def _pages(self, scan: Scan, *, whole: bool = False) -> tuple[list[Row], list[Row]]:
        rows = self.source.visible(self.sees_private)
        for name, value in scan.keys.items():
            rows = [row for row in rows if row[name] in (value if isinstance(value, tuple) else (value,))]
        rows = [row for row in rows if all(_loosely(row, predicate) for predicate in scan.predicates)]
        for either in scan.disjunctions:
            rows = [row for row in rows if any(all(_loosely(row, one) for one in side) for side in either.branches)]
        for key in reversed(scan.order):
            rows.sort(key=lambda row: row[key.column], reverse=key.direction is Direction.DESC)
        rows = rows[: scan.limit]
        half = len(rows) if whole else len(rows) // 2
        return rows[:half], rows[half:]

    async def check(self) -> str:
        return "fake"

    async def disconnect(self) -> None:
        return


def _unseen(rows: Iterable[Row], seen: dict[Hashable, None]) -> list[Row]:
    fresh = []
    for one in rows:
        digest = key_digest((one["id"],))
        if digest not in seen:
            seen[digest] = None
            fresh.append(one)
    return fresh


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
    if row[predicate.column] is None:
        # What does not fit here, the source can compare.
        return True
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
