"""The PostgreSQL connector: a connection that reads scans by queries, a batch of rows at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import asyncpg
import pyarrow as pa
from asyncpg.cursor import Cursor

from catalog.types import BY_SQL_NAME
from connectors.postgres.dial import Dial
from connectors.postgres.discover import PAGE_ROWS, discover
from connectors.postgres.judge import failed_late, refuses_statement
from connectors.postgres.kinds import NotCarried, to_arrow
from connectors.postgres.options import OPTIONS, place_of
from connectors.postgres.queries import COUNT, Query, RemoteTable, count_query, rows_query
from connectors.postgres.statements import output_types, statement_query
from connectors.sdk.connector import Connection, FetchContext, RequestRecord, Source
from connectors.sdk.counted import CountedRows, counted_pages
from connectors.sdk.errors import Fatal, StatementRefused
from connectors.sdk.options import checked_options
from connectors.sdk.scan import Page, Scan
from connectors.sdk.settings import Surroundings, TransportSettings
from connectors.sdk.sizes import TableSize
from connectors.sdk.table import Table
from connectors.sdk.whole import WHOLE, WholeStatement

LEARNING_TIMEOUT_S = 60.0
BUCKET = "queries"


class PostgresConnector:
    """PostgreSQL."""

    name = "postgres"
    options = OPTIONS
    tables: tuple[Table, ...] = ()
    default_schema = "public"

    def __init__(self, settings: TransportSettings | None = None, surroundings: Surroundings | None = None) -> None:
        self._settings = settings
        self._surroundings = surroundings

    async def connect(self, source: Source) -> PostgresConnection:
        """Open a source; no connection is made yet.

        Raises:
            OptionInvalid: SQLSTATE HV00D, an option is unknown, missing or malformed.
        """
        place = place_of(checked_options(OPTIONS, source), source.server)
        return PostgresConnection(place.server, Dial(place, self._settings, self._surroundings))

    async def discover(self, connection: Connection) -> tuple[Table, ...]:
        """Return the tables of every schema that the credential's role may read."""
        if not isinstance(connection, PostgresConnection):
            raise Fatal(message="a connection of another connector cannot be discovered")
        return tuple(remote.table for remote in (await connection.learn()).values())


class PostgresConnection:
    """An open database."""

    def __init__(self, server: str, dial: Dial) -> None:
        self._server = server
        self._dial = dial
        self._tables: dict[str, RemoteTable] = {}
        self._learning = asyncio.Lock()

    async def learn(self) -> dict[str, RemoteTable]:
        """Ask which tables there are, and keep what is said.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        async with self._dial.transaction(LEARNING_TIMEOUT_S) as connection:
            self._tables = await discover(connection)
        return self._tables

    async def check(self) -> str:
        """Prove that the credentials work and return whose they are.

        Raises:
            CredentialsRejected: SQLSTATE 28000, they do not.
        """
        async with self._dial.transaction(LEARNING_TIMEOUT_S) as connection:
            return str(await connection.fetchval("SELECT current_user::text"))

    async def measure(self, table: str, context: FetchContext) -> TableSize | None:
        """Count a table's rows.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        scan = Scan(table=table, access_path=COUNT, columns=())
        remote = await self._remote(scan)
        return TableSize(rows=sum([count for *_, count in await self._counts(count_query(remote, scan), context)]))

    async def disconnect(self) -> None:
        """Close the connections."""
        await self._dial.close()

    def fetch(self, scan: Scan, context: FetchContext) -> AsyncGenerator[Page, None]:
        """Read a scan by a cursor of the source's, in batches; closing the iterator ends the query there.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        if scan.whole is not None:
            return self._whole(scan, scan.whole, context)
        return self._counted(scan, context) if scan.access_path == COUNT else self._listed(scan, context)

    async def _listed(self, scan: Scan, context: FetchContext) -> AsyncGenerator[Page, None]:
        remote = await self._remote(scan)
        query = rows_query(remote, scan)
        types = {name: remote.kinds[name].type_name for name in scan.columns}
        await context.limiter.acquire(BUCKET)
        async with self._dial.transaction(context.timeout_s) as connection:
            cursor = await connection.cursor(query.sql, *query.parameters)
            async with aclosing(_pages(cursor, query, scan.table, types, context)) as pages:
                async for page in pages:
                    yield page

    async def _whole(self, scan: Scan, whole: WholeStatement, context: FetchContext) -> AsyncGenerator[Page, None]:
        """Have a statement carried out there; whatever is wrong with it, rather than with the way, refuses it."""
        used = [
            Scan(
                table=each.table,
                access_path=WHOLE,
                columns=tuple(own for _, own, _ in each.columns),
                predicates=each.conditions,
            )
            for each in whole.relations
        ]
        query = statement_query(whole, scan, {each.table: await self._remote(each) for each in used})
        types = output_types(whole, scan)
        await context.limiter.acquire(BUCKET)
        async with self._dial.transaction(context.timeout_s) as connection:
            if connection.get_settings().server_encoding != "UTF8":
                raise _statement_refused("its texts are in another encoding than UTF8")
            is_begun = False
            try:
                prepared = await connection.prepare(query.sql)
                wanted = [BY_SQL_NAME[type_name].oid for type_name in types.values()]
                if [each.type.oid for each in prepared.get_attributes()] != wanted:
                    raise _statement_refused("its outputs have other types there")
                cursor = await prepared.cursor(*query.parameters)
                async with aclosing(_pages(cursor, query, "the statement", types, context)) as pages:
                    async for page in pages:
                        is_begun = True
                        yield page
            except asyncpg.PostgresError as error:
                if not refuses_statement(error):
                    raise
                if is_begun:
                    raise failed_late(error, self._server) from None
                raise _statement_refused(f"its source answered with SQLSTATE {error.sqlstate}") from None
            except _NotCarriedHere as error:
                if is_begun:
                    raise
                raise _statement_refused(error.message) from None

    async def _counted(self, scan: Scan, context: FetchContext) -> AsyncGenerator[Page, None]:
        remote = await self._remote(scan)
        found = await self._counts(count_query(remote, scan), context)
        counted = [CountedRows(values=dict(zip(scan.columns, row[:-1], strict=True)), count=row[-1]) for row in found]
        for page in counted_pages(remote.table, scan, counted):
            context.meter.page(page.rows.num_rows)
            yield page

    async def _counts(self, query: Query, context: FetchContext) -> list[asyncpg.Record]:
        await context.limiter.acquire(BUCKET)
        async with self._dial.transaction(context.timeout_s) as connection:
            started_s = time.perf_counter()
            found = await connection.fetch(query.sql, timeout=context.timeout_s)
            context.meter.request(_record(query, started_s, 0))
        return found

    async def _remote(self, scan: Scan) -> RemoteTable:
        """Return what is known of a table that has the scan's columns, asking the source where it is not known."""
        used = {*scan.columns, *scan.keys, *(each.column for each in scan.every_predicate())}
        used |= {key.column for key in scan.order}
        if not self._has(scan.table, used):
            async with self._learning:
                if not self._has(scan.table, used):
                    await self.learn()
        remote = self._tables.get(scan.table)
        if remote is None:
            raise self._gone("HV00R", f"no table {scan.table} that may be read")
        if lost := used - remote.kinds.keys():
            raise self._gone("HV005", f"no column {min(lost)} of {scan.table} that may be read")
        return remote

    def _has(self, table: str, columns: set[str]) -> bool:
        return table in self._tables and columns <= self._tables[table].kinds.keys()

    def _gone(self, sqlstate: str, what: str) -> Fatal:
        hint = "Import the foreign schema again, or GRANT SELECT there."
        return Fatal(message=f'server "{self._server}" has {what}', hint=hint, sqlstate=sqlstate)


