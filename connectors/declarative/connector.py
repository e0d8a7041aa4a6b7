"""A connector made of a manifest, and a connection that reads scans by it through the SDK's transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import pyarrow as pa

from connectors.declarative.columns import note_keys
from connectors.declarative.compile import ReadablePath, ReadableTable
from connectors.declarative.counting import total_told
from connectors.declarative.credentials import authenticator
from connectors.declarative.judge import judge_of, quota_of
from connectors.declarative.load import Loaded
from connectors.declarative.manifest import Manifest
from connectors.declarative.pages import CursorPages, LinkPages, NextUrlPages, NumberedPages, OffsetPages
from connectors.declarative.requests import (
    BUCKET,
    first_request,
    graphql_request,
    hydrate_request,
    page_rows,
    with_cursor,
)
from connectors.declarative.windows import windowed
from connectors.sdk.connector import Connection, FetchContext, Option, Source
from connectors.sdk.counted import CountedRows, counted_pages
from connectors.sdk.decode import Row
from connectors.sdk.errors import EmptyResult, Fatal, OptionInvalid
from connectors.sdk.extract import path
from connectors.sdk.hydrate import hydrate_rows, hydrated_pages
from connectors.sdk.options import checked_base_url, checked_options
from connectors.sdk.ordered import in_order
from connectors.sdk.pagination import Reader, link_pages, numbered_pages, offset_pages, single_page, token_pages
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.reading import Hydrate, RowList, pages_of
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Direction, Operator, Page, Predicate, Scan
from connectors.sdk.settings import Surroundings, TransportSettings
from connectors.sdk.table import Table
from connectors.sdk.transport import Transport


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
        self.options = _options(loaded.manifest)
        self.tables = tuple(each.table for each in loaded.tables.values())
        self._settings = settings
        self._surroundings = surroundings

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
            authenticator=authenticator(manifest, values, source.server, self._settings, self._surroundings),
            judge=judge_of(manifest),
            quota=quota_of(manifest),
            headers={**manifest.headers, **version},
            settings=self._settings,
            surroundings=self._surroundings,
        )
        plain = {name: values[name] for name in manifest.options if name in values}
        return DeclarativeConnection(self.loaded, transport, plain, self._surroundings or Surroundings())

    async def discover(self, connection: Connection) -> tuple[Table, ...]:  # noqa: ARG002 - the protocol's signature
        """Return the tables, which are the same for every source."""
        return self.tables


class DeclarativeConnection:
    """An open source of a manifest."""

    def __init__(
        self, loaded: Loaded, transport: Transport, options: Mapping[str, str], surroundings: Surroundings
    ) -> None:
        self.transport = transport
        self._now_s = surroundings.now_s
        self._loaded = loaded
        self._options = options

    def fetch(self, scan: Scan, context: FetchContext) -> AsyncGenerator[Page, None]:
        """Read a scan page by page, in order.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        table = self._loaded.tables[scan.table]
        rows_wanted = page_rows(table, table.paths[scan.access_path], scan)
        reader = self._reader(scan, context, None if scan.limit is None else -(-scan.limit // rows_wanted))
        if table.paths[scan.access_path].counted is not None:
            return self._counted(table, scan, reader)
        return pages_of(
            self._rows(table, scan, reader),
            scan=scan,
            decoder=table.decoder(scan.columns, scan.access_path),
            context=context,
            hydrate=self._hydrate(table, scan, reader),
        )

    def hydrate(self, scan: Scan, rows: pa.RecordBatch, context: FetchContext) -> AsyncGenerator[Page, None]:
        """Fetch what listings lack of rows read before.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        table = self._loaded.tables[scan.table]
        hydrate = self._hydrate(table, scan, self._reader(scan, context), is_decoded=True)
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

    def _hydrate(self, table: ReadableTable, scan: Scan, reader: Reader, *, is_decoded: bool = False) -> Hydrate | None:
        needed = {called for name in scan.columns if (called := table.columns[name].column.hydrate) is not None}
        if not needed:
            return None

        async def hydrate(rows: list[Row]) -> None:
            for name in sorted(needed):
                await hydrate_rows(
                    reader,
                    rows,
                    name=name,
                    request_of=partial(_hydrate_of, self._loaded.manifest, table, name, is_decoded),
                    concurrency=reader.concurrency,
                    has_gaps=bool(table.hydrate[name].empty),
                )

        return hydrate

    async def check(self) -> str:
        """Prove that the credentials work and return whose they are.

        Raises:
            CredentialsRejected: SQLSTATE 28000, they do not.
        """
        manifest = self._loaded.manifest
        if manifest.check.graphql is not None:
            request = graphql_request(manifest, manifest.check.graphql, {})
        else:
            method, _, place = (manifest.check.request or "").partition(" ")
            where, _, query = place.partition("?")
            parameters = tuple(
                (name, text) for name, _, text in (part.partition("=") for part in query.split("&")) if name
            )
            request = Request(
                template=where,
                path=where,
                method=method,
                parameters=parameters,
                accept=manifest.accept,
                bucket=BUCKET,
                conditional=False,
            )
        response = await self.transport.send(request, QUIET_CONTEXT)
        if manifest.check.shows is None:
            return f"an account of {manifest.title}"
        return str(path(manifest.check.shows)(response.body))

    async def disconnect(self) -> None:
        """Close the connections and forget the secrets."""
        await self.transport.close()

    async def _rows(self, table: ReadableTable, scan: Scan, reader: Reader) -> AsyncGenerator[RowList, None]:
        access = table.paths[scan.access_path]
        request = first_request(self._loaded.manifest, table, scan, self._options)
        requests = [request]
        if access.window is not None:
            descending = bool(scan.order) and scan.order[0].direction is Direction.DESC
            requests = windowed(request, access.window, self._now_s(), descending=descending)
        for each in requests:
            async with aclosing(self._listing(table, scan, reader, each)) as lists:
                async for found in lists:
                    yield found
                    if found.truncated:
                        return

    async def _listing(
        self, table: ReadableTable, scan: Scan, reader: Reader, request: Request
    ) -> AsyncGenerator[RowList, None]:
        access = table.paths[scan.access_path]
        echo = {name: scan.keys[name] for name in access.echo}
        count = 0
        async with aclosing(_responses(access, reader, request)) as responses:
            async for response in responses:
                rows = objects_of(access, response.body)
                for row in rows:
                    note_keys(row, echo)
                count += len(rows)
                is_capped = access.rows_max is not None and count >= access.rows_max
                if is_capped and _goes_on(access, response, len(rows), page_rows(table, access, scan), count):
                    yield RowList(rows=rows, truncated=f"the API gives {access.rows_max} rows of this listing at most")
                    return
                yield RowList(rows=rows)


def _hydrate_of(manifest: Manifest, table: ReadableTable, name: str, is_decoded: bool, row: Row) -> Request:
    return hydrate_request(manifest, table, name, row, is_decoded=is_decoded)


def _responses(access: ReadablePath, reader: Reader, request: Request) -> AsyncGenerator[Response, None]:
    pages = access.pagination
    if isinstance(pages, CursorPages):
        return token_pages(reader, request, advance=with_cursor(access, pages.send), token=_cursor_of(access, pages))
    if isinstance(pages, OffsetPages):
        more, total = pages.more, pages.total
        # A listing that is capped is read one page at a time: beyond the cap the API refuses.
        return offset_pages(
            reader.serial() if access.rows_max is not None else reader,
            request,
            parameter=pages.send,
            rows=lambda body: objects_of(access, body),
            total=path(total) if total else lambda _body: None,
            is_last=(lambda body: path(more)(body) is False) if more else lambda _body: None,
        )
    if isinstance(pages, NumberedPages):
        return numbered_pages(
            reader, request, parameter=pages.send, rows=lambda body: objects_of(access, body), first=pages.first
        )
    if isinstance(pages, LinkPages):
        return link_pages(reader, request)
    if isinstance(pages, NextUrlPages):
        following = CursorPages(send="", next=pages.next, more=pages.more)
        return token_pages(reader, request, advance=_at_url, token=_cursor_of(access, following))
    return single_page(reader, request)


def _at_url(request: Request, url: str) -> Request:
    return Request(
        template=request.template,
        path=request.path,
        url=url,
        accept=request.accept,
        bucket=request.bucket,
        empty_statuses=request.empty_statuses,
    )


def _cursor_of(access: ReadablePath, pages: CursorPages) -> Callable[[object], object]:
    def cursor(body: object) -> object:
        if pages.more is not None and path(pages.more)(body) is not True:
            return None
        if pages.next is not None:
            found = path(pages.next)(body)
            if pages.more is not None and not found:
                raise Fatal(message=f"the listing of {access.name} goes on but does not say where")
            return found
        rows = objects_of(access, body)
        return path(pages.last or "")(rows[-1]) if rows else None

    return cursor


def _goes_on(access: ReadablePath, response: Response, row_count: int, page_rows_asked: int, count: int) -> bool:
    pages = access.pagination
    if isinstance(pages, CursorPages):
        return bool(_cursor_of(access, pages)(response.body))
    if isinstance(pages, OffsetPages | NextUrlPages) and pages.more is not None:
        return path(pages.more)(response.body) is True
    if isinstance(pages, OffsetPages) and pages.total is not None:
        total = path(pages.total)(response.body)
        return isinstance(total, int) and total > count
    return row_count >= page_rows_asked


def objects_of(access: ReadablePath, body: object) -> list[Row]:
    """Return the rows of an answer.

    Raises:
        Fatal: it is none with a list of objects.
    """
    found = access.rows(body) if body is not None else None
    if access.single and not isinstance(found, list):
        found = [] if found is None else [found]
    if access.wrap is not None and isinstance(found, list):
        found = [{access.wrap: each} for each in found]
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Fatal(message=f"the answer of {access.template} is not a list of objects")
    rows: list[Row] = found
    return rows


def _options(manifest: Manifest) -> tuple[Option, ...]:
    address = Option(
        name="base_url",
        description=f"Address of the API of {manifest.title}.",
        audience=True,
        required=manifest.base_url is None,
        default=manifest.base_url,
    )
    version = manifest.api_version
    versions = (
        [Option(name="api_version", description="Version of the API to ask for.", default=version.default)]
        if version
        else []
    )
    declared = [
        Option(
            name=name,
            description=each.description,
            required=each.required,
            default=each.default,
            secret=secret,
        )
        for group, secret in ((manifest.options, False), (manifest.secrets, True))
        for name, each in group.items()
    ]
    return (address, *versions, *declared)
