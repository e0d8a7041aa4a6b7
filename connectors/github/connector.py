"""The GitHub connector: its options, and a connection that reads scans through the SDK's transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime

import pyarrow as pa

from connectors.github import aliases, columns, counts, requests, sizes
from connectors.github.judge import QUOTA, judge
from connectors.github.requests import Reading
from connectors.github.tables import TABLES
from connectors.sdk.auth import TokenAuth
from connectors.sdk.confirm import confirm
from connectors.sdk.connector import Connection, FetchContext, Option, Source
from connectors.sdk.counted import counted_pages
from connectors.sdk.decode import Row, RowDecoder, attach
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.extract import path
from connectors.sdk.hydrate import hydrate_rows, hydrated_pages
from connectors.sdk.options import checked_base_url, checked_options
from connectors.sdk.pagination import Reader, link_pages, single_page
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.reading import Hydrate, RowList, pages_of
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Page, Scan
from connectors.sdk.settings import Surroundings, TransportSettings
from connectors.sdk.sizes import TableSize
from connectors.sdk.table import Table
from connectors.sdk.trail import Step
from connectors.sdk.transport import Transport

OPTIONS = (
    Option(
        name="base_url",
        description="Address of the REST API; an Enterprise Server's ends in /api/v3.",
        audience=True,
        default="https://api.github.com",
    ),
    Option(name="api_version", description="Version of the REST API to ask for.", default="2022-11-28"),
    Option(name="token", description="Personal, fine-grained or installation token.", required=True, secret=True),
    Option(name="webhook_secret", description="Secret that GitHub signs webhooks with.", secret=True),
)
_TABLES = {table.name: table for table in TABLES}
_TOTAL, _UPDATED_AT, _LOGIN = path("total_count"), path("updated_at"), path("login")


class GitHubConnector:
    """GitHub.com and GitHub Enterprise Server."""

    name = "github"
    options = OPTIONS
    tables = TABLES

    def __init__(self, settings: TransportSettings | None = None, surroundings: Surroundings | None = None) -> None:
        self._settings = settings
        self._surroundings = surroundings

    async def connect(self, source: Source) -> GitHubConnection:
        """Open a source; no request is made yet.

        Raises:
            OptionInvalid: SQLSTATE HV00D, an option is unknown, missing or malformed.
        """
        values = checked_options(OPTIONS, source)
        transport = Transport(
            connector=self.name,
            server=source.server,
            base_url=checked_base_url(values["base_url"], source.server),
            authenticator=TokenAuth(values["token"]),
            judge=judge,
            quota=QUOTA,
            headers={"X-GitHub-Api-Version": values["api_version"]},
            settings=self._settings,
            surroundings=self._surroundings,
        )
        return GitHubConnection(transport, values["base_url"])

    async def discover(self, connection: Connection) -> tuple[Table, ...]:  # noqa: ARG002 - the protocol's signature
        """Return the tables, which are the same for every source."""
        return TABLES


class GitHubConnection:
    """An open GitHub source."""

    def __init__(self, transport: Transport, base_url: str) -> None:
        self.transport = transport
        self._base_url = base_url
        self._login: str | None = None

    def fetch(self, scan: Scan, context: FetchContext) -> AsyncGenerator[Page, None]:
        """Read a scan page by page, in order.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        table = _TABLES[scan.table]
        if scan.access_path == "counted":
            return self._counted(table, scan, context)
        reader = self._reader(scan, context)
        decoder = RowDecoder(table, scan.columns, columns.EXTRACTORS.get(scan.table))
        hydrated = any(table.column(name).hydrate for name in scan.columns)
        return pages_of(
            self._rows(scan, reader),
            scan=scan,
            decoder=decoder,
            context=context,
            hydrate=_detailed(scan, reader, self._base_url) if hydrated else None,
        )

    def hydrate(self, scan: Scan, rows: pa.RecordBatch, context: FetchContext) -> AsyncGenerator[Page, None]:
        """Fetch what listings lack of rows read before.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        decoder = RowDecoder(_TABLES[scan.table], scan.columns, columns.EXTRACTORS.get(scan.table))
        return hydrated_pages(rows, _detailed(scan, self._reader(scan, context), self._base_url), decoder)

    async def check(self) -> str:
        """Prove that the credentials work and return the login they belong to.

        Raises:
            CredentialsRejected: SQLSTATE 28000, they do not.
        """
        request = Request(template="/user", path="/user", accept=requests.ACCEPT, conditional=False)
        try:
            response = await self.transport.send(request, QUIET_CONTEXT)
        except Fatal as denied:
            if denied.sqlstate != "42501":
                raise
            # An installation token has no user; every valid token may read its rate limit.
            limits = Request(template="/rate_limit", path="/rate_limit", accept=requests.ACCEPT, conditional=False)
            await self.transport.send(limits, QUIET_CONTEXT)
            return "an installation"
        return str(_LOGIN(response.body))

    async def measure(self, table: str, context: FetchContext) -> TableSize | None:
        """Ask for a table's size with the fewest calls that tell it; None when the answer does not say.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        return await sizes.measure(self.transport, table, context)

    async def confirm(self, steps: Sequence[Step], context: FetchContext) -> bool:
        """Ask by entity tags whether an earlier reading still stands; a 304 costs nothing of the rate limit.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        return await confirm(self.transport, steps, context)

    async def disconnect(self) -> None:
        """Close the connections and forget the token."""
        await self.transport.close()

    def _reader(self, scan: Scan, context: FetchContext) -> Reader:
        return Reader(
            transport=self.transport,
            context=context,
            table=scan.table,
            deadline_s=asyncio.get_running_loop().time() + context.timeout_s,
            concurrency=self.transport.settings.concurrency_max,
            pages_wanted_max=None if scan.limit is None else -(-scan.limit // requests.PER_PAGE_MAX),
        )

    async def _rows(self, scan: Scan, reader: Reader) -> AsyncGenerator[RowList, None]:
        found = requests.readings(scan)
        if scan.table == "repositories" and scan.access_path == "by_owner":
            async with aclosing(self._owned(scan, found[0], reader)) as lists:
                async for rows in lists:
                    yield rows
            return
        echo = {"org": await self._spelling(scan, reader)} if "org" in scan.columns else {}
        for reading in found:
            async with aclosing(_listed(reading, reader, echo)) as lists:
                async for rows in lists:
                    yield rows

    async def _counted(self, table: Table, scan: Scan, context: FetchContext) -> AsyncGenerator[Page, None]:
        request = counts.count_request(scan, self._base_url)
        response = await self.transport.send(request, context)
        for page in counted_pages(table, scan, list(counts.counted_rows(scan, response))):
            context.meter.page(page.rows.num_rows)
            yield page

    async def _owned(self, scan: Scan, reading: Reading, reader: Reader) -> AsyncGenerator[RowList, None]:
        """Read an organization's repositories, or a user's when there is no such organization."""
        try:
            first = await reader.send(reading.request)
        except EmptyResult:
            first = None
            is_own = (await self._own_login(reader)).casefold() == str(scan.keys["owner"]).casefold()
            # Only the listing of one's own account shows private repositories.
            reading = requests.own_repositories(scan) if is_own else requests.user_repositories(scan)
        async with aclosing(_listed(reading, reader, {}, first)) as lists:
            async for rows in lists:
                yield rows

    async def _own_login(self, reader: Reader) -> str:
        if self._login is None:
            request = Request(template="/user", path="/user", accept=requests.ACCEPT)
            try:
                self._login = str(_LOGIN((await reader.send(request)).body))
            except Fatal as denied:
                if denied.sqlstate != "42501":
                    raise
                self._login = ""
        return self._login

    async def _spelling(self, scan: Scan, reader: Reader) -> str:
        """Return how the organization spells itself, which no member's row tells."""
        asked = str(scan.keys["org"])
        try:
            return str(_LOGIN((await reader.send(requests.organization(asked))).body))
        except EmptyResult:
            # Either there is no organization, and no member either, or its profile is hidden while members are not.
            return asked


