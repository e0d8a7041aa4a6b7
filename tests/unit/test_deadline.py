"""statement_timeout: what passes in time is untouched, what does not is canceled as PostgreSQL says it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from omnisql_server.deadline import Deadline
from omnisql_server.errors import StatementCanceled

SHORT_MS = 20
LONG_MS = 60_000


async def never() -> None:
    await asyncio.Event().wait()


class Items:
    """A generator of numbers that stops answering after some of them, and notes when it is closed."""

    def __init__(self, count: int, *, stalls: bool = False) -> None:
        self.count = count
        self.stalls = stalls
        self.closed = False

    async def read(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(1, self.count + 1):
                yield number
            if self.stalls:
                await never()
        finally:
            self.closed = True


async def test_a_scope_that_ends_in_time_passes() -> None:
    deadline = Deadline()
    deadline.set(LONG_MS)
    async with deadline.scope():
        await asyncio.sleep(0)
    async with deadline.scope():
        pass


async def test_no_timeout_sets_no_moment() -> None:
    deadline = Deadline()
    deadline.set(SHORT_MS)
    deadline.set(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3 * SHORT_MS / 1000), deadline.scope():
            await never()


async def test_a_scope_that_takes_too_long_is_canceled_in_postgresqls_words() -> None:
    deadline = Deadline()
    deadline.set(SHORT_MS)
    with pytest.raises(StatementCanceled) as canceled:
        async with deadline.scope():
            await never()
    assert canceled.value.sqlstate == "57014"
    assert canceled.value.message == "canceling statement due to statement timeout"


async def test_the_time_counts_from_the_arrival_of_the_statement() -> None:
    deadline = Deadline()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2 * SHORT_MS / 1000):
            await never()
    deadline.set(SHORT_MS)
    with pytest.raises(StatementCanceled):
        async with deadline.scope():
            await never()


async def test_the_timeout_of_something_inside_is_not_the_statements() -> None:
    deadline = Deadline()
    deadline.set(LONG_MS)
    with pytest.raises(TimeoutError, match="the source is slow"):
        async with deadline.scope():
            raise TimeoutError("the source is slow")


async def test_a_cancellation_from_outside_stays_one() -> None:
    deadline = Deadline()
    deadline.set(LONG_MS)
    started = asyncio.Event()

    async def work() -> None:
        async with deadline.scope():
            started.set()
            await never()

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_items_in_time_are_all_given_and_their_source_is_closed() -> None:
    deadline, items = Deadline(), Items(3)
    deadline.set(LONG_MS)
    assert [item async for item in deadline.bounded(items.read())] == [1, 2, 3]
    assert items.closed


async def test_an_item_that_is_late_ends_the_statement_after_those_before_it() -> None:
    deadline, items = Deadline(), Items(2, stalls=True)
    deadline.set(SHORT_MS)
    rows = deadline.bounded(items.read())
    assert [await anext(rows), await anext(rows)] == [1, 2]
    with pytest.raises(StatementCanceled):
        await anext(rows)
    assert items.closed


async def test_who_stops_reading_closes_the_source_at_once() -> None:
    deadline, items = Deadline(), Items(3)
    rows = deadline.bounded(items.read())
    assert await anext(rows) == 1
    assert not items.closed
    await rows.aclose()
    assert items.closed


async def test_the_time_a_client_takes_between_items_counts_too() -> None:
    deadline, items = Deadline(), Items(2, stalls=True)
    deadline.set(SHORT_MS)
    rows = deadline.bounded(items.read())
    assert await anext(rows) == 1
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2 * SHORT_MS / 1000):
            await never()
    assert await anext(rows) == 2
    with pytest.raises(StatementCanceled):
        await anext(rows)
    assert items.closed
