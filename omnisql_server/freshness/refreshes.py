"""Readings in the background: rows that are older than their bound, and answered all the same, are read again.

They belong to the server: no statement's end or cancel stops them. Each is on record, and takes of its source's rate
limit only what is to spare.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from dataclasses import dataclass, field

import structlog

from omnisql_server.model.freshness import Answer
from omnisql_server.observability.metrics import INSTRUMENTS

RUNNING_MAX = 8
"""Readings at a time in one process; what is not read now, the next statement that wants it asks for again."""

OnRecord = Callable[[str], AbstractAsyncContextManager[None]]
"""Puts what the block does on record as the server's own, with a few words on what it is."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Refreshes:
    """The readings in the background of one process, at most one for a request."""

    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def begin(
        self, name: str, read: Callable[[], Awaitable[Answer]], recorded: AbstractAsyncContextManager[None]
    ) -> None:
        """Begin to read, unless that is being done already or too much is."""
        if name in self._running or len(self._running) >= RUNNING_MAX:
            return
        # Nothing of the statement at work goes with it: neither its record nor its names in the log.
        task = asyncio.get_running_loop().create_task(
            _supervised(name, read, recorded), name="refresh", context=Context()
        )
        self._running[name] = task
        task.add_done_callback(lambda _: self._running.pop(name, None))

    async def settled(self) -> None:
        """Wait until none is under way."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def close(self) -> None:
        """Cancel all."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _supervised(
    name: str, read: Callable[[], Awaitable[Answer]], recorded: AbstractAsyncContextManager[None]
) -> None:
    shelf = name.partition("/")[2]
    try:
        async with recorded:
            answer = await read()
    except Exception as error:  # noqa: BLE001  nobody waits for it: it is told here, and the next statement tries again
        INSTRUMENTS.cache_asked("refresh_failed")
        _log.warning("refresh_failed", shelf=shelf, error=type(error).__name__)
        return
    failed = answer.error is not None or answer.truncated is not None
    INSTRUMENTS.cache_asked("refresh_failed" if failed else "refreshed")
    if failed:
        _log.info("refresh_failed", shelf=shelf, error=type(answer.error).__name__)
