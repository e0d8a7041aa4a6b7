"""A statement that is run is seen and stopped in the tenant's PostgreSQL as any other."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest
from idle_sessions import cancel, run
from raw_client import error_of, kinds, rows_of, status_of
from runner_double import RunnerDouble
from world import World, eventually

from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.session.presence import SHOWN_AFTER_S, commented
from wire.frontend import Bind, Execute, Parse, Query, Sync

SLOW = "SELECT number /* of what? */ FROM api_slow WHERE '*/' <> ''"
SHOWN = "/* SELECT number / * of what? * / FROM api_slow WHERE '* /' <> '' */ %"
ACTIVE = f"FROM pg_stat_activity WHERE usename = 'ana' AND state = 'active' AND query LIKE $${SHOWN}$$"

LOOK = b"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '/* SELECT number / * of what? %'"
"""Names no API table, so that it is relayed."""


async def shown(world: World) -> object:
    """Wait until PostgreSQL shows the slow statement, and return its process id."""
    found: list[object] = []

    async def holds() -> bool:
        found.append(await world.scalar(f"SELECT pid {ACTIVE} AND wait_event = 'PgSleep'"))
        return found[-1] is not None

    await eventually(holds)
    return found[-1]


def messages(protocol: str) -> tuple[object, ...]:
    """Return what asks for the slow statement."""
    text = SLOW.encode()
    if protocol == "simple":
        return (Query(text=text),)
    return (Parse(statement=b"", text=text), Bind(portal=b"", statement=b""), Execute(portal=b""), Sync())


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("block", [False, True], ids=["alone", "in a block"])
async def test_another_session_cancels_a_statement_that_waits(
    world: World, runner: RunnerDouble, protocol: str, *, block: bool
) -> None:
    client = await world.raw()
    if block:
        await run(client, "BEGIN")
    client.send(*messages(protocol))
    process_id = await shown(world)
    async with await psycopg.AsyncConnection.connect(world.dsn, autocommit=True) as other:
        found = await other.execute(f"SELECT pg_cancel_backend({process_id})")
        assert await found.fetchall() == [(True,)]
    async with asyncio.timeout(1.0):
        frames = await client.ready()
    assert error_of(frames)["C"] == "57014"
    assert error_of(frames)["M"] == "canceling statement due to user request"
    assert status_of(frames) == ("E" if block else "I")
    assert runner.stopped.is_set()
    await run(client, "ROLLBACK")
    assert await run(client, "SELECT max(number) FROM api_issues") == [(b"100",)]
    await client.close()


@pytest.mark.parametrize("protocol", ["simple", "extended"])
async def test_whoever_looks_sees_and_cancels_a_statement_from_its_first_moment(
    world: World, runner: RunnerDouble, protocol: str
) -> None:
    client, other = await world.raw(), await world.raw()
    for attempt in range(20):
        runner.started.clear()
        client.send(*messages(protocol))
        await runner.started.wait()
        began_s = time.monotonic()
        if attempt % 2:
            other.send(Parse(statement=b"", text=LOOK), Bind(portal=b"", statement=b""))
            other.send(Execute(portal=b""), Sync())
        else:
            other.send(Query(text=LOOK))
        assert rows_of(await other.ready()) == [(b"t",)]
        assert error_of(await client.ready())["C"] == "57014"
        if time.monotonic() - began_s < SHOWN_AFTER_S:
            break
    else:
        pytest.fail("it was never seen before it is shown by itself")
    await client.close()
    await other.close()


async def test_whoever_has_prepared_a_look_sees_at_each_execution(world: World, runner: RunnerDouble) -> None:
    client, other = await world.raw(), await world.raw()
    other.send(Parse(statement=b"look", text=LOOK), Sync(), Query(text=b"PREPARE looking AS " + LOOK))
    await other.ready()
    await other.ready()
    by_name = (Bind(portal=b"", statement=b"look"), Execute(portal=b""), Sync())
    for messages_of_look in (by_name, (Query(text=b"EXECUTE looking"),)):
        runner.started.clear()
        client.send(Query(text=SLOW.encode()))
        await runner.started.wait()
        other.send(*messages_of_look)
        assert rows_of(await other.ready()) == [(b"t",)]
        assert error_of(await client.ready())["C"] == "57014"
    await client.close()
    await other.close()


async def test_another_session_ends_one_that_waits(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    client.send(Query(text=SLOW.encode()))
    await shown(world)
    assert await world.scalar("SELECT pg_terminate_backend(pid) " + ACTIVE) is True
    error = error_of(await client.rest())
    assert (error["S"], error["C"]) == ("FATAL", "57P01")
    assert runner.stopped.is_set()


async def test_a_statement_that_was_shown_goes_on_in_its_transaction(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    await run(client, "BEGIN READ ONLY")
    (before,) = await run(client, "SELECT pg_current_snapshot(), pg_backend_pid()")
    client.send(Query(text=SLOW.encode()))
    await shown(world)
    runner.release.set()
    frames = await client.ready()
    assert (kinds(frames), status_of(frames)) == ("TDCZ", "T")
    assert await run(client, "SELECT pg_current_snapshot(), pg_backend_pid()") == [before]
    await run(client, "COMMIT")
    await client.close()


async def test_what_is_shown_never_hits_the_next_statement(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    for _ in range(20):
        runner.release.clear()
        client.send(Query(text=SLOW.encode()), Query(text=b"SELECT pg_sleep(0.01)"))
        await shown(world)
        runner.release.set()
        assert kinds(await client.ready()) == "TDCZ"
        assert kinds(await client.ready()) == "TDCZ"
    await client.close()


async def test_a_client_that_is_gone_leaves_nothing_asleep(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=SLOW.encode()))
    await shown(world)
    client.writer.transport.abort()

    async def nothing_left() -> bool:
        return await world.backends() == 0

    await eventually(nothing_left)


async def test_rows_that_nobody_reads_can_be_canceled_by_others(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"SELECT number, title FROM api_big"))
    await client.until(b"D")
    query = "FROM pg_stat_activity WHERE query LIKE '/* SELECT number, title FROM api_big */%'"

    async def canceled() -> bool:
        return await world.scalar(f"SELECT pg_cancel_backend(pid) {query} AND wait_event = 'PgSleep'") is True

    await eventually(canceled)
    frames = await client.ready()
    assert error_of(frames)["C"] == "57014"
    await client.close()


async def test_a_canceled_session_is_not_asleep(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    client.send(Query(text=SLOW.encode()))
    await shown(world)
    await cancel(world, client)
    assert error_of(await client.ready())["C"] == "57014"
    assert await world.scalar("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 0
    assert await run(client, "SELECT 1") == [(b"1",)]
    await client.close()


def test_a_text_that_may_hold_a_secret_is_not_shown() -> None:
    secret = Statement(text="CREATE USER MAPPING ..", kind=StatementKind.CREDENTIAL, references=())
    assert commented(secret) == ""


@pytest.mark.parametrize("text", ["/*/*", "*/*/", "*", "/", "/*/", "*/*", "a*//*b"])
def test_no_text_ends_its_comment(text: str) -> None:
    shown_as = commented(Statement(text=text, kind=StatementKind.SELECT, references=()))
    assert shown_as.count("/*") == shown_as.count("*/") == 1
    assert shown_as.endswith(" */ ")
