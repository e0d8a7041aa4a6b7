"""Reading what a manifest declares from a small REST API: each kind of paging, single rows, caps, rules for errors."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from local_network import LOCAL_SETTINGS

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.declarative.load import load_text
from connectors.sdk.connector import Source
from connectors.sdk.errors import CredentialsRejected, Fatal, OptionInvalid, RateLimited, Retryable
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.scan import Scan, Value
from connectors.sdk.settings import Surroundings
from connectors.simulators import start_simulator

COUNT = 7
THINGS = [{"id": at, "made": 1_700_000_000.5 + at, "note": "" if at % 2 else "n"} for at in range(1, COUNT + 1)]
HEAD = """\
omnisql: 1
name: tiny
title: Tiny
documentation: https://tiny.example/docs
base_url: https://tiny.example
api_version: {header: X-Version, default: "7"}
options: {kind_of: {description: What is called for each row., default: things}}
secrets:
  token: {description: A token.}
  user: {description: A user.}
auth:
  - {kind: header, header: X-Key, value: "{token}"}
  - {kind: basic, user: "{user}/token", password: "x"}
errors:
  - {status: [200], at: error, equals: [slow_down], action: rate_limited}
  - {status: [200], at: error, equals: [who], action: credentials}
  - {status: [200], at: error, equals: [no], action: denied}
  - {status: [200], at: error, equals: [none], action: empty}
  - {status: [200], at: error, contains: later, action: retry}
  - {status: [200], at: error, action: fail}
check: {request: "GET /me?full=1", shows: who.name}
rows: things
tables:
  things:
    description: Things.
    primary_key: [id]
    columns:
      id: int8!
      made: {type: timestamptz, epoch_s: made}
      note: {type: text, empty_is_null: true}
      kind: text
      called: {type: int8, path: thing.id, hydrate: one}
    hydrate: {one: {request: "GET /{kind_of}/{id}"}}
    access_paths:
