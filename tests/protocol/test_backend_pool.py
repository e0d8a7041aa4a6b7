"""Backends between two sessions: kept, shared by sessions of one kind, bounded, and closed to make room."""

from __future__ import annotations

import psycopg
import pytest
from idle_sessions import SOON_S, cancel, parked, run, without_backend
from raw_client import error_of, rows_of
from world import MakeWorld, World, eventually

from omnisql_server.live_settings import LiveSettings
from omnisql_server.session.pool import BackendKey, BackendPool, BackendPools
from omnisql_server.settings import SessionSettings, Settings
from wire.frontend import Query


async def test_backends_are_kept_and_shared_between_sessions_of_one_kind(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=SOON_S, parked_max=1))
    first, second = await world.raw(), await world.raw()
    await without_backend(world, 1)
    await parked(world, 1)
    kept = await world.scalar("SELECT pid FROM pg_stat_activity WHERE usename = 'ana'")
    for client in (first, second):
        # A function that tells the process would pin the backend.
        found = await run(client, "SELECT pid FROM pg_stat_activity WHERE usename = 'ana' AND state = 'active'")
        assert found == [(str(kept).encode(),)]
        await parked(world, 1)
    await first.close()
    await second.close()


async def test_sessions_with_other_parameters_never_share(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=SOON_S, parked_max=5))
    first = await world.raw()
    pid = await world.scalar("SELECT pid FROM pg_stat_activity WHERE usename = 'ana'")
    await parked(world, 1)
    other = await world.raw(options="-c work_mem=9MB")
    await parked(world, 2)
    # The backend parked last is the other one's, which the first one would be given if it did not matter.
    assert await run(first, "SHOW work_mem") == [(b"4MB",)]
    assert await run(other, "SHOW work_mem") == [(b"9MB",)]
    assert await run(first, "SELECT pg_backend_pid()") == [(str(pid).encode(),)]
    await first.close()
    await other.close()


async def test_a_backend_terminated_while_parked_is_replaced(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=SOON_S, parked_max=5))
    client = await world.raw()
    await parked(world, 1)
    assert await world.scalar("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'ana'")
    assert await run(client, "SELECT 1") == [(b"1",)]
    await client.close()


async def test_cancel_hits_the_backend_that_the_session_has_now(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=SOON_S, parked_max=1))
    first = await world.raw()
    await parked(world, 1)
    second = await world.raw()
    await run(second, "SET work_mem = '8MB'")
    # Now the first one's old backend is pinned by the first one again, the second has one of its own.
    for client in (first, second):
        client.send(Query(text=b"SELECT pg_sleep(60)"))

    async def sleeping(count: int) -> bool:
        return await world.scalar("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == count

    await eventually(lambda: sleeping(2))
    await cancel(world, first)
    assert error_of(await first.ready())["C"] == "57014"
    assert await sleeping(1)
    await cancel(world, second)
    assert error_of(await second.ready())["C"] == "57014"
    await first.close()
    await second.close()


async def test_cancel_of_a_session_without_a_backend_does_nothing(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=SOON_S, parked_max=1))
    sleeper, taker = await world.raw(), await world.raw()
    await without_backend(world, 1)
    taker.send(Query(text=b"SELECT pg_sleep(0.3)"))
    await cancel(world, sleeper)
    assert rows_of(await taker.ready()) == [(b"",)]
    await sleeper.close()
    await taker.close()


async def test_drain_and_the_last_session_close_parked_backends(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=SOON_S, parked_max=5))
    client = await world.raw()
    await parked(world, 1)
    assert await world.backends() == 1
    await client.close()
    await without_backend(world)
    client = await world.raw()
    await parked(world, 1)
    await world.listener.drain()
    assert error_of(await client.rest())["C"] == "57P01"
    await without_backend(world)


async def test_parked_backends_are_not_kept_forever(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=SOON_S, parked_max=5, parked_idle_max_s=1.0))
    client = await world.raw()
    await parked(world, 1)
    await without_backend(world)
    assert await run(client, "SELECT 1") == [(b"1",)]
    await client.close()


