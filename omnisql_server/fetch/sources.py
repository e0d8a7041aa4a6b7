"""Open sources: one connection per server and credential, their tables as discovered, and their rate limits.

Tables are discovered once for a server's address, and again for a foreign table that was not known then. A connection
is closed when its options change, and the one used longest ago when there are too many.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping

from connectors.sdk.connector import Connection, Connector, Limiter, Source, connector_at
from connectors.sdk.errors import OptionInvalid
from connectors.sdk.limits import RateLimit, WithLimits
from connectors.sdk.table import Table
from omnisql_server.errors import OmniSQLError
from omnisql_server.fetch.scheduler import OpenSource
from omnisql_server.model.freshness import ScanCache
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.run import SessionView

ResolveSource = Callable[[str, SessionView], Awaitable[Source]]
"""Gives the source that a session's user has under a server's name, its secrets unsealed."""


ASKED_AGAIN_AFTER_S = 30.0
"""How long a source is not asked again what tables it has because of one that it did not have."""


class TableGone(OmniSQLError):
    """A foreign table names an API table or column that its source does not have any more, or not with its type."""

    sqlstate = "HV00R"


class Sources:
    """The sources of one tenant."""

    def __init__(
        self,
        *,
        connector_named: Callable[[str], Connector],
        resolve: ResolveSource,
        limiter_for: Callable[[Source, Mapping[str, RateLimit]], Limiter],
        open_max: int,
        cache_of: Callable[[Source], ScanCache | None] = lambda _: None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connector_named = connector_named
        self._resolve = resolve
        self._limiter_for = limiter_for
        self._open_max = open_max
        self._cache_of = cache_of
        self._open: dict[tuple[str, str], tuple[Source, Connection, Limiter]] = {}
        self._tables: dict[str, dict[str, Table]] = {}
        self._asked: dict[str, tuple[str, tuple[str | None, ...]]] = {}
        self._asked_s: dict[str, float] = {}
        self._asking: dict[str, asyncio.Lock] = {}
        self._clock_s = clock_s
        self._lock = asyncio.Lock()

    async def prepare(self, relations: Iterable[Relation], view: SessionView) -> None:
        """Discover the tables of every source that some relations belong to, once for its address.

        Raises:
            ConnectorError: a source could not be asked.
        """
        wanted = [each for each in relations if each.kind is RelationKind.API]
        for server, wrapper in {each.server: each.wrapper for each in wanted}.items():
            await self.discover(server, wrapper, view)
        for each in wanted:
            # What was imported since may be of an object or a field that the source did not have before.
            if not self._has(each):
                await self.discover(each.server, each.wrapper, view, lacking=each)

    async def discover(
        self, server: str, wrapper: str, view: SessionView, *, lacking: Relation | None = None
    ) -> Source:
        """Discover the tables of one source, once for its address, and return it as a session's user has it.

        They are asked for again if a foreign table is `lacking`, unless that was done just before.

        Raises:
            ConnectorError: the source could not be asked.
        """
        source = await self._resolve(server, view)
        connector = connector_at(self._connector_named(wrapper), source.version)
        where = tuple(source.options.get(option.name) for option in connector.options if option.audience)
        address = (source.version, *where)
        async with self._asking.setdefault(server, asyncio.Lock()):
            if self._asked.get(server) != (wrapper, address) or (lacking is not None and self._may_be_new(lacking)):
                opened = await self._connect(source)
                tables = await connector.discover(opened.connection)
                self._tables[server] = {table.name: table for table in tables}
                self._asked[server] = (wrapper, address)
                self._asked_s[server] = self._clock_s()
        return source

    def _may_be_new(self, relation: Relation) -> bool:
        asked_s = self._asked_s.get(relation.server, -ASKED_AGAIN_AFTER_S)
        return not self._has(relation) and self._clock_s() - asked_s >= ASKED_AGAIN_AFTER_S

    def _has(self, relation: Relation) -> bool:
        table = self._tables[relation.server].get(relation.api_table)
        known = {column.name for column in table.columns} if table is not None else set()
        return table is not None and all(
            attribute.api_column is None or attribute.api_column in known for attribute in relation.attributes
        )

    def table_of(self, relation: Relation) -> Table:
        """Return the API table behind a foreign table of a prepared source.

        Raises:
            TableGone: the source has no such table or column, or it has another type.
        """
        table = self._tables[relation.server].get(relation.api_table)
        if table is None:
            raise TableGone(
                message=f"source {relation.server} has no table {relation.api_table}",
                hint=f"drop {relation.qualified_name} or import the schema again",
            )
        known = {column.name: column.type for column in table.columns}
        for attribute in relation.attributes:
            if attribute.api_column is None:
                continue
            if attribute.api_column in known and known[attribute.api_column].oid != attribute.type_oid:
                raise TableGone(
                    message=f"column {attribute.api_column} of {relation.api_table} in source {relation.server} has"
                    f" type {known[attribute.api_column].name}",
                    detail=f"Column {attribute.name} of {relation.qualified_name} has type {attribute.type_sql}.",
                    hint="import the schema again, or give the server the version that the table was made for",
                )
            if attribute.api_column not in known:
                raise TableGone(
                    message=f"source {relation.server} has no column {attribute.api_column} in {relation.api_table}",
                    hint=f"drop column {attribute.name} of {relation.qualified_name}, or import the schema again",
                )
        return table

    def declared(self, server: str, wrapper: str, name: str, version: str = "") -> Table | None:
        """Return an API table as discovered, or before that as its connector declares it; None without either."""
        discovered = self._tables.get(server)
        if discovered is not None:
            return discovered.get(name)
        try:
            connector = connector_at(self._connector_named(wrapper), version)
        except OptionInvalid:
            # Its manifest was taken away, or this version of it: other sources of the tenant are listed all the same.
            return None
        return next((table for table in connector.tables if table.name == name), None)

    async def open(self, server: str, view: SessionView) -> OpenSource:
        """Return the open connection that a session's user has to a server, opening it on first use."""
        return await self._connect(await self._resolve(server, view))

    async def _connect(self, source: Source) -> OpenSource:
        key = (source.server, source.credential_id)
        async with self._lock:
            held = self._open.get(key)
            if held is not None and held[0] == source:
                self._open[key] = self._open.pop(key)
                return OpenSource(connection=held[1], limiter=held[2], cache=self._cache_of(source))
            if held is not None:
                del self._open[key]
                await held[1].disconnect()
            connector = connector_at(self._connector_named(source.connector), source.version)
            connection = await connector.connect(source)
            limiter = self._limiter_for(source, connector.limits if isinstance(connector, WithLimits) else {})
            self._open[key] = (source, connection, limiter)
            while len(self._open) > self._open_max:
                # The one used longest ago: a replaced credential's, as a rule.
                _, idle, _ = self._open.pop(next(iter(self._open)))
                await idle.disconnect()
            return OpenSource(connection=connection, limiter=limiter, cache=self._cache_of(source))

    async def close(self) -> None:
        """Close every connection."""
        for _, connection, _ in self._open.values():
            await connection.disconnect()
        self._open.clear()
        self._tables.clear()
        self._asked.clear()