"""
PATHS = {
    "link": '{request: "GET /link", rows: "", pagination: {kind: link, size: n, rows_max: 3}}',
    "told": '{request: "GET /told", rows: "", pagination: {kind: link, more: results, size: n, rows_max: 3}}',
    "offset": '{request: "GET /offset", pagination: {kind: offset, send: from, size: n, rows_max: 3, more: more}}',
    "total": '{request: "GET /offset", pagination: {kind: offset, send: from, size: n, rows_max: 3, total: total}}',
    "page": '{request: "GET /page", pagination: {kind: page, send: page, size: n, rows_max: 3}}',
    "next_url": '{request: "GET /next", pagination: {kind: next_url, next: next, size: n, rows_max: 3}}',
    "cursor": '{request: "GET /cursor", pagination: {kind: cursor, send: after, next: next, size: n, rows_max: 3}}',
    "last": '{request: "GET /cursor",'
    " pagination: {kind: cursor, send: after, last: id, more: more, size: n, rows_max: 3}}",
    "none": '{request: "GET /cursor", inputs: {n: 100}, pagination: {kind: none}}',
    "capped": '{request: "GET /offset", rows_max: 6,'
    " pagination: {kind: offset, send: from, size: n, rows_max: 3, more: more}}",
    "capped_at_end": '{request: "GET /offset", rows_max: 7,'
    " pagination: {kind: offset, send: from, size: n, rows_max: 7, more: more}}",
    "one": '{request: "GET /things/{id}", keys: [id], single: true, rows: thing, empty: [404]}',
    "broken": '{request: "GET /broken/{kind}", keys: [kind], echo: [kind], pagination: {kind: none}}',
}
SEEN: list[dict[str, str]] = []


async def listing(request: web.Request) -> web.Response:
    SEEN.append(dict(request.headers))
    query, style = request.query, request.path.strip("/")
    size = int(query.get("n", "3"))
    start = {
        "link": lambda: int(query.get("page", "1")) * size - size,
        "told": lambda: int(query.get("page", "1")) * size - size,
        "page": lambda: int(query.get("page", "1")) * size - size,
        "offset": lambda: int(query.get("from", "0")),
        "next": lambda: int(query.get("from", "0")),
        "cursor": lambda: int(query.get("after", "0")),
    }[style]()
    found, end = THINGS[start : start + size], start + size
    more = end < COUNT
    if style == "link":
        links = [f'<{request.url.with_query(n=size, page=end // size + 1)}>; rel="next"'] if more else []
        return web.json_response(found, headers={"Link": ", ".join(links)})
    if style == "told":
        following = request.url.with_query(n=size, page=end // size + 1)
        return web.json_response(found, headers={"Link": f'<{following}>; rel="next"; results="{str(more).lower()}"'})
    body = {"things": found, "more": more, "total": COUNT}
    if style == "next":
        body["next"] = str(request.url.with_query({"from": end, "n": size})) if more else None
    elif style == "cursor":
        body["next"] = str(end) if more else ""
    return web.json_response(body)


async def one(request: web.Request) -> web.Response:
    number = int(request.match_info["id"])
    if number > COUNT:
        return web.json_response({"error": "gone"}, status=404)
    return web.json_response({"thing": THINGS[number - 1]})


async def broken(request: web.Request) -> web.Response:
    kind = request.match_info["kind"]
    return web.json_response({"things": [{"id": 1}]} if kind == "fine" else {"error": kind})


async def me(request: web.Request) -> web.Response:
    return web.json_response({"who": {"name": f"{request.query['full']} {request.headers.get('Authorization', '')}"}})


@pytest.fixture
async def base_url() -> AsyncIterator[str]:
    SEEN.clear()
    app = web.Application()
    for style in ("link", "told", "offset", "page", "next", "cursor"):
        app.router.add_get(f"/{style}", listing)
    app.router.add_get("/things/{id}", one)
    app.router.add_get("/broken/{kind}", broken)
    app.router.add_get("/me", me)
    running = await start_simulator(app)
    yield running.base_url
    await running.stop()


def connector() -> DeclarativeConnector:
    paths = "".join(f"      {name}: {declared}\n" for name, declared in PATHS.items())
    return DeclarativeConnector(load_text(HEAD + paths, "tiny.yaml"), LOCAL_SETTINGS, Surroundings(sleep=no_wait))


async def no_wait(_delay_s: float) -> None:
    """Pass over a delay."""


def source(base_url: str, **secrets: str) -> Source:
    return Source(tenant="t", server="s", connector="tiny", options={"base_url": base_url}, secrets=secrets)


@pytest.fixture
async def connection(base_url: str) -> AsyncIterator[DeclarativeConnection]:
    opened = await connector().connect(source(base_url, token="secret"))
    yield opened
    await opened.disconnect()


async def read(
    connection: DeclarativeConnection,
    path: str,
    columns: tuple[str, ...] = ("id",),
    limit: int | None = None,
    **keys: Value,
) -> tuple[list[dict[str, object]], list[str]]:
    scan = Scan(table="things", access_path=path, columns=columns, keys=keys, limit=limit)
    pages = [page async for page in connection.fetch(scan, QUIET_CONTEXT)]
    rows = [row for page in pages for row in page.rows.to_pylist()]
    return rows, [page.truncated for page in pages if page.truncated]


@pytest.mark.parametrize("path", ["link", "told", "offset", "total", "page", "next_url", "cursor", "last", "none"])
async def test_every_kind_of_paging_gives_every_row_once(connection: DeclarativeConnection, path: str) -> None:
    rows, truncated = await read(connection, path)
    assert sorted(str(row["id"]) for row in rows) == [str(thing["id"]) for thing in THINGS]
    assert truncated == []
    assert {(seen["X-Key"], seen["X-Version"]) for seen in SEEN} == {("secret", "7")}
    few, _ = await read(connection, path, limit=2)
    assert [row["id"] for row in few] == [1, 2]


async def test_the_call_of_a_row_goes_where_an_option_of_the_server_says(connection: DeclarativeConnection) -> None:
    rows, _ = await read(connection, "none", columns=("id", "called"))
    assert [row["called"] for row in rows] == [thing["id"] for thing in THINGS]


async def test_a_cap_is_told_and_the_whole_listing_is_not(connection: DeclarativeConnection) -> None:
    rows, truncated = await read(connection, "capped")
    assert len(rows) == 6
    assert truncated == ["the API gives 6 rows of this listing at most"]
    rows, truncated = await read(connection, "capped_at_end")
    assert (len(rows), truncated) == (7, [])


async def test_a_single_row_is_found_by_its_key_or_is_none(connection: DeclarativeConnection) -> None:
    (row,), _ = await read(connection, "one", ("id", "made", "note"), id=3)
    assert (row["id"], str(row["made"]), row["note"]) == (3, "2023-11-14 22:13:23.500000+00:00", None)
    assert await read(connection, "one", id=99) == ([], [])


@pytest.mark.parametrize(
    ("said", "kind", "sqlstate"),
    [
        ("slow_down", RateLimited, "53400"),
        ("who", CredentialsRejected, "28000"),
        ("no", Fatal, "42501"),
        ("try later", Retryable, "08006"),
        ("anything", Fatal, "HV000"),
    ],
)
async def test_a_rule_says_what_a_good_status_means(
    connection: DeclarativeConnection, said: str, kind: type[Exception], sqlstate: str
) -> None:
    with pytest.raises(kind) as raised:
        await read(connection, "broken", kind=said)
    assert getattr(raised.value, "sqlstate", None) == sqlstate


async def test_keys_that_rows_do_not_tell_are_those_asked_for(connection: DeclarativeConnection) -> None:
    assert (await read(connection, "broken", ("id", "kind"), kind="fine"))[0] == [{"id": 1, "kind": "fine"}]
    assert (await read(connection, "broken", kind="none"))[0] == []


async def test_the_first_way_to_authenticate_that_has_its_secrets_is_used(base_url: str) -> None:
    with pytest.raises(OptionInvalid, match="has no credential"):
        await connector().connect(source(base_url))
    opened = await connector().connect(source(base_url, user="ada"))
    assert await opened.check() == "1 Basic YWRhL3Rva2VuOng="
    await opened.disconnect()
