"""Writes records by group commit: those that come while a group is being written are the next group.

One connection of a role that can only append. A caller returns once its record is durable, or is told that it is not.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import structlog

from catalog.audit import append
from catalog.audit_groups import GroupText
from catalog.connection import OwnConnection
from catalog.control_access import LOST
from omnisql_server.audit.errors import AuditUnavailable
from omnisql_server.audit.record import Record, encoded
from omnisql_server.observability.metrics import INSTRUMENTS

GROUP_MAX = 512
WAITING_MAX = 20_000
ATTEMPTS = 2
"""A connection that was lost is opened again once. What PostgreSQL had written by then may be written twice."""

_log = structlog.get_logger(__name__)
_Waiting = tuple[UUID, str, str, "asyncio.Future[None]"]


class Journal:
    """Writes what it is given; `connect` opens the writer's connection, `timeout_s` bounds one group."""

    def __init__(self, connect: Callable[[], Awaitable[OwnConnection]], *, timeout_s: float) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._waiting: deque[_Waiting] = deque()
        self._woken = asyncio.Event()
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
        return self.note_parts(tenant, encoded(record)[1:-1])

    def note_parts(self, tenant: UUID, own: str, common: str = "") -> asyncio.Future[None]:
        """Have a record written by the members of its JSON object, as `note` does; equal `common` ones once a group."""
        if self._closing or len(self._waiting) >= WAITING_MAX:
            raise _unavailable("too many records wait to be written" if not self._closing else "the server ends")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((tenant, own, common, future))
        self._woken.set()
        return future

    async def _serve(self) -> None:
        while self._waiting or not self._closing:
            if not self._waiting:
                self._woken.clear()
                await self._woken.wait()
                continue
            group = [self._waiting.popleft() for _ in range(min(GROUP_MAX, len(self._waiting)))]
            failure = await self._written(group)
            for *_, future in group:
                if future.done():
                    continue
                if failure is None:
                    future.set_result(None)
                else:
                    future.set_exception(_unavailable(failure))
                    # A caller may not have waited for it; the log was told.
                    future.exception()

    async def _written(self, records: list[_Waiting]) -> str | None:
        """Write a group; return what is wrong if it cannot be done."""
        texts: defaultdict[UUID, GroupText] = defaultdict(GroupText)
        for tenant, own, common, _ in records:
            texts[tenant].add(own, common)
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
