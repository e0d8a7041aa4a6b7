"""The Salesforce connector: a connection that reads scans by SOQL, and the discovery of objects and their fields."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from connectors.salesforce import requests
from connectors.salesforce.bulk import Sleep, bulk_rows
from connectors.salesforce.judge import QUOTA, judge, parts
from connectors.salesforce.objects import BULK, COUNT, STANDARD, ObjectModel, object_model, table_names
from connectors.salesforce.options import OBJECTS_MAX, OPTIONS, api_version, authenticator, wanted_objects
from connectors.salesforce.soql import is_id
from connectors.salesforce.standard import MODELS
from connectors.sdk.connector import Connection, FetchContext, Source
from connectors.sdk.counted import CountedRows, counted_pages
from connectors.sdk.decode import Row, RowDecoder
from connectors.sdk.errors import Fatal, OptionInvalid
from connectors.sdk.options import checked_base_url, checked_options
from connectors.sdk.pagination import Reader, token_pages
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.reading import RowList, pages_of
from connectors.sdk.request import Response
from connectors.sdk.scan import Page, Scan
from connectors.sdk.settings import Surroundings, TransportSettings
from connectors.sdk.sizes import TableSize
from connectors.sdk.table import Table
from connectors.sdk.tokens import SharedTokens
from connectors.sdk.transport import Transport

_USER = re.compile(r"/id/[A-Za-z0-9]{15,18}/(005[A-Za-z0-9]{15})$", re.ASCII)
_LEARNING_TIMEOUT_S = 120.0


class SalesforceConnector:
    """Salesforce."""

    name = "salesforce"
    options = OPTIONS
    tables = tuple(model.table for model in MODELS.values())

    def __init__(self, settings: TransportSettings | None = None, surroundings: Surroundings | None = None) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._tokens = SharedTokens()

    async def connect(self, source: Source) -> SalesforceConnection:
        """Open a source; no request is made yet.

        Raises:
            OptionInvalid: SQLSTATE HV00D, an option is unknown, missing or malformed.
        """
        values = checked_options(OPTIONS, source)
        base_url = checked_base_url(values["base_url"], source.server)
        transport = Transport(
            connector=self.name,
            server=source.server,
            base_url=base_url,
            authenticator=self._tokens.share(
                source, values, lambda: authenticator(values, source.server, self._settings, self._surroundings)
            ),
            judge=judge,
            quota=QUOTA,
            settings=self._settings,
            surroundings=self._surroundings,
        )
        return SalesforceConnection(
            transport,
            version=api_version(values["api_version"], source.server),
            wanted=wanted_objects(values.get("objects"), source.server),
            sleep=(self._surroundings or Surroundings()).sleep,
        )

    async def discover(self, connection: Connection) -> tuple[Table, ...]:
        """Return the tables of this very organization, as the credential's user sees them."""
        if not isinstance(connection, SalesforceConnection):
            raise Fatal(message="a connection of another connector cannot be discovered")
        return tuple(model.table for model in (await connection.learn()).values())


