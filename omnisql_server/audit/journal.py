"""Writes records by group commit: those that come while a group is being written are the next group.

A group costs its commit, whatever it holds. So where many come, the next one waits for as many as the last one had, but
never longer than `gather_s` after that: who comes alone does not wait.

One connection of a role that can only append. A caller returns once its record is durable, or is told that it is not.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import structlog

from catalog.audit import append
from catalog.audit_groups import Again, GroupText
from catalog.connection import OwnConnection
from catalog.control_access import LOST
from omnisql_server.audit.errors import AuditUnavailable
from omnisql_server.audit.record import ID_BYTES, Record, encoded, new_salt
from omnisql_server.observability.metrics import INSTRUMENTS

GROUP_MAX = 512
GATHER_S = 0.002
"""About what the commit of a group takes on a disk of its own."""
WAITING_MAX = 20_000
ATTEMPTS = 2
"""A connection that was lost is opened again once. What PostgreSQL had written by then may be written twice."""

_log = structlog.get_logger(__name__)
_Waiting = tuple[UUID, str | Again, "asyncio.Future[None]"]


class Journal:
    """Writes what it is given.

    `connect` opens the writer's connection, `timeout_s` bounds one group, `gather_s` how long after a group the next
    one waits for as many.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[OwnConnection]], *, timeout_s: float, gather_s: float = GATHER_S
    ) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._gather_s = gather_s
        self._waiting: deque[_Waiting] = deque()
        self._woken = asyncio.Event()
        self._enough = 1
        self._last_count, self._last_s = 0, 0.0
        self._connection: OwnConnection | None = None
        self._closing = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Journal]:
        """Write for the time of the block; at its end what waits is written first."""
        task = asyncio.create_task(self._serve(), name="audit-journal")
        try:
            yield self
        finally:
            self._closing = True
            self._woken.set()
            await task
            if self._connection is not None:
                await self._connection.close(timeout=self._timeout_s)

    async def write(self, tenant: UUID, record: Record) -> None:
        """Write a record and return once it is durable; one whose caller is cancelled is written all the same.

        Raises:
            AuditUnavailable: 58030, it is not written, or nobody knows.
        """
        await self.note(tenant, record)

    def note(self, tenant: UUID, record: Record) -> asyncio.Future[None]:
        """Have a record written, and return what ends when it is.

        Raises:
            AuditUnavailable: 58030, too many wait already, or the server ends.
        """
        return self._put(tenant, encoded(record))

    def note_again(self, tenant: UUID, again: Again) -> asyncio.Future[None]:
        """Have a record of what happens again and again written, as `note` does, under an id that it gets then."""
        return self._put(tenant, again)

    def _put(self, tenant: UUID, what: str | Again) -> asyncio.Future[None]:
        waiting = self._waiting
        if self._closing or len(waiting) >= WAITING_MAX:
            raise _unavailable("too many records wait to be written" if not self._closing else "the server ends")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append((tenant, what, future))
        if len(waiting) == self._enough:
            self._woken.set()
        return future

    async def _serve(self) -> None:
        while await self._gathered():
            group = [self._waiting.popleft() for _ in range(min(GROUP_MAX, len(self._waiting)))]
            failure = await self._written(group)
            self._last_count, self._last_s = len(group), asyncio.get_running_loop().time()
            for *_, future in group:
                if future.done():
                    continue
                if failure is None:
                    future.set_result(None)
                else:
                    future.set_exception(_unavailable(failure))
                    # A caller may not have waited for it; the log was told.
                    future.exception()

    async def _gathered(self) -> bool:
        """Wait for the next group; False when the journal ends and nothing waits."""
        while not self._waiting:
            if self._closing:
                return False
            await self._wake_at(1)
        loop, gather_until_s = asyncio.get_running_loop(), self._last_s + self._gather_s
        if len(self._waiting) < self._last_count and not self._closing and loop.time() < gather_until_s:
            timer = loop.call_at(gather_until_s, self._woken.set)
            await self._wake_at(self._last_count)
            timer.cancel()
        return True

    async def _wake_at(self, count: int) -> None:
        """Sleep until so many records wait, more than there are, or until woken."""
        self._enough = count
        self._woken.clear()
        await self._woken.wait()

    async def _written(self, records: list[_Waiting]) -> str | None:
        """Write a group; return what is wrong if it cannot be done."""
        texts: defaultdict[UUID, GroupText] = defaultdict(lambda: GroupText(new_salt()))
        identities = secrets.token_hex(ID_BYTES * len(records))
        for start, (tenant, what, _) in zip(range(0, len(identities), 2 * ID_BYTES), records, strict=True):
            if isinstance(what, str):
                texts[tenant].add(what)
            else:
                texts[tenant].add_again(what, identities[start : start + 2 * ID_BYTES])
        groups = {tenant: group.text for tenant, group in texts.items()}
        reason = ""
        for _ in range(ATTEMPTS):
            try:
                async with asyncio.timeout(self._timeout_s):
                    if self._connection is None or self._connection.is_closed():
                        self._connection = await self._connect()
                    await append(self._connection, groups)
            except Exception as error:  # noqa: BLE001  whatever it is, those who wait are told, and the journal goes on
                reason = type(error).__name__
                if self._connection is not None:
                    self._connection.terminate()
                    self._connection = None
                if isinstance(error, asyncpg.PostgresError) and not isinstance(error, LOST):
                    break
            else:
                INSTRUMENTS.audit_written(len(records))
                return None
        INSTRUMENTS.audit_lost(len(records))
        _log.error("audit_not_written", records=len(records), reason=reason)
        return reason


def _unavailable(detail: str) -> AuditUnavailable:
    return AuditUnavailable(
        message="AUDIT_UNAVAILABLE: the audit record of the statement cannot be written",
        detail=f"The control database did not take it ({detail}).",
        hint="Run the statement again later; if this lasts, let the operator look at the control database.",
    )
