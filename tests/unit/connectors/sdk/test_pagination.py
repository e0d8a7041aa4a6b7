"""Ways through a listing against a real server: order, parallel pages, circles, bounds, early ends, cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from local_network import TO_LOOPBACK

from connectors.sdk.auth import TokenAuth
from connectors.sdk.connector import FetchContext
from connectors.sdk.errors import Fatal
from connectors.sdk.pagination import (
    Reader,
    link_pages,
    links,
    numbered_pages,
    offset_pages,
    token_pages,
    with_parameter,
)
from connectors.sdk.request import Request
from connectors.sdk.settings import TransportSettings
from connectors.sdk.transport import Transport
from connectors.sdk.verdicts import judge_by_status

THINGS = Request(template="/things", path="/things", parameters=(("per_page", "2"),))
PAGE_COUNT = 6


@pytest.fixture
async def reader(api: Any, context: FetchContext, passing_time: Any) -> AsyncIterator[Reader]:
    transport = Transport(
        connector="test",
        server="shop",
        base_url=api.base_url,
        authenticator=TokenAuth("t"),
        judge=judge_by_status,
        settings=TransportSettings(concurrency_max=4, pages_max=20, outbound=TO_LOOPBACK),
        surroundings=passing_time.surroundings(),
    )
    deadline_s = asyncio.get_running_loop().time() + 5.0
    yield Reader(transport=transport, context=context, table="things", deadline_s=deadline_s, concurrency=4)
    await transport.close()


def linked(api: Any, *, with_last: bool, page_count: int = PAGE_COUNT) -> Any:
    """A listing of numbered pages with Link headers."""

    async def handler(request: web.Request) -> web.Response:
        page = int(request.query.get("page", "1"))
        targets = {"next": page + 1} if page < page_count else {}
        if with_last and targets:
            targets["last"] = page_count
        header = ", ".join(
            f'<{api.base_url}/things?per_page=2&page={number}>; rel="{name}"' for name, number in targets.items()
        )
        return web.json_response([{"id": page * 2 - 1}, {"id": page * 2}], headers={"Link": header} if header else {})

    return handler


async def bodies(pages: Any) -> list[Any]:
    return [response.body async for response in pages]


def expected(page_count: int = PAGE_COUNT) -> list[Any]:
    return [[{"id": page * 2 - 1}, {"id": page * 2}] for page in range(1, page_count + 1)]


@pytest.mark.parametrize("with_last", [True, False])
async def test_linked_pages_come_in_order(api: Any, reader: Reader, with_last: bool) -> None:
    api.answer(linked(api, with_last=with_last))
    assert await bodies(link_pages(reader, THINGS)) == expected()
    assert len(api.requests) == PAGE_COUNT


async def test_pages_that_the_first_answer_did_not_know_of_are_read_too(api: Any, reader: Reader) -> None:
    known = linked(api, with_last=True, page_count=3)
    grown = linked(api, with_last=True, page_count=5)

    async def handler(request: web.Request) -> web.Response:
        answer: web.Response = await (grown if "page" in request.query else known)(request)
        return answer

    api.answer(handler)
    assert await bodies(link_pages(reader, THINGS)) == expected(5)


@pytest.mark.parametrize("with_last", [True, False])
async def test_a_page_that_begins_after_a_full_one_is_not_hidden_by_its_tag(
    api: Any, reader: Reader, with_last: bool
) -> None:
    """A tag that stands for the body alone says that nothing changed when only the Link header did."""
    page_count = 2

    async def handler(request: web.Request) -> web.Response:
        answer: web.Response = await linked(api, with_last=with_last, page_count=page_count)(request)
        tag = f'"{request.query.get("page", "1")}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        answer.headers["ETag"] = tag
        return answer

    api.answer(handler)
    assert await bodies(link_pages(reader, THINGS)) == expected(2)
    asked = len(api.requests)
    assert await bodies(link_pages(reader, THINGS)) == expected(2)
    # Both pages are confirmed, and the last, which is full, is asked for in full.
    assert len(api.requests) == asked + 3
    page_count = 3
    assert await bodies(link_pages(reader, THINGS)) == expected(3)


async def test_a_limit_bounds_how_far_pages_are_read_ahead(api: Any, reader: Reader) -> None:
    api.answer(linked(api, with_last=True))
    narrow = replace(reader, pages_wanted_max=2)
    async with aclosing(link_pages(narrow, THINGS)) as pages:
        first = [await anext(pages), await anext(pages)]
    assert [response.body for response in first] == expected(2)
    assert len(api.requests) == 2


async def test_closing_early_cancels_pages_under_way(api: Any, reader: Reader) -> None:
    arrived = asyncio.Event()
    given = linked(api, with_last=True)

    async def handler(request: web.Request) -> web.Response:
        if "page" in request.query:
            arrived.set()
            await asyncio.Event().wait()
        answer: web.Response = await given(request)
        return answer

    api.answer(handler)
    before = asyncio.all_tasks()
    pages = link_pages(reader, THINGS)
    await anext(pages)
    waiting = asyncio.create_task(anext(pages))
    await arrived.wait()
    waiting.cancel()
    async with asyncio.timeout(1.0):
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await pages.aclose()
    assert reader.transport.open_request_count == 0
    assert [task for task in asyncio.all_tasks() - before if "in_order" in repr(task)] == []


async def test_a_next_link_seen_before_is_a_circle(api: Any, reader: Reader) -> None:
    count = 0

    async def handler(_request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.json_response([{"id": count}], headers={"Link": f'<{api.base_url}/things?at=1>; rel="next"'})

    api.answer(handler)
    with pytest.raises(Fatal, match="the listing of things repeats a page"):
        await bodies(link_pages(reader, THINGS))
    assert len(api.requests) == 2


async def test_the_same_content_twice_is_a_circle(api: Any, reader: Reader) -> None:
    async def handler(request: web.Request) -> web.Response:
        following = int(request.query.get("page", "1")) + 1
        link = f'<{api.base_url}/things?page={following}>; rel="next"'
        return web.json_response([{"id": 1}], headers={"Link": link})

    api.answer(handler)
    with pytest.raises(Fatal, match="repeats a page") as raised:
        await bodies(link_pages(reader, THINGS))
    assert raised.value.sqlstate == "HV000"
    assert len(api.requests) == 2


async def test_a_listing_without_end_is_bounded(api: Any, reader: Reader) -> None:
    api.answer(linked(api, with_last=False, page_count=1000))
    with pytest.raises(Fatal, match="too many pages"):
        await bodies(link_pages(reader, THINGS))
    assert len(api.requests) == 21


def tokens(*following: str | None) -> Any:
    async def handler(request: web.Request) -> web.Response:
        at = int(request.query.get("token", "0"))
        return web.json_response({"rows": [at], "next": following[at]})

    return handler


async def read_tokens(reader: Reader) -> list[Any]:
    return await bodies(
        token_pages(
            reader,
            THINGS,
            advance=lambda request, token: with_parameter(request, "token", token),
            token=lambda body: body["next"],  # type: ignore[index]
        )
    )


async def test_tokens_are_followed_to_the_end(api: Any, reader: Reader) -> None:
    api.answer(tokens("1", "2", None))
    assert [body["rows"] for body in await read_tokens(reader)] == [[0], [1], [2]]


async def test_a_token_seen_before_is_a_circle(api: Any, reader: Reader) -> None:
    api.answer(tokens("1", "2", "1"))
    with pytest.raises(Fatal, match="repeats a page"):
        await read_tokens(reader)


async def test_numbered_pages_end_with_an_empty_one(api: Any, reader: Reader) -> None:
    async def handler(request: web.Request) -> web.Response:
        page = int(request.query["page"])
        return web.json_response([{"id": page}] if page < 4 else [])

    api.answer(handler)
    found = await bodies(numbered_pages(reader, THINGS, parameter="page", rows=lambda body: body))  # type: ignore[arg-type,return-value]
    assert found == [[{"id": 1}], [{"id": 2}], [{"id": 3}]]


def offsets(total: int, page_rows: int, *, tells: str, hidden: frozenset[int] = frozenset()) -> Any:
    async def handler(request: web.Request) -> web.Response:
        start = int(request.query.get("start", "0"))
        rows = [{"id": at} for at in range(start, min(start + page_rows, total)) if at not in hidden]
        told: dict[str, Any] = {"total": total} if tells == "total" else {}
        if tells == "last":
            told = {"last": start + page_rows >= total}
        return web.json_response({"rows": rows, **told})

    return handler


async def read_offsets(reader: Reader, **more: Any) -> list[int]:
    pages = offset_pages(
        reader,
        THINGS,
        parameter="start",
        rows=lambda body: body["rows"],  # type: ignore[index]
        total=lambda body: body.get("total"),  # type: ignore[attr-defined]
        is_last=lambda body: body.get("last"),  # type: ignore[attr-defined]
        **more,
    )
    return [row["id"] for body in await bodies(pages) for row in body["rows"]]


@pytest.mark.parametrize("tells", ["total", "last", "nothing"])
async def test_offsets_read_every_row_once(api: Any, reader: Reader, tells: str) -> None:
    api.answer(offsets(23, 5, tells=tells))
    assert await read_offsets(reader) == list(range(23))
    assert len(api.requests) == (6 if tells == "nothing" else 5)


@pytest.mark.parametrize("hidden", [{3}, {4, 9, 14}, {20, 21, 22}, set(range(5, 9))])
async def test_rows_hidden_within_pages_do_not_end_or_skip_anything(api: Any, reader: Reader, hidden: set[int]) -> None:
    api.answer(offsets(23, 5, tells="nothing", hidden=frozenset(hidden)))
    assert set(await read_offsets(reader, hides_rows=True)) == set(range(23)) - hidden


async def test_an_offset_that_is_ignored_is_a_circle(api: Any, reader: Reader) -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.json_response({"rows": [{"id": 1}], "total": 9})

    api.answer(handler)
    with pytest.raises(Fatal, match="repeats a page"):
        await read_offsets(reader)
    with pytest.raises(Fatal, match="repeats a page"):
        await read_offsets(replace(reader, concurrency=1), hides_rows=True)


def test_link_headers_are_read_by_relation() -> None:
    header = '<http://a/?q=x,y>; rel="next"; title="t", <http://a/?page=9>; rel=last, <http://a/>; rel="first prev"'
    assert links(header) == {
        "next": "http://a/?q=x,y",
        "last": "http://a/?page=9",
        "first": "http://a/",
        "prev": "http://a/",
    }
    assert links("nonsense") == {}
    told = '<http://a/?c=2>; Rel="next"; results="false"; cursor="0:2:0", <http://a/?c=0>; results=TRUE; rel=previous'
    assert links(told) == {"next": "http://a/?c=2", "previous": "http://a/?c=0"}
    assert links(told, "results") == {"previous": "http://a/?c=0"}
    assert links(header, "results") == links(header)
    assert links('<http://a/>; title="a; results=false"; rel="next"', "results") == {"next": "http://a/"}


async def test_a_next_link_may_tell_that_nothing_follows(api: Any, reader: Reader) -> None:
    async def handler(request: web.Request) -> web.Response:
        at = int(request.query.get("cursor", "0"))
        more = str(at < 2).lower()
        link = f'<{api.base_url}/things?cursor={at + 1}>; rel="next"; results="{more}"'
        return web.json_response([{"id": at}] if at < 3 else [], headers={"Link": link})

    api.answer(handler)
    assert await bodies(link_pages(reader, THINGS, more="results")) == [[{"id": 0}], [{"id": 1}], [{"id": 2}]]
    with pytest.raises(Fatal, match="too many pages") as endless:
        await bodies(link_pages(reader, THINGS))
    assert "does its pagination end" in str(endless.value.hint)