async def _pages(
    cursor: Cursor, query: Query, table: str, types: Mapping[str, str], context: FetchContext
) -> AsyncGenerator[Page, None]:
    """Read a cursor to its end; the first call was let through already."""
    is_first = True
    while True:
        if not is_first:
            await context.limiter.acquire(BUCKET)
        is_first = False
        started_s = time.perf_counter()
        rows = await cursor.fetch(PAGE_ROWS)
        batch = await asyncio.to_thread(_batch, table, types, rows)
        context.meter.request(_record(query, started_s, batch.nbytes))
        if rows:
            context.meter.page(len(rows))
            yield Page(rows=batch)
        if len(rows) < PAGE_ROWS:
            return


def _batch(table: str, types: Mapping[str, str], rows: list[asyncpg.Record]) -> pa.RecordBatch:
    if not types:
        # A batch without columns still counts rows, which a bare list of arrays cannot say.
        return pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
    values = list(zip(*rows, strict=True)) if rows else [()] * len(types)
    arrays = []
    for (name, type_name), column in zip(types.items(), values, strict=True):
        try:
            arrays.append(to_arrow(column, type_name))
        except NotCarried:
            raise _NotCarriedHere(
                message=f"a value of {table}.{name} does not fit type {type_name} as it is carried here",
                detail="Infinity among times and arrays of several dimensions have no counterpart.",
                hint="Leave the column out of the query, or give the source a view with the column cast to text.",
            ) from None
    schema = pa.schema([pa.field(name, BY_SQL_NAME[type_name].arrow) for name, type_name in types.items()])
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class _NotCarriedHere(Fatal):
    """A value that no column here can hold."""


def _statement_refused(reason: str) -> StatementRefused:
    return StatementRefused(
        message="the source does not carry out the statement whole",
        detail=f"{reason[:1].upper()}{reason[1:]}.",
        hint="SET omnisql.engine = 'postgres' and run it again: its tables are then read one by one",
    )


def _record(query: Query, started_s: float, bytes_received: int) -> RequestRecord:
    return RequestRecord(
        method="SQL",
        template=query.shown,
        status=200,
        duration_ms=(time.perf_counter() - started_s) * 1000.0,
        bytes_received=bytes_received,
        attempt=1,
        revalidated=False,
    )
