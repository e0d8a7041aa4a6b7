"""Lets a crowd that asks the same share one answer, never one that was begun before they asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


class Grouped(Generic[_Answer]):
    """Asks once for all who came while it was asked before; `ask` must not raise."""

    def __init__(self, ask: Callable[[], Awaitable[_Answer]]) -> None:
        self._ask = ask
        self._waiting: list[asyncio.Future[_Answer]] = []
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> asyncio.Future[_Answer]:
        """Return what ends with an answer that was begun after this call; cancelled when `close` comes first."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Answer] = loop.create_future()
        self._waiting.append(future)
        if self._task is None:
            # Of its own context: it outlives the statement that happened to come first.
            self._task = loop.create_task(self._serve(), name="grouped", context=Context())
        return future

    def close(self) -> None:
        """Stop asking; whoever waits is cancelled."""
        if self._task is not None:
            self._task.cancel()

    async def _serve(self) -> None:
        asked: list[asyncio.Future[_Answer]] = []
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                answer = await self._ask()
                for future in asked:
                    if not future.done():
                        future.set_result(answer)
        finally:
            self._task = None
            for future in (*asked, *self._waiting):
                future.cancel()
            self._waiting = []