class SalesforceConnection:
    """An open organization."""

    def __init__(self, transport: Transport, *, version: str, wanted: tuple[str, ...] | None, sleep: Sleep) -> None:
        self.transport = transport
        self._version = version
        self._wanted = wanted
        self._sleep = sleep
        self._models: dict[str, ObjectModel] = {}
        self._learning = asyncio.Lock()

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
        )
        return self._counted(scan, reader) if scan.access_path == COUNT else self._listed(scan, reader)

    async def check(self) -> str:
        """Prove that the credentials work and return whose they are.

        Raises:
            CredentialsRejected: SQLSTATE 28000, they do not.
        """
        told = (await self.transport.send(requests.resources(self._version), QUIET_CONTEXT)).body
        identity = told.get("identity") if isinstance(told, dict) else None
        user = _USER.search(identity) if isinstance(identity, str) else None
        if user is None or not is_id(user[1]):
            return "an account that is not named"
        found = _records(await self.transport.send(requests.user_name(user[1], self._version), QUIET_CONTEXT))
        return str(found[0].get("Username")) if found else user[1]

    async def measure(self, table: str, context: FetchContext) -> TableSize | None:
        """Ask for a table's size in one call.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        model = await self._model(table, frozenset())
        return TableSize(rows=_total(await self.transport.send(requests.count(model, self._version), context)))

    async def disconnect(self) -> None:
        """Close the connections and give the credential back."""
        await self.transport.close()

    async def learn(self) -> dict[str, ObjectModel]:
        """Ask which objects there are and what fields they have, and keep what is said.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """
        deadline_s = asyncio.get_running_loop().time() + _LEARNING_TIMEOUT_S
        listed = await self.transport.send(requests.objects(self._version), QUIET_CONTEXT, deadline_s=deadline_s)
        names = self._chosen(listed)
        tables = table_names(names)
        models: dict[str, ObjectModel] = {}
        for start in range(0, len(names), requests.PARTS_MAX):
            some = names[start : start + requests.PARTS_MAX]
            asked = requests.descriptions(some, self._version)
            answer = await self.transport.send(asked, QUIET_CONTEXT, deadline_s=deadline_s)
            for name, described in zip(some, parts(answer), strict=True):
                if not isinstance(described.body, dict) or described.body.get("name") != name:
                    raise Fatal(message=f"the source describes another object than {name}")
                models[tables[name]] = object_model(described.body, tables[name])
        self._models = models
        return models

    def _chosen(self, listed: Response) -> list[str]:
        """Return the API names of the objects that are tables, in the order that is wanted."""
        found = listed.body.get("sobjects") if isinstance(listed.body, dict) else None
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise Fatal(message="the source does not list its objects")
        there = {str(each.get("name")): each for each in found if each.get("queryable") is True}
        if self._wanted is not None:
            spelled = {name.lower(): name for name in there}
            missing = [name for name in self._wanted if name.lower() not in spelled]
            if missing:
                raise OptionInvalid(
                    message=f'server "{self.transport.server}" has no object {missing[0]} that can be queried',
                    detail="It does not exist, or the account may not see it.",
                    hint="Correct the server's option objects.",
                )
            return [spelled[name.lower()] for name in self._wanted]
        custom = sorted(name for name, each in there.items() if name.endswith("__c") and _is_current(each))
        names = [*(name for name in STANDARD if name in there), *custom]
        if len(names) > OBJECTS_MAX:
            raise OptionInvalid(
                message=f'server "{self.transport.server}" has more objects than can be tables at once',
                detail=f"It has {len(names)}, {OBJECTS_MAX} can be.",
                hint=f"ALTER SERVER {self.transport.server} OPTIONS (ADD objects 'Account,...') with those you need.",
            )
        return names

    async def _model(self, table: str, columns: frozenset[str]) -> ObjectModel:
        """Return the model of a table that has some columns: what was learned, what all have, or what is asked for."""
        for model in (self._models.get(table), MODELS.get(table)):
            if model is not None and columns <= model.requested.keys():
                return model
        async with self._learning:
            model = self._models.get(table)
            if model is None or not columns <= model.requested.keys():
                model = (await self.learn()).get(table)
        if model is None:
            raise Fatal(
                message=f'server "{self.transport.server}" has no object for table {table} any more',
                hint="Import the foreign schema again.",
                sqlstate="HV00R",
            )
        if gone := columns - model.requested.keys():
            raise Fatal(
                message=f'server "{self.transport.server}" has no field for column {table}.{min(gone)} any more',
                hint="Import the foreign schema again.",
                sqlstate="HV005",
            )
        return model

    async def _listed(self, scan: Scan, reader: Reader) -> AsyncGenerator[Page, None]:
        used = {*scan.columns, *scan.keys, *(each.column for each in scan.every_predicate())}
        model = await self._model(scan.table, frozenset(used | {key.column for key in scan.order}))
        decoder = RowDecoder(model.table, scan.columns, model.extractors)
        found = pages_of(self._rows(model, scan, reader), scan=scan, decoder=decoder, context=reader.context)
        async with aclosing(found) as pages:
            async for page in pages:
                yield page

    async def _rows(self, model: ObjectModel, scan: Scan, reader: Reader) -> AsyncGenerator[RowList, None]:
        if scan.access_path == BULK:
            text = requests.text_of(model, scan)
            async with aclosing(bulk_rows(model, text, reader, self._version, self._sleep)) as lists:
                async for found in lists:
                    yield found
            return
        first = requests.rows(model, scan, self._version)
        pages = token_pages(reader, first, advance=requests.following, token=_next_address)
        async with aclosing(pages) as responses:
            async for response in responses:
                yield RowList(rows=_records(response))

    async def _counted(self, scan: Scan, reader: Reader) -> AsyncGenerator[Page, None]:
        model = await self._model(scan.table, frozenset(scan.columns))
        total = _total(await reader.send(requests.count(model, self._version)))
        for page in counted_pages(model.table, scan, (CountedRows(values={}, count=total),)):
            reader.context.meter.page(page.rows.num_rows)
            yield page


def _is_current(described: Mapping[str, object]) -> bool:
    return described.get("deprecatedAndHidden") is not True


def _result(body: object) -> Mapping[str, object]:
    """Return the result of a query, out of a composite answer where it is in one."""
    if isinstance(body, dict) and "compositeResponse" in body:
        body = body["compositeResponse"][0]["body"]
    if not isinstance(body, dict) or not isinstance(body.get("done"), bool):
        raise Fatal(message="the answer of a query is not the result of one")
    return body


def _records(response: Response) -> list[Row]:
    found = _result(response.body).get("records")
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Fatal(message="the result of a query is not a list of records")
    return found


def _next_address(body: object) -> object:
    result = _result(body)
    if result["done"]:
        return None
    following = result.get("nextRecordsUrl")
    if not isinstance(following, str):
        raise Fatal(message="the result of a query is not whole, and its rest has no address")
    return following


def _total(response: Response) -> int:
    total = _result(response.body).get("totalSize")
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        raise Fatal(message="the source does not say how many records there are")
    return total
