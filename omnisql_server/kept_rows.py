"""What is kept of a tenant's tables, for those who look at it, forget it or have it read again.

Implements `manage.kept.KeptRows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from catalog.errors import CatalogError
from catalog.snapshot import ApiTable
from connectors.sdk.connector import Source
from connectors.sdk.errors import ConnectorError
from connectors.sdk.table import Table
from omnisql_server.errors import LimitExceeded, OmniSQLError
from omnisql_server.fetch.scheduler import FetchBounds, OpenSource, fetch
from omnisql_server.fetch.sources import Sources
from omnisql_server.freshness.cache import Kept, TenantCache
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.manage.errors import ApiTableUnknown
from omnisql_server.manage.kept import KeptTable
from omnisql_server.model.freshness import Staleness
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.run import SessionView

RENEWED_MAX = 100
"""Answers that one call reads again."""


class TenantKept:
    """What is kept for one tenant."""

    def __init__(self, cache: TenantCache, sources: Sources, bounds: Callable[[], FetchBounds]) -> None:
        self._cache = cache
        self._sources = sources
        self._bounds = bounds

    async def invalidate(self, table: KeptTable, view: SessionView) -> None:
        """Forget what is kept of a table under the credential of a session's user.

        Raises:
            OmniSQLError: 57P03, Valkey does not answer, so that nothing was forgotten.
        """
        source, declared = await self._find(table, view)
        try:
            await self._cache.drop(source, declared)
        except VALKEY_ERRORS as error:
            raise OmniSQLError(message="what is kept cannot be reached", sqlstate="57P03") from error

    async def renew(self, table: KeptTable, view: SessionView) -> tuple[int, int]:
        """Read again what is kept so, and return how many answers that were and how many requests it took.

        Raises:
            LimitExceeded: 54000, it is too much. ConnectorError: a source failed.
        """
        source, declared = await self._find(table, view)
        kept = await self._cache.entries(source, declared)
        if len(kept) > RENEWED_MAX:
            raise LimitExceeded(
                message=f"{len(kept)} answers of {table.schema}.{table.name} are kept, more than {RENEWED_MAX}",
                hint="CALL omnisql.invalidate(..) forgets them all",
            )
        opened = replace(await self._sources.open(table.server, view), staleness=Staleness(kept=True))

        async def open_source(_: ScanPlan) -> OpenSource:
            return opened

        plans = [_plan(table, declared, one) for one in kept]
        fetched = await fetch(plans, open_source, self._bounds(), partial_allowed=False)
        return len(fetched), sum(scan.report.requests for scan in fetched)

    async def list(
        self, relations: Iterable[tuple[ApiTable, Table]], view: SessionView
    ) -> tuple[tuple[ApiTable, Kept], ...]:
        """List what is kept of some foreign tables under the credentials of a session's user."""
        found: list[tuple[ApiTable, Kept]] = []
        for relation, _ in relations:
            name = relation.options.get("table", relation.name)
            try:
                source = await self._sources.discover(relation.server, relation.wrapper, view)
            except (OmniSQLError, CatalogError, ConnectorError):
                # Who has no credential there has nothing kept there either.
                continue
            declared = self._sources.declared(relation.server, relation.wrapper, name)
            if declared is not None:
                found += [(relation, one) for one in await self._cache.entries(source, declared)]
        return tuple(found)

    async def _find(self, table: KeptTable, view: SessionView) -> tuple[Source, Table]:
        source = await self._sources.discover(table.server, table.wrapper, view)
        declared = self._sources.declared(table.server, table.wrapper, table.api_table)
        if declared is None:
            raise ApiTableUnknown(message=f'server "{table.server}" has no table "{table.api_table}"')
        return source, declared


def _plan(table: KeptTable, declared: Table, kept: Kept) -> ScanPlan:
    scan = kept.entry.request.scan
    return ScanPlan(
        scan_name=kept.entry.id,
        relation=Relation(
            oid=0,
            schema=table.schema,
            name=table.name,
            kind=RelationKind.API,
            owner="",
            attributes=(),
            server=table.server,
            wrapper=table.wrapper,
            api_table=table.api_table,
        ),
        table=declared,
        path=next(path for path in declared.access_paths if path.name == scan.access_path),
        columns=scan.columns,
        scans=(scan,),
    )
