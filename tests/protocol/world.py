"""What a protocol test talks to: a listener, its stand-in for the pipeline, and the cluster behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from raw_client import RawClient, connect
from runner_double import RunnerDouble

from catalog.clusters import EmbeddedCluster
from omnisql_server.listener.server import Listener
from omnisql_server.live_settings import LiveSettings
from omnisql_server.session.pool import BackendPools

PASSWORD = "correct horse"


@dataclass(slots=True, kw_only=True)
class World:
    """Everything a test talks to."""

    listener: Listener
    runner: RunnerDouble
    cluster: EmbeddedCluster
    leases: list[int]
    live: LiveSettings
    pools: BackendPools

    @property
    def dsn(self) -> str:
        """Return a connection string for libpq."""
        return f"host=127.0.0.1 port={self.listener.port} user=ana dbname=acme password='{PASSWORD}'"

    @property
    def arguments(self) -> dict[str, Any]:
        """Return connection arguments for asyncpg."""
        return {
            "host": "127.0.0.1",
            "port": self.listener.port,
            "user": "ana",
            "database": "acme",
            "password": PASSWORD,
        }

    async def raw(self, minor_version: int = 0, **parameters: str) -> RawClient:
        """Log in with a raw client."""
        client = await connect(self.listener.port)
        await client.log_in(PASSWORD, minor_version, **{"user": "ana", "database": "acme", **parameters})
        return client

    async def scalar(self, sql: str) -> object:
        """Ask the cluster itself, as its superuser."""
        connection = await self.cluster.connect(self.cluster.superuser, "acme")
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    async def backends(self) -> object:
        """Count ana's backends."""
        return await self.scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = 'ana'")


MakeWorld = Callable[..., Awaitable[World]]


async def eventually(holds: Callable[[], Awaitable[bool]], limit_s: float = 5.0) -> None:
    """Ask another process again and again until something holds."""
    async with asyncio.timeout(limit_s):
        while not await holds():
            pass
