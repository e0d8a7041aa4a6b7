"""Pages on their way from a scan to whoever evaluates them, so many ahead of him and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from omnisql_server.model.report import SourceReport


@dataclass(slots=True, kw_only=True)
class Pages:
    """One scan's pages; who gives waits while more than `ahead_bytes_max` have not been made use of.

    With 0 the next page is asked for only when somebody comes for it. `read_out` says that no page will come any more,
    although what is to be said of them may; `report` tells what has been read so far.
    """

    ahead_bytes_max: int
    read_out: bool = False
    scans_left: int = 1
    report: Callable[[], SourceReport] | None = None
    _waiting: list[pa.RecordBatch] = field(default_factory=list)
    _waiting_bytes: int = 0
    _used_bytes: int = 0
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, scans: int, report: Callable[[], SourceReport]) -> None:
        """Say how many scans will give pages, and what tells of them so far."""
        self.scans_left, self.report = scans, report

    def scan_ended(self) -> None:
        """Say that one of the scans will give no page any more."""
        self.scans_left -= 1
        if self.scans_left == 0:
            self.end()

    @property
    def in_turn(self) -> bool:
        """Say whether pages are asked for one by one."""
        return self.ahead_bytes_max == 0

    async def give(self, rows: pa.RecordBatch) -> None:
        """Hand over a page, and return once the next may be asked for."""
        if rows.num_rows == 0:
            return
        self._waiting.append(rows)
        # A page without columns is a page, too.
        self._waiting_bytes += max(1, rows.nbytes)
        self._came.set()
        while self._waiting_bytes + self._used_bytes > self.ahead_bytes_max:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        """Say that no page will come any more."""
        self.read_out = True
        self._came.set()

    async def came(self) -> None:
        """Wait for the first page, or the end."""
        await self._came.wait()

    async def take(self) -> list[pa.RecordBatch]:
        """Return the pages that are there, once there are any, none at the end; those taken before were made use of."""
        self._used_bytes = 0
        self._room.set()
        while not self._waiting and not self.read_out:
            self._came.clear()
            await self._came.wait()
        taken, self._waiting = self._waiting, []
        self._used_bytes, self._waiting_bytes = self._waiting_bytes, 0
        return taken
