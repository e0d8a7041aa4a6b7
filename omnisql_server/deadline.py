"""PostgreSQL's statement_timeout for a run statement: one deadline from its arrival to its last row."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

from omnisql_server.errors import StatementCanceled

Item = TypeVar("Item")


class Deadline:
    """The moment after which a statement is canceled; it starts when made, its length is set once it is known."""

    def __init__(self) -> None:
        self._started_s = asyncio.get_running_loop().time()
        self._at_s: float | None = None

    def set(self, timeout_ms: int) -> None:
        """Set the length in milliseconds; 0 means none."""
        self._at_s = self._started_s + timeout_ms / 1000 if timeout_ms else None

    @asynccontextmanager
    async def scope(self) -> AsyncIterator[None]:
        """Cancel what runs inside when the deadline passes.

        Raises:
            StatementCanceled: it passed (57014).
        """
        timeout = asyncio.timeout_at(self._at_s)
        try:
            async with timeout:
                yield
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise StatementCanceled(message="canceling statement due to statement timeout") from error

    async def bounded(self, items: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
        """Yield the items, each of which must arrive before the deadline; closing this closes them."""
        async with aclosing(items):
            while True:
                async with self.scope():
                    item = await anext(items, None)
                if item is None:
                    return
                yield item
