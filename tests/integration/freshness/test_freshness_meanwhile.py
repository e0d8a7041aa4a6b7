"""Rows that are older than the bound answer at once where a table or server allows it, while they are read again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fresh_world import Question, World, exhausted, on, row, until

from connectors.sdk.scan import Operator
from omnisql_server.model.freshness import Staleness, StalenessInvalid, staleness_of

pytestmark = pytest.mark.asyncio(loop_scope="session")
MINUTE_US = 60_000_000
MEANWHILE = Staleness(max_us=5 * MINUTE_US, revalidate_us=10 * MINUTE_US)
ALL_OF_A = Question(conditions=(on("repo", Operator.EQ, "a"),))


async def make_old(world: World, minutes: int = 6) -> None:
    """Keep one row, have another come, and let time pass."""
    world.source.rows = {1: row(1)}
    await world.read(ALL_OF_A, MEANWHILE)
    world.source.rows = {1: row(1), 2: row(2)}
    world.ahead_us = minutes * MINUTE_US


async def test_older_rows_answer_at_once_and_are_read_again(world: World) -> None:
    await make_old(world)
    rows, answered = await world.read(ALL_OF_A, MEANWHILE)
    report = answered.report
    assert ([one["id"] for one in rows], report.requests, report.refreshing) == ([1], 0, True)
    assert (report.age_ms >= 360_000, report.cache_note) == (True, "older than max_staleness, being read again")
    await world.shared[0].refreshes.settled()
    rows, again = await world.read(ALL_OF_A, MEANWHILE, replica=1)
    assert ([one["id"] for one in rows], again.report.requests, again.report.refreshing) == ([1, 2], 0, False)
    assert world.source.requests == 2


async def test_a_request_is_read_again_once_whoever_asks(world: World) -> None:
    await make_old(world)
    gate = world.source.gate = asyncio.Event()
    answers = [await world.read(ALL_OF_A, MEANWHILE, replica=number % 2) for number in range(6)]
    assert all(answered.report.refreshing for _, answered in answers)
    await until(lambda: world.source.requests == 2)
    gate.set()
    for shared in world.shared:
        await shared.refreshes.settled()
    assert world.source.requests == 2


async def test_the_end_of_a_session_stops_no_reading(world: World) -> None:
    await make_old(world)
    gate = world.source.gate = asyncio.Event()

    async def session() -> None:
        await world.read(ALL_OF_A, MEANWHILE)
        await asyncio.Event().wait()

    task = asyncio.create_task(session())
    await until(lambda: world.source.requests == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    gate.set()
    await world.shared[0].refreshes.settled()
    rows, _ = await world.read(ALL_OF_A, replace(MEANWHILE, revalidate_us=0))
    assert ([one["id"] for one in rows], world.source.requests) == ([1, 2], 2)


@pytest.mark.parametrize(
    ("staleness", "minutes"),
    [(MEANWHILE, 11), (replace(MEANWHILE, max_us=0), 6), (replace(MEANWHILE, revalidate_us=0), 6)],
    ids=["too old", "zero", "not allowed"],
)
async def test_else_the_statement_waits(world: World, staleness: Staleness, minutes: int) -> None:
    await make_old(world, minutes)
    rows, asked = await world.read(ALL_OF_A, staleness)
    assert ([one["id"] for one in rows], asked.report.requests, asked.report.refreshing) == ([1, 2], 1, False)


async def test_it_takes_none_of_the_calls_of_its_statement(world: World) -> None:
    await make_old(world)
    rows, _ = await world.read(ALL_OF_A, MEANWHILE, calls_max=1)
    _, asked = await world.read(Question(conditions=(on("repo", Operator.EQ, "b"),)), MEANWHILE, calls_max=1)
    await world.shared[0].refreshes.settled()
    assert ([one["id"] for one in rows], asked.report.requests) == ([1], 1)


async def test_what_fails_in_the_background_is_tried_again_by_the_next_statement(world: World) -> None:
    await make_old(world)
    world.source.fault = exhausted()
    await world.read(ALL_OF_A, MEANWHILE)
    await world.shared[0].refreshes.settled()
    world.source.fault = None
    rows, answered = await world.read(ALL_OF_A, MEANWHILE)
    assert ([one["id"] for one in rows], answered.report.refreshing) == ([1], True)
    await world.shared[0].refreshes.settled()
    assert world.source.requests == 3


async def test_who_must_have_younger_rows_does_not_fail_with_the_background(world: World) -> None:
    await make_old(world)
    world.source.fault = exhausted()
    gate = world.source.gate = asyncio.Event()
    await world.read(ALL_OF_A, MEANWHILE)
    await until(lambda: world.source.requests == 2)
    world.source.fault = None
    waiting = asyncio.create_task(world.read(ALL_OF_A, replace(MEANWHILE, revalidate_us=0)))
    await asyncio.sleep(0)
    gate.set()
    rows, asked = await waiting
    assert ([one["id"] for one in rows], asked.report.complete) == ([1, 2], True)


async def test_who_names_a_bound_is_shown_nothing_older() -> None:
    table, server = {"max_staleness": "5 min", "stale_while_revalidate": "10 min"}, {"stale_while_revalidate": "1 h"}
    assert staleness_of(None, 0, table, server).revalidate_us == 10 * MINUTE_US
    assert staleness_of(None, 0, {"max_staleness": "5 min"}, server).revalidate_us == 60 * MINUTE_US
    assert staleness_of(5 * MINUTE_US, 0, table, server).revalidate_us == 0
    assert staleness_of(0, 0, table, server).revalidate_us == 0
    assert staleness_of(None, 0, {"max_staleness": "0"}, server).revalidate_us == 0
    with pytest.raises(StalenessInvalid, match="stale_while_revalidate"):
        staleness_of(None, 0, {**table, "stale_while_revalidate": "soon"}, server)
