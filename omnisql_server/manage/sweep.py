"""Deletes what nothing refers to any more: sealed secrets without a user mapping, statistics without a foreign table.

Secrets are left over from rolled back transactions and from replaced and dropped mappings.

A secret is left alone while it is young, because its mapping may not be committed yet; and all are while a transaction
with DDL is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from catalog.control import aged_secrets, delete_secrets
from catalog.credentials import HANDLE_PREFIX
from catalog.quoting import options_from_array
from catalog.snapshot import UNFINISHED_DDL_SQL
from catalog.statistics import forget_statistics, tables_with_statistics
from omnisql_server.errors import InternalError
from omnisql_server.manage.resolver import Connect
from omnisql_server.model.run import SessionView
from omnisql_server.model.statement import Statement

SETTLE_S = 2.0
"""How long a DROP gets to be committed before it is looked for."""

SWEPT_MAX = 10_000

REFERRED_SQL = "SELECT m.umoptions FROM pg_catalog.pg_user_mappings m WHERE m.umoptions IS NOT NULL"

FOREIGN_TABLES_SQL = """
SELECT t.ftserver, c.relname, t.ftoptions FROM pg_catalog.pg_foreign_table t
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.ftrelid
"""

_log = structlog.get_logger(__name__)


async def sweep(
    *, tenant_id: UUID, tenant_connection: Connect, control_connection: Connect, age_s: float
) -> tuple[UUID, ...]:
    """Delete a tenant's unused secrets that are older than `age_s` seconds, and return their handles."""
    async with control_connection() as connection:
        aged = await aged_secrets(connection, tenant=tenant_id, age_s=age_s, count_max=SWEPT_MAX)
    if not aged:
        return ()
    async with tenant_connection() as connection:
        # In this order: a mapping whose transaction is not open any more is seen by the second query.
        if await connection.fetchval(UNFINISHED_DDL_SQL):
            return ()
        rows = await connection.fetch(REFERRED_SQL)
    referred = {value for row in rows for value in options_from_array(row["umoptions"]).values()}
    unused = tuple(handle for handle in aged if f"{HANDLE_PREFIX}{handle}" not in referred)
    if unused:
        async with control_connection() as connection:
            await delete_secrets(connection, tenant=tenant_id, handles=unused)
    return unused


async def sweep_statistics(
    *, tenant_id: UUID, tenant_connection: Connect, control_connection: Connect
) -> frozenset[tuple[int, str]]:
    """Delete the statistics of API tables that no foreign table stands for, and return which those are.

    Each is given by the OID of its server and its name at the connector.
    """
    async with control_connection() as connection:
        kept = await tables_with_statistics(connection, tenant_id)
    if not kept:
        return frozenset()
    async with tenant_connection() as connection:
        if await connection.fetchval(UNFINISHED_DDL_SQL):
            return frozenset()
        rows = await connection.fetch(FOREIGN_TABLES_SQL)
    live = {(row["ftserver"], options_from_array(row["ftoptions"]).get("table", row["relname"])) for row in rows}
    gone = kept - live
    if gone:
        async with control_connection() as connection:
            await forget_statistics(connection, tenant_id, gone)
    return gone


class Sweeper:
    """Sweeps a tenant's secrets every `interval_s` seconds, and soon after a DROP; implements `manage.managed.Manage`.

    Of a DROP it only takes note: PostgreSQL carries it out as it came.
    """

    def __init__(self, sweep_once: Callable[[], Awaitable[tuple[UUID, ...]]], *, interval_s: float) -> None:
        self._sweep_once = sweep_once
        self._interval_s = interval_s
        self._woken = asyncio.Event()

    async def claims(self, statement: Statement, view: SessionView) -> bool:  # noqa: ARG002 - the protocol's signature
        """Take note of a DROP, and leave it to PostgreSQL."""
        self._woken.set()
        return False

    async def run(self, statement: Statement, view: SessionView) -> str:
        """Refuse: no statement is claimed.

        Raises:
            InternalError: XX000, always.
        """
        raise InternalError(message=f"{statement.kind} of {view.principal.name} is never claimed")

    async def serve(self) -> None:
        """Sweep until canceled; a failure is logged, and the next turn tries again."""
        while True:
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._woken.wait()
                await asyncio.sleep(min(SETTLE_S, self._interval_s))
            except TimeoutError:
                pass
            self._woken.clear()
            try:
                async with asyncio.timeout(self._interval_s):
                    swept = await self._sweep_once()
            except Exception as error:  # noqa: BLE001  nothing waits for it but the next turn
                _log.warning("secret_sweep_failed", exc_info=error)
            else:
                if swept:
                    _log.info("secrets_swept", count=len(swept))
