"""ANALYZE of API tables: their sources are asked for sizes, which become statistics; PostgreSQL does the rest.

Without a list, ANALYZE and VACUUM pass foreign tables over. VACUUM ANALYZE of nothing but API tables, by their schemas
and names, has nothing to vacuum: PostgreSQL's own warning says so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil
from typing import Protocol

from connectors.sdk.sizes import TableSize
from connectors.sdk.table import Table
from omnisql_server.bind.questions import ask_detail, ask_resolve, read_relation, rows_of, text_array
from omnisql_server.errors import ActiveTransaction, BackendError, UndefinedColumn
from omnisql_server.fetch.scheduler import OpenSource
from omnisql_server.manage.measure import Measured, measure
from omnisql_server.model.backend import Ask, Command
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.run import SessionView
from omnisql_server.model.statement import Statement
from omnisql_server.model.statistics import Observation, Origin, shape_of
from omnisql_server.parse.analyze_list import AnalyzeList, read_analyze
from omnisql_server.statistics import StatisticsKeeper

MAY_MAINTAIN = """
SELECT pg_catalog.has_table_privilege(u.oid, 'MAINTAIN')
  FROM pg_catalog.unnest($1::pg_catalog.oid[]) WITH ORDINALITY AS u(oid, place)
 ORDER BY u.place
"""
"""Whether the session's current user may analyze each of some relations, in order."""


class AnalyzedTenant(Protocol):
    """What ANALYZE needs of a tenant, its `statistics` among it."""

    statistics: StatisticsKeeper

    @property
    def wrappers(self) -> frozenset[str]:
        """Return the wrappers of its servers."""

    def is_api_table(self, schema: str | None, name: str) -> bool:
        """Say whether it has an API table of this name in this schema."""

    async def open_table(self, relation: Relation, view: SessionView) -> tuple[Table, OpenSource]:
        """Return the API table behind a relation, and its source opened for a session."""

    async def server_oid(self, name: str) -> int | None:
        """Return the OID of a server, None while it is not committed."""


