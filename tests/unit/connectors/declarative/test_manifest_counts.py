"""Rows counted by what an API tells of a listing, and listed where it does not tell, or tells what does not add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from local_network import LOCAL_SETTINGS

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.declarative.load import load_text
from connectors.sdk.connector import Source
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.scan import Scan
from connectors.simulators import start_simulator

MANIFEST = """\
omnisql: 1
name: tiny
title: Tiny
documentation: https://tiny.example/docs
base_url: https://tiny.example
secrets:
  token: {description: A token.}
auth:
  - {kind: header, value: "{token}"}
check: {request: GET /me}
pagination: {kind: page, send: page, size: n, rows_max: 5}
tables:
  things:
    description: Things.
    primary_key: [id]
    columns: {id: int8!, place: int8!, state: text}
    pushdown:
      state: {"=": {send: state, grade: exact, accepts: [open, closed]}}
    access_paths:
      by_place:
        request: "GET /places/{place}/things"
        keys: [place]
        count: {header: X-Total, inputs: {total: 1}, by: state}
"""


@dataclass
class Things:
    """A listing that may tell its total, and what was asked of it."""

    states: list[str | None] = field(default_factory=lambda: list[str | None](["open"] * 7 + ["closed"] * 4))
    told: bool = True
    asked: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.Response:
        """Answer a page."""
        self.asked.append(dict(request.query))
        wanted = request.query.get("state")
        rows = [
            {"id": at, "place": 3, "state": state}
            for at, state in enumerate(self.states)
            if wanted in (None, state) and request.match_info["place"] == "3"
        ]
        size, page = int(request.query["n"]), int(request.query.get("page", "1"))
        headers = {"X-Total": str(len(rows))} if self.told and request.query.get("total") else {}
        return web.json_response(rows[size * (page - 1) : size * page], headers=headers)


@pytest.fixture
def things() -> Things:
    return Things()


@pytest.fixture
async def connection(things: Things) -> AsyncIterator[DeclarativeConnection]:
    application = web.Application()
    application.router.add_get("/places/{place}/things", things)
    simulator = await start_simulator(application)
    connector = DeclarativeConnector(load_text(MANIFEST, "tiny.yaml"), LOCAL_SETTINGS)
    source = Source(
        tenant="acme",
        server="s",
        connector="tiny",
        options={"base_url": simulator.base_url},
        secrets={"token": "x"},
    )
    opened = await connector.connect(source)
    yield opened
    await opened.disconnect()
    await simulator.stop()


async def read(
    connection: DeclarativeConnection, path: str, *columns: str, limit: int | None = None
) -> Counter[object]:
    """Count the rows of a path by their values."""
    scan = Scan(table="things", access_path=path, columns=columns, keys={"place": 3}, limit=limit)
    found: Counter[object] = Counter()
    async for page in connection.fetch(scan, QUIET_CONTEXT):
        found.update(tuple(row.values()) for row in page.rows.to_pylist())
    return found


async def test_a_total_is_asked_for_in_one_request(connection: DeclarativeConnection, things: Things) -> None:
    assert await read(connection, "by_place_total", "place") == {(3,): 11}
    assert things.asked == [{"total": "1", "n": "1"}]
    assert await read(connection, "by_place_total", "place", limit=5) == {(3,): 5}


async def test_values_are_counted_one_by_one(connection: DeclarativeConnection, things: Things) -> None:
    assert await read(connection, "by_place_counted", "state", "place") == {("open", 3): 7, ("closed", 3): 4}
    assert [one.get("state") for one in things.asked] == [None, "open", "closed"]


@pytest.mark.parametrize("state", ["merged", None])
async def test_values_that_do_not_add_up_are_listed(
    connection: DeclarativeConnection, things: Things, state: str | None
) -> None:
    things.states.append(state)
    assert await read(connection, "by_place_counted", "state") == {("open",): 7, ("closed",): 4, (state,): 1}


async def test_what_is_not_told_is_listed(connection: DeclarativeConnection, things: Things) -> None:
    things.told = False
    assert await read(connection, "by_place_total", "place") == {(3,): 11}
    assert await read(connection, "by_place_counted", "state") == {("open",): 7, ("closed",): 4}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("header: X-Total", "header: X-Total, at: total", "a count has header or at, one of them"),
        ("grade: exact, ", "", "= on state is not exact with the values that it accepts"),
        (", accepts: [open, closed]", "", "= on state is not exact with the values that it accepts"),
        ("place: int8!", "place: text!", "rows are counted by key place only where echo names it"),
        (
            "keys: [place]",
            "keys: [place]\n        single: true",
            "what has one row, or a batch of keys, is not counted",
        ),
    ],
)
def test_a_count_that_may_not_be_that_of_the_rows_is_refused(before: str, after: str, said: str) -> None:
    assert before in MANIFEST
    with pytest.raises(ManifestInvalid, match=said):
        load_text(MANIFEST.replace(before, after), "tiny.yaml")
