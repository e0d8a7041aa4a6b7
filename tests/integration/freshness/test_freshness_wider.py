"""What is asked for again and again is read whole, when only a part of it is asked for at the moment."""

from __future__ import annotations

import pytest
from fresh_world import Question, World, on, row

from connectors.sdk.scan import Operator
from omnisql_server.freshness.store import TAG
from omnisql_server.model.freshness import Staleness

pytestmark = pytest.mark.asyncio(loop_scope="session")
MINUTE_US = 60_000_000
FIVE_MINUTES = Staleness(max_us=5 * MINUTE_US)
REPO_A = on("repo", Operator.EQ, "a")
ALL_OF_A = Question(conditions=(REPO_A,))
OPEN_OF_A = Question(conditions=(REPO_A, on("state", Operator.EQ, "open")))


def fill(world: World) -> None:
    """Give the source three rows, two of them open."""
    world.source.rows = {one["id"]: one for one in (row(1), row(2, state="closed"), row(6, private=True))}


async def test_what_is_soon_asked_for_anyway_is_read_instead_of_a_part_of_it(world: World) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES)
    world.ahead_us = 6 * MINUTE_US
    rows, _ = await world.read(OPEN_OF_A, FIVE_MINUTES)
    assert [one["id"] for one in rows] == [1, 6]
    _, answered = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert (answered.report.requests, [scan.predicates for scan in world.source.log]) == (0, [(), ()])


async def test_what_nobody_asked_for_lately_is_not_read_for_a_part_of_it(world: World) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES)
    world.ahead_us = 11 * MINUTE_US
    rows, _ = await world.read(OPEN_OF_A, FIVE_MINUTES)
    assert ([one["id"] for one in rows], len(world.source.log[-1].predicates)) == ([1, 6], 1)


async def test_a_whole_that_does_not_come_any_more_does_not_fail_a_part_of_it(world: World) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES)
    world.ahead_us = 6 * MINUTE_US
    world.source.truncated, world.source.truncated_by = "only half", ()
    rows, asked = await world.read(OPEN_OF_A, FIVE_MINUTES)
    assert ([one["id"] for one in rows], asked.report.complete, world.source.requests) == ([1, 6], True, 3)


@pytest.mark.parametrize(("calls_max", "is_whole"), [(3, False), (4, True)])
async def test_who_may_make_few_calls_makes_none_for_others(world: World, calls_max: int, is_whole: bool) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES)
    world.ahead_us = 6 * MINUTE_US
    await world.read(OPEN_OF_A, FIVE_MINUTES, calls_max=calls_max)
    assert (world.source.log[-1].predicates == ()) == is_whole


async def test_what_is_asked_of_another_replica_is_soon_asked_for_as_well(world: World) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES, replica=0)
    world.ahead_us = 4 * MINUTE_US
    await world.read(ALL_OF_A, FIVE_MINUTES, replica=1)
    world.ahead_us = 12 * MINUTE_US
    # The other replica tells what it was asked for when it reads the table again.
    await world.read(Question(conditions=(on("repo", Operator.EQ, "b"),)), FIVE_MINUTES, replica=1)
    await world.read(OPEN_OF_A, FIVE_MINUTES, replica=0)
    assert world.source.log[-1].predicates == ()


async def test_two_parts_in_turn_are_read_as_what_covers_both(world: World) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES)
    world.ahead_us = 12 * MINUTE_US
    team = Question(conditions=(REPO_A, on("team", Operator.EQ, "x")))
    await world.read(OPEN_OF_A, FIVE_MINUTES)
    await world.read(team, FIVE_MINUTES)
    assert [len(scan.predicates) for scan in world.source.log] == [0, 1, 0]
    _, answered = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert answered.report.requests == 0


async def test_what_was_foreseen_and_does_not_open_is_passed_over(world: World) -> None:
    fill(world)
    for _ in range(3):
        await world.read(ALL_OF_A, FIVE_MINUTES, replica=1)
    (place,) = [key async for key in world.client.scan_iter(f"{TAG}asked:{world.tenant}*")]
    for name in await world.client.hkeys(place):
        await world.client.hset(place, name, "60000000" if str(name).endswith(" when'") else b"spoiled" * 9)
    rows, answered = await world.read(OPEN_OF_A, FIVE_MINUTES, replica=0)
    assert (len(rows), answered.report.requests) == (2, 0)
