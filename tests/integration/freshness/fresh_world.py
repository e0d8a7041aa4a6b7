"""A source whose rows change and fail at will, read through stage fetch and what is kept in a real Valkey.

The reference is every state the source ever had: within a bound, an answer must be that of some state of that time.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
from authorized import shown_by
from fresh_source import BEGIN, COLUMNS, RELATION, TABLE, FakeConnection, FakeSource, Row

from connectors.sdk.connector import Source
from connectors.sdk.errors import ConnectorError, RateLimited, Retryable
from connectors.sdk.grades import EXACT
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.scan import Direction, Disjunction, Operator, Predicate, Scan, SortKey
from connectors.sdk.table import AccessPath, Table
from connectors.sdk.testing.reference import holds, holds_any
from omnisql_server.fetch.budget import CallBudget
from omnisql_server.fetch.pages import Pages
from omnisql_server.fetch.scheduler import FetchBounds, FetchedScan, OpenSource, fetch
from omnisql_server.fetch.stream import PageStream
from omnisql_server.freshness.cache import Shared, TenantCache
from omnisql_server.freshness.flight import Flights
from omnisql_server.freshness.store import Store
from omnisql_server.freshness.tier import Tier
from omnisql_server.limits.valkey import Valkey
from omnisql_server.materialize.relations import materialize
from omnisql_server.model.freshness import Staleness
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.query import Occurrence
from omnisql_server.model.row_filter import RowFilter
from omnisql_server.plan.disjunctions import WantedAny, reduced_any
from omnisql_server.plan.domains import NoRowCanMatch, Wanted, reduce_conditions
from omnisql_server.plan.paths import choose_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a statement asks of the table: conditions, the first rows by id, and the columns that it uses."""

    conditions: tuple[Predicate | Disjunction, ...] = ()
    limit: int | None = None
    policy: tuple[str, ...] | None = None
    table: Table = TABLE

    def answer(self, rows: Iterable[Row]) -> list[Row]:
        """Answer from rows as PostgreSQL would."""
        found = [row for row in rows if self.policy is None or row["team"] in self.policy]
        found = [row for row in found if all(meets(row, condition) for condition in self.conditions)]
        return sorted(found, key=lambda row: row["id"])[: self.limit]

    def plan(self) -> ScanPlan:
        """Plan it as the planner does."""
        wanted = [Wanted(predicate=each, sql="") for each in self.conditions if isinstance(each, Predicate)]
        either = [each for each in self.conditions if isinstance(each, Disjunction)]
        filters: tuple[RowFilter, ...] = ()
        if self.policy is not None:
            filters = (shown_by("team", *self.policy),)
            rule = Predicate(column="team", operator=Operator.IN, value=self.policy)
            wanted.append(Wanted(predicate=rule, sql="", policy="p"))
        try:
            alternatives: list[WantedAny] = []
            for each in either:
                left = reduced_any(WantedAny(branches=tuple(map(_wanted, each.branches)), sql=""))
                if isinstance(left, WantedAny):
                    alternatives.append(left)
                else:
                    wanted += left
            reduced = reduce_conditions(wanted)
        except NoRowCanMatch as proof:
            return self._plan(self.table.access_paths[0], empty=str(proof))
        asked = (self.table, "s.items", reduced, frozenset(COLUMNS), 50)
        chosen = choose_path(*asked, alternatives=tuple(alternatives))
        sent = [pushed.predicate for pushed in chosen.pushed]
        exact = not chosen.not_pushed and all(pushed.grade == EXACT.grade for pushed in chosen.pushed)
        limit = self.limit if exact else None
        order = (SortKey(column="id", direction=Direction.ASC),) if limit is not None else ()
        scans = tuple(
            Scan(
                table="items",
                access_path=chosen.path.name,
                columns=tuple(COLUMNS),
                keys=keys,
                predicates=tuple(each for each in sent if isinstance(each, Predicate)),
                disjunctions=tuple(each for each in sent if isinstance(each, Disjunction)),
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


def meets(row: Row, condition: Predicate | Disjunction) -> bool:
    """Say whether a row meets a condition."""
    return holds(row, condition) if isinstance(condition, Predicate) else holds_any(row, condition)


def _wanted(branch: tuple[Predicate, ...]) -> tuple[Wanted, ...]:
    return tuple(Wanted(predicate=each, sql="") for each in branch)


class World:
    """A source and two replicas over one Valkey, whose clock can be moved ahead."""

    def __init__(
        self, client: Valkey, *, replicas: int = 2, bytes_max: int = 64 * 1024**2, entry_bytes_max: int = 8 * 1024**2
    ) -> None:
        self.client = client
        self.source = FakeSource(clock=lambda: BEGIN + timedelta(microseconds=self.ahead_us))
        self.ahead_us = 0
        self.reads = 0
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
        seen: list[int] | None = None,
    ) -> tuple[list[Row], FetchedScan]:
        """Read and answer as a statement does, policy and conditions after the fetch.

        With `seen`, it is streamed, and the ids of rows are added to that as they come.
        """
        connection = FakeConnection(source=self.source, sees_private=credential.startswith("all"))
        opened = OpenSource(
            connection=connection,
            limiter=QUIET_CONTEXT.limiter,
            cache=self.replicas[replica].of(self.origin(credential)),
            staleness=staleness,
        )

        async def open_source(_: ScanPlan) -> OpenSource:
            return opened

        async def fetching(pages: Pages | None) -> tuple[FetchedScan, ...]:
            return await fetch(
                [question.plan()],
                open_source,
                FetchBounds(),
                partial_allowed=partial,
                budget=None if calls_max is None else CallBudget(allowed=calls_max),
                pages=pages,
            )

        # One after the other is streamed: who asks for rows at once or page by page gets the same.
        self.reads += 1
        if seen is None and self.reads % 2:
            (fetched,) = await fetching(None)
        else:
            fetched = await streamed(question.plan(), PageStream(fetching, in_turn=False), seen)
        occurrence = Occurrence(scan_name="s0", relation=RELATION, columns=tuple(COLUMNS))
        relation = materialize(fetched.plan, occurrence, fetched.batches, b"")
        return question.answer(relation.rows.to_pylist()), fetched


async def streamed(plan: ScanPlan, stream: PageStream, seen: list[int] | None) -> FetchedScan:
    """Read a scan page by page."""
    batches: list[pa.RecordBatch] = []
    try:
        if await stream.is_whole():
            return await stream.whole()
        async for taken in stream.batches():
            batches += taken
            if seen is not None:
                seen += [number for batch in taken for number in batch.column("id").to_pylist()]
        report = stream.report(enough=False)
        assert report is not None
        return FetchedScan(plan=plan, batches=tuple(batches), report=report)
    finally:
        await stream.aclose()


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
