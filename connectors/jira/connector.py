"""The Jira Cloud connector: its options, custom field discovery, and a connection that reads scans."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from connectors.jira import requests
from connectors.jira.issues import IssueModel, issue_model
from connectors.jira.judge import QUOTA, QueryRefused, judge
from connectors.jira.tables import LISTINGS, TABLES
from connectors.sdk.auth import BasicAuth
from connectors.sdk.connector import Connection, FetchContext, Option, Source
from connectors.sdk.decode import Row, RowDecoder
from connectors.sdk.errors import Fatal
from connectors.sdk.extract import path
from connectors.sdk.options import checked_base_url, checked_options
from connectors.sdk.pagination import Reader, offset_pages, token_pages
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.reading import RowList, pages_of
from connectors.sdk.request import Response
from connectors.sdk.scan import Operator, Page, Predicate, Scan
from connectors.sdk.settings import Surroundings, TransportSettings
from connectors.sdk.sizes import TableSize, rows_by_total
from connectors.sdk.table import Table
from connectors.sdk.transport import Transport

OPTIONS = (
    Option(
        name="base_url", description="Address of the site: https://SITE.atlassian.net.", required=True, audience=True
    ),
    Option(name="email", description="Address of the account that the token belongs to.", required=True),
    Option(name="api_token", description="API token of that account.", required=True, secret=True),
    Option(name="webhook_secret", description="Secret that Jira signs webhooks with.", secret=True),
)
_TABLES = {table.name: table for table in TABLES}
_BASE_MODEL = issue_model()
_NEGATIVE = frozenset({Operator.NE, Operator.NOT_IN})
_REFUSALS_MAX = 8
_TOTAL, _IS_LAST, _TOKEN = path("total"), path("isLast"), path("nextPageToken")


class JiraConnector:
    """Jira Cloud."""

    name = "jira"
    options = OPTIONS
    tables = TABLES

    def __init__(self, settings: TransportSettings | None = None, surroundings: Surroundings | None = None) -> None:
        self._settings = settings
        self._surroundings = surroundings

    async def connect(self, source: Source) -> JiraConnection:
        """Open a source; no request is made yet.

        Raises:
            OptionInvalid: SQLSTATE HV00D, an option is unknown, missing or malformed.
        """
        values = checked_options(OPTIONS, source)
        transport = Transport(
            connector=self.name,
            server=source.server,
            base_url=checked_base_url(values["base_url"], source.server),
            authenticator=BasicAuth(values["email"], values["api_token"]),
            judge=judge,
            quota=QUOTA,
            settings=self._settings,
            surroundings=self._surroundings,
        )
        return JiraConnection(transport)

    async def discover(self, connection: Connection) -> tuple[Table, ...]:
        """Return the tables of this very site: issues has its custom fields."""
        if not isinstance(connection, JiraConnection):
            raise Fatal(message="a connection of another connector cannot be discovered")
        model = await connection.learn()
        return (model.table, *(table for table in TABLES if table.name != "issues"))


class JiraConnection:
    """An open Jira site."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._model: IssueModel | None = None
        self._names: dict[str, frozenset[str]] = {}

    def fetch(self, scan: Scan, context: FetchContext) -> AsyncGenerator[Page, None]:
        """Read a scan page by page, in order.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        reader = Reader(
            transport=self.transport,
            context=context,
            table=scan.table,
            deadline_s=asyncio.get_running_loop().time() + context.timeout_s,
            concurrency=self.transport.settings.concurrency_max,
        )
        return self._issues(scan, reader) if scan.table == "issues" else self._listed(scan, reader)

    async def check(self) -> str:
        """Prove that the credentials work and return whose they are.

        Raises:
            CredentialsRejected: SQLSTATE 28000, they do not.
        """
        response = await self.transport.send(requests.vocabulary(requests.MYSELF), QUIET_CONTEXT)
        return str(path("displayName")(response.body))

    async def measure(self, table: str, context: FetchContext) -> TableSize | None:
        """Ask for a table's size in one call; None when the answer does not say.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        if not _TABLES[table].size_request:
            return None
        if table == "issues":
            rows = rows_by_total(await self.transport.send(requests.approximate_count(), context), path("count"))
        else:
            rows = rows_by_total(await self.transport.send(requests.smallest_page(table), context))
        return None if rows is None else TableSize(rows=rows)

    async def disconnect(self) -> None:
        """Close the connections and forget the token."""
        await self.transport.close()

    async def learn(self) -> IssueModel:
        """Ask the site for its custom fields and keep what it says."""
        response = await self.transport.send(requests.vocabulary(requests.FIELDS), QUIET_CONTEXT)
        self._model = issue_model(field for field in _objects(response.body, requests.FIELDS))
        return self._model

    async def _issues(self, scan: Scan, reader: Reader) -> AsyncGenerator[Page, None]:
        model = await self._model_for(scan)
        decoder = RowDecoder(model.table, scan.columns, model.extractors)
        found = pages_of(self._found(model, scan, reader), scan=scan, decoder=decoder, context=reader.context)
        async with aclosing(found) as pages:
            async for page in pages:
                yield page

    async def _found(self, model: IssueModel, scan: Scan, reader: Reader) -> AsyncGenerator[RowList, None]:
        predicates = await self._spelled(model, requests.search_predicates(scan), reader)
        for _ in range(_REFUSALS_MAX):
            first = requests.search(model, scan, predicates)
            started = False
            try:
                async with aclosing(
                    token_pages(reader, first, advance=requests.next_search, token=_next_token)
                ) as responses:
                    async for response in responses:
                        started = True
                        yield RowList(rows=_rows(response, "issues", requests.SEARCH))
                return
            except QueryRefused as refusal:
                # Jira refuses a whole query over one value that does not exist; in SQL that is just a value no row has.
                narrowed = requests.without_literals(predicates, model.fields, refusal.unknown)
                if started or narrowed == predicates:
                    raise
                predicates = narrowed
        raise Fatal(message=f'server "{self.transport.server}" refuses a query again and again')

    async def _spelled(
        self, model: IssueModel, predicates: tuple[Predicate, ...], reader: Reader
    ) -> tuple[Predicate, ...]:
        """Leave out inequalities with values that are not spelled as the site spells them."""
        kept: list[Predicate] = []
        for predicate in predicates:
            template = model.fields[predicate.column].vocabulary
            if template is not None and predicate.operator in _NEGATIVE:
                names = await self._vocabulary(template, reader)
                values = predicate.value if isinstance(predicate.value, tuple) else (predicate.value,)
                alike = {name for name in names if name.lower() in {str(value).lower() for value in values}}
                if not alike or not alike <= set(map(str, values)) or not set(map(str, values)) <= names:
                    continue
            kept.append(predicate)
        return tuple(kept)

    async def _vocabulary(self, template: str, reader: Reader) -> frozenset[str]:
        if template not in self._names:
            response = await reader.send(requests.vocabulary(template))
            self._names[template] = frozenset(str(found.get("name")) for found in _objects(response.body, template))
        return self._names[template]

    async def _model_for(self, scan: Scan) -> IssueModel:
        wanted = {*scan.columns, *(predicate.column for predicate in scan.predicates)}
        for model in (_BASE_MODEL, self._model):
            if model is not None and wanted <= model.requested.keys():
                return model
        model = await self.learn()
        if gone := wanted - model.requested.keys():
            raise Fatal(
                message=f'server "{self.transport.server}" has no field for column issues.{min(gone)} any more',
                hint="Import the foreign schema again.",
            )
        return model

    async def _listed(self, scan: Scan, reader: Reader) -> AsyncGenerator[Page, None]:
        decoder = RowDecoder(_TABLES[scan.table], scan.columns, LISTINGS[scan.table].extractors)
        found = pages_of(_listed_rows(scan, reader), scan=scan, decoder=decoder, context=reader.context)
        async with aclosing(found) as pages:
            async for page in pages:
                yield page