async def test_more_idle_sessions_than_the_cluster_has_connections(make_world: MakeWorld) -> None:
    # The cluster of these tests has 60 connections; some are reserved.
    world = await make_world(sessions=SessionSettings(park_after_s=SOON_S, parked_max=0))
    clients = [await world.raw() for _ in range(100)]
    await without_backend(world)
    for client in clients:
        assert await run(client, "SELECT 1") == [(b"1",)]
    for client in clients:
        await client.close()


async def test_idle_sessions_make_room_for_others_at_once(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=3600, parked_max=5))
    clients = [await world.raw() for _ in range(80)]
    for client in clients:
        assert await run(client, "SELECT 1") == [(b"1",)]
    pinned = clients[:50]
    for client in pinned:
        await run(client, "SET work_mem = '8MB'")
    for client in pinned:
        assert await run(client, "SHOW work_mem") == [(b"8MB",)]
    for client in clients:
        await client.close()


async def test_a_full_cluster_is_said_so(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=3600, backend_timeout_s=3))
    await world.scalar("ALTER ROLE ana CONNECTION LIMIT 2")
    try:
        pinned = [await world.raw() for _ in range(2)]
        for client in pinned:
            await run(client, "SET work_mem = '8MB'")
        with pytest.raises(psycopg.OperationalError, match='FATAL:  too many connections for role "ana"'):
            await psycopg.AsyncConnection.connect(world.dsn)
    finally:
        await world.scalar("ALTER ROLE ana CONNECTION LIMIT -1")
    for client in pinned:
        await client.close()


async def test_a_session_that_wakes_up_without_room_ends_in_postgresqls_words(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=SOON_S, parked_max=0, backend_timeout_s=3))
    sleeper = await world.raw()
    await without_backend(world)
    await world.scalar("ALTER ROLE ana CONNECTION LIMIT 1")
    try:
        taker = await world.raw()
        await run(taker, "SET work_mem = '8MB'")
        sleeper.send(Query(text=b"SELECT 1"))
        error = error_of(await sleeper.rest())
        assert (error["S"], error["C"]) == ("FATAL", "53300")
        assert await run(taker, "SHOW work_mem") == [(b"8MB",)]
    finally:
        await world.scalar("ALTER ROLE ana CONNECTION LIMIT -1")
    await taker.close()


def key_of(world: World, role: str) -> BackendKey:
    """Return what a session of a role is started with."""
    return BackendKey(address=world.cluster.address(), parameters=(("user", role), ("database", "acme")))


async def test_roles_never_share(world: World) -> None:
    pool = BackendPool(LiveSettings(Settings()))
    ana, superuser = key_of(world, "ana"), key_of(world, world.cluster.superuser)
    kept = await pool.open(superuser, 10)
    pool.put(superuser, kept)
    taken = await pool.acquire(ana, 10)
    assert (len(pool), taken is kept) == (1, False)
    assert await pool.acquire(superuser, 10) is kept
    for connection in (kept, taken):
        await connection.end(10)


async def test_the_pool_is_bounded(world: World) -> None:
    pool = BackendPool(LiveSettings(Settings(sessions=SessionSettings(parked_max=1))))
    key = key_of(world, "ana")
    first, second = await pool.open(key, 10), await pool.open(key, 10)
    pool.put(key, first)
    pool.put(key, second)
    assert (len(pool), first.is_open, second.is_open) == (1, True, False)
    pool.close()
    assert (len(pool), first.is_open) == (0, False)
    await without_backend(world)


async def test_pools_are_apart_and_end_with_the_last_session_of_their_tenant(world: World) -> None:
    pools = BackendPools(LiveSettings(Settings()))
    key = key_of(world, "ana")
    async with pools.lease("acme") as pool:
        async with pools.lease("acme") as same, pools.lease("other") as other:
            assert same is pool
            assert other is not pool
            pool.put(key, await pool.open(key, 10))
        assert len(pool) == 1
    assert len(pool) == 0
    await without_backend(world)
