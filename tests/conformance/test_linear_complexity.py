"""What the manifest says that a query of Linear costs is what Linear's simulator counts by the vendor's page."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from graphql import build_schema, parse
from local_network import LOCAL_SETTINGS
from recorder import Recorder

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.declarative.load import Loaded, load_text
from connectors.declarative.requests import first_request
from connectors.registry import manifest_named, shipped_file
from connectors.sdk.connector import FetchContext, Source
from connectors.sdk.errors import Fatal, RateLimited
from connectors.sdk.scan import Scan, Value
from connectors.sdk.settings import Surroundings
from connectors.simulators import start_simulator
from connectors.simulators.company import build_company
from connectors.simulators.linear import create_app
from connectors.simulators.linear.complexity import complexity
from connectors.simulators.toolkit import SIMULATION

KEY = "lin_api_secret_value"
LOADED = manifest_named("linear")
IDENTIFIERS = tuple(f"0b1f3c5e-8a8d-4d5c-9d0e-5f3a2b1c0d{number:02x}" for number in range(3))
SEED = 20
EXAMPLES = build_schema(
    """
type Query { user(id: String!): User }
type User { name: String, createdIssues(first: Int, last: Int): IssueConnection }
type IssueConnection { nodes: [Issue], pageInfo: PageInfo }
type PageInfo { hasNextPage: Boolean }
type Issue { id: ID, title: String, createdAt: String, creator: User }
"""
)


class Heard(Recorder):
    """What requests took, what was waited for, and what sources told of limits."""

    @property
    def context(self) -> FetchContext:
        return FetchContext(meter=self, limiter=self)

    @property
    def told(self) -> list[int]:
        """Return the points that answers told."""
        return [each.points for record in self.requests for each in record.charges if each.told]


async def no_wait(_delay_s: float) -> None:
    """Pass over a delay."""


def served(**options: Any) -> web.Application:
    application = create_app(build_company(issues=200), api_key=KEY, **options)
    if not options:
        application[SIMULATION].configure({"rate_limit": {"limit": 1_000_000, "window_s": 60}})
    return application


async def opened(base_url: str, loaded: Loaded = LOADED) -> DeclarativeConnection:
    source = Source(
        tenant="t", server="plan", connector="linear", options={"base_url": base_url}, secrets={"api_key": KEY}
    )
    return await DeclarativeConnector(loaded, LOCAL_SETTINGS, Surroundings(sleep=no_wait)).connect(source)


@pytest.fixture
async def connection() -> AsyncIterator[DeclarativeConnection]:
    simulator = await start_simulator(served())
    found = await opened(simulator.base_url)
    yield found
    await found.disconnect()
    await simulator.stop()


async def rows_of(connection: DeclarativeConnection, scan: Scan, heard: Heard) -> int:
    return sum([page.rows.num_rows async for page in connection.fetch(scan, heard.context)])


@pytest.mark.parametrize(
    ("query", "points"),
    [
        # The examples of the vendor's page.
        ('{ user(id: "me") { name } }', 2),
        ('{ user(id: "me") { createdIssues { nodes { id title createdAt } } } }', 66),
        ('{ user(id: "me") { createdIssues(first: 10) { nodes { id title createdAt } } } }', 14),
        # Whatever stands below a connection counts as often; the last ones may be asked for, too.
        ('{ user(id: "me") { createdIssues(last: 10) { nodes { id } pageInfo { hasNextPage } } } }', 23),
        (
            '{ user(id: "me") { createdIssues(first: 2) { nodes { creator { createdIssues { nodes { id } } } } } } }',
            115,
        ),
        ('query { ...f } fragment f on Query { user(id: "me") { ... on User { name } } }', 2),
        ("query($n: Int) { user(id: 1) { createdIssues(first: $n) { nodes { id } } } }", 9),
    ],
)
def test_the_simulator_counts_as_the_page_of_the_vendor_says(query: str, points: int) -> None:
    assert complexity(EXAMPLES, parse(query), {"n": 7}) == points


def asked(name: str) -> list[Scan]:
    """Return readings of a table: all columns, each alone, random ones, by every path, with and without a limit."""
    readable = LOADED.tables[name]
    every = [column.name for column in readable.table.columns]
    chosen = random.Random(SEED)
    columns = [tuple(every), *((each,) for each in every)]
    columns += [tuple(chosen.sample(every, chosen.randint(2, len(every)))) for _ in range(6)]
    scans = []
    for path in readable.table.access_paths:
        keys: dict[str, Value] = {path.batch: IDENTIFIERS} if path.batch is not None else {}
        scans += [
            Scan(table=name, access_path=path.name, columns=wanted, keys=keys, limit=limit)
            for wanted in columns
            for limit in (None, 3)
        ]
    return scans


@pytest.mark.parametrize("name", sorted(LOADED.tables))
async def test_what_is_declared_of_a_query_is_what_is_counted(connection: DeclarativeConnection, name: str) -> None:
    for scan in asked(name):
        heard = Heard()
        await rows_of(connection, scan, heard)
        (declared,) = first_request(LOADED.manifest, LOADED.tables[name], scan, {}).also
        assert declared.limit == "complexity"
        assert heard.told
        assert set(heard.told) == {declared.points}, scan
        # Each request waits for its points and for itself.
        assert heard.charged == [("complexity", declared.points)] * len(heard.requests)
        assert heard.acquired == [("requests", 1)] * len(heard.requests)
        assert {each.bucket for each in heard.observed} == {"requests", "complexity"}


async def test_pages_are_made_to_fit_what_one_query_may_take(connection: DeclarativeConnection) -> None:
    names = tuple(column.name for column in LOADED.tables["issues"].table.columns)
    few, all_of_them = Heard(), Heard()
    assert await rows_of(connection, Scan(table="issues", access_path="all", columns=("title",)), few) == 200
    assert await rows_of(connection, Scan(table="issues", access_path="all", columns=names), all_of_them) == 200
    assert len(few.requests) == 2
    assert (len(all_of_them.requests), set(all_of_them.told)) == (4, {7930})


async def test_what_is_too_complex_is_refused() -> None:
    """A page that was not made to fit is refused, as it would be by Linear."""
    text = shipped_file("linear").read_text(encoding="utf-8")
    assert "maximum: 8000}" in text
    loaded = load_text(text.replace("maximum: 8000}", "maximum: 1000000}"), "linear.yaml")
    simulator = await start_simulator(served())
    connection = await opened(simulator.base_url, loaded)
    heard = Heard()
    try:
        with pytest.raises(Fatal, match="refused"):
            await rows_of(connection, Scan(table="issues", access_path="all", columns=("label_names",)), heard)
        query = "{ issues(first: 100) { nodes { labels { nodes { name } pageInfo { hasNextPage } } } } }"
        async with (
            aiohttp.ClientSession(headers={"Authorization": KEY}) as session,
            session.post(f"{simulator.base_url}/graphql", json={"query": query}) as answer,
        ):
            error = (await answer.json())["errors"][0]
    finally:
        await connection.disconnect()
        await simulator.stop()
    assert [record.status for record in heard.requests] == [400]
    assert (answer.status, error["message"], error["extensions"]["code"]) == (400, "Query too complex", "INPUT_ERROR")
    assert "Complexity: 11100. Maximum allowed complexity: 10000." in error["extensions"]["userPresentableMessage"]


async def test_points_that_are_used_up_close_their_own_limit_until_they_are_there_again() -> None:
    application = served(points_per_hour=7000)
    simulator = await start_simulator(application)
    connection = await opened(simulator.base_url)
    heard = Heard()
    scan = Scan(table="issues", access_path="all", columns=("label_names",), limit=50)
    try:
        await rows_of(connection, scan, heard)
        with pytest.raises(RateLimited) as refused:
            await rows_of(connection, scan, heard)
    finally:
        await connection.disconnect()
        await simulator.stop()
    told = [(each.limit, each.remaining) for each in heard.observed if each.bucket == "complexity"]
    assert told[0] == (7000, 1385)
    assert {bucket for bucket, _ in heard.blocked} == {"complexity"}
    assert 3000 < refused.value.retry_after_s <= 3601


def test_one_key_asks_for_one_row() -> None:
    scan = Scan(table="issues", access_path="by_id", columns=("title",), keys={"id": IDENTIFIERS[:1]})
    one = first_request(LOADED.manifest, LOADED.tables["issues"], scan, {})
    many = first_request(LOADED.manifest, LOADED.tables["issues"], replace(scan, keys={"id": IDENTIFIERS}), {})
    assert (one.also[0].points, many.also[0].points) == (3, 8)
