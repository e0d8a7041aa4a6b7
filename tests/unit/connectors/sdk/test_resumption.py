"""A listing that fails on the way is gone on with at the page that failed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest
from aiohttp import web
from conftest import Api
from local_network import TO_LOOPBACK

from connectors.sdk.auth import TokenAuth
from connectors.sdk.connector import FetchContext
from connectors.sdk.decode import RowDecoder
from connectors.sdk.errors import Fatal, Retryable
from connectors.sdk.pagination import Reader, token_pages, with_parameter
from connectors.sdk.reading import RowList, pages_of
from connectors.sdk.request import Request
from connectors.sdk.resumption import Mark, Resumption
from connectors.sdk.retry import RetryPolicy
from connectors.sdk.scan import Scan
from connectors.sdk.settings import TransportSettings
from connectors.sdk.table import AccessPath, Column, Table
from connectors.sdk.transport import Transport
from connectors.sdk.verdicts import judge_by_status

TABLE = Table(
    name="things",
    description="",
    columns=(Column(name="id", type_name="int8", path="id"),),
    primary_key=("id",),
    access_paths=(AccessPath(name="all", request="GET /things", resumes=True),),
)
PAGES = {"": ([1, 2], "b"), "b": ([3, 4], "c"), "c": ([4, 5], None)}
"""The rows of each page by its cursor, and the cursor of the next; a row has moved while they are read."""


class Things:
    """A listing of three pages, of which one fails."""

    def __init__(self, api: Api) -> None:
        self.failing: tuple[str, int] | None = None
        self.asked: list[str] = []
        self.base_url = api.base_url
        api.answer(self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        cursor = request.query.get("after", "")
        self.asked.append(cursor)
        if self.failing is not None and self.failing[0] == cursor:
            return web.json_response({}, status=self.failing[1])
        numbers, following = PAGES[cursor]
        return web.json_response({"things": [{"id": number} for number in numbers], "next": following})

    async def read(
        self, context: FetchContext, start: Mark | None = None, **more: object
    ) -> tuple[list[int], Resumption]:
        """Read it; a failure ends it, and what came before is returned."""
        resumption = Resumption(start)
        transport = Transport(
            connector="own",
            server="hub",
            base_url=self.base_url,
            authenticator=TokenAuth("t"),
            judge=judge_by_status,
            settings=TransportSettings(outbound=TO_LOOPBACK, retry=RetryPolicy(attempts_max=1)),
        )
        reader = Reader(
            transport=transport,
            context=replace(context, resumption=resumption),
            table="things",
            deadline_s=float("inf"),
        )
        parameters = tuple((name, str(value)) for name, value in more.items())
        request = Request(template="/things", path="/things", parameters=parameters, empty_statuses=frozenset({404}))

        async def lists() -> AsyncGenerator[RowList, None]:
            pages = token_pages(
                reader,
                request,
                advance=lambda asked, cursor: with_parameter(asked, "after", cursor),
                token=lambda body: body["next"],  # type: ignore[index]
            )
            async with aclosing(pages) as responses:
                async for response in responses:
                    yield RowList(rows=response.body["things"])  # type: ignore[index]

        rows: list[int] = []
        scan = Scan(table="things", access_path="all", columns=("id",))
        decoder = RowDecoder(TABLE, ("id",))
        try:
            async for page in pages_of(lists(), scan=scan, decoder=decoder, context=reader.context):
                rows += page.rows.column(0).to_pylist()
        except Retryable:
            pass
        finally:
            await transport.close()
        return rows, resumption


async def test_it_goes_on_where_it_failed_and_gives_each_row_once(api: Api, context: FetchContext) -> None:
    things = Things(api)
    things.failing = ("c", 503)
    before, failed = await things.read(context)
    things.failing = None
    after, resumed = await things.read(context, failed.mark)
    assert (before, after, things.asked) == ([1, 2, 3, 4], [5], ["", "b", "c", "c"])
    assert (resumed.resumed_at, failed.resumed_at) == (3, 0)


async def test_a_mark_holds_what_was_given_before_it_only(api: Api, context: FetchContext) -> None:
    things = Things(api)
    things.failing = ("b", 503)
    _, failed = await things.read(context)
    assert failed.mark is not None
    assert (failed.mark.cursor, failed.mark.pages, len(failed.mark.keys)) == ("b", 1, 24)
    things.failing = ("c", 503)
    after, again = await things.read(context, failed.mark)
    assert again.mark is not None
    assert (after, again.mark.cursor, again.mark.pages, len(again.mark.keys)) == ([3, 4], "c", 2, 48)


async def test_a_reading_that_fails_at_once_leaves_the_mark_as_it_was(api: Api, context: FetchContext) -> None:
    things = Things(api)
    things.failing = ("b", 503)
    _, failed = await things.read(context)
    _, again = await things.read(context, failed.mark)
    assert again.mark == failed.mark


async def test_without_a_page_there_is_no_mark(api: Api, context: FetchContext) -> None:
    things = Things(api)
    things.failing = ("", 503)
    _, failed = await things.read(context)
    assert failed.mark is None


async def test_the_mark_of_another_listing_is_not_used(api: Api, context: FetchContext) -> None:
    things = Things(api)
    things.failing = ("b", 503)
    _, failed = await things.read(context)
    things.failing = None
    rows, other = await things.read(context, failed.mark, state="open")
    assert (rows, other.resumed_at) == ([1, 2, 3, 4, 5], 0)


async def test_a_listing_that_is_gone_when_it_is_gone_on_with_is_not_the_end(api: Api, context: FetchContext) -> None:
    things = Things(api)
    things.failing = ("b", 503)
    _, failed = await things.read(context)
    things.failing = ("b", 404)
    with pytest.raises(Fatal, match="vanished while it was read"):
        await things.read(context, failed.mark)
