"""Confirming an earlier reading by its trail: what a 304 says, what it does not, and which readings have no trail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from local_network import TO_LOOPBACK

from connectors.sdk.auth import TokenAuth
from connectors.sdk.confirm import confirm
from connectors.sdk.connector import FetchContext
from connectors.sdk.errors import EmptyResult, Retryable
from connectors.sdk.pagination import Reader, link_pages
from connectors.sdk.request import Request
from connectors.sdk.settings import TransportSettings
from connectors.sdk.trail import STEPS_MAX, Trail
from connectors.sdk.transport import Transport
from connectors.sdk.verdicts import judge_by_status

THINGS = Request(template="/things", path="/things", parameters=(("per_page", "2"),))
DATE = "Thu, 01 Jan 2026 12:00:00 GMT"


class Listing:
    """Numbered pages of two rows whose entity tags stand for the rows alone."""

    def __init__(self, api: Any, rows: list[int]) -> None:
        self.api, self.rows = api, rows
        self.statuses: list[int] = []

    async def answer(self, request: web.Request) -> web.Response:
        page = int(request.query.get("page", "1"))
        rows, count = self.rows[page * 2 - 2 : page * 2], -(-len(self.rows) // 2)
        tag = f'"{rows}"'
        if request.headers.get("If-None-Match") == tag:
            self.statuses.append(304)
            return web.Response(status=304, headers={"ETag": tag})
        self.statuses.append(200)
        base = f"{self.api.base_url}/things?per_page=2&page="
        link = f'<{base}{page + 1}>; rel="next", <{base}{count}>; rel="last"' if page < count else ""
        headers = {"ETag": tag, "Date": DATE} | ({"Link": link} if link else {})
        return web.json_response([{"id": row} for row in rows], headers=headers)


@pytest.fixture
async def transports(api: Any, passing_time: Any) -> AsyncIterator[Any]:
    opened: list[Transport] = []

    def open_one() -> Transport:
        transport = Transport(
            connector="test",
            server="shop",
            base_url=api.base_url,
            authenticator=TokenAuth("t"),
            judge=judge_by_status,
            settings=TransportSettings(concurrency_max=4, outbound=TO_LOOPBACK),
            surroundings=passing_time.surroundings(),
        )
        opened.append(transport)
        return transport

    yield open_one
    for transport in opened:
        await transport.close()


async def read(transport: Transport, context: FetchContext) -> tuple[list[Any], Trail]:
    """Read the listing, and return its rows and its trail."""
    trail = Trail()
    deadline_s = asyncio.get_running_loop().time() + 5.0
    reader = Reader(
        transport=transport,
        context=replace(context, trail=trail),
        table="things",
        deadline_s=deadline_s,
        concurrency=4,
    )
    pages: list[Any] = [response.body async for response in link_pages(reader, THINGS)]
    return [row["id"] for page in pages for row in page], trail


async def test_a_reading_is_confirmed_by_a_process_that_has_no_bodies(
    api: Any, transports: Any, context: FetchContext, recorder: Any
) -> None:
    listing = Listing(api, [1, 2, 3, 4, 5])
    api.answer(listing.answer)
    rows, trail = await read(transports(), context)
    assert rows == [1, 2, 3, 4, 5]
    assert (len(trail.steps), str(trail.asked_at)) == (3, "2026-01-01 12:00:00+00:00")
    listing.statuses.clear()
    assert await confirm(transports(), trail.steps, context)
    assert listing.statuses == [304, 304, 304]
    assert [record.revalidated for record in recorder.requests] == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    "changed",
    [[1, 2, 3, 4, 6], [1, 2, 3, 4], [0, 2, 3, 4, 5], [1, 3, 4, 5], [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7], []],
    ids=["last page", "row gone", "first page", "rows move up", "row added", "page added", "all gone"],
)
async def test_whatever_changed_is_noticed(
    api: Any, transports: Any, context: FetchContext, changed: list[int]
) -> None:
    listing = Listing(api, [1, 2, 3, 4, 5])
    api.answer(listing.answer)
    transport = transports()
    _, trail = await read(transport, context)
    listing.rows = changed
    assert not await confirm(transport, trail.steps, context)
    rows, _ = await read(transport, context)
    assert rows == changed


async def test_what_confirming_received_is_not_sent_again(api: Any, transports: Any, context: FetchContext) -> None:
    listing = Listing(api, [1, 2, 3, 4, 5])
    api.answer(listing.answer)
    transport = transports()
    _, trail = await read(transport, context)
    listing.rows = [1, 2, 9, 4, 5]
    listing.statuses.clear()
    assert not await confirm(transport, trail.steps, context)
    await read(transport, context)
    assert listing.statuses.count(200) == 1


async def test_a_page_that_begins_after_a_full_one_is_noticed(api: Any, transports: Any, context: FetchContext) -> None:
    listing = Listing(api, [1, 2, 3, 4])
    api.answer(listing.answer)
    transport = transports()
    for _ in range(2):
        _, trail = await read(transport, context)
        listing.statuses.clear()
        assert await confirm(transports(), trail.steps, context)
        # The last page is full: its tag would not tell of another one after it.
        assert sorted(listing.statuses) == [200, 304]
    listing.rows = [1, 2, 3, 4, 5]
    assert not await confirm(transports(), trail.steps, context)


@pytest.mark.parametrize(
    ("headers", "count"),
    [
        ({}, 0),
        ({"ETag": '"a"'}, 1),
        ({"Last-Modified": "Thu, 01 Jan 2026 11:58:00 GMT", "Date": DATE}, 1),
        ({"Last-Modified": "Thu, 01 Jan 2026 11:59:30 GMT", "Date": DATE}, 0),
        ({"Last-Modified": "yesterday", "Date": DATE}, 0),
    ],
    ids=["none", "tag", "time", "time too young to tell", "no time"],
)
async def test_an_answer_without_a_validator_leaves_no_trail(
    api: Any, transports: Any, context: FetchContext, headers: dict[str, str], count: int
) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.headers.get("If-Modified-Since") == headers.get("Last-Modified", ""):
            return web.Response(status=304)
        if request.headers.get("If-None-Match") == headers.get("ETag", ""):
            return web.Response(status=304)
        return web.json_response([{"id": 1}], headers=headers)

    api.answer(handler)
    _, trail = await read(transports(), context)
    assert len(trail.steps) == count
    assert await confirm(transports(), trail.steps, context) == bool(count)


async def test_a_reading_that_was_told_404_leaves_no_trail(api: Any, transports: Any, context: FetchContext) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/gone":
            return web.json_response({}, status=404)
        return web.json_response([{"id": 1}], headers={"ETag": '"a"'})

    api.answer(handler)
    transport, trail = transports(), Trail()
    noting = replace(context, trail=trail)
    await transport.send(THINGS, noting)
    assert len(trail.steps) == 1
    with pytest.raises(EmptyResult):
        await transport.send(Request(template="/gone", path="/gone", empty_statuses=frozenset({404})), noting)
    await transport.send(THINGS, noting)
    assert not trail.steps


async def test_a_trail_is_bounded(api: Any, transports: Any, context: FetchContext) -> None:
    api.answer(Listing(api, list(range(1000))).answer)
    transport, trail = transports(), Trail()
    noting = replace(context, trail=trail)
    for page in range(1, STEPS_MAX + 1):
        await transport.send(replace(THINGS, parameters=(("page", str(page)),)), noting)
    assert len(trail.steps) == STEPS_MAX
    await transport.send(replace(THINGS, parameters=(("page", "0"),)), noting)
    assert not trail.steps


async def test_a_source_that_fails_neither_confirms_nor_denies(
    api: Any, transports: Any, context: FetchContext
) -> None:
    api.answer(Listing(api, [1]).answer)
    _, trail = await read(transports(), context)

    async def down(_: web.Request) -> web.Response:
        return web.Response(status=503)

    api.answer(down)
    with pytest.raises(Retryable):
        await confirm(transports(), trail.steps, context)
