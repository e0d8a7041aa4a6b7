"""Portals over run statements: a result that is being read, with what is left of its last rows between two Executes.

Each has a placeholder of the same name on the backend, the portal of a statement that is never executed, so that
PostgreSQL decides about duplicate names and about the end of a portal's life.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import numpy as np

from omnisql_server.errors import LimitExceeded
from omnisql_server.live_settings import PresentSettings
from omnisql_server.model.run import BoundParameters, RunResult
from omnisql_server.model.statement import Statement
from omnisql_server.session.link import BackendLink
from omnisql_server.session.statements import RunStatement
from wire.backend import Field
from wire.rows import EncodedRows

CHUNK_BYTES_MAX = 262_144
SYNC_AGAIN_AFTER_S = 0.01


@dataclass(slots=True, kw_only=True)
class Portal:
    """A portal; `result` is set by its first Execute, `complete` when all rows were read.

    `position` counts the rows that were read. `prepared` is the prepared statement it comes from, None in the simple
    protocol; `source` the portal that a FETCH or MOVE reads. `among_others` says that there are other statements in its
    message or pipeline, which makes an implicit transaction block; `alone`, that nothing else at all is in its
    transaction, not even a portal of PostgreSQL's.
    """

    statement: Statement
    name: bytes = b""
    parameters: BoundParameters = field(default_factory=BoundParameters)
    prepared: RunStatement | None = None
    source: Portal | None = None
    fields: tuple[Field, ...] | None = None
    result: RunResult | None = None
    complete: bool = False
    command: str = ""
    counts_rows: bool = True
    copies: bool = False
    among_others: bool = False
    alone: bool = False
    position: int = 0
    own_tag: Callable[[], str] | None = None
    _rows: AsyncIterator[EncodedRows] | None = None
    _kept: EncodedRows | None = None
    _kept_start: int = 0

    def open(self, result: RunResult) -> None:
        """Start to read a result."""
        self.result = result
        self._rows = aiter(result.rows)
        self.command, self.counts_rows = result.command, result.counts_rows
        self.copies = result.copy_formats is not None
        self.own_tag = result.tag

    async def read(self, rows_max: int) -> tuple[memoryview | bytes, int] | None:
        """Return the next messages and how many rows they are, at most `rows_max` (0: any number); None at the end.

        More than one row is never more than `CHUNK_BYTES_MAX`, so that a slow client holds back little.
        """
        if self._kept is None:
            if self._rows is None:
                return None
            self._kept = await anext(self._rows, None)
            self._kept_start = 0
            if self._kept is None:
                self.complete = True
                return None
        start, available = self._kept_start, self._kept.row_count
        stop = min(available, start + rows_max) if rows_max else available
        stop = min(stop, _stop_by_bytes(self._kept, start))
        data = self._kept.slice(start, stop) if start or stop < available else self._kept.data
        if stop < available:
            self._kept_start = stop
        else:
            self._kept = None
        self.position += stop - start
        return data, stop - start

    def holds(self, rows_max: int) -> bool:
        """Say whether so many rows (0: all, which it cannot know) wait to be read."""
        return self._kept is not None and 0 < rows_max <= self._kept.row_count - self._kept_start

    def tag(self, rows: int) -> str:
        """Return the command tag of an Execute that read so many rows."""
        if self.own_tag is not None:
            return self.own_tag()
        return f"{self.command} {rows}" if self.counts_rows else self.command

    async def close(self) -> None:
        """Release the result; a portal may be closed more than once."""
        result, self.result, self._rows, self._kept = self.result, None, None, None
        if result is not None:
            await result.close()


def bound_portal(name: bytes, statement: RunStatement, parameters: BoundParameters, source: Portal | None) -> Portal:
    """Make the portal of a statement that was bound; `source` is the portal that it moves, if it does."""
    return Portal(
        name=name,
        statement=statement.statement,
        parameters=parameters,
        prepared=statement,
        source=source,
        fields=statement.description.fields,
    )


def sync_says_nothing(link: BackendLink) -> bool:
    """Say whether a Sync would change nothing and be answered as the one before: in a block, with nothing sent since.

    PostgreSQL is asked all the same once in `SYNC_AGAIN_AFTER_S`, because its idle_in_transaction_session_timeout
    counts from there. So a page of rows that are at hand costs it nothing.
    """
    rests = link.resting and link.status == "T" and not (link.lost or link.skipping)
    return rests and time.monotonic() - link.head_since_s < SYNC_AGAIN_AFTER_S


def _stop_by_bytes(rows: EncodedRows, start: int) -> int:
    if len(rows.data) <= CHUNK_BYTES_MAX or rows.row_count == 0:
        return rows.row_count
    first_byte = int(rows.ends[start - 1]) if start else 0
    return max(start + 1, int(np.searchsorted(rows.ends, first_byte + CHUNK_BYTES_MAX, side="right")))


class Portals:
    """Holds at most as many portals as the settings allow, by name.

    `doubtful` says that something was relayed since PostgreSQL was asked for a portal, which may have closed one.
    """

    def __init__(self, live: PresentSettings) -> None:
        self._live = live
        self.by_name: dict[bytes, Portal] = {}
        self.doubtful = False

    def __contains__(self, name: object) -> bool:
        """Say whether a portal of that name is over a run statement."""
        return name in self.by_name

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.by_name)

    @property
    def names(self) -> frozenset[str]:
        """Return the names of all but the unnamed one."""
        return frozenset(name.decode(errors="replace") for name in self.by_name if name)

    def get(self, name: bytes) -> Portal | None:
        """Return the portal of a name, None if it is relayed or unknown."""
        return self.by_name.get(name)

    def have_at_hand(self, portal: Portal, rows_max: int) -> bool:
        """Say whether the wanted rows of a portal that PostgreSQL has can be sent without asking it."""
        return not self.doubtful and portal.holds(rows_max)

    def check_room(self, name: bytes) -> None:
        """Make sure that one more portal may be opened.

        Raises:
            LimitExceeded: 54000.
        """
        limit = self._live.current.sessions.portals_max
        if len(self.by_name) >= limit and name not in self.by_name:
            raise LimitExceeded(message="too many portals over API tables", detail=f"limit {limit}")

    def put(self, name: bytes, portal: Portal) -> None:
        """Remember a portal; its name is free."""
        self.by_name[name] = portal

    def take(self, name: bytes) -> Portal | None:
        """Forget a portal and return it to be closed."""
        return self.by_name.pop(name, None)

    def take_all(self) -> list[Portal]:
        """Forget all portals and return them to be closed."""
        portals = list(self.by_name.values())
        self.by_name.clear()
        return portals
