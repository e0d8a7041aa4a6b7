"""A connector made of a manifest, and a connection that reads scans by it through the SDK's transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import pyarrow as pa

from connectors.declarative.accounts import checked, options_of
from connectors.declarative.counting import total_told
from connectors.declarative.credentials import credential
from connectors.declarative.discovering import extended
from connectors.declarative.elsewhere import listed_elsewhere
from connectors.declarative.hooks import Site
from connectors.declarative.judge import judge_of, quota_of
from connectors.declarative.limits import limits_of
from connectors.declarative.listing import listed
from connectors.declarative.load import Loaded
from connectors.declarative.readable import ReadableTable
from connectors.declarative.readings import Reading, readings
from connectors.declarative.requests import (
    first_request,
    hydrate_request,
    page_rows,
    places_of,
    spelling_request,
)
from connectors.sdk.confirm import confirm
from connectors.sdk.connector import Connection, FetchContext, Source
from connectors.sdk.counted import CountedRows, counted_pages
from connectors.sdk.decode import Row
from connectors.sdk.errors import EmptyResult, Fatal, OptionInvalid
from connectors.sdk.extract import path
from connectors.sdk.hydrate import hydrate_rows, hydrated_pages
from connectors.sdk.options import checked_base_url, checked_options
from connectors.sdk.ordered import in_order
from connectors.sdk.pagination import Reader
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.reading import Hydrate, RowList, pages_of
from connectors.sdk.request import Request
from connectors.sdk.scan import Operator, Page, Predicate, Scan, Value
from connectors.sdk.settings import Surroundings, TransportSettings
from connectors.sdk.sizes import TableSize
from connectors.sdk.table import Table
from connectors.sdk.tokens import SharedTokens
from connectors.sdk.trail import Step
from connectors.sdk.transport import Transport

_REFUSALS_MAX = 8
"""How often a scan is narrowed before that is given up."""


class DeclarativeConnector:
    """What a manifest declares, as a connector."""

    def __init__(
        self,
        loaded: Loaded,
        settings: TransportSettings | None = None,
        surroundings: Surroundings | None = None,
        *,
        earlier: tuple[Loaded, ...] = (),
    ) -> None:
        self.loaded = loaded
        self._earlier = earlier
        self.name = loaded.manifest.name
        self.options = options_of(loaded.manifest)
        self.tables = tuple(each.table for each in loaded.tables.values())
        self._settings = settings
        self._surroundings = surroundings
        self._tokens = SharedTokens()
        self.limits = limits_of(loaded.manifest)

    @property
    def versions(self) -> tuple[str, ...]:
        """Return the versions of the manifest that there are, the newest last."""
        return tuple(str(each.manifest.version) for each in (*self._earlier, self.loaded))

    def at(self, version: str) -> DeclarativeConnector:
        """Return the connector of a version, of the oldest without one.

        Raises:
            OptionInvalid: SQLSTATE HV00D, there is none.
        """
        for each in (*self._earlier, self.loaded):
            if version in {"", str(each.manifest.version)}:
                return DeclarativeConnector(each, self._settings, self._surroundings) if self._earlier else self
        raise OptionInvalid(
            message=f"connector {self.name} has no version {version}",
            hint=f"There is {', '.join(self.versions)}: ALTER SERVER .. VERSION '{self.versions[-1]}'.",
        )

    async def connect(self, source: Source) -> DeclarativeConnection:
        """Open a source; no request is made yet.

        Raises:
            OptionInvalid: SQLSTATE HV00D, an option is unknown, missing or malformed.
        """
        manifest = self.loaded.manifest
        values = checked_options(self.options, source)
        version = {manifest.api_version.header: values["api_version"]} if manifest.api_version else {}
        transport = Transport(
            connector=self.name,
            server=source.server,
            base_url=checked_base_url(values["base_url"], source.server),
            authenticator=credential(manifest, values, source, self._settings, self._surroundings, self._tokens),
            judge=judge_of(manifest, self.loaded.hooks),
            quota=quota_of(manifest),
            limits=self.limits,
            headers={**manifest.headers, **version},
            settings=self._settings,
            surroundings=self._surroundings,
        )
        plain = {name: values[name] for name in ("base_url", *manifest.options) if name in values}
        return DeclarativeConnection(self.loaded, transport, plain, self._surroundings or Surroundings())

    async def discover(self, connection: Connection) -> tuple[Table, ...]:
        """Return the tables, with the columns that this very source has, where a hook asks for them.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        if self.loaded.manifest.discover is None:
            return self.tables
        if not isinstance(connection, DeclarativeConnection):
            raise Fatal(message="a connection of another connector cannot be discovered")
        return await connection.learn()


