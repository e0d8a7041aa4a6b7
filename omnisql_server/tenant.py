"""One tenant while it is served: its snapshot, its sources, and what a principal may see of them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

from catalog.audit import StoredRecord
from catalog.snapshot import ApiTable, Snapshot
from connectors.registry import connector_names
from connectors.sdk.connector import Connector
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.table import Table
from omnisql_server.fetch.peek import calls_answered, peek, quota
from omnisql_server.fetch.scheduler import OpenSource
from omnisql_server.fetch.sources import Sources
from omnisql_server.introspection.connection import IntrospectionConnection, IntrospectionState
from omnisql_server.introspection.connector import INTROSPECTION
from omnisql_server.introspection.tables import AUDIT, CACHE, PUSHDOWN_MISSES, STATISTICS
from omnisql_server.kept_rows import TenantKept
from omnisql_server.misses import PushdownMisses
from omnisql_server.model.backend import Ask, Rows
from omnisql_server.model.freshness import staleness_of
from omnisql_server.model.mask import MaskKind
from omnisql_server.model.plain_texts import PlainTexts
from omnisql_server.model.plan import QueryPlan, ScanNotes, ScanPlan
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import Settings
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.report import SourceReport
from omnisql_server.model.run import SessionView
from omnisql_server.model.statistics import TableStatistics
from omnisql_server.session_reports import last_reports
from omnisql_server.statistics import StatisticsKeeper, observed

VISIBLE = """
SELECT u.oid FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS u(oid)
 WHERE pg_catalog.has_any_column_privilege(u.oid, 'SELECT')
"""
"""The relations that the session's current user may read at least a column of."""

HASHED_COLUMNS = b"omnisql: codes of hashed columns"
"""What the data key is used for here, so that the salt tells nothing of it."""

UNSETTLED_RELOAD_INTERVAL_S = 1.0
COUNTING = frozenset({CACHE.name, PUSHDOWN_MISSES.name, STATISTICS.name})
"""Tables of the server's own that count rows of API tables, other users' among them."""
SeenWhole = Callable[[Iterable[tuple[str, str, str]], Principal, str], Awaitable[frozenset[tuple[str, str, str]]]]
"""Tells of which API tables policy lets a principal see all rows, for a purpose."""


