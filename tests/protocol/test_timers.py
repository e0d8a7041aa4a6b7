"""PostgreSQL's own timers: those of idle sessions stand still while a statement is run, all others go on."""

from __future__ import annotations

import asyncio

import pytest
from idle_sessions import SOON_S, cancel, run
from raw_client import RawClient, error_of, kinds, rows_of, status_of
from runner_double import RunnerDouble
from world import MakeWorld, World

from omnisql_server.session import presence
from omnisql_server.settings import SessionSettings
from wire.frontend import Bind, Execute, Parse, Query, Sync

SLOW = b"SELECT number FROM api_slow"
EXTENDED = (Parse(statement=b"", text=SLOW), Bind(portal=b"", statement=b""), Execute(portal=b""), Sync())


async def fatal(client: RawClient) -> str:
    """Read to the end of the connection and return the SQLSTATE it was ended with."""
    error = error_of(await client.rest())
    assert error["S"] == "FATAL"
    return error["C"]


@pytest.mark.parametrize("messages", [(Query(text=SLOW),), EXTENDED], ids=["simple", "extended"])
async def test_the_timer_of_idle_transactions_stands_still_while_a_statement_is_run(
    world: World, runner: RunnerDouble, messages: tuple[object, ...]
) -> None:
    client = await world.raw()
    await run(client, "SET idle_in_transaction_session_timeout = '50ms'")
    client.send(Query(text=b"BEGIN"), *messages)
    await client.ready()
    await runner.started.wait()
    await world.scalar("SELECT pg_sleep(0.3)")
    assert not runner.stopped.is_set()
    await cancel(world, client)
    assert status_of(await client.ready()) == "E"
    await client.close()


async def test_the_timer_of_idle_transactions_goes_on_afterwards(world: World) -> None:
    client = await world.raw()
    await run(client, "SET idle_in_transaction_session_timeout = '100ms'")
    client.send(Query(text=b"BEGIN"), Query(text=b"SELECT max(number) FROM api_issues"))
    assert kinds(await client.ready()) == "CZ"
    assert rows_of(await client.ready()) == [(b"100",)]
    assert await fatal(client) == "25P03"


@pytest.mark.parametrize("shown_after_s", [presence.SHOWN_AFTER_S, 600.0], ids=["shown", "not shown"])
@pytest.mark.parametrize("block", [b"", b"BEGIN; "], ids=["alone", "in a block"])
async def test_the_timer_of_transactions_ends_a_statement_that_is_run(
    world: World, runner: RunnerDouble, monkeypatch: pytest.MonkeyPatch, block: bytes, shown_after_s: float
) -> None:
    monkeypatch.setattr(presence, "SHOWN_AFTER_S", shown_after_s)
    client = await world.raw()
    await run(client, "SET transaction_timeout = '150ms'")
    client.send(Query(text=block + SLOW))
    await runner.started.wait()
    assert await fatal(client) == "25P04"
    assert runner.stopped.is_set()


async def test_the_timer_of_locks_ends_a_statement_that_is_run(world: World) -> None:
    client = await world.raw()
    await run(client, "SET lock_timeout = '50ms'")
    connection = await world.cluster.connect(world.cluster.superuser, "acme")
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE public.notes")
            client.send(Query(text=b"SELECT count(*) FROM api_issues, notes"))
            frames = await client.ready()
    finally:
        await connection.close()
    assert (kinds(frames), error_of(frames)["C"]) == ("EZ", "55P03")
    assert await run(client, "SELECT count(*) FROM api_issues, notes") == [(b"0",)]
    await client.close()


@pytest.mark.parametrize("text", ["SELECT 1", "SELECT max(number) FROM api_issues"])
async def test_the_timer_of_idle_sessions_ends_them_on_time(make_world: MakeWorld, text: str) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=SOON_S))
    client = await world.raw()
    await run(client, "SET idle_session_timeout = '400ms'")
    await run(client, text)
    started_s = asyncio.get_running_loop().time()
    assert await fatal(client) == "57P05"
    assert 0.3 < asyncio.get_running_loop().time() - started_s < 2.0
