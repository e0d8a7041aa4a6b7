"""Entries that are too old are not fetched again while the source says that nothing has changed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fresh_source import BATCHED, REVALIDATED
from fresh_world import Question, World, exhausted, on, row, unavailable, until

from connectors.sdk.errors import Fatal, Retryable
from connectors.sdk.scan import Operator
from omnisql_server.freshness.store import TAG
from omnisql_server.model.freshness import Staleness

pytestmark = pytest.mark.asyncio(loop_scope="session")
MINUTE_US = 60_000_000
FIVE_MINUTES = Staleness(max_us=5 * MINUTE_US)
REPO_A = on("repo", Operator.EQ, "a")
ALL_OF_A = Question(conditions=(REPO_A,), table=REVALIDATED)
OPEN_OF_A = Question(conditions=(REPO_A, on("state", Operator.EQ, "open")), table=REVALIDATED)


@pytest.fixture
def kept(world: World) -> World:
    """Give a world with six rows in three repositories."""
    rows = [row(1), row(2, state="closed"), row(3, "b"), row(4, "b", team="y"), row(5, "c"), row(6, private=True)]
    world.source.rows = {one["id"]: one for one in rows}
    return world


async def test_what_is_too_old_is_confirmed_by_another_replica(kept: World) -> None:
    first, _ = await kept.read(ALL_OF_A, FIVE_MINUTES, replica=0)
    kept.ahead_us = 6 * MINUTE_US
    again, asked = await kept.read(ALL_OF_A, FIVE_MINUTES, replica=1)
    assert (again, kept.source.requests) == (first, 1)
    report = asked.report
    assert (report.requests, report.revalidated, report.cache_hits, report.age_ms) == (2, 2, 1, 0)
    assert report.cache_note == "1 of 1 earlier answers confirmed by the source"


async def test_a_confirmation_makes_it_young_for_every_replica(kept: World) -> None:
    await kept.read(ALL_OF_A, FIVE_MINUTES, replica=0)
    kept.ahead_us = 6 * MINUTE_US
    await kept.read(ALL_OF_A, FIVE_MINUTES, replica=1)
    kept.ahead_us = 10 * MINUTE_US
    for replica in (0, 1):
        _, answered = await kept.read(ALL_OF_A, FIVE_MINUTES, replica=replica)
        assert (answered.report.requests, answered.report.cache_hits) == (0, 1)
        assert 240_000 <= answered.report.age_ms < 250_000


@pytest.mark.parametrize("change", ["changed", "deleted", "added"])
async def test_what_has_changed_is_fetched_whole(kept: World, change: str) -> None:
    await kept.read(ALL_OF_A, FIVE_MINUTES)
    if change == "deleted":
        kept.source.rows.pop(6)
    else:
        kept.source.rows[6 if change == "changed" else 7] = row(6 if change == "changed" else 7, n=9)
    kept.ahead_us = 6 * MINUTE_US
    rows, asked = await kept.read(ALL_OF_A, FIVE_MINUTES, replica=1)
    assert rows == [one for one in kept.source.rows.values() if one["repo"] == "a"]
    assert (kept.source.requests, asked.report.cache_hits) == (2, 0)
    _, answered = await kept.read(ALL_OF_A, FIVE_MINUTES)
    assert answered.report.requests == 0


async def test_zero_asks_and_a_304_counts_as_asking(kept: World) -> None:
    await kept.read(ALL_OF_A, FIVE_MINUTES)
    rows, asked = await kept.read(ALL_OF_A, Staleness())
    assert ([one["id"] for one in rows], kept.source.requests, asked.report.revalidated) == ([1, 2, 6], 1, 2)
    kept.source.rows[1] = row(1, n=5)
    rows, _ = await kept.read(ALL_OF_A, Staleness())
    assert (rows[0]["n"], kept.source.requests) == (5, 2)


async def test_zero_keeps_nothing_that_nobody_asked_to_keep(kept: World) -> None:
    await kept.read(ALL_OF_A, Staleness())
    _, again = await kept.read(ALL_OF_A, FIVE_MINUTES)
    assert (again.report.requests, again.report.revalidated, again.report.cache_note) == (1, 0, None)


async def test_a_narrower_question_confirms_a_wider_answer(kept: World) -> None:
    await kept.read(ALL_OF_A, FIVE_MINUTES)
    kept.ahead_us = 6 * MINUTE_US
    rows, asked = await kept.read(OPEN_OF_A, FIVE_MINUTES)
    assert ([one["id"] for one in rows], asked.report.revalidated, kept.source.requests) == ([1, 6], 2, 1)


async def test_of_a_list_only_what_has_changed_is_fetched(kept: World) -> None:
    table = replace(BATCHED, revalidates=True)
    for repo in "abc":
        await kept.read(Question(conditions=(on("repo", Operator.IN, (repo,)),), table=table), FIVE_MINUTES)
    kept.source.rows[3] = row(3, "b", n=8)
    kept.source.log.clear()
    kept.ahead_us = 6 * MINUTE_US
    every = Question(conditions=(on("repo", Operator.IN, ("a", "b", "c")),), table=table)
    rows, asked = await kept.read(every, FIVE_MINUTES)
    assert [(one["id"], one["n"]) for one in rows] == [(1, 0), (2, 0), (3, 8), (4, 0), (5, 0), (6, 0)]
    assert [scan.keys["repo"] for scan in kept.source.log] == [("b",)]
    assert asked.report.cache_note == "2 of 2 earlier answers confirmed by the source"
    assert asked.report.age_ms == 0
    wider = Question(conditions=(on("repo", Operator.IN, ("a", "b", "d")),), table=table)
    _, asked = await kept.read(wider, Staleness(kept=True))
    assert (asked.report.revalidated, asked.report.age_ms) == (4, 0)


async def test_statements_at_once_share_one_confirmation(kept: World) -> None:
    await kept.read(ALL_OF_A, FIVE_MINUTES)
    kept.ahead_us = 6 * MINUTE_US
    kept.source.gate = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(kept.read(ALL_OF_A, FIVE_MINUTES, replica=each % 2)) for each in range(50)]
        await until(lambda: any(shared.flights._under_way for shared in kept.shared))
        kept.source.gate.set()
    assert {len(task.result()[0]) for task in tasks} == {3}
    assert (kept.source.requests, kept.source.confirmed) == (1, 2)


@pytest.mark.parametrize("fault", [unavailable(), exhausted()])
async def test_a_source_that_cannot_be_asked_fails_the_statement(kept: World, fault: Retryable) -> None:
    await kept.read(ALL_OF_A, FIVE_MINUTES)
    kept.ahead_us = 6 * MINUTE_US
    kept.source.fault = fault
    with pytest.raises(type(fault)):
        await kept.read(ALL_OF_A, FIVE_MINUTES)
    rows, stale = await kept.read(ALL_OF_A, replace(FIVE_MINUTES, if_error_us=10 * MINUTE_US))
    assert (len(rows), stale.report.stale) == (3, fault.message)


async def test_what_is_denied_now_is_not_answered(kept: World) -> None:
    await kept.read(ALL_OF_A, FIVE_MINUTES)
    kept.ahead_us = 6 * MINUTE_US
    kept.source.fault = Fatal(message="no", sqlstate="42501")
    with pytest.raises(Fatal):
        await kept.read(ALL_OF_A, replace(FIVE_MINUTES, if_error_us=10 * MINUTE_US))


async def test_steps_that_were_changed_confirm_nothing(kept: World) -> None:
    await kept.read(ALL_OF_A, FIVE_MINUTES)
    (place,) = [key async for key in kept.client.scan_iter(f"{TAG}steps:{kept.tenant}*")]
    assert b"items" not in (await kept.client.get(place) or b"")
    await kept.client.set(place, b"\x02" + b"spoiled" * 9)
    kept.ahead_us = 6 * MINUTE_US
    rows, asked = await kept.read(ALL_OF_A, FIVE_MINUTES)
    assert (len(rows), kept.source.requests, asked.report.revalidated) == (3, 2, 0)


async def test_an_invalidation_during_a_confirmation_holds(kept: World) -> None:
    await kept.read(ALL_OF_A, FIVE_MINUTES)
    kept.ahead_us = 6 * MINUTE_US
    kept.source.gate = asyncio.Event()
    reading = asyncio.create_task(kept.read(ALL_OF_A, FIVE_MINUTES))
    await until(lambda: bool(kept.shared[0].flights._under_way))
    await kept.replicas[1].drop(kept.origin("all"), REVALIDATED)
    kept.source.gate.set()
    await reading
    asked = kept.source.requests
    await kept.read(ALL_OF_A, FIVE_MINUTES)
    assert kept.source.requests == asked + 1


async def test_of_a_table_that_does_not_declare_it_nothing_is_confirmed(kept: World) -> None:
    plain = Question(conditions=(REPO_A,))
    await kept.read(plain, FIVE_MINUTES)
    kept.ahead_us = 6 * MINUTE_US
    _, asked = await kept.read(plain, FIVE_MINUTES)
    assert (asked.report.revalidated, kept.source.requests) == (0, 2)