async def _listed_rows(scan: Scan, reader: Reader) -> AsyncGenerator[RowList, None]:
    listing = LISTINGS[scan.table]

    def rows(body: object) -> list[Row]:
        return _objects(body if not listing.rows_at else path(listing.rows_at)(body), listing.template)

    pages = offset_pages(
        reader,
        requests.listing(scan),
        parameter="startAt",
        rows=rows,
        total=_TOTAL,
        is_last=_IS_LAST,
        hides_rows=listing.hides_rows,
    )
    async with aclosing(pages) as responses:
        async for response in responses:
            yield RowList(rows=_keyed(scan, rows(response.body)))


def _keyed(scan: Scan, rows: list[Row]) -> list[Row]:
    # Rows of a dependent listing do not say what they hang on.
    keys = {name: value for name, value in scan.keys.items() if name in {"issue_key", "board_id"}}
    if scan.table == "issue_changelog":
        rows = [
            {**history, "item": item, "item_number": number}
            for history in rows
            for number, item in enumerate(_objects(history.get("items"), LISTINGS[scan.table].template))
        ]
    return [{**row, **keys} for row in rows]


def _rows(response: Response, name: str, template: str) -> list[Row]:
    return _objects(path(name)(response.body), template)


def _objects(found: object, template: str) -> list[Row]:
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Fatal(message=f"the answer of {template} is not a list of objects")
    return found


def _next_token(body: object) -> object:
    return None if _IS_LAST(body) is True else _TOKEN(body)
