"""What a shared fetch has read so far: a list that grows, for all who wait for it in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
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


ROWS_FOR_A_THREAD = 2000


@dataclass(slots=True, eq=False)
class SharedPages:
    """The pages in order; of these, `taken` at most were given to a statement.

    `key` are columns that tell rows apart: with them, what another reading gives is added without the rows that are
    there already; none where that cannot be done. `began_us` is when the oldest reading began that another process has
    given rows of, None if none has. `relayed` says that some are on their way to another process,
    `deserted` that nobody in this one waits any more.
    """

    key: tuple[str, ...] = ()
    batches: list[pa.RecordBatch] = field(default_factory=list)
    taken: int = 0
    relayed: bool = False
    deserted: bool = False
    began_us: int | None = None
    _known: int = 0
    """How many pages are of earlier readings."""
    _names: frozenset[tuple[Any, ...]] | None = None
    """What identifies the rows of these, once it has been needed."""
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def give(self, batch: pa.RecordBatch) -> None:
        """Add a page and wake those who wait for it."""
        rest = await self.rest_of((batch,))
        self.batches.extend(rest)
        self._came.set()
        self._came = asyncio.Event()

    async def rest_of(self, batches: Sequence[pa.RecordBatch]) -> tuple[pa.RecordBatch, ...]:
        """Leave out the rows that an earlier reading has given."""
        if not self._known:
            return tuple(batches)
        if self._names is None:
            self._names = frozenset().union(*[await self._names_of(batch) for batch in self.batches[: self._known]])
        rest = []
        for batch in batches:
            is_new = [name not in self._names for name in await self._names_of(batch)]
            rest.append(batch.filter(pa.array(is_new, pa.bool_())))
        return tuple(rest)

    def begin_again(self) -> None:
        """Have what comes next be read from its beginning; what came is forgotten unless a statement has sent of it.

        Raises:
            SharedFetchEnded: one has, and its rows cannot be told from those that come.
        """
        if not self.taken:
            self.batches.clear()
            self.began_us = None
        elif not self.key:
            raise ended()
        self._known, self._names = len(self.batches), None

    @property
    def goes_on(self) -> bool:
        """Say whether some of the rows are of an earlier reading."""
        return self._known > 0

    async def _names_of(self, batch: pa.RecordBatch) -> list[tuple[Any, ...]]:
        columns = batch.select(list(self.key))
        if batch.num_rows > ROWS_FOR_A_THREAD:
            return await asyncio.to_thread(_rows_of, columns)
        return _rows_of(columns)

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


def _rows_of(columns: pa.RecordBatch) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in columns.to_pylist()]
