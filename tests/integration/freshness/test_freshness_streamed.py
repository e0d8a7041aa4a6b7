"""A fetch that is shared page by page: who joins has what came before, and it ends for each as it must."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fresh_world import Question, World, on, row, until

from connectors.sdk.scan import Operator
from omnisql_server.errors import LimitExceeded, SharedFetchEnded
from omnisql_server.freshness.store import TAG
from omnisql_server.model.freshness import Staleness

pytestmark = pytest.mark.asyncio(loop_scope="session")
TIMEOUT_S = 10.0
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


async def wanted(world: World) -> None:
    """Wait until somebody in another process wants the pages of a fetch."""
    async with asyncio.timeout(TIMEOUT_S):
        while not [key async for key in world.client.scan_iter(f"{TAG}wanted:{world.tenant}*")]:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def relayed(world: World, here: list[int], there: list[int]) -> tuple[asyncio.Task[Any], asyncio.Task[Any]]:
    """Have two processes share a fetch of which the last page is held back, and the rows of two pages are out."""
    between = await held(world)
    world.source.last = asyncio.Event()
    first = begin(world, here)
    await until(lambda: bool(here))
    second = begin(world, there, replica=1)
    await wanted(world)
    between.set()
    await until(lambda: len(here) == len(there) == 2)
    return first, second


async def test_another_process_has_the_pages_before_the_last(world: World) -> None:
    here: list[int] = []
    there: list[int] = []
    first, second = await relayed(world, here, there)
    assert world.source.last is not None
    world.source.last.set()
    (rows, fetched), (others, shared) = await first, await second
    assert (here, [row["id"] for row in rows]) == (there, [row["id"] for row in others])
    assert len(rows) == 3
    assert (fetched.report.requests, shared.report.requests, world.source.requests) == (1, 0, 1)
    assert "shared" in (shared.report.cache_note or "")


async def test_a_cancel_where_it_is_read_leaves_another_process_its_rows(world: World) -> None:
    here: list[int] = []
    there: list[int] = []
    first, second = await relayed(world, here, there)
    assert world.source.last is not None
    first.cancel()
    await asyncio.wait([first])
    world.source.last.set()
    rows, _ = await second
    assert (len(rows), world.source.requests) == (3, 1)
    await until(lambda: world.shared[0].flights._under_way == {})


async def test_when_all_have_left_the_fetch_ends_with_its_next_page(world: World) -> None:
    here: list[int] = []
    there: list[int] = []
    tasks = await relayed(world, here, there)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    (key,) = [key async for key in world.client.scan_iter(f"{TAG}wanted:{world.tenant}*")]
    await world.client.delete(key)
    assert world.source.last is not None
    world.source.last.set()
    await until(lambda: world.shared[0].flights._under_way == {})
    _, kept = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert (kept.report.cache_hits, world.source.requests) == (0, 2)


async def test_a_death_is_an_error_for_who_has_sent_rows_and_a_new_fetch_for_who_has_not(world: World) -> None:
    here: list[int] = []
    there: list[int] = []
    first, second = await relayed(world, here, there)
    whole = Staleness(max_us=FIVE_MINUTES.max_us, if_error_us=1)
    waiting = asyncio.create_task(world.read(OPEN_OF_A, whole, replica=1, seen=[]))
    await until(lambda: any(f.waiting == 2 for some in world.shared[1].flights._under_way.values() for f in some))
    # As after its death: it says nothing more, and its lock is another's.
    (lock,) = [key async for key in world.client.scan_iter(f"{TAG}lock:{world.tenant}*")]
    await world.client.set(lock, "the next", px=100)
    with pytest.raises(SharedFetchEnded):
        await second
    assert world.source.last is not None
    world.source.last.set()
    rows, _ = await waiting
    assert len(rows) == 2
    assert len((await first)[0]) == 3
