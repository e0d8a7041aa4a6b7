"""Pages that several wait for: each has all of them in order, and what was sent cannot be begun again."""

from __future__ import annotations

import asyncio

import pyarrow as pa
import pytest

from omnisql_server.errors import SharedFetchEnded
from omnisql_server.freshness.shared_pages import SharedPages
from omnisql_server.model.freshness import Answer


def page(number: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([number], pa.int64())], names=["id"])


async def taking(pages: SharedPages, over: asyncio.Future[Answer], seen: list[int], slow: bool) -> int:
    async def give(batch: pa.RecordBatch) -> None:
        if slow:
            await asyncio.sleep(0)
        seen.extend(batch.column(0).to_pylist())

    return await pages.given_to(give, over)


async def test_each_has_all_pages_in_order_whenever_it_comes() -> None:
    pages, over = SharedPages(), asyncio.get_running_loop().create_future()
    seen: list[list[int]] = [[], [], []]
    tasks = [asyncio.create_task(taking(pages, over, seen[0], slow=False))]
    for number in range(3):
        await pages.give(page(number))
    tasks.append(asyncio.create_task(taking(pages, over, seen[1], slow=True)))
    await asyncio.sleep(0)
    await pages.give(page(3))
    over.set_result(Answer(batches=()))
    tasks.append(asyncio.create_task(taking(pages, over, seen[2], slow=False)))
    assert [await task for task in tasks] == [4, 4, 4]
    assert seen == [[0, 1, 2, 3]] * 3


async def test_what_nobody_took_is_begun_again_and_what_was_sent_is_not() -> None:
    pages, over = SharedPages(), asyncio.get_running_loop().create_future()
    await pages.give(page(1))
    pages.begin_again()
    assert pages.batches == []
    await pages.give(page(2))
    over.set_result(Answer(batches=()))
    seen: list[int] = []
    assert await taking(pages, over, seen, slow=False) == 1
    with pytest.raises(SharedFetchEnded) as caught:
        pages.begin_again()
    assert (caught.value.sqlstate, seen) == ("40001", [2])


async def test_another_reading_adds_what_was_not_there_if_rows_can_be_told_apart() -> None:
    pages, over = SharedPages(key=("id",)), asyncio.get_running_loop().create_future()
    for number in (1, 2):
        await pages.give(page(number))
    seen: list[int] = []
    task = asyncio.create_task(taking(pages, over, seen, slow=True))
    await asyncio.sleep(0)
    # One is taken, and one is not: neither comes twice.
    pages.begin_again()
    for number in (2, 3, 1):
        await pages.give(page(number))
    pages.begin_again()
    for number in (3, 4):
        await pages.give(page(number))
    rest = await pages.rest_of((page(4), page(1), page(5)))
    assert [batch.column(0).to_pylist() for batch in rest] == [[4], [], [5]]
    over.set_result(Answer(batches=()))
    await task
    assert [number for batch in pages.batches for number in batch.column(0).to_pylist()] == [1, 2, 3, 4]