class AnalyzeManager:
    """Carries out ANALYZE with a list in which there are API tables; implements `manage.managed.Manage`."""

    def __init__(
        self,
        tenant: AnalyzedTenant,
        *,
        timeout_s: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tenant = tenant
        self._timeout_s = timeout_s
        self._now = now

    async def claims(self, statement: Statement, view: SessionView) -> bool:
        """Say whether the statement names an API table, and nothing that PostgreSQL alone can judge."""
        listed = read_analyze(statement.text)
        if listed is None:
            return False
        if listed.vacuum:
            # To ask the backend would begin the transaction that PostgreSQL's own VACUUM may not be in.
            return all(self._tenant.is_api_table(entry.schema, entry.name) for entry in listed.relations)
        return bool(await self._api_tables(listed, view))

    async def run(self, statement: Statement, view: SessionView) -> str:
        """Analyze what is no API table, then ask for the sizes of those that are and tell the client.

        Raises:
            BackendError: PostgreSQL refuses the rest.
            UndefinedColumn: an API table has no column of a name (42703).
            ActiveTransaction: VACUUM is in a transaction block (25001).
            ConnectorError: a source cannot be asked.
        """
        listed = read_analyze(statement.text)
        if listed is None:
            raise AssertionError(statement.kind)
        if listed.vacuum and view.backend.in_transaction_block:
            raise ActiveTransaction(message="a VACUUM cannot run inside a transaction block")
        found = await self._api_tables(listed, view)
        rest = listed.of_others(frozenset(found))
        if rest is not None:
            await _command(rest, view)
        allowed = await self._allowed(found, listed, view)
        for relation in allowed:
            if listed.vacuum:
                _warn(f'skipping "{relation.name}" --- cannot vacuum non-tables or special system tables', view)
            await self._analyze(relation, view)
        return "VACUUM" if listed.vacuum else "ANALYZE"

    async def _allowed(
        self, found: dict[int, Relation], listed: AnalyzeList, view: SessionView
    ) -> tuple[Relation, ...]:
        """Leave out what the user may not analyze, with a warning, before any source is asked."""
        oids = text_array(str(relation.oid) for relation in found.values())
        answers = rows_of((await view.backend.ask(Ask(sql=MAY_MAINTAIN, parameters=(oids,))))[0])
        allowed = []
        for (place, relation), (may,) in zip(found.items(), answers, strict=True):
            if may != "t":
                verb = "vacuum" if listed.vacuum else "analyze"
                _warn(f'permission denied to {verb} "{relation.name}", skipping it', view)
                continue
            known = {attribute.name for attribute in relation.attributes}
            for column in listed.relations[place].columns:
                if column not in known:
                    raise UndefinedColumn(message=f'column "{column}" of relation "{relation.name}" does not exist')
            allowed.append(relation)
        return tuple(allowed)

    async def _analyze(self, relation: Relation, view: SessionView) -> None:
        server_oid = await self._tenant.server_oid(relation.server)
        if server_oid is None:
            _notify(relation, "was not analyzed", "Its server is not committed yet; no API call was made.", view)
            return
        table, source = await self._tenant.open_table(relation, view)
        measured = await measure(source, relation, table, self._timeout_s)
        before = self._tenant.statistics.mark_stale(server_oid, table.name)
        calls = _counted(measured.calls, "API call")
        if measured.size is None:
            how = (
                f"The answer to {table.size_request} does not say ({calls})."
                if table.size_request
                else "Its API gives no total; no API call was made."
            )
            later = f"{_counted(before, 'statistic')} observed before will be replaced by what is read next."
            _notify(relation, "was analyzed: its size cannot be asked for", f"{how} {later}", view)
            return
        self._keep(server_oid, table, measured, measured.size)
        _notify(relation, f"was analyzed: {_size(measured.size)}", f"{table.size_request}: {calls}.", view)

    def _keep(self, server_oid: int, table: Table, measured: Measured, size: TableSize) -> None:
        shape = shape_of(size.keys, ())
        if shape is None:
            return
        pages_of = max((path.page_rows_max for path in table.access_paths if path.keys == size.keys), default=1)
        pages = float(max(1, ceil(size.rows / pages_of)))
        seen = Observation(
            rows=size.rows,
            pages=pages,
            calls=pages,
            latency_ms=measured.latency_ms,
            seen_at=self._now(),
            origin=Origin.SOURCE,
        )
        self._tenant.statistics.record(server_oid, table.name, shape, seen)

    async def _api_tables(self, listed: AnalyzeList, view: SessionView) -> dict[int, Relation]:
        """Find the API tables of a list, by their places in it."""
        names = [(entry.schema, entry.name) for entry in listed.relations]
        resolved = [row[0] for row in rows_of((await view.backend.ask(ask_resolve(names)))[0])]
        answer = (await view.backend.ask(ask_detail(int(oid) for oid in resolved if oid)))[0]
        relations = (read_relation(row, self._tenant.wrappers) for row in rows_of(answer))
        known = {str(relation.oid): relation for relation in relations if relation.kind is RelationKind.API}
        return {place: known[oid] for place, oid in enumerate(resolved) if oid in known}


async def _command(sql: str, view: SessionView) -> None:
    try:
        await view.backend.ask(Command(sql=sql))
    except BackendError as error:
        raise error.without_position() from error


def _size(size: TableSize) -> str:
    rows = f"{size.rows:.0f} rows" if not size.keys else f"{size.rows:.1f} rows for each {', '.join(size.keys)}"
    return f"about {rows}, by a sample" if size.sampled else f"about {rows}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _notify(relation: Relation, what: str, detail: str, view: SessionView) -> None:
    message = f"API table {relation.qualified_name} {what}"
    view.notice({"S": "NOTICE", "V": "NOTICE", "C": "00000", "M": message, "D": detail})


def _warn(message: str, view: SessionView) -> None:
    view.notice({"S": "WARNING", "V": "WARNING", "C": "01000", "M": message})