async def _listed(
    reading: Reading, reader: Reader, echo: Mapping[str, str], first: Response | None = None
) -> AsyncGenerator[RowList, None]:
    pages = single_page if reading.single else link_pages
    # Where a boundary ends the listing, pages ahead would be read in vain.
    narrow = reader if reading.boundary is None else reader.serial()
    count, total = 0, None
    async with aclosing(pages(narrow, reading.request, first)) as responses:
        async for response in responses:
            rows = _rows_in(reading, response.body, {**reading.echo, **echo})
            count += len(rows)
            total = _TOTAL(response.body)
            is_capped = reading.rows_max is not None and isinstance(total, int) and total > reading.rows_max
            is_end = is_capped and count >= (reading.rows_max or 0)
            yield RowList(rows=rows, truncated=_capped(reading, total) if is_end else None)
            if is_end or (reading.boundary is not None and rows and _is_older(rows[-1], reading.boundary)):
                return
    if reading.rows_max is not None and isinstance(total, int) and total > reading.rows_max:
        yield RowList(rows=[], truncated=_capped(reading, total))


def _rows_in(reading: Reading, body: object, echo: Mapping[str, str]) -> list[Row]:
    found = body
    if reading.single:
        found = [body]
    elif reading.rows_at and isinstance(body, dict):
        found = body.get(reading.rows_at)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Fatal(message=f"the answer of {reading.request.template} is not a list of objects")
    rows: list[Row] = found
    for row in rows:
        row.update(echo)
        if reading.details:
            attach(row, "detail", dict(row))
    return rows


def _capped(reading: Reading, total: object) -> str:
    return f"GitHub gives {reading.rows_max} of {total} filtered rows at most"


def _is_older(row: Row, boundary: datetime) -> bool:
    text = _UPDATED_AT(row)
    return isinstance(text, str) and datetime.fromisoformat(text) < boundary


def _detailed(scan: Scan, reader: Reader, base_url: str) -> Hydrate:
    key_column = "sha" if scan.table == "commits" else "number"

    def repository_of(row: Row) -> tuple[str, str]:
        # Rows read before name their own repository.
        found = scan.keys or row
        return str(found["owner"]), str(found["repo"])

    def request_of(row: Row) -> Request:
        return requests.detail(scan.table, *repository_of(row), row[key_column])

    def place_of(row: Row) -> aliases.Place:
        return *repository_of(row), int(str(row["number"]))

    async def hydrate(rows: list[Row]) -> None:
        if scan.table == "pull_requests" and len(rows) > 1:
            await aliases.detailed(reader, rows, scan.columns, place_of, base_url)
            return
        await hydrate_rows(reader, rows, name="detail", request_of=request_of, concurrency=reader.concurrency)

    return hydrate
