"""What answers a scan: what is kept within the bound, one fetch for all who wait, the source otherwise."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from fresh_source import BATCHED, KEYED
from fresh_world import Question, World, exhausted, on, row, unavailable, until

from connectors.sdk.errors import CredentialsRejected, Fatal, Retryable
from connectors.sdk.scan import Operator
from connectors.sdk.table import Table
from omnisql_server.freshness.cache import forget_tenant
from omnisql_server.freshness.store import TAG
from omnisql_server.model.freshness import Staleness

pytestmark = pytest.mark.asyncio(loop_scope="session")
MINUTE_US = 60_000_000
FIVE_MINUTES = Staleness(max_us=5 * MINUTE_US)
REPO_A = on("repo", Operator.EQ, "a")
ALL_OF_A = Question(conditions=(REPO_A,))
OPEN_OF_A = Question(conditions=(REPO_A, on("state", Operator.EQ, "open")))


def fill(world: World) -> None:
    """Give the source six rows in three repositories."""
    rows = [row(1), row(2, state="closed"), row(3, "b"), row(4, "b", team="y"), row(5, "c"), row(6, private=True)]
    world.source.rows = {one["id"]: one for one in rows}


async def test_a_repeated_question_costs_no_request(world: World) -> None:
    fill(world)
    first, asked = await world.read(ALL_OF_A, FIVE_MINUTES)
    again, kept = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert again == first == [row(1), row(2, state="closed"), row(6, private=True)]
    assert (asked.report.requests, kept.report.requests, kept.report.cache_hits, kept.report.calls_saved) == (
        1,
        0,
        1,
        1,
    )
    assert kept.report.age_ms > 0


async def test_another_replica_reads_what_one_has_fetched(world: World) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES, replica=0)
    _, kept = await world.read(ALL_OF_A, FIVE_MINUTES, replica=1)
    assert kept.report.requests == 0


async def test_what_was_begun_before_the_first_that_is_kept_is_kept_too(world: World) -> None:
    fill(world)
    of_b = Question(conditions=(on("repo", Operator.EQ, "b"),))
    world.source.gate = asyncio.Event()
    slow = asyncio.create_task(world.read(ALL_OF_A, FIVE_MINUTES))
    await until(lambda: world.source.requests == 1)
    gate, world.source.gate = world.source.gate, None
    await world.read(of_b, FIVE_MINUTES, replica=1)
    gate.set()
    _, asked = await slow
    assert asked.report.cache_note is None
    _, kept = await world.read(ALL_OF_A, FIVE_MINUTES, replica=1)
    assert kept.report.requests == 0


async def test_a_narrower_question_is_answered_and_evaluated_again(world: World) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES)
    rows, kept = await world.read(OPEN_OF_A, FIVE_MINUTES)
    assert kept.report.requests == 0
    assert [one["id"] for one in rows] == [1, 6]


async def test_a_wider_question_is_not_answered(world: World) -> None:
    fill(world)
    await world.read(OPEN_OF_A, FIVE_MINUTES)
    rows, asked = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert asked.report.requests == 1
    assert [one["id"] for one in rows] == [1, 2, 6]


async def test_first_rows_do_not_answer_for_all(world: World) -> None:
    fill(world)
    await world.read(Question(conditions=(REPO_A,), limit=1), FIVE_MINUTES)
    rows, asked = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert (len(rows), asked.report.requests) == (3, 1)
    _, kept = await world.read(Question(conditions=(REPO_A,), limit=2), FIVE_MINUTES)
    assert kept.report.requests == 0


async def test_zero_always_asks_and_what_is_too_old_is_asked_for_again(world: World) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES)
    _, asked = await world.read(ALL_OF_A, Staleness())
    assert asked.report.requests == 1
    world.ahead_us = 6 * MINUTE_US
    _, again = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert again.report.requests == 1


@pytest.mark.parametrize(("table", "left"), [(KEYED, "c"), (BATCHED, ("c",))], ids=["one by one", "all at once"])
async def test_of_a_list_only_what_is_missing_is_fetched(world: World, table: Table, left: object) -> None:
    fill(world)
    await world.read(Question(conditions=(on("repo", Operator.IN, ("a", "b")),), table=table), FIVE_MINUTES)
    world.source.log.clear()
    some = Question(conditions=(on("repo", Operator.IN, ("a", "b", "c")),), table=table)
    rows, _ = await world.read(some, FIVE_MINUTES)
    assert [one["id"] for one in rows] == [1, 2, 3, 4, 5, 6]
    assert [scan.keys["repo"] for scan in world.source.log] == [left]


async def test_several_scans_of_one_entry_bring_each_row_once(world: World) -> None:
    fill(world)
    wide = Question(conditions=(on("repo", Operator.IN, ("a", "b", "c")),), table=BATCHED)
    await world.read(wide, FIVE_MINUTES)
    narrow = Question(conditions=(on("repo", Operator.IN, ("b",)),), table=BATCHED)
    rows, kept = await world.read(narrow, FIVE_MINUTES)
    assert ([one["id"] for one in rows], kept.report.requests, kept.report.rows_fetched) == ([3, 4], 0, 2)


async def test_lists_that_overlap_bring_each_row_once(world: World) -> None:
    fill(world)
    for repos in (("a", "b"), ("b", "c")):
        await world.read(Question(conditions=(on("repo", Operator.IN, repos),), table=BATCHED), Staleness(kept=True))
    both = Question(conditions=(on("repo", Operator.IN, ("a", "b", "c")),), table=BATCHED)
    rows, kept = await world.read(both, FIVE_MINUTES)
    assert [one["id"] for one in rows] == [1, 2, 3, 4, 5, 6]
    assert (kept.report.requests, kept.report.cache_hits, kept.report.rows_fetched) == (0, 2, 6)


async def test_nothing_crosses_credentials(world: World) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES, credential="all")
    rows, asked = await world.read(ALL_OF_A, FIVE_MINUTES, credential="public")
    assert ([one["id"] for one in rows], asked.report.requests) == ([1, 2], 1)


async def test_nothing_crosses_tenants(world: World) -> None:
    fill(world)
    other = World(world.client)
    await world.read(ALL_OF_A, FIVE_MINUTES)
    rows, asked = await other.read(ALL_OF_A, FIVE_MINUTES)
    assert (rows, asked.report.requests) == ([], 1)


async def test_policy_is_applied_to_what_is_kept(world: World) -> None:
    fill(world)
    of_b = (on("repo", Operator.EQ, "b"),)
    await world.read(Question(conditions=of_b), FIVE_MINUTES)
    rows, kept = await world.read(Question(conditions=of_b, policy=("y",)), FIVE_MINUTES)
    assert ([one["id"] for one in rows], kept.report.requests) == ([4], 0)
    everything, _ = await world.read(Question(conditions=of_b), FIVE_MINUTES)
    assert [one["id"] for one in everything] == [3, 4]


async def test_what_policy_narrowed_does_not_answer_for_others(world: World) -> None:
    fill(world)
    of_b = (on("repo", Operator.EQ, "b"),)
    await world.read(Question(conditions=of_b, policy=("y",)), FIVE_MINUTES)
    rows, asked = await world.read(Question(conditions=of_b), FIVE_MINUTES)
    assert ([one["id"] for one in rows], asked.report.requests) == ([3, 4], 1)


@pytest.mark.parametrize("kind", ["rows", "entries"])
async def test_an_entry_that_was_changed_is_a_miss_and_deleted(world: World, kind: str) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES)
    (place,) = [key async for key in world.client.scan_iter(f"{TAG}{kind}:{world.tenant}*")]
    if kind == "rows":
        await world.client.set(place, b"\x02" + b"spoiled" * 9)
    else:
        (entry,) = await world.client.hkeys(place)
        await world.client.hset(place, entry, b"\x02" + b"spoiled" * 9)
    rows, asked = await world.read(ALL_OF_A, FIVE_MINUTES, replica=1)
    assert (len(rows), asked.report.requests) == (3, 1)
    assert await world.client.exists(place) == (0 if kind == "rows" else 1)


async def test_an_entry_of_another_key_is_a_miss(world: World) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES)
    stranger = World(world.client)
    stranger.tenant, stranger.source = world.tenant, world.source
    rows, asked = await stranger.read(ALL_OF_A, FIVE_MINUTES)
    assert (len(rows), asked.report.requests) == (3, 1)


async def test_rows_are_not_readable_in_valkey(world: World) -> None:
    world.source.rows = {1: row(1, team="conspicuous")}
    await world.read(ALL_OF_A, FIVE_MINUTES)
    async for key in world.client.scan_iter(f"{TAG}rows:{world.tenant}*"):
        assert b"conspicuous" not in (await world.client.get(key) or b"")
        assert b"repo" not in (await world.client.get(key) or b"")


async def test_an_answer_above_the_limit_is_not_kept_and_that_is_said(world: World) -> None:
    small = World(world.client, entry_bytes_max=10)
    fill(small)
    _, asked = await small.read(ALL_OF_A, FIVE_MINUTES)
    assert "entry_bytes_max" in (asked.report.cache_note or "")
    _, again = await small.read(ALL_OF_A, FIVE_MINUTES)
    assert again.report.requests == 1


async def test_what_saves_least_per_byte_makes_room(world: World) -> None:
    await world.client.flushall()
    small = World(world.client, bytes_max=6000)
    fill(small)
    for number in range(20):
        await small.read(Question(conditions=(REPO_A, on("n", Operator.GE, number % 10))), FIVE_MINUTES)
        await small.read(Question(conditions=(on("repo", Operator.EQ, f"r{number}"),)), FIVE_MINUTES)
        assert int(await world.client.hget(f"{TAG}total:", "bytes") or 0) <= 6000
    assert await world.client.zcard(f"{TAG}rank:") == await world.client.hlen(f"{TAG}size:") > 0


async def test_an_entry_that_is_gone_can_be_dropped_again(world: World) -> None:
    fill(world)
    await world.read(OPEN_OF_A, FIVE_MINUTES)
    before = int(await world.client.hget(f"{TAG}total:", "bytes") or 0)
    shelf = next(iter(world.replicas[0]._shelves.values()))
    _, [(entry, _, _)] = await world.shared[0].store.list(shelf.name)
    await world.shared[0].store.drop(shelf.name, entry)
    await world.shared[0].store.drop(shelf.name, entry)
    assert int(await world.client.hget(f"{TAG}total:", "bytes") or 0) < before


async def test_without_valkey_statements_are_answered(world: World) -> None:
    fill(world)

    async def broken(*_: object, **__: object) -> None:
        raise OSError("gone")

    world.shared[0].store._script = broken  # type: ignore[assignment]
    rows, asked = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert (len(rows), asked.report.requests) == (3, 1)
    assert asked.report.cache_note == "not cached: Valkey does not answer"


async def test_statements_at_once_share_one_fetch(world: World) -> None:
    fill(world)
    world.source.gate = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(world.read(ALL_OF_A, FIVE_MINUTES, replica=each % 2)) for each in range(200)]
        tasks += [group.create_task(world.read(OPEN_OF_A, FIVE_MINUTES)) for _ in range(20)]
        await until(lambda: world.source.requests > 0)
        world.source.gate.set()
    assert [scan.predicates for scan in world.source.log] == [()]
    assert {len(task.result()[0]) for task in tasks[:200]} == {3}
    assert {len(task.result()[0]) for task in tasks[200:]} == {2}


async def test_a_canceled_statement_does_not_stop_the_fetch_of_others(world: World) -> None:
    fill(world)
    world.source.gate = asyncio.Event()
    first = asyncio.create_task(world.read(ALL_OF_A, FIVE_MINUTES))
    await until(lambda: world.source.requests > 0)
    second = asyncio.create_task(world.read(ALL_OF_A, FIVE_MINUTES))
    await until(
        lambda: any(flight.waiting == 2 for some in world.shared[0].flights._under_way.values() for flight in some)
    )
    first.cancel()
    await asyncio.wait([first])
    world.source.gate.set()
    rows, shared = await second
    assert (len(rows), world.source.requests, shared.report.requests) == (3, 1, 0)
    assert "shared" in (shared.report.cache_note or "")


async def test_a_fetch_that_nobody_waits_for_ends(world: World) -> None:
    fill(world)
    world.source.gate = asyncio.Event()
    only = asyncio.create_task(world.read(ALL_OF_A, FIVE_MINUTES))
    await until(lambda: world.source.requests > 0)
    only.cancel()
    await asyncio.wait([only])
    assert world.shared[0].flights._under_way == {}
    world.source.gate.set()
    rows, _ = await world.read(ALL_OF_A, FIVE_MINUTES, replica=1)
    assert (len(rows), world.source.requests) == (3, 2)


async def test_when_the_one_that_fetches_dies_another_takes_over(world: World) -> None:
    fill(world)
    plan = ALL_OF_A.plan()
    world.source.gate = asyncio.Event()
    leader = asyncio.create_task(world.read(ALL_OF_A, FIVE_MINUTES, replica=0))
    await until(lambda: world.source.requests > 0)
    # As after its death: it releases nothing, and the lease that ends is all that remains of it.
    (name,) = [key async for key in world.client.scan_iter(f"{TAG}lock:{world.tenant}*")]
    await world.client.set(name, "the dead")
    leader.cancel()
    await asyncio.wait([leader])
    world.source.gate.set()
    follower = asyncio.create_task(world.read(ALL_OF_A, FIVE_MINUTES, replica=1))
    await world.client.pexpire(name, 50)
    rows, _ = await follower
    assert (len(rows), world.source.requests, plan.scans[0].table) == (3, 2, "items")


async def test_older_rows_stand_in_for_a_source_that_fails(world: World) -> None:
    fill(world)
    bounds = Staleness(max_us=MINUTE_US, if_error_us=10 * MINUTE_US)
    await world.read(ALL_OF_A, bounds)
    world.ahead_us = 5 * MINUTE_US
    for failure in (unavailable(), exhausted()):
        world.source.fault = failure
        rows, stale = await world.read(ALL_OF_A, bounds)
        assert (len(rows), stale.report.stale, stale.report.complete) == (3, failure.message, True)
        assert 300_000 <= stale.report.age_ms < 400_000
    world.ahead_us = 11 * MINUTE_US
    world.source.fault = unavailable()
    with pytest.raises(Retryable):
        await world.read(ALL_OF_A, bounds)


@pytest.mark.parametrize("refusal", [CredentialsRejected(message="no"), Fatal(message="no", sqlstate="42501")])
async def test_nothing_stands_in_for_a_source_that_refuses(world: World, refusal: Fatal) -> None:
    fill(world)
    bounds = Staleness(max_us=MINUTE_US, if_error_us=10 * MINUTE_US)
    await world.read(ALL_OF_A, bounds)
    world.ahead_us = 2 * MINUTE_US
    world.source.fault = refusal
    with pytest.raises(type(refusal)):
        await world.read(ALL_OF_A, bounds)


async def test_a_part_of_the_rows_never_passes_for_all(world: World) -> None:
    fill(world)
    world.source.fault = unavailable()
    rows, part = await world.read(ALL_OF_A, FIVE_MINUTES, partial=True)
    assert (len(rows), part.report.complete) == (1, False)
    world.source.fault, world.source.truncated = None, "only half"
    rows, part = await world.read(ALL_OF_A, FIVE_MINUTES, partial=True)
    assert (len(rows), part.report.incomplete_reason) == (1, "only half")
    world.source.truncated = None
    rows, whole = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert (len(rows), whole.report.requests) == (3, 1)


async def test_what_was_fetched_before_an_invalidation_is_gone(world: World) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES)
    await world.replicas[1].drop(world.origin("all"), ALL_OF_A.table)
    _, asked = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert asked.report.requests == 1


async def test_what_is_being_fetched_during_an_invalidation_is_not_kept(world: World) -> None:
    fill(world)
    await world.read(OPEN_OF_A, FIVE_MINUTES)
    world.source.gate = asyncio.Event()
    reading = asyncio.create_task(world.read(ALL_OF_A, FIVE_MINUTES))
    await until(lambda: world.source.requests == 2)
    await world.replicas[0].drop(world.origin("all"), ALL_OF_A.table)
    world.source.gate.set()
    await reading
    _, asked = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert asked.report.requests == 1


async def test_a_tenant_that_leaves_leaves_nothing(world: World) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES)
    await forget_tenant(world.client, uuid.UUID(world.tenant))
    left = [key async for key in world.client.scan_iter(f"*{world.tenant}*")]
    assert left == [f"{TAG}gone:{world.tenant}".encode()]
    _, asked = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert asked.report.requests == 1


async def test_what_is_being_fetched_for_a_tenant_that_leaves_is_not_kept(world: World) -> None:
    fill(world)
    world.source.gate = asyncio.Event()
    reading = asyncio.create_task(world.read(ALL_OF_A, FIVE_MINUTES))
    await until(lambda: world.source.requests == 1)
    await forget_tenant(world.client, uuid.UUID(world.tenant))
    world.source.gate.set()
    await reading
    assert [key async for key in world.client.scan_iter(f"{TAG}rows:{world.tenant}*")] == []


async def test_a_tenant_that_is_closed_leaves_this_process(world: World) -> None:
    fill(world)
    await world.read(ALL_OF_A, FIVE_MINUTES)
    tier = world.shared[0].tier
    assert tier.used_bytes > 0
    world.replicas[0].close()
    assert tier.used_bytes == 0
    _, kept = await world.read(ALL_OF_A, FIVE_MINUTES)
    assert kept.report.cache_hits == 1
