"""Several awaitable steps at a time, their results in order; closing the iterator cancels and awaits the rest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def in_order(
    act: Callable[[Item], Awaitable[Result]], items: Iterator[Item], concurrency: int
) -> AsyncGenerator[Result, None]:
    """Give `act(item)` for every item, in order, with at most `concurrency` under way or waiting to be taken."""
    # The generator itself owns these tasks: a TaskGroup may not be left open across a yield, because the consumer's
    # body would then run inside its cancel scope.
    pending: deque[asyncio.Task[Result]] = deque()

    async def run(item: Item) -> Result:
        return await act(item)

    try:
        for item in islice(items, concurrency):
            pending.append(asyncio.create_task(run(item)))
        while pending:
            result = await pending[0]
            pending.popleft()
            for item in islice(items, 1):
                pending.append(asyncio.create_task(run(item)))
            yield result
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