class Tenant:
    """The sources and the snapshot of one tenant, shared by its sessions.

    `roles_touched_s` is when a statement last came that may have changed roles, by the monotonic clock, `definitions`
    how many transactions of its sessions have ended that made or renamed what reaches an API table.
    """

    def __init__(
        self,
        *,
        name: str,
        database: str,
        snapshot: Snapshot,
        load: Callable[[], Awaitable[Snapshot]],
        sources: Sources,
        kept: TenantKept,
        statistics: StatisticsKeeper,
        misses: PushdownMisses,
        data_key: Callable[[], Awaitable[bytes]],
        records: Callable[[Principal], Awaitable[Sequence[StoredRecord]]],
        seen_whole: SeenWhole,
    ) -> None:
        self.name = name
        self.database = database
        self.snapshot = snapshot
        self.sources = sources
        self.kept = kept
        self.statistics = statistics
        self._records = records
        self._seen_whole = seen_whole
        self.misses = misses
        self._load = load
        self._data_key = data_key
        self._loading = asyncio.Lock()
        self.roles_touched_s = -math.inf
        self.definitions = 0
        self._definitions_seen = 0
        self._plain = PlainTexts.under(snapshot)
        self._loaded_s = time.monotonic()

    @property
    def wrappers(self) -> frozenset[str]:
        """Return the wrappers of API tables: a server too new for the snapshot may be the first of its kind.

        Connectors that no name stands for, given to the server by whoever starts it, are in the snapshot alone.
        """
        seen = {table.wrapper for table in self.snapshot.tables.values()}
        return frozenset({*connector_names(), INTROSPECTION.name, *seen})

    async def follow(self, sequence: int) -> None:
        """Load the snapshot again if a statement saw a newer catalog than it describes.

        While a transaction with DDL is open anywhere, every statement would: then once in a while is enough.
        """
        unsettled_for_s = time.monotonic() - self._loaded_s
        if sequence != self.snapshot.sequence or (
            not self.snapshot.settled and unsettled_for_s > UNSETTLED_RELOAD_INTERVAL_S
        ):
            await self.refresh()

    async def refresh(self) -> None:
        """Load the snapshot again."""
        async with self._loading:
            await self._refresh()

    async def hash_salt(self, plan: QueryPlan) -> bytes:
        """Return what keys the codes of hashed columns, the same for ever and no other tenant's; empty without such."""
        kinds = {mask.kind for scan in plan.scans for mask in scan.masks.values()}
        if MaskKind.HASH not in kinds:
            return b""
        return hmac.new(await self._data_key(), HASHED_COLUMNS, hashlib.sha256).digest()

    @property
    def outdated(self) -> bool:
        """Say whether a session has defined something since the snapshot was loaded."""
        return self.definitions != self._definitions_seen

    @property
    def plain(self) -> PlainTexts | None:
        """Return the messages that are plain under the snapshot; None while that is outdated."""
        return None if self.outdated else self._plain

    def forget_plain(self) -> None:
        """Have every message looked at again."""
        self._plain.holds = False
        self._plain = PlainTexts.under(self.snapshot)

    def defined(self) -> None:
        """Learn that a transaction has ended in which something was defined."""
        self.definitions += 1
        self.forget_plain()

    async def catch_up(self) -> None:
        """Load the snapshot again if it is outdated, once for all sessions that wait for it."""
        async with self._loading:
            if self.outdated:
                await self._refresh()

    async def _refresh(self) -> None:
        definitions = self.definitions
        self.snapshot = await self._load()
        self._definitions_seen = definitions
        self.forget_plain()
        self._loaded_s = time.monotonic()

    async def prepare(self, relations: Iterable[Relation], view: SessionView) -> None:
        """Discover the tables of the sources behind some relations."""
        await self.sources.prepare(
            (r for r in relations if r.kind is RelationKind.API and r.wrapper != INTROSPECTION.name), view
        )

    def table_of(self, relation: Relation) -> Table:
        """Return the API table behind a relation whose source was prepared."""
        if relation.wrapper == INTROSPECTION.name:
            return _named(INTROSPECTION, relation.api_table)
        return self.sources.table_of(relation)

    def statistics_of(self, relation: Relation) -> TableStatistics:
        """Return what is known of the API table behind a relation."""
        server = self.snapshot.servers.get(relation.server)
        return self.statistics.of_table(server.oid if server is not None else None, relation.api_table)

    def observe(self, plan: ScanPlan, report: SourceReport) -> None:
        """Learn of a table from a finished scan of it, but for the server's own and those of uncommitted servers."""
        server = self.snapshot.servers.get(plan.relation.server)
        if server is None or plan.relation.wrapper == INTROSPECTION.name or plan.relation.is_sent:
            return
        self.misses.record(plan, report)
        seen = observed(plan, report)
        if seen is not None:
            self.statistics.record(server.oid, plan.relation.api_table, *seen)
            self.statistics.record_literals(server.oid, plan, seen[1])

    def is_api_table(self, schema: str | None, name: str) -> bool:
        """Say whether the catalog, as last read, has an API table of this name in this schema."""
        return any(table.schema == schema and table.name == name for table in self.snapshot.tables.values())

    async def server_oid(self, name: str) -> int | None:
        """Return the OID of a server, None while it is not committed."""
        if name not in self.snapshot.servers:
            await self.refresh()
        server = self.snapshot.servers.get(name)
        return server.oid if server is not None else None

    async def open_table(self, relation: Relation, view: SessionView) -> tuple[Table, OpenSource]:
        """Return the API table behind a relation, and its source opened for a session."""
        await self.prepare([relation], view)
        table = self.table_of(relation)
        if relation.wrapper == INTROSPECTION.name:
            own = IntrospectionConnection(IntrospectionState())
            return table, OpenSource(connection=own, limiter=QUIET_CONTEXT.limiter)
        return table, await self.sources.open(relation.server, view)

    async def open(self, plan: ScanPlan, view: SessionView, settings: Settings) -> OpenSource:
        """Open the source of a scan for a session, with the bound on the age of its rows."""
        relation = plan.relation
        if relation.wrapper != INTROSPECTION.name:
            server = self.snapshot.servers.get(relation.server)
            declared = server.options if server is not None else {}
            staleness = staleness_of(settings.max_staleness_us, settings.stale_if_error_us, relation.options, declared)
            staleness = replace(staleness, kept=staleness.kept or settings.keeps)
            return replace(await self.sources.open(relation.server, view), staleness=staleness)
        state = await self._introspection(view)
        if relation.api_table in COUNTING:
            state = await self._counted(state, view.principal, settings.purpose)
        if relation.api_table == CACHE.name:
            state = replace(state, kept=await self.kept.list(state.relations, view))
        if relation.api_table == PUSHDOWN_MISSES.name:
            state = replace(state, misses=await self.misses.rows())
        if relation.api_table == AUDIT.name:
            state = replace(state, records=await self._records(view.principal))
        return OpenSource(connection=IntrospectionConnection(state), limiter=QUIET_CONTEXT.limiter)

    async def notes(self, plan: QueryPlan, view: SessionView) -> dict[str, ScanNotes]:
        """Say by scan name what earlier fetches would answer of a plan, and what is left of its source's limits."""
        notes = {}
        for scan in plan.scans:
            source = await self.open(scan, view, plan.authorized.query.settings)
            notes[scan.scan_name] = ScanNotes(cache=await peek(scan, source), quota=await quota(source))
        return notes

    async def quotas(self, plan: QueryPlan, view: SessionView) -> dict[str, ScanNotes]:
        """Say by scan name what is left of the limits of a plan's sources."""
        settings = plan.authorized.query.settings
        return {
            scan.scan_name: ScanNotes(quota=await quota(await self.open(scan, view, settings))) for scan in plan.scans
        }

    async def calls_answered(self, plan: QueryPlan, view: SessionView, enough: int) -> int:
        """Return how many calls of a plan earlier fetches save; not looked up where it expects `enough` at most."""
        if plan.calls_expected <= enough:
            return 0
        settings = plan.authorized.query.settings
        return sum([await calls_answered(scan, await self.open(scan, view, settings)) for scan in plan.scans])

    async def _introspection(self, view: SessionView) -> IntrospectionState:
        tables = [table for table in self.snapshot.tables.values() if table.wrapper != INTROSPECTION.name]
        oids = "{" + ",".join(str(table.oid) for table in tables) + "}"
        answer = (await view.backend.ask(Ask(sql=VISIBLE, parameters=(oids,))))[0]
        visible = {int(row[0] or 0) for row in answer.rows} if isinstance(answer, Rows) else set()
        shown = [(table, declared) for table in tables if table.oid in visible and (declared := self._declared(table))]
        names = {table.server for table, _ in shown}
        servers = [server for server in self.snapshot.servers.values() if server.name in names]
        return IntrospectionState(
            relations=shown,
            servers=servers,
            reports=last_reports(view),
            statistics=self.statistics.rows(),
        )

    async def _counted(self, state: IntrospectionState, principal: Principal, purpose: str) -> IntrospectionState:
        """Leave out the tables of which policy hides rows: how many there are would tell of those."""
        keys = {table.oid: (table.wrapper, table.server, declared.name) for table, declared in state.relations}
        whole = await self._seen_whole(keys.values(), principal, purpose)
        return replace(state, relations=[each for each in state.relations if keys[each[0].oid] in whole])

    def _declared(self, table: ApiTable) -> Table | None:
        name = table.options.get("table", table.name)
        return self.sources.declared(table.server, table.wrapper, name, table.version)


def _named(connector: Connector, name: str) -> Table:
    return next(table for table in connector.tables if table.name == name)
