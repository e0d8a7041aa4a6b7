"""The connection that is ready for a tenant's next log-in: who gets it, what it never shows, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from idle_sessions import run, without_backend
from log_ins_double import LogInsDouble
from raw_client import RawClient
from world import MakeWorld, World, eventually

from catalog.clusters import ClusterAddress
from omnisql_server.audit.errors import AuditUnavailable
from omnisql_server.session.entrance import Attempt
from omnisql_server.session.spare import Spare


async def spares(world: World) -> list[psutil.Process]:
    """Return PostgreSQL's processes that have not heard yet who wants what."""
    assert world.cluster.pid is not None
    return [each for each in psutil.Process(world.cluster.pid).children() if _has_heard_nothing(each)]


def _has_heard_nothing(process: psutil.Process) -> bool:
    # PostgreSQL gives a process its title at the start-up packet; until then it has its parent's.
    try:
        return "-D" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


@asynccontextmanager
async def expected(world: World) -> AsyncIterator[psutil.Process]:
    """Log in twice, so that a third log-in is expected; yield the process that waits for it, while they stay."""
    first, second = await world.raw(), await world.raw()
    await eventually(lambda: _waits(world))
    yield (await spares(world))[0]
    for client in (first, second):
        await client.close()
    await without_backend(world)
    await eventually(lambda: _count(world, 0))


async def _count(world: World, count: int) -> bool:
    await asyncio.sleep(0)
    return len(await spares(world)) == count


async def _has_spare(world: World, *, wanted: bool = True) -> bool:
    async with world.pools.lease("acme") as pool:
        await asyncio.sleep(0)
        return pool.has_spare is wanted


async def _waits(world: World) -> bool:
    return await _has_spare(world) and await _count(world, 1)


async def process_of(client: RawClient) -> object:
    return (await run(client, "SELECT pg_backend_pid()"))[0][0]


async def test_a_log_in_takes_it_and_another_is_made(world: World) -> None:
    async with expected(world) as waiting:
        client = await world.raw()
        assert await process_of(client) == str(waiting.pid).encode()
        await eventually(lambda: _waits(world))
        assert (await spares(world))[0].pid != waiting.pid
        await client.close()


async def test_one_log_in_alone_makes_none(world: World) -> None:
    client = await world.raw()
    assert await run(client, "SELECT pg_sleep(0.1)") == [(b"",)]
    assert await spares(world) == []
    await client.close()


async def test_who_is_not_let_in_neither_takes_it_nor_has_another_made(world: World) -> None:
    async with expected(world) as waiting:
        assert world.cluster.pid is not None
        before = {each.pid for each in psutil.Process(world.cluster.pid).children()}
        for user in ("ana", "nobody"):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                await psycopg.AsyncConnection.connect(f"{world.dsn} user={user} password=wrong")
        assert {each.pid for each in psutil.Process(world.cluster.pid).children()} <= before
        assert [each.pid for each in await spares(world)] == [waiting.pid]


async def test_it_is_nobodys_until_then(world: World) -> None:
    async with expected(world) as waiting:
        assert await world.scalar(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {waiting.pid}") == 0
        await world.scalar("ALTER ROLE ana SET work_mem = '7MB'")
        try:
            client = await world.raw()
            assert await run(client, "SELECT pg_backend_pid(), current_setting('work_mem')") == [
                (str(waiting.pid).encode(), b"7MB")
            ]
            await client.close()
        finally:
            await world.scalar("ALTER ROLE ana RESET work_mem")


async def test_a_configuration_that_was_read_meanwhile_holds(world: World) -> None:
    async with expected(world) as waiting:
        await world.scalar("ALTER SYSTEM SET work_mem = '9MB'")
        await world.scalar("SELECT pg_reload_conf()")
        try:
            client = await world.raw()
            assert await run(client, "SELECT pg_backend_pid(), current_setting('work_mem')") == [
                (str(waiting.pid).encode(), b"9MB")
            ]
            await client.close()
        finally:
            await world.scalar("ALTER SYSTEM RESET work_mem")
            await world.scalar("SELECT pg_reload_conf()")


async def test_one_that_ended_is_not_missed(world: World) -> None:
    async with expected(world) as waiting:
        waiting.terminate()
        client = await world.raw()
        assert await process_of(client) != str(waiting.pid).encode()
        await client.close()


async def test_one_that_ends_as_it_is_taken_is_not_missed(make_world: MakeWorld) -> None:
    world = await make_world()
    async with expected(world) as waiting:
        # It is sent the start-up packet and ends before it reads it.
        waiting.suspend()
        logging_in = asyncio.create_task(world.raw())
        await eventually(lambda: _has_spare(world, wanted=False))
        waiting.terminate()
        waiting.resume()
        client = await logging_in
        assert await process_of(client) != str(waiting.pid).encode()
        await client.close()


async def test_a_log_in_that_is_not_on_record_leaves_no_backend(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(_log_ins: LogInsDouble, _attempt: Attempt) -> asyncio.Future[None]:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(AuditUnavailable(message="the record cannot be written"))
        return failed

    monkeypatch.setattr(LogInsDouble, "note", unavailable)
    with pytest.raises(psycopg.OperationalError, match="the record cannot be written"):
        await psycopg.AsyncConnection.connect(world.dsn)
    await without_backend(world)


async def test_it_is_not_kept_for_long(world: World) -> None:
    spare = Spare(kept_s=0.1)
    address: ClusterAddress = world.cluster.address()
    spare.expect(address)
    spare.expect(address)
    await eventually(lambda: _count(world, 1))
    await eventually(lambda: _count(world, 0))
    assert spare.take(address) is None


async def _is_ready(spare: Spare) -> bool:
    await asyncio.sleep(0)
    return spare.is_ready


async def test_it_leads_where_the_log_in_goes(world: World) -> None:
    spare = Spare()
    address = world.cluster.address()
    spare.expect(address)
    spare.expect(address)
    await eventually(lambda: _is_ready(spare))
    assert spare.take(ClusterAddress(socket_path=None, host="127.0.0.1", port=5432)) is None
    connection = spare.take(address)
    assert connection is not None
    connection.leave()
    spare.close()
    await eventually(lambda: _count(world, 0))
