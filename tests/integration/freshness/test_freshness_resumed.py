"""A reading that failed on the way is gone on with at the page that failed, by any replica, within the bound."""

from __future__ import annotations

import pytest
from fresh_source import RESUMED
from fresh_world import Question, World, exhausted, on, row, unavailable

from connectors.sdk.errors import ConnectorError, Fatal, RateLimited, Retryable
from connectors.sdk.scan import Operator
from omnisql_server.freshness.store import TAG
from omnisql_server.model.freshness import Staleness

pytestmark = pytest.mark.asyncio(loop_scope="session")
MINUTE_US = 60_000_000
FIVE_MINUTES = Staleness(max_us=5 * MINUTE_US)
ALL_OF_A = Question(conditions=(on("repo", Operator.EQ, "a"),), table=RESUMED)


async def fail_once(world: World, fault: ConnectorError | None = None, question: Question = ALL_OF_A) -> None:
    """Give the source four rows, and have the reading fail after the first two."""
    world.source.rows = {one["id"]: one for one in (row(1), row(2), row(3), row(4, state="closed"))}
    world.source.fault = fault or unavailable()
    with pytest.raises((Retryable, RateLimited, Fatal)):
        await world.read(question, FIVE_MINUTES)
    world.source.fault = None


@pytest.mark.parametrize("fault", [unavailable(), exhausted()])
async def test_any_replica_goes_on_at_the_page_that_failed(world: World, fault: ConnectorError) -> None:
    await fail_once(world, fault)
    world.ahead_us = MINUTE_US
    rows, asked = await world.read(ALL_OF_A, FIVE_MINUTES, replica=1)
    assert ([one["id"] for one in rows], world.source.places) == ([1, 2, 3, 4], [None, "2"])
    assert (asked.report.cache_note, asked.report.complete) == ("resumed at page 2", True)
    assert asked.report.age_ms >= 60_000
    _, kept = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert (kept.report.requests, kept.report.cache_hits, kept.report.calls_saved) == (0, 1, 2)


async def test_its_age_is_that_of_its_first_page(world: World) -> None:
    await fail_once(world)
    world.ahead_us = 4 * MINUTE_US
    await world.read(ALL_OF_A, FIVE_MINUTES)
    world.ahead_us = 6 * MINUTE_US
    _, again = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert (again.report.requests, world.source.places) == (1, [None, "2", None])


async def test_what_was_given_before_does_not_come_twice(world: World) -> None:
    await fail_once(world)
    # The second row has another place now, as it may have where a source keeps a cursor.
    world.source.rows = {n: one for n, one in world.source.rows.items() if n != 3}
    world.source.rows[9] = {**row(2), "n": 7}
    rows, _ = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert [one["id"] for one in rows] == [1, 2, 4]


async def test_it_goes_on_as_often_as_it_fails(world: World) -> None:
    await fail_once(world)
    world.source.fault = unavailable()
    with pytest.raises(Retryable):
        await world.read(ALL_OF_A, FIVE_MINUTES)
    world.source.fault = None
    rows, _ = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert ([one["id"] for one in rows], world.source.places) == ([1, 2, 3, 4], [None, "2", "2"])


async def test_nothing_is_answered_by_pages_alone(world: World) -> None:
    await fail_once(world)
    world.source.fault = unavailable()
    rows, asked = await world.read(ALL_OF_A, FIVE_MINUTES, partial=True)
    assert ([one["id"] for one in rows], asked.report.complete) == ([1, 2], False)
    with pytest.raises(Retryable):
        await world.read(ALL_OF_A, FIVE_MINUTES)


@pytest.mark.parametrize("why", ["too old", "zero", "invalidated", "credential", "narrower", "spoiled", "lasting"])
async def test_else_it_begins_at_the_first_page(world: World, why: str) -> None:
    await fail_once(world, Fatal(message="it is refused") if why == "lasting" else None)
    question, staleness, credential = ALL_OF_A, FIVE_MINUTES, "all"
    if why == "too old":
        world.ahead_us = 6 * MINUTE_US
    elif why == "zero":
        staleness = Staleness(kept=True)
    elif why == "invalidated":
        await world.replicas[1].drop(world.origin("all"), RESUMED)
    elif why == "credential":
        credential = "public"
    elif why == "narrower":
        question = Question(conditions=(*ALL_OF_A.conditions, on("state", Operator.EQ, "open")), table=RESUMED)
    elif why == "spoiled":
        (place,) = [key async for key in world.client.scan_iter(f"{TAG}rows:{world.tenant}*")]
        await world.client.set(place, b"spoiled" * 9)
    await world.read(question, staleness, credential=credential)
    assert world.source.places == [None, None]


async def test_a_place_that_the_source_does_not_know_any_more_is_given_up(world: World) -> None:
    await fail_once(world)
    world.source.fault, world.source.faults_left = Fatal(message="the cursor is unknown"), 1
    rows, asked = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert ([one["id"] for one in rows], world.source.places) == ([1, 2, 3, 4], [None, "2", None])
    assert asked.report.cache_note is None


async def test_a_tenant_that_leaves_takes_its_pages_along(world: World) -> None:
    await fail_once(world)
    await world.shared[0].store.leave(world.tenant)
    assert [key async for key in world.client.scan_iter(f"{TAG}rows:{world.tenant}*")] == []