class DeclarativeConnection:
    """An open source of a manifest."""

    def __init__(
        self, loaded: Loaded, transport: Transport, options: Mapping[str, str], surroundings: Surroundings
    ) -> None:
        self.transport = transport
        self._now_s = surroundings.now_s
        self._base = self._loaded = loaded
        self._options = options
        self._known: dict[str, object] = {}

    async def learn(self) -> tuple[Table, ...]:
        """Ask the source for columns that it alone has, keep what it says, and return the tables."""
        name = self._base.manifest.discover
        if name is not None:
            site = Site(send=lambda request: self.transport.send(request, QUIET_CONTEXT), known=self._known)
            known = {table: frozenset(found.columns) for table, found in self._base.tables.items()}
            self._loaded = extended(self._base, await self._base.hooks.discover[name](site, known))
        return tuple(each.table for each in self._loaded.tables.values())

    def fetch(self, scan: Scan, context: FetchContext) -> AsyncGenerator[Page, None]:
        """Read a scan page by page, in order.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        if self._base.manifest.discover is not None and self._lacking(scan):
            return self._learned(scan, context)
        table = self._loaded.tables[scan.table]
        access = table.paths[scan.access_path]
        rows_wanted = page_rows(table, access, scan)
        reader = self._reader(scan, context, None if scan.limit is None else -(-scan.limit // rows_wanted))
        if access.counting is not None:
            return self._counted_by_kind(table, scan, reader)
        if access.counted is not None:
            return self._counted(table, scan, reader)
        return pages_of(
            self.undecoded(scan, reader),
            scan=scan,
            decoder=table.decoder(scan.columns, scan.access_path),
            context=context,
            hydrate=self.calls_for(table, scan, reader),
        )

    def hydrate(self, scan: Scan, rows: pa.RecordBatch, context: FetchContext) -> AsyncGenerator[Page, None]:
        """Fetch what listings lack of rows read before.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        table = self._loaded.tables[scan.table]
        hydrate = self.calls_for(table, scan, self._reader(scan, context), is_decoded=True)
        if hydrate is None:
            raise Fatal(message=f"no column of {scan.table} that is wanted needs a call of its own")
        return hydrated_pages(rows, hydrate, table.decoder(scan.columns, scan.access_path))

    def _reader(self, scan: Scan, context: FetchContext, pages_wanted_max: int | None = None) -> Reader:
        return Reader(
            transport=self.transport,
            context=context,
            table=scan.table,
            deadline_s=asyncio.get_running_loop().time() + context.timeout_s,
            concurrency=self.transport.settings.concurrency_max,
            pages_wanted_max=pages_wanted_max,
        )

    def _lacking(self, scan: Scan) -> set[str]:
        """Return the columns of a scan that are not known yet."""
        wanted = {*scan.columns, *(predicate.column for predicate in scan.every_predicate())}
        return wanted - self._loaded.tables[scan.table].columns.keys()

    async def _learned(self, scan: Scan, context: FetchContext) -> AsyncGenerator[Page, None]:
        await self.learn()
        if gone := self._lacking(scan):
            raise Fatal(
                message=f'server "{self.transport.server}" has no field for column {scan.table}.{min(gone)} any more',
                hint="Import the foreign schema again.",
            )
        async with aclosing(self.fetch(scan, context)) as pages:
            async for page in pages:
                yield page

    async def _counted_by_kind(self, table: ReadableTable, scan: Scan, reader: Reader) -> AsyncGenerator[Page, None]:
        counting = table.paths[scan.access_path].counting
        if counting is None:
            raise Fatal(message=f"{scan.access_path} counts nothing")
        response = await reader.send(counting.request(scan, self._options["base_url"]))
        for page in counted_pages(table.table, scan, list(counting.rows(scan, response))):
            reader.context.meter.page(page.rows.num_rows)
            yield page

    async def _counted(self, table: ReadableTable, scan: Scan, reader: Reader) -> AsyncGenerator[Page, None]:
        """Count rows where the API tells how many there are, else list them."""
        access = table.paths[scan.access_path]
        counted, count = access.counted, access.count
        if counted is None or count is None:
            raise Fatal(message=f"{access.name} counts nothing")

        async def total(values: tuple[str, ...]) -> int | None:
            predicates = tuple(Predicate(column=str(counted.by), operator=Operator.EQ, value=value) for value in values)
            one = replace(scan, columns=(), predicates=predicates, limit=1)
            try:
                request = first_request(self._loaded.manifest, table, one, self._options)
                return total_told(count, await reader.send(request))
            except EmptyResult:
                return 0

        kinds = ((), *((value,) for value in counted.values))
        async with aclosing(in_order(total, iter(kinds), reader.concurrency)) as totals:
            whole, *found = [one async for one in totals]
        parts = [one for one in found if one is not None]
        if whole is None or len(parts) < len(counted.values) or (counted.values and sum(parts) != whole):
            # It is not told, there is a value that was not asked for, or rows came and went meanwhile.
            async with aclosing(self.fetch(replace(scan, access_path=counted.listing), reader.context)) as pages:
                async for page in pages:
                    yield page
            return
        groups = [CountedRows(values=scan.keys, count=whole)]
        if counted.by is not None:
            by = zip(counted.values, parts, strict=True)
            groups = [CountedRows(values={**scan.keys, counted.by: value}, count=part) for value, part in by]
        for page in counted_pages(table.table, scan, groups):
            reader.context.meter.page(page.rows.num_rows)
            yield page

    def calls_for(
        self, table: ReadableTable, scan: Scan, reader: Reader, *, is_decoded: bool = False
    ) -> Hydrate | None:
        """Return what attaches to rows what their calls answer, None where no column of a scan needs one."""
        needed = {called for name in scan.columns if (called := table.columns[name].column.hydrate) is not None}

        async def hydrate(rows: list[Row]) -> None:
            for name in sorted(needed):
                together = table.hydrate[name].together
                if together is not None and len(rows) > 1:
                    hook = self._loaded.hooks.together[together.hook]
                    await hook(reader, scan, rows, self._options["base_url"])
                    continue
                await hydrate_rows(
                    reader,
                    rows,
                    name=name,
                    request_of=partial(self._call_of, table, name, is_decoded),
                    concurrency=reader.concurrency,
                    has_gaps=bool(table.hydrate[name].empty),
                )

        return hydrate if needed else None

    def _call_of(self, table: ReadableTable, name: str, is_decoded: bool, row: Row) -> Request:
        manifest, options = self._loaded.manifest, self._options
        return hydrate_request(manifest, table, name, row, options=options, is_decoded=is_decoded)

    async def check(self) -> str:
        """Prove that the credentials work and return whose they are.

        Raises:
            CredentialsRejected: SQLSTATE 28000, they do not.
        """
        return await checked(self._loaded.manifest, self.transport, self._options)

    async def measure(self, table: str, context: FetchContext) -> TableSize | None:
        """Ask for a table's size with the fewest calls that tell it; None when the answer does not say.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        name = self._loaded.manifest.measure
        if name is None or not self._loaded.tables[table].table.size_request:
            return None
        return await self._loaded.hooks.measure[name](self.transport, table, context)

    async def confirm(self, steps: Sequence[Step], context: FetchContext) -> bool:
        """Ask by validators whether an earlier reading of a table that `revalidates` still stands.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        return await confirm(self.transport, steps, context)

    async def disconnect(self) -> None:
        """Close the connections and forget the secrets."""
        await self.transport.close()

    async def undecoded(self, scan: Scan, reader: Reader) -> AsyncGenerator[RowList, None]:
        """Give the rows of a scan as they came, narrowed to what the source does not refuse where a hook can tell."""
        table = self._loaded.tables[scan.table]
        access = table.paths[scan.access_path]
        if access.narrow is None:
            async with aclosing(self._read(table, scan, reader)) as lists:
                async for rows in lists:
                    yield rows
            return
        scan = await access.narrow.before(Site(send=reader.send, known=self._known), scan)
        for _ in range(_REFUSALS_MAX):
            started = False
            try:
                async with aclosing(self._read(table, scan, reader)) as lists:
                    async for rows in lists:
                        started = True
                        yield rows
                return
            except Fatal as refusal:
                narrowed = None if started else access.narrow.refused(scan, places_of(access), refusal)
                if narrowed is None:
                    raise
                scan = narrowed
        raise Fatal(message=f'server "{self.transport.server}" refuses a query again and again')

    async def _read(self, table: ReadableTable, scan: Scan, reader: Reader) -> AsyncGenerator[RowList, None]:
        found = readings(self._loaded, scan, self._options, self._now_s())
        spelled = await self._spellings(table, scan, reader)
        for reading in found:
            async with aclosing(self._listing(table, scan, reader, reading, spelled)) as lists:
                async for rows in lists:
                    yield rows
                    if rows.truncated:
                        return

    async def _listing(
        self, table: ReadableTable, scan: Scan, reader: Reader, reading: Reading, spelled: Mapping[str, Value]
    ) -> AsyncGenerator[RowList, None]:
        """Give the rows of a listing, or of what is read instead where there is no such listing."""
        title, echo = self._loaded.manifest.title, {**reading.echo, **spelled}
        instead = table.paths[scan.access_path].instead
        started = False
        try:
            async with aclosing(listed(table, scan, reader, reading, echo=echo, title=title)) as lists:
                async for rows in lists:
                    started = True
                    yield rows
            return
        except EmptyResult:
            if instead is None or started:
                raise
        other = await instead(Site(send=reader.send, known=self._known), scan, reading.request)
        elsewhere = listed_elsewhere(table, scan, reader, reading, other, echo=echo, title=title)
        async with aclosing(elsewhere) as lists:
            async for rows in lists:
                yield rows

    async def _spellings(self, table: ReadableTable, scan: Scan, reader: Reader) -> dict[str, Value]:
        """Return how the API spells keys that no row tells, those that are read."""
        access = table.paths[scan.access_path]
        found: dict[str, Value] = {}
        for key, spelling in access.spelled.items():
            if key in scan.columns:
                try:
                    asked = spelling_request(self._loaded.manifest, access, key, scan, self._options)
                    response = await reader.send(asked)
                    found[key] = str(path(spelling.at)(response.body))
                except EmptyResult:
                    # There is no such thing, or it is hidden while its rows are not.
                    found[key] = scan.keys[key]
        return found
