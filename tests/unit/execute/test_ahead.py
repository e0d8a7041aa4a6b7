"""Work that is done ahead: in order, no further ahead than is allowed, and over with whoever takes its results."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pyarrow as pa
import pytest

from omnisql_server.execute.ahead import with_lookahead, with_rows


class Items:
    """Numbers as they come; from the first that is held on, each waits for `more`."""

    def __init__(self, count: int, *, held_from: int | None = None, error: Exception | None = None) -> None:
        self.count = count
        self.held_from = held_from
        self.error = error
        self.more = asyncio.Event()
        self.given: list[int] = []
        self.closed = False

    async def __call__(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(self.count):
                if self.held_from is not None and number >= self.held_from:
                    await self.more.wait()
                self.given.append(number)
                yield number
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


def doubled(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("ahead", [0, 1, 2])
async def test_results_come_in_order(ahead: int) -> None:
    items = Items(20)
    assert [result async for result in with_lookahead(doubled, items(), ahead=ahead)] == list(range(0, 40, 2))
    assert items.closed


@pytest.mark.parametrize("ahead", [0, 2])
async def test_a_result_does_not_wait_for_the_next_item(ahead: int) -> None:
    items = Items(2, held_from=1)
    results = with_lookahead(doubled, items(), ahead=ahead)
    assert await anext(results) == 0
    items.more.set()
    assert [result async for result in results] == [2]


async def test_without_looking_ahead_an_item_is_asked_for_when_somebody_comes_for_it() -> None:
    items = Items(5)
    results = with_lookahead(doubled, items(), ahead=0)
    assert await anext(results) == 0
    assert items.given == [0]
    await results.aclose()
    assert items.closed


async def test_no_more_is_done_ahead_than_is_allowed() -> None:
    items = Items(50)
    results = with_lookahead(doubled, items(), ahead=2)
    for taken in range(1, 20):
        await anext(results)
        # Those that wait, the one that is made, and the one that has come.
        assert len(items.given) <= taken + 2 + 2
    await results.aclose()
    assert items.closed


async def test_what_came_before_a_failure_goes_out_first() -> None:
    items, seen = Items(3, error=ValueError("broken")), list[int]()
    with pytest.raises(ValueError, match="broken"):
        await _take(with_lookahead(doubled, items()), seen)
    assert seen == [0, 2, 4]
    assert items.closed


async def test_a_failure_of_the_work_comes_in_its_turn() -> None:
    items, seen = Items(9), list[float]()
    with pytest.raises(ZeroDivisionError):
        await _take(with_lookahead(lambda number: 1 / (number - 2), items()), seen)
    assert seen == [-0.5, -1.0]
    assert items.closed


async def test_empty_batches_are_left_out() -> None:
    def batch(*numbers: int) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([pa.array(numbers, pa.int64())], names=["a"])

    async def following() -> AsyncGenerator[pa.RecordBatch, None]:
        for each in (batch(), batch(1, 2), batch()):
            yield each

    assert [one.num_rows async for one in with_rows(batch(), following())] == [2]
    assert [one.num_rows async for one in with_rows(batch(3), following())] == [1, 2]


async def _take(results: AsyncIterator[Any], seen: list[Any]) -> None:
    async for result in results:
        seen.append(result)
