"""The pool starts a tenant's cluster once, bounds the number of running ones, and stops all of them at the end."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from catalog.clusters import ClusterPool, EmbeddedCluster, EmbeddedSettings
from catalog.errors import ClusterLimitReached, ClusterUnavailable

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_pool_starts_once_makes_room_by_age_restarts_the_dead_and_stops_all(
    settings: EmbeddedSettings,
) -> None:
    made: dict[str, EmbeddedCluster] = {}
    now_s = 0.0

    def make(tenant: str, _dsn: str | None) -> EmbeddedCluster:
        made[tenant] = EmbeddedCluster(f"pool-{tenant}", settings)
        return made[tenant]

    pool = ClusterPool(make, running_max=2, clock=lambda: now_s)
    try:
        first, again = await asyncio.gather(pool.acquire("a"), pool.acquire("a"))
        assert first is again is made["a"]
        async with pool.lease("b"):
            with pytest.raises(ClusterLimitReached) as caught:
                await pool.acquire("c")
            assert caught.value.sqlstate == "53300"
        now_s = 1.0
        pool.release("a")
        pool.release("a")
        async with pool.lease("c") as cluster:
            # Both were idle: the one used longest ago made room.
            assert pool.running == {"a", "c"}
            assert made["b"].pid is None
            connection = await cluster.connect(cluster.superuser, "postgres")
            assert await connection.fetchval("SELECT 1") == 1
            await connection.close()
        assert made["a"].pid is not None
        os.kill(made["a"].pid, signal.SIGKILL)
        await made["a"].died.wait()
        async with pool.lease("a") as cluster:
            connection = await cluster.connect(cluster.superuser, "postgres")
            assert await connection.fetchval("SELECT 2") == 2
            await connection.close()
        now_s = 5.0
        assert await pool.stop_idle(10.0) == frozenset()
        assert await pool.stop_idle(3.0) == {"a", "c"}
    finally:
        await pool.aclose()
    assert [cluster.pid for cluster in made.values()] == [None, None, None]
    with pytest.raises(ClusterUnavailable):
        await pool.acquire("a")
