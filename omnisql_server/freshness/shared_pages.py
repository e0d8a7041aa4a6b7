"""What a shared fetch has read so far: a list that grows, for all who wait for it in one process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from omnisql_server.errors import SharedFetchEnded
from omnisql_server.model.freshness import Answer, Give


def ended() -> SharedFetchEnded:
    """Say that rows went out which nobody can add the rest to."""
    return SharedFetchEnded(
        message="the fetch that this statement shared with another one has ended before it was complete",
        hint="run the statement again",
    )


@dataclass(slots=True, eq=False)
class SharedPages:
    """The pages in order; of these, `taken` at most were given to a statement.

    `relayed` says that some are on their way to another process, `deserted` that nobody in this one waits any more.
    """

    batches: list[pa.RecordBatch] = field(default_factory=list)
    taken: int = 0
    relayed: bool = False
    deserted: bool = False
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def give(self, batch: pa.RecordBatch) -> None:
        """Add a page and wake those who wait for it."""
        self.batches.append(batch)
        self._came.set()
        self._came = asyncio.Event()

    def begin_again(self) -> None:
        """Forget what came, because it is read from its beginning.

        Raises:
            SharedFetchEnded: a statement has sent some of it.
        """
        if self.taken:
            raise ended()
        self.batches.clear()

    async def given_to(self, give: Give, over: asyncio.Future[Answer]) -> int:
        """Give every page away until no more can come, and return how many there were."""
        given = 0
        while True:
            came = self._came
            while given < len(self.batches):
                given += 1
                self.taken = max(self.taken, given)
                await give(self.batches[given - 1])
            if over.done():
                return given
            if self._came is came:
                waiting = asyncio.ensure_future(came.wait())
                pending: list[asyncio.Future[Any]] = [over, waiting]
                try:
                    await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
