"""A fetch that is shared page by page: who joins has what came before, and it ends for each as it must."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pyarrow as pa
import pytest
from fresh_source import TABLE
from fresh_world import Question, World, on, row, until

from connectors.sdk.resumption import Mark
from connectors.sdk.scan import Operator, Scan
from omnisql_server.errors import LimitExceeded, SharedFetchEnded
from omnisql_server.freshness.store import TAG
from omnisql_server.model.freshness import Fetched, Give, Staleness

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


async def beside_one_who_stops_reading(world: World) -> weakref.ref[pa.RecordBatch]:
    """Share a fetch with who never takes a second page, until he leaves; return the first page."""
    between = await held(world)
    stuck, never = asyncio.Event(), asyncio.Event()
    pages: list[weakref.ref[pa.RecordBatch]] = []

    async def give(batch: pa.RecordBatch) -> None:
        pages.append(weakref.ref(batch))
        stuck.set()
        await never.wait()

    async def ask(scan: Scan, start: Mark | None = None, give: Give | None = None) -> Fetched:
        raise AssertionError("a follower asks the source")

    first: list[int] = []
    leader = begin(world, first)
    await until(lambda: bool(first))
    reading = await world.replicas[0].of(World.origin("all")).begin(TABLE, FIVE_MINUTES)
    slow = asyncio.create_task(reading.read(ALL_OF_A.plan().scans[0], ask, give=give))
    await stuck.wait()
    other = begin(world, [])
    (flight,) = (flight for some in world.shared[0].flights._under_way.values() for flight in some)
    await until(lambda: flight.waiting == 3)
    between.set()
    assert [len((await task)[0]) for task in (leader, other)] == [3, 3]
    # Pages are held once for all, by him alone now: new statements have what is kept.
    assert (slow.done(), len(pages), world.shared[0].flights._under_way) == (False, 1, {})
    assert any(page is pages[0]() for page in flight.pages.batches)
    assert (await world.read(ALL_OF_A, FIVE_MINUTES))[1].report.cache_hits == 1
    slow.cancel()
    await asyncio.wait([slow])
    return pages[0]


async def test_who_never_takes_a_second_page_holds_nobody_up_and_nothing_once_he_leaves(world: World) -> None:
    page = await beside_one_who_stops_reading(world)
    gc.collect()
    assert page() is None


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


async def relayed(
    world: World, here: list[int], there: list[int], question: Question = ALL_OF_A, *, later_us: int = 0
) -> tuple[asyncio.Task[Any], asyncio.Task[Any]]:
    """Have two processes share a fetch of which the last page is held back, and the rows of two pages are out.

    The second comes to it `later_us` after it began.
    """
    between = await held(world)
    world.source.last = asyncio.Event()
    first = begin(world, here, question)
    await until(lambda: bool(here))
    world.ahead_us += later_us
    second = begin(world, there, question, replica=1)
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


async def died(world: World) -> None:
    """Have the lock of the one who reads be another's for a moment, and then the follower's, as after its death."""
    (lock,) = [key async for key in world.client.scan_iter(f"{TAG}lock:{world.tenant}*")]
    await world.client.set(lock, "the next", px=100)


async def taken_over(world: World) -> None:
    """Wait until another reading has begun, which those who follow have from now on."""
    await until(lambda: world.source.requests == 2)


async def test_after_a_death_the_rest_comes_from_another_reading_and_nothing_twice(world: World) -> None:
    here: list[int] = []
    there: list[int] = []
    first, second = await relayed(world, here, there)
    narrow: list[int] = []
    waiting = begin(world, narrow, OPEN_OF_A, replica=1)
    await until(lambda: narrow == [1, 2])
    # A row that was sent changes, one that was not goes, and one comes: as if the one reading had been slow.
    world.source.change({**world.source.rows[1], "n": 9})
    world.source.change(row(3))
    world.source.rows = {number: one for number, one in world.source.rows.items() if number != 6}
    await died(world)
    await taken_over(world)
    assert world.source.last is not None
    world.source.last.set()
    (rows, fetched), (narrowed, _) = await second, await waiting
    assert [(one["id"], one["n"]) for one in rows] == [(1, 0), (2, 0), (3, 0)]
    assert (sorted(there), [one["id"] for one in narrowed]) == ([1, 2, 3], [1, 3])
    assert (fetched.report.requests, world.source.requests) == (1, 2)
    await first
    # What is kept is the second reading alone.
    again, kept = await world.read(ALL_OF_A, Staleness(max_us=30_000_000), replica=1)
    assert ([(one["id"], one["n"]) for one in again], kept.report.cache_hits) == ([(1, 9), (2, 0), (3, 0)], 1)


async def test_rows_that_another_reading_goes_on_from_are_as_old_as_the_first(world: World) -> None:
    here: list[int] = []
    there: list[int] = []
    first, second = await relayed(world, here, there, later_us=120_000_000)
    await died(world)
    await taken_over(world)
    assert world.source.last is not None
    world.source.last.set()
    _, fetched = await second
    assert 120_000 <= fetched.report.age_ms < 180_000
    await first


async def test_where_order_counts_a_death_is_an_error_for_who_has_sent_rows(world: World) -> None:
    limited = Question(conditions=(REPO_A,), limit=4)
    here: list[int] = []
    there: list[int] = []
    first, second = await relayed(world, here, there, limited)
    await died(world)
    await until(lambda: second.done() or world.source.requests == 2)
    assert world.source.last is not None
    world.source.last.set()
    with pytest.raises(SharedFetchEnded):
        await second
    assert len((await first)[0]) == 3


async def test_after_a_death_who_has_sent_nothing_has_a_new_reading(world: World) -> None:
    between = await held(world)
    first = begin(world, [])
    await until(lambda: world.source.requests == 1)
    whole = Staleness(max_us=FIVE_MINUTES.max_us, if_error_us=1)
    waiting = asyncio.create_task(world.read(ALL_OF_A, whole, replica=1, seen=[]))
    await wanted(world)
    await died(world)
    world.source.change({**world.source.rows[1], "n": 9})
    await taken_over(world)
    between.set()
    rows, fetched = await waiting
    assert ([(one["id"], one["n"]) for one in rows], fetched.report.requests) == ([(1, 9), (2, 0), (6, 0)], 1)
    await first
