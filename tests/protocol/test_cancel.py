"""One cancel path: requests, timeouts, disconnects and drains stop a statement and nothing else."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest
from raw_client import RawClient, connect, error_of, kinds, rows_of, status_of
from runner_double import RunnerDouble
from world import MakeWorld, World, eventually

from wire.frontend import Bind, Execute, Parse, Query, Sync
from wire.startup import encode_cancel_request

SLOW = b"SELECT number FROM api_slow"


async def send_cancel(world: World, client: RawClient, secret_key: bytes | None = None) -> None:
    """Send a cancel request and wait until it has been dealt with."""
    canceling = await connect(world.listener.port)
    process_id, own_key = client.key
    canceling.send(encode_cancel_request(process_id, own_key if secret_key is None else secret_key))
    assert await canceling.frame() is None
    await canceling.close()


async def test_cancel_stops_a_run_statement(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    client.send(Query(text=SLOW))
    await runner.started.wait()
    await send_cancel(world, client)
    frames = await client.ready()
    assert (kinds(frames), status_of(frames)) == ("EZ", "I")
    assert (error_of(frames)["C"], error_of(frames)["M"]) == ("57014", "canceling statement due to user request")
    assert runner.stopped.is_set()
    client.send(Query(text=b"SELECT max(number) FROM api_issues"))
    assert rows_of(await client.ready()) == [(b"100",)]
    await client.close()


async def test_cancel_stops_a_statement_that_has_come_but_not_begun(
    world: World, runner: RunnerDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def catch_up(_runner: RunnerDouble) -> None:
        reading.set()
        await go_on.wait()

    monkeypatch.setattr(RunnerDouble, "outdated", property(lambda _runner: True))
    monkeypatch.setattr(RunnerDouble, "catch_up", catch_up)
    client = await world.raw()
    client.send(Query(text=SLOW), Query(text=b"SELECT max(number) FROM api_issues"))
    await reading.wait()
    await send_cancel(world, client)
    go_on.set()
    assert error_of(await client.ready())["C"] == "57014"
    assert rows_of(await client.ready()) == [(b"100",)]
    assert not runner.started.is_set()
    await client.close()


async def test_cancel_in_a_block_fails_it(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    client.send(Query(text=b"BEGIN"))
    await client.ready()
    client.send(Parse(statement=b"", text=SLOW), Bind(portal=b"", statement=b""), Execute(portal=b""), Sync())
    await runner.started.wait()
    await send_cancel(world, client)
    frames = await client.ready()
    assert (kinds(frames), error_of(frames)["C"], status_of(frames)) == ("12EZ", "57014", "E")
    await client.close()


async def test_cancel_stops_what_the_backend_does_for_a_run_statement(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"SELECT pg_sleep(60), number FROM api_issues"))

    async def sleeps() -> bool:
        return await world.scalar("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 1

    await eventually(sleeps)
    await send_cancel(world, client)
    frames = await client.ready()
    assert (kinds(frames)[-2:], error_of(frames)["C"], status_of(frames)) == ("EZ", "57014", "I")
    client.send(Query(text=b"SELECT 1"))
    assert rows_of(await client.ready()) == [(b"1",)]
    await client.close()


async def test_cancel_stops_a_relayed_statement(world: World) -> None:
    async with await psycopg.AsyncConnection.connect(world.dsn, autocommit=True) as connection:
        sleeping = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))

        async def sleeps() -> bool:
            return await world.scalar("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 1

        await eventually(sleeps)
        await connection.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            await sleeping
        assert await (await connection.execute("SELECT 1")).fetchone() == (1,)


async def test_cancel_never_hits_the_next_statement(world: World) -> None:
    client = await world.raw()
    for text in (b"SELECT 1", b"SELECT max(number) FROM api_issues"):
        for _ in range(20):
            client.send(Query(text=text))
            assert "E" not in kinds(await client.ready())
            await send_cancel(world, client)
            client.send(Query(text=b"SELECT 2"))
            assert rows_of(await client.ready()) == [(b"2",)]
    await client.close()


async def test_a_wrong_key_cancels_nothing(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    client.send(Query(text=SLOW))
    await runner.started.wait()
    await send_cancel(world, client, bytes(4))
    await send_cancel(world, client, bytes(32))
    assert not runner.stopped.is_set()
    await send_cancel(world, client)
    assert error_of(await client.ready())["C"] == "57014"
    await client.close()


async def test_a_disconnect_stops_a_run_statement(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    client.send(Query(text=SLOW))
    await runner.started.wait()
    began = time.monotonic()
    client.writer.transport.abort()
    await asyncio.wait_for(runner.stopped.wait(), 1.0)

    async def nothing_left() -> bool:
        return await world.backends() == 0 and world.listener.connection_count == 0

    await eventually(nothing_left)
    assert time.monotonic() - began < 2.0


async def test_a_disconnect_stops_a_relayed_statement(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"SELECT pg_sleep(60)"))

    async def sleeps() -> bool:
        return await world.scalar("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 1

    await eventually(sleeps)
    client.writer.transport.abort()

    async def nothing_left() -> bool:
        return await world.backends() == 0 and world.listener.connection_count == 0

    await eventually(nothing_left)


async def test_a_client_that_does_not_read_can_still_be_stopped(make_world: MakeWorld, runner: RunnerDouble) -> None:
    world = await make_world(client_buffer_bytes_max=65_536)
    client = await world.raw()
    client.send(Query(text=b"SELECT number, title FROM api_big"))
    await client.until(b"D")
    await send_cancel(world, client)
    frames = await client.ready()
    assert error_of(frames)["C"] == "57014"
    assert len(frames) < 1_000_000
    assert runner.closes == 1
    await client.close()


async def test_every_statement_has_a_ceiling(make_world: MakeWorld) -> None:
    world = await make_world(statement_timeout_max_s=0.3)
    client = await world.raw()
    for text in (SLOW, b"SELECT pg_sleep(60)"):
        client.send(Query(text=text))
        frames = await client.ready()
        assert error_of(frames)["C"] == "57014"
        assert error_of(frames)["M"] == "canceling statement due to statement timeout"
    client.send(Query(text=b"SELECT 1"))
    assert rows_of(await client.ready()) == [(b"1",)]
    await client.close()


async def test_the_backends_own_timer_stops_a_run_statement(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"SET statement_timeout = '100ms'"))
    await client.ready()
    client.send(Query(text=b"SELECT pg_sleep(60), number FROM api_issues"))
    frames = await client.ready()
    assert error_of(frames)["M"] == "canceling statement due to statement timeout"
    client.send(Query(text=b"SELECT 1"))
    assert rows_of(await client.ready()) == [(b"1",)]
    await client.close()


async def test_idle_timers_of_the_backend_rest_while_a_statement_runs(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    client.send(Query(text=b"SET idle_in_transaction_session_timeout = '50ms'"))
    await client.ready()
    client.send(Query(text=b"BEGIN;" + SLOW))
    await runner.started.wait()
    for _ in range(20):
        await world.scalar("SELECT pg_sleep(0.01)")
    assert not runner.stopped.is_set()
    await send_cancel(world, client)
    assert status_of(await client.ready()) == "E"
    await client.close()


async def test_drain_ends_idle_sessions_at_once_and_busy_ones_later(world: World, runner: RunnerDouble) -> None:
    idle, busy, sleeping = await world.raw(), await world.raw(), await world.raw()
    busy.send(Query(text=SLOW))
    sleeping.send(Query(text=b"SELECT pg_sleep(60)"))
    await runner.started.wait()
    draining = asyncio.create_task(world.listener.drain())
    frames = await idle.rest()
    assert error_of(frames)["C"] == "57P01"
    assert not runner.stopped.is_set()
    for client in (busy, sleeping):
        assert error_of(await client.rest())["C"] == "57P01"
    assert runner.stopped.is_set()
    await draining
    with pytest.raises(ConnectionRefusedError):
        await connect(world.listener.port)


async def test_drain_lets_a_transaction_end(make_world: MakeWorld) -> None:
    world = await make_world(drain_timeout_s=30)
    client = await world.raw()
    client.send(Query(text=b"BEGIN"))
    await client.ready()
    draining = asyncio.create_task(world.listener.drain())
    client.send(Query(text=b"SELECT max(number) FROM api_issues"))
    assert rows_of(await client.ready()) == [(b"100",)]
    client.send(Query(text=b"COMMIT"))
    frames = await client.rest()
    assert (kinds(frames), error_of(frames)["C"]) == ("CZE", "57P01")
    await draining
