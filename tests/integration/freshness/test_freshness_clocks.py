"""Replicas whose own clocks are minutes apart: ages, bounds and leases are told by Valkey's clock alone."""

from __future__ import annotations

import asyncio
import datetime as dates
import sys
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import pytest
from fresh_world import Question, World, on, row, unavailable, until

from connectors.sdk.errors import Retryable
from connectors.sdk.scan import Operator
from omnisql_server.model.freshness import Staleness

pytestmark = pytest.mark.asyncio(loop_scope="session")
MINUTE_US = 60_000_000
FIVE_MINUTES = Staleness(max_us=5 * MINUTE_US)
ALL_OF_A = Question(conditions=(on("repo", Operator.EQ, "a"),))
AHEAD_S = (7 * 60, -7 * 60)
"""How far each replica's own clock is from the right time."""

_OFF_S: ContextVar[int] = ContextVar("off_s", default=0)
Result = TypeVar("Result")


class _Skewed(dates.datetime):
    @classmethod
    def now(cls, tz: dates.tzinfo | None = None) -> Any:
        return dates.datetime.now(tz) + dates.timedelta(seconds=_OFF_S.get())


@pytest.fixture(autouse=True)
def skewed_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have whatever asks for the time of day within `at` be told that of the replica there."""
    real, real_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: real() + _OFF_S.get())
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + _OFF_S.get() * 1_000_000_000)
    for name, module in list(sys.modules.items()):
        if name.startswith("omnisql_server.") and getattr(module, "datetime", None) is dates.datetime:
            monkeypatch.setattr(module, "datetime", _Skewed)


async def at(replica: int, work: Callable[[int], Awaitable[Result]]) -> Result:
    """Do something on a replica, by its own clock."""
    _OFF_S.set(AHEAD_S[replica])
    return await work(replica)


def on_replica(world: World, replica: int, staleness: Staleness = FIVE_MINUTES) -> asyncio.Task[Any]:
    """Read on a replica, in a task with a clock of its own."""
    return asyncio.create_task(at(replica, lambda each: world.read(ALL_OF_A, staleness, replica=each)))


@pytest.fixture
def filled(world: World) -> World:
    world.source.rows = {1: row(1), 2: row(2)}
    return world


async def test_the_clocks_of_replicas_are_apart() -> None:
    told = [await asyncio.create_task(at(replica, _both_clocks)) for replica in (0, 1)]
    assert [round((one - told[1][0]) / 60) for one in told[0]] == [14, 14]


async def _both_clocks(_: int) -> tuple[float, float]:
    return time.time(), _Skewed.now(dates.UTC).timestamp()


@pytest.mark.parametrize("first", [0, 1])
async def test_ages_and_bounds_are_the_same_for_both(filled: World, first: int) -> None:
    await on_replica(filled, first)
    for minutes, is_kept in ((0, True), (4, True), (6, False)):
        filled.ahead_us = minutes * MINUTE_US
        before = filled.source.requests
        _, fetched = await on_replica(filled, 1 - first)
        assert (filled.source.requests == before) is is_kept
        if is_kept:
            assert minutes * 60_000 <= fetched.report.age_ms < minutes * 60_000 + 30_000
    # What one has read again is young to the other, too.
    _, fetched = await on_replica(filled, first)
    assert (fetched.report.requests, fetched.report.age_ms < 30_000) == (0, True)


@pytest.mark.parametrize("leader", [0, 1])
async def test_a_lease_holds_for_both(filled: World, leader: int) -> None:
    filled.source.gate = asyncio.Event()
    leading = on_replica(filled, leader)
    await until(lambda: filled.source.requests == 1)
    following = on_replica(filled, 1 - leader)
    await until(lambda: bool(filled.shared[1 - leader].flights._under_way))
    filled.source.gate.set()
    assert [len((await task)[0]) for task in (leading, following)] == [2, 2]
    assert filled.source.requests == 1


@pytest.mark.parametrize("first", [0, 1])
async def test_how_old_rows_may_stand_in_is_the_same_for_both(filled: World, first: int) -> None:
    bounds = Staleness(max_us=MINUTE_US, if_error_us=5 * MINUTE_US)
    await on_replica(filled, first, bounds)
    filled.source.fault = unavailable()
    filled.ahead_us = 4 * MINUTE_US
    _, fetched = await on_replica(filled, 1 - first, bounds)
    assert fetched.report.stale is not None
    filled.ahead_us = 6 * MINUTE_US
    with pytest.raises(Retryable):
        await on_replica(filled, 1 - first, bounds)


async def test_what_was_begun_before_an_invalidation_is_not_kept_by_either_clock(filled: World) -> None:
    filled.source.gate = asyncio.Event()
    reading = on_replica(filled, 0)
    await until(lambda: filled.source.requests == 1)
    dropping = at(1, lambda each: filled.replicas[each].drop(filled.origin("all"), ALL_OF_A.table))
    await asyncio.create_task(dropping)
    filled.source.gate.set()
    await reading
    _, fetched = await on_replica(filled, 1)
    assert fetched.report.requests == 1
