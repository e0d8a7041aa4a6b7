"""The room that a tenant's embedded cluster may take on disk, and what happens when it takes more.

Above the quota all transactions of the cluster begin read-only, so that PostgreSQL itself refuses whatever writes, in
functions and prepared statements, too; sessions may not leave that mode (`roomless.py`), and their refusals are told as
53100. What writes at that moment is canceled at each measure until there is room again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import structlog

from catalog.clusters.disk_use import disk_used_bytes
from catalog.connection import OwnConnection
from catalog.errors import CatalogError
from omnisql_server.model.room import DiskQuotaExceeded

MEASURE_INTERVAL_S = 2.0
SETTLED_AFTER_S = 2.0
"""Time in which every backend's postmaster has told it of a changed configuration."""
ENOUGH_ROOM = 0.95
"""Part of the quota below which writing goes on: not at once, so that it does not stop and go on all the time."""
OPENING = math.inf
"""In the place of the time since when a cluster is closed: it is about to be opened, and nobody is held to it."""
HARD_BOUND = 1.1
"""Part of the quota above which even what frees room by rows is canceled, and transactions that wrote are ended."""
MB = 2**20

CLOSE = "ALTER SYSTEM SET default_transaction_read_only = 'on'"
OPEN = "ALTER SYSTEM RESET default_transaction_read_only"
RELOAD = "SELECT pg_catalog.pg_reload_conf()"
WRITERS = """
SELECT a.pid FROM pg_catalog.pg_stat_activity AS a
 WHERE a.backend_type OPERATOR(pg_catalog.=) 'client backend' AND a.backend_xid IS NOT NULL
   AND a.usename OPERATOR(pg_catalog.<>) CURRENT_USER AND a.state OPERATOR(pg_catalog.=) 'active'
   AND a.query OPERATOR(pg_catalog.!~*) $1::pg_catalog.text
"""
CANCEL = f"""{WRITERS}
   AND a.pid OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.int4[]) AND pg_catalog.pg_cancel_backend(a.pid)
"""
END = """
SELECT a.pid FROM pg_catalog.pg_stat_activity AS a
 WHERE a.backend_type OPERATOR(pg_catalog.=) 'client backend' AND a.backend_xid IS NOT NULL
   AND a.usename OPERATOR(pg_catalog.<>) CURRENT_USER AND a.state OPERATOR(pg_catalog.~~) 'idle in transaction%'
   AND pg_catalog.pg_terminate_backend(a.pid)
"""
FREES, FREES_FILES = r"^\s*(delete|drop|truncate|vacuum)\M", r"^\s*(drop|truncate|vacuum)\M"

_log = structlog.get_logger(__name__)


class DiskQuota:
    """Measures one cluster's data directory; implements `model.room.Room`. `on_closed` is called when the room is gone.

    `connect` opens a connection of the cluster's superuser, `allowed_mb` gives the present quota (0: none).
    """

    def __init__(
        self,
        directory: Path,
        connect: Callable[[], Awaitable[OwnConnection]],
        allowed_mb: Callable[[], int],
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._connect = connect
        self._allowed_mb = allowed_mb
        self._now_s = now_s
        self._measured_s: float | None = None
        self._closed_s: float | None = None
        self._used_bytes = 0
        # One that was closed when its server ended is closed still, and its backends have heard of it, whether or not
        # we get to measure it.
        self._is_closed = _is_closed(directory)
        if self._is_closed:
            self._closed_s = -math.inf
        self._stopped: set[int] = set()
        self.on_closed: Callable[[], None] = _nothing

    @property
    def refusal(self) -> DiskQuotaExceeded | None:
        """Give the error of what would need room; None while there is some."""
        if not self._is_closed:
            return None
        used = f"Used {self._used_bytes // MB} MB of {self._allowed_mb()} MB, temporary files included."
        return DiskQuotaExceeded(
            message="the tenant's disk quota is exceeded",
            detail=used if self._used_bytes else "It was when it was last measured.",
            hint="DROP or TRUNCATE what is not needed, or DELETE rows and VACUUM FULL their table: each as a statement"
            " of its own, outside of a transaction block.",
        )

    @property
    def is_settled(self) -> bool:
        """Say whether each backend that begins a statement now has heard that there is no room."""
        return self._closed_s is not None and self._now_s() - self._closed_s > SETTLED_AFTER_S

    def has_stopped(self, process_id: int) -> bool:
        """Say, once, whether the backend's statement was canceled for lack of room."""
        if process_id not in self._stopped:
            return False
        self._stopped.discard(process_id)
        return True

    async def watch(self) -> None:
        """Measure if it is time to, and do what follows; that the cluster does not answer is logged."""
        allowed = self._allowed_mb() * MB
        now_s = self._now_s()
        if self._measured_s is not None and now_s - self._measured_s < MEASURE_INTERVAL_S:
            return
        if not allowed and not self._is_closed:
            return
        self._measured_s = now_s
        try:
            self._used_bytes = await asyncio.to_thread(disk_used_bytes, self._directory) if allowed else 0
            if self._used_bytes > allowed:
                await self._close(allowed)
            elif self._is_closed and self._used_bytes <= allowed * ENOUGH_ROOM:
                await self._open()
        except (CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            _log.warning("disk_quota_not_kept", directory=str(self._directory), reason=str(error))

    async def _close(self, allowed: int) -> None:
        connection = await self._connect()
        try:
            if self._closed_s is None or self._closed_s == OPENING:
                await connection.execute(CLOSE)
                await connection.execute(RELOAD)
                self._is_closed, self._closed_s = True, self._now_s()
                self.on_closed()
                _log.warning(
                    "disk_quota_exceeded",
                    directory=str(self._directory),
                    used_bytes=self._used_bytes,
                    allowed_bytes=allowed,
                )
            hard = self._used_bytes > allowed * HARD_BOUND
            spared = FREES_FILES if hard else FREES
            # Its session has to know before the error is there.
            self._stopped = {row["pid"] for row in await connection.fetch(WRITERS, spared)}
            canceled = await connection.fetch(CANCEL, spared, list(self._stopped)) if self._stopped else []
            self._stopped &= {row["pid"] for row in canceled}
            if hard:
                await connection.execute(END)
        finally:
            await connection.close()

    async def _open(self) -> None:
        connection = await self._connect()
        # Before any backend hears of it: none may be taken for one that has left the mode by itself.
        self._closed_s = OPENING
        try:
            await connection.execute(OPEN)
            await connection.execute(RELOAD)
        finally:
            await connection.close()
        self._is_closed, self._closed_s, self._stopped = False, None, set()
        _log.info("disk_quota_kept_again", directory=str(self._directory), used_bytes=self._used_bytes)


def _nothing() -> None:
    """Stand in until somebody wants to know."""


def _is_closed(directory: Path) -> bool:
    """Say whether the cluster's own configuration has it read-only, as an earlier run may have left it."""
    try:
        return "default_transaction_read_only" in (directory / "postgresql.auto.conf").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
