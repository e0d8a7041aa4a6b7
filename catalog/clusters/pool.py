"""The clusters of tenants: each is started on first use, at most `running_max` run, and the longest idle makes room for
the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import structlog

from catalog.clusters.cluster import Cluster
from catalog.errors import CatalogError, ClusterLimitReached, ClusterUnavailable

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Entry:
    """One cluster: `users` counts leases, `running` reserves a place among the running ones."""

    cluster: Cluster
    users: int = 0
    idle_since_s: float = 0.0
    running: bool = False
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


class ClusterPool:
    """Leases running clusters by name; a leased cluster is never stopped to make room.

    `make` makes a cluster of a name, external where it is given a DSN. External clusters count as running, too: each
    costs connections.
    """

    def __init__(
        self,
        make: Callable[[str, str | None], Cluster],
        *,
        running_max: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._running_max = running_max
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._room = asyncio.Lock()
        self._closed = False

    @property
    def running(self) -> frozenset[str]:
        """Name the clusters that run."""
        return frozenset(name for name, entry in self._entries.items() if entry.running)

    @contextlib.asynccontextmanager
    async def lease(self, name: str, dsn: str | None = None) -> AsyncIterator[Cluster]:
        """Give a running cluster for the time of the block, starting it if need be.

        Raises: ClusterLimitReached (53300) when no place is free, and what the cluster's own start raises.
        """
        cluster = await self.acquire(name, dsn)
        try:
            yield cluster
        finally:
            self.release(name)

    async def acquire(self, name: str, dsn: str | None = None) -> Cluster:
        """Take a lease; every call is answered by one `release`."""
        if self._closed:
            raise ClusterUnavailable("the server is shutting down")
        entry = self._entries.get(name)
        if entry is None or (dsn is not None and not entry.running and not entry.users):
            # An external cluster may have another DSN by now.
            entry = self._entries[name] = _Entry(cluster=self._make(name, dsn))
        entry.users += 1
        try:
            async with entry.changing:
                if not entry.running:
                    await self._reserve(entry)
                await self._start(entry)
        except BaseException:
            self.release(name)
            raise
        return entry.cluster

    def release(self, name: str) -> None:
        """Give a lease back; the cluster stays up until its place is needed or it has been idle too long."""
        entry = self._entries[name]
        entry.users -= 1
        entry.idle_since_s = self._clock()

    async def stop_idle(self, idle_s: float) -> frozenset[str]:
        """Stop the clusters that nobody has used for `idle_s` seconds and name them."""
        limit_s = self._clock() - idle_s
        async with self._room:
            return frozenset([name for name, entry in self._idle() if await self._stop(entry, limit_s)])

    async def stop(self, name: str) -> bool:
        """Stop a cluster unless somebody uses it; say whether it does not run any more."""
        entry = self._entries.get(name)
        if entry is None or not entry.running:
            return True
        async with self._room:
            return await self._stop(entry, self._clock())

    def forget(self, name: str) -> None:
        """Let go of a cluster that does not run; whoever asks for it again has it made anew."""
        entry = self._entries.get(name)
        if entry is not None and not entry.running and not entry.users:
            del self._entries[name]

    async def aclose(self) -> None:
        """Stop all clusters and refuse further leases; all are tried, whatever happens to one of them."""
        self._closed = True
        async with asyncio.TaskGroup() as group:
            for entry in self._entries.values():
                group.create_task(self._close(entry))

    async def _start(self, entry: _Entry) -> None:
        """Start the cluster, or start it again if it died; its own `start` does nothing while it runs."""
        try:
            await entry.cluster.start()
        except BaseException:
            entry.running = False
            raise

    async def _reserve(self, entry: _Entry) -> None:
        async with self._room:
            while len(self.running) >= self._running_max:
                for _, candidate in self._idle():
                    if await self._stop(candidate, self._clock()):
                        break
                else:
                    raise ClusterLimitReached(
                        "too many clusters are in use", detail=f"limit {self._running_max}", hint="Try again later."
                    )
            entry.running = True

    def _idle(self) -> list[tuple[str, _Entry]]:
        idle = [(name, entry) for name, entry in self._entries.items() if entry.running and entry.users == 0]
        return sorted(idle, key=lambda item: item[1].idle_since_s)

    async def _stop(self, entry: _Entry, idle_before_s: float) -> bool:
        """Stop an idle cluster; false when somebody took it meanwhile. Without users nobody holds `changing`, so this
        never waits long.
        """
        if entry.users or not entry.running or entry.idle_since_s > idle_before_s:
            return False
        async with entry.changing:
            if entry.users:
                return False
            await entry.cluster.stop()
            entry.running = False
        return True

    async def _close(self, entry: _Entry) -> None:
        async with entry.changing:
            try:
                await entry.cluster.stop()
            except CatalogError as error:
                log.error("cluster_stop_failed", error=error.message)
            entry.running = False
