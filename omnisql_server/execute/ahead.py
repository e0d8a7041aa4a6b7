"""Work done by threads on what comes, in order and ahead of whoever takes its results."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import pyarrow as pa

AHEAD_MAX = 2
"""Results that wait for who takes them, beside the one that is made."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


async def with_lookahead(
    work: Callable[[_Item], _Result], items: AsyncGenerator[_Item, None], *, ahead: int = AHEAD_MAX
) -> AsyncGenerator[_Result, None]:
    """Yield what threads make of items, each as soon as it is made, while the next ones come; close them.

    With `ahead` 0 an item is asked for only when somebody comes for its result. If the items fail, what was made of
    those before is yielded first.
    """
    async with aclosing(items):
        if ahead == 0:
            async for item in items:
                yield await asyncio.to_thread(work, item)
            return
        async with aclosing(_ahead(work, items, ahead)) as results:
            async for result in results:
                yield result


async def _ahead(
    work: Callable[[_Item], _Result], items: AsyncGenerator[_Item, None], ahead: int
) -> AsyncGenerator[_Result, None]:
    making: deque[asyncio.Future[_Result]] = deque()
    coming: asyncio.Future[_Item] | None = asyncio.ensure_future(anext(items))
    failure: BaseException | None = None
    try:
        while coming is not None or making:
            if coming is not None and coming.done() and len(making) <= ahead:
                failure = coming.exception()
                if failure is None:
                    making.append(asyncio.ensure_future(asyncio.to_thread(work, coming.result())))
                coming = asyncio.ensure_future(anext(items)) if failure is None else None
            elif making and (making[0].done() or len(making) > ahead or coming is None):
                yield await making.popleft()
            else:
                waited = {future for future in (coming, making[0] if making else None) if future is not None}
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if failure is not None and not isinstance(failure, StopAsyncIteration):
            raise failure
    finally:
        pending: list[asyncio.Future[Any]] = [*making, *([coming] if coming is not None else [])]
        for future in pending:
            await _stopped(future)


async def _stopped(future: asyncio.Future[Any]) -> None:
    """Cancel what nobody waits for any more, and take its outcome so that it is not reported as lost."""
    future.cancel()
    await asyncio.wait([future])
    if not future.cancelled():
        future.exception()


async def with_rows(
    first: pa.RecordBatch, batches: AsyncIterator[pa.RecordBatch]
) -> AsyncGenerator[pa.RecordBatch, None]:
    """Yield a batch that has been read and those that follow, but for empty ones; close them."""
    async with aclosing(batches):  # type: ignore[type-var]
        if first.num_rows:
            yield first
        async for batch in batches:
            if batch.num_rows:
                yield batch
