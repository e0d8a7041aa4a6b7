"""What an entry is bound to, what makes room for another, and what is said when it cannot be kept or shared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fresh_source import TABLE
from fresh_world import Question, World, on, row, until
from structlog.testing import capture_logs

from connectors.sdk.connector import Source
from connectors.sdk.errors import Fatal
from connectors.sdk.scan import Operator
from omnisql_server.freshness import cache, shelf
from omnisql_server.freshness.store import TAG
from omnisql_server.model.freshness import Staleness

pytestmark = pytest.mark.asyncio(loop_scope="session")
FIVE_MINUTES = Staleness(max_us=300_000_000)


def of(repo: str, table: Any = TABLE) -> Question:
    return Question(conditions=(on("repo", Operator.EQ, repo),), table=table)


@pytest.fixture
def filled(world: World) -> World:
    world.source.rows = {1: row(1), 2: row(2), 3: row(3, "b")}
    return world


async def test_rows_in_the_place_of_others_are_a_miss_and_deleted(filled: World) -> None:
    for repo in "ab":
        await filled.read(of(repo), FIVE_MINUTES)
    places = sorted([key async for key in filled.client.scan_iter(f"{TAG}rows:{filled.tenant}*")])
    contents = [await filled.client.get(place) for place in places]
    for place, content in zip(places, reversed(contents), strict=True):
        await filled.client.set(place, content or b"")
    for repo, count in (("a", 2), ("b", 1)):
        rows, asked = await filled.read(of(repo), FIVE_MINUTES, replica=1)
        assert (len(rows), asked.report.requests) == (count, 1)
    assert [await filled.client.exists(place) for place in places] == [0, 0]


async def test_a_description_in_the_place_of_another_is_a_miss(filled: World) -> None:
    for repo in "ab":
        await filled.read(of(repo), FIVE_MINUTES)
    (place,) = [key async for key in filled.client.scan_iter(f"{TAG}entries:{filled.tenant}*")]
    (one, other) = await filled.client.hkeys(place)
    contents = [await filled.client.hget(place, each) or b"" for each in (one, other)]
    await filled.client.hset(place, one, contents[1])
    await filled.client.hset(place, other, contents[0])
    rows, asked = await filled.read(of("a"), FIVE_MINUTES, replica=1)
    assert (len(rows), asked.report.requests) == (2, 1)


def _other_source(**changes: Any) -> Callable[[World, pytest.MonkeyPatch], None]:
    def change(world: World, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(world, "origin", lambda credential: _source(credential, **changes))

    return change


def _source(credential: str, **changes: Any) -> Source:
    known: dict[str, Any] = {"tenant": "t", "server": "hub", "connector": "fake", "credential_id": credential}
    return Source(**{**known, **changes})


def _other_version(_: World, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cache, "_VERSION", "another")


def _none(_: World, __: pytest.MonkeyPatch) -> None:
    """Change nothing."""


@pytest.mark.parametrize(
    ("change", "is_kept"),
    [
        (_none, True),
        (_other_source(), True),
        (_other_source(server="other"), False),
        (_other_source(connector="other"), False),
        (_other_source(options={"base_url": "https://other.example"}), False),
        (_other_source(secrets={"token": "replaced"}), False),
        (_other_version, False),
    ],
    ids=["nothing", "the same", "server", "connector", "option", "secret", "version"],
)
async def test_nothing_crosses_servers_secrets_or_versions(
    filled: World, monkeypatch: pytest.MonkeyPatch, change: Any, is_kept: bool
) -> None:
    await filled.read(of("a"), FIVE_MINUTES)
    change(filled, monkeypatch)
    _, asked = await filled.read(of("a"), FIVE_MINUTES)
    assert (asked.report.requests == 0) is is_kept


@pytest.mark.parametrize(
    "shape",
    [
        {"columns": tuple(replace(column, path=f"of.{column.path}") for column in TABLE.columns)},
        {"columns": tuple(replace(column, hydrate="each") for column in TABLE.columns)},
        {"primary_key": ("id", "repo")},
        {"access_paths": tuple(replace(path, request="GET /v2/items") for path in TABLE.access_paths)},
    ],
    ids=["paths", "hydrate", "key", "request"],
)
async def test_nothing_crosses_shapes_of_a_table(filled: World, shape: dict[str, Any]) -> None:
    origin = filled.origin("all")
    known = (await filled.replicas[0].shelf(origin, TABLE)).name
    assert (await filled.replicas[0].shelf(origin, replace(TABLE))).name == known
    assert (await filled.replicas[0].shelf(origin, replace(TABLE, **shape))).name != known


async def test_what_took_many_requests_outlives_what_took_few(world: World) -> None:
    await world.client.flushall()
    small = World(world.client, bytes_max=6_000)
    small.source.rows = {1: row(1)}
    small.source.calls_each = 50
    await small.read(of("a"), FIVE_MINUTES)
    small.source.calls_each = 1
    for number in range(40):
        await small.read(of(f"r{number}"), FIVE_MINUTES)
    assert await world.client.hlen(f"{TAG}size:") < 20
    asked = small.source.requests
    await small.read(of("a"), FIVE_MINUTES, replica=1)
    assert small.source.requests == asked


async def test_without_valkey_a_metric_and_a_log_say_so(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[str] = []
    for module in (cache, shelf):
        monkeypatch.setattr(module.INSTRUMENTS, "cache_failed", failed.append)

    async def broken(*_: object, **__: object) -> None:
        raise OSError("gone")

    works = filled.shared[0].store._script
    with capture_logs() as logs:
        monkeypatch.setattr(filled.shared[0].store, "_script", broken)
        rows, asked = await filled.read(of("a"), FIVE_MINUTES)
        assert (len(rows), asked.report.requests, asked.report.complete) == (2, 1, True)
    assert failed == ["look"]
    assert [(each["event"], each["error"]) for each in logs] == [("cache_unavailable", "OSError")]
    # It may also go away between the reading and the keeping.
    failed.clear()
    monkeypatch.setattr(filled.shared[1].store, "put", broken)
    with capture_logs() as logs:
        rows, asked = await filled.read(of("a"), FIVE_MINUTES, replica=1)
    assert (len(rows), asked.report.cache_note) == (2, "not cached: Valkey does not answer")
    assert (failed, [each["event"] for each in logs]) == (["put"], ["cache_unavailable"])
    assert works is not broken


async def test_a_follower_that_is_canceled_does_not_stop_who_fetches(filled: World) -> None:
    filled.source.gate = asyncio.Event()
    leader = asyncio.create_task(filled.read(of("a"), FIVE_MINUTES))
    await until(lambda: filled.source.requests == 1)
    followers = [asyncio.create_task(filled.read(of("a"), FIVE_MINUTES, replica=each)) for each in (0, 1)]
    flights = [shared.flights for shared in filled.shared]
    await until(lambda: sum(one.waiting for own in flights for some in own._under_way.values() for one in some) == 3)
    for follower in followers:
        follower.cancel()
    await asyncio.wait(followers)
    filled.source.gate.set()
    rows, fetched = await leader
    assert (len(rows), fetched.report.requests, filled.source.requests) == (2, 1, 1)


async def test_a_follower_that_waits_takes_over_from_who_dies(filled: World) -> None:
    filled.source.gate = asyncio.Event()
    leader = asyncio.create_task(filled.read(of("a"), FIVE_MINUTES, replica=0))
    await until(lambda: filled.source.requests == 1)
    follower = asyncio.create_task(filled.read(of("a"), FIVE_MINUTES, replica=1))
    await until(lambda: bool(filled.shared[1].flights._under_way))
    # As after its death: it renews and releases nothing, and its lease is about to end.
    (name,) = [key async for key in filled.client.scan_iter(f"{TAG}lock:{filled.tenant}*")]
    await filled.client.set(name, "the dead", px=200)
    leader.cancel()
    await asyncio.wait([leader])
    filled.source.gate.set()
    rows, fetched = await asyncio.wait_for(follower, 10)
    assert (len(rows), fetched.report.requests, filled.source.requests) == (2, 1, 2)


async def test_what_a_cap_cuts_short_fails_unless_a_part_is_allowed(filled: World) -> None:
    filled.source.truncated = "the first 1,000 results only"
    for staleness in (Staleness(), FIVE_MINUTES):
        with pytest.raises(Fatal) as refused:
            await filled.read(of("a"), staleness)
        assert (refused.value.sqlstate, refused.value.detail) == ("54000", "the first 1,000 results only")
    _, part = await filled.read(of("a"), FIVE_MINUTES, partial=True)
    assert (part.report.complete, part.report.incomplete_reason) == (False, "the first 1,000 results only")
    assert part.report.cache_note == "not cached: it is incomplete"
