"""A fetch that is shared page by page: who joins has what came before, and it ends for each as it must."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fresh_world import Question, World, on, row, until

from connectors.sdk.scan import Operator
from omnisql_server.errors import LimitExceeded, SharedFetchEnded
from omnisql_server.model.freshness import Staleness

pytestmark = pytest.mark.asyncio(loop_scope="session")
FIVE_MINUTES = Staleness(max_us=300_000_000)
REPO_A = on("repo", Operator.EQ, "a")
ALL_OF_A = Question(conditions=(REPO_A,))
OPEN_OF_A = Question(conditions=(REPO_A, on("state", Operator.EQ, "open")))


def begin(world: World, seen: list[int], question: Any = ALL_OF_A, replica: int = 0) -> asyncio.Task[Any]:
    return asyncio.create_task(world.read(question, FIVE_MINUTES, seen=seen, replica=replica))


async def held(world: World) -> asyncio.Event:
    """Have a source that holds its second page back."""
    rows = [row(1), row(2, state="closed"), row(6, private=True), row(7, "b")]
    world.source.rows = {one["id"]: one for one in rows}
    world.source.between = asyncio.Event()
    return world.source.between


async def test_who_shares_a_fetch_has_its_first_page_before_the_second(world: World) -> None:
    between = await held(world)
    first: list[int] = []
    second: list[int] = []
    late: list[int] = []
    narrow: list[int] = []
    tasks = [begin(world, first), begin(world, second)]
    await until(lambda: bool(first and second))
    tasks += [begin(world, late), begin(world, narrow, OPEN_OF_A)]
    await until(lambda: bool(late and narrow))
    assert first == second == late == narrow != []
    between.set()
    read = [await task for task in tasks]
    assert [len(rows) for rows, _ in read] == [3, 3, 3, 2]
    assert [fetched.report.requests for _, fetched in read] == [1, 0, 0, 0]
    assert world.source.requests == 1
    # It is kept as a whole.
    rows, kept = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert (len(rows), kept.report.requests, kept.report.cache_hits) == (3, 0, 1)


async def test_the_cancel_of_the_first_does_not_stop_the_pages_of_others(world: World) -> None:
    between = await held(world)
    first: list[int] = []
    second: list[int] = []
    leader, follower = begin(world, first), begin(world, second)
    await until(lambda: bool(first and second))
    leader.cancel()
    await asyncio.wait([leader])
    between.set()
    rows, _ = await follower
    assert (len(rows), sorted(second), world.source.requests) == (3, sorted(row["id"] for row in rows), 1)


async def test_the_cancel_of_all_ends_the_fetch(world: World) -> None:
    between = await held(world)
    seen: list[int] = []
    only = begin(world, seen)
    await until(lambda: bool(seen))
    only.cancel()
    await asyncio.wait([only])
    assert world.shared[0].flights._under_way == {}
    between.set()
    rows, _ = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert (len(rows), world.source.requests) == (3, 2)


async def test_a_bound_of_the_first_is_an_error_for_who_has_sent_rows_and_a_new_fetch_for_who_has_not(
    world: World,
) -> None:
    between = await held(world)
    first: list[int] = []
    second: list[int] = []
    world.source.fault = LimitExceeded(message="the first one's own")  # type: ignore[assignment]
    leader, follower = begin(world, first), begin(world, second)
    await until(lambda: bool(first and second))
    waiting = asyncio.create_task(
        world.read(ALL_OF_A, Staleness(max_us=FIVE_MINUTES.max_us, if_error_us=FIVE_MINUTES.max_us), seen=[])
    )
    await until(lambda: any(f.waiting == 3 for some in world.shared[0].flights._under_way.values() for f in some))
    world.source.fault = None
    between.set()
    with pytest.raises(LimitExceeded, match="the first one's own"):
        await leader
    with pytest.raises(SharedFetchEnded):
        await follower
    rows, _ = await waiting
    assert (len(rows), world.source.requests) == (3, 2)
