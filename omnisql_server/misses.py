"""Conditions that were evaluated here instead of by an API, and how many calls the scans under them took.

By table and condition without any literal, added up in the control database over all servers of a tenant. What
statements add is held in bounded memory and written in batches behind the answers, again where that failed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from uuid import UUID

import asyncpg
import structlog

from catalog.connection import Connection
from catalog.errors import CatalogError, ClusterUnavailable
from catalog.misses import Miss, add_misses, load_misses
from omnisql_server.model.plan import NotPushed, ScanPlan
from omnisql_server.model.report import SourceReport

WRITE_INTERVAL_S = 5.0
WRITE_TIMEOUT_S = 5.0
MISSES_MAX = 1_000
"""Different conditions of one tenant; beyond it the ones seen longest ago are forgotten."""
TEXT_MAX = 500

# What sqlglot writes: names in quotes, behind their relation's alias, and strings and numbers.
_LITERAL = re.compile(r"""("(?:[^"]|"")*")(\.(?="))?|'(?:[^']|'')*'|\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b""")


_Key = tuple[int, str]
_log = structlog.get_logger(__name__)


class PushdownMisses:
    """What the conditions of one tenant's statements cost.

    `control_connection` opens a connection to the control database for a moment.
    """

    def __init__(
        self,
        tenant_id: UUID,
        control_connection: Callable[[], AbstractAsyncContextManager[Connection]],
        *,
        write_interval_s: float = WRITE_INTERVAL_S,
    ) -> None:
        self._tenant_id = tenant_id
        self._control_connection = control_connection
        self._write_interval_s = write_interval_s
        self._unwritten: dict[_Key, Miss] = {}
        self._writing = asyncio.Lock()
        self._woken = asyncio.Event()

    def record(self, plan: ScanPlan, report: SourceReport) -> None:
        """Take in a finished scan; one that took no call is passed over."""
        if not report.requests:
            return
        for entry in plan.not_pushed:
            if entry.costs:
                self._add([_miss(plan, entry, report)])

    @property
    def unwritten(self) -> tuple[Miss, ...]:
        """Return what is not written yet, the condition seen last at the end."""
        return tuple(self._unwritten.values())

    async def rows(self) -> tuple[Miss, ...]:
        """Return all that is known to any server, the condition seen last first.

        Raises:
            ClusterUnavailable: 57P03, the control database cannot be read.
        """
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S), self._control_connection() as connection:
                await self._write(connection)
                return await load_misses(connection, self._tenant_id, MISSES_MAX)
        except TimeoutError as error:
            raise ClusterUnavailable("the control database does not answer", hint="Try again later.") from error

    async def serve(self) -> None:
        """Write what is new from time to time, until canceled."""
        while True:
            await self._woken.wait()
            await asyncio.sleep(self._write_interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what is new now; what cannot be written waits for the next time, with a line in the log."""
        self._woken.clear()
        if not self._unwritten:
            return
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S), self._control_connection() as connection:
                await self._write(connection)
        except (CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            _log.warning("misses_not_written", tenant=str(self._tenant_id), reason=str(error))

    async def _write(self, connection: Connection) -> None:
        async with self._writing:
            seen, self._unwritten = list(self._unwritten.values()), {}
            if not seen:
                return
            try:
                await add_misses(connection, self._tenant_id, seen, MISSES_MAX)
            except BaseException:
                # Whether it was written is not known; rather twice than not at all.
                self._add(seen)
                raise

    def _add(self, seen: list[Miss]) -> None:
        for now in seen:
            key = (now.relation_oid, now.condition)
            # Taken out and put in again, so that the first ones are those that were seen longest ago.
            before = self._unwritten.pop(key, None)
            self._unwritten[key] = now if before is None else _sum(before, now)
        while len(self._unwritten) > MISSES_MAX:
            del self._unwritten[next(iter(self._unwritten))]
        self._woken.set()


def _miss(plan: ScanPlan, entry: NotPushed, report: SourceReport) -> Miss:
    return Miss(
        relation_oid=plan.relation.oid,
        condition=without_literals(entry.condition),
        reason=entry.reason,
        rewrite=without_literals(entry.rewrite).rpartition(": ")[0],
        statements=1,
        calls=report.requests,
        rows_fetched=report.rows_fetched,
        seen_at=report.fetched_at,
    )


def _sum(before: Miss, now: Miss) -> Miss:
    return replace(
        now,
        statements=before.statements + now.statements,
        calls=before.calls + now.calls,
        rows_fetched=before.rows_fetched + now.rows_fetched,
        rewrite=now.rewrite or before.rewrite,
        seen_at=max(before.seen_at, now.seen_at),
    )


def without_literals(sql: str) -> str:
    """Write a condition with `?` in the place of every literal, and without the aliases of relations."""
    text = _LITERAL.sub(lambda found: "" if found[2] else found[1] or "?", sql)
    if "'" in text:
        # A string in a spelling that is not understood here.
        return "a condition that cannot be shown without its literals"
    # A parameter is a literal with its type.
    text = re.sub(r"CAST\(\? AS [A-Z0-9 ]+\)", "?", text)
    # Lists of any length are one condition.
    text = re.sub(r"\?(?:, \?)+", "?, ..", text)
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 2] + ".."
