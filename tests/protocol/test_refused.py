"""Statements of the extended protocol that meet an API table nobody knew of: run once more where nothing is lost."""

from __future__ import annotations

import asyncpg
import psycopg
import pytest
from raw_client import RawClient, error_of, kinds, rows_of, shape, status_of, tags_of
from runner_double import RunnerDouble
from world import World

from omnisql_server.session.journal import JOURNAL_BYTES_MAX
from omnisql_server.session.refusals import AGAIN_HINT
from wire.frontend import Bind, Close, Describe, Execute, Flush, Parse, Query, Sync

LATE = b"SELECT number FROM api_late"
BIND, EXECUTE = Bind(portal=b"", statement=b""), Execute(portal=b"")
ROWS = [(b"7",)]


def parse(text: bytes, name: bytes = b"") -> Parse:
    return Parse(statement=name, text=text)


async def make_log(client: RawClient) -> None:
    client.send(Query(text=b"CREATE TEMP TABLE log (a int)"))
    await client.ready()


async def logged(client: RawClient) -> list[tuple[bytes | None, ...]]:
    client.send(Query(text=b"SELECT a FROM log ORDER BY a"))
    return rows_of(await client.ready())


@pytest.mark.parametrize("name", [b"", b"s"])
async def test_a_refused_statement_is_run(world: World, runner: RunnerDouble, name: bytes) -> None:
    client = await world.raw()
    client.send(parse(LATE, name), Bind(portal=b"", statement=name), Describe(kind="P", name=b""), EXECUTE, Sync())
    frames = await client.ready()
    assert (shape(frames), rows_of(frames), status_of(frames)) == ("12TDCZ", ROWS, "I")
    client.send(Bind(portal=b"", statement=name), EXECUTE, Sync())
    assert shape(await client.ready()) == "2DCZ"
    assert runner.refreshes == 1
    await client.close()


@pytest.mark.parametrize("name", [b"", b"s"])
async def test_a_statement_described_before_is_run(world: World, name: bytes) -> None:
    client = await world.raw()
    client.send(parse(b"SELECT number FROM api_late WHERE number > $1", name), Describe(kind="S", name=name), Sync())
    assert shape(await client.ready()) == "1tTZ"
    client.send(Bind(portal=b"", statement=name, parameters=(b"1",)), EXECUTE, Sync())
    frames = await client.ready()
    assert (shape(frames), rows_of(frames)) == ("2DCZ", ROWS)
    await client.close()


async def test_a_client_that_waits_for_the_answer_without_a_sync_gets_it(world: World) -> None:
    client = await world.raw()
    client.send(parse(LATE), BIND, EXECUTE, Flush())
    frames = await client.until(b"C")
    assert (shape(frames), rows_of(frames)) == ("12DC", ROWS)
    client.send(Sync())
    assert kinds(await client.ready()) == "Z"
    await client.close()


async def test_what_follows_in_the_pipeline_is_done_once(world: World) -> None:
    client = await world.raw()
    await make_log(client)
    client.send(parse(LATE), BIND, EXECUTE, parse(b"INSERT INTO log VALUES (1)"), BIND, EXECUTE, Sync())
    frames = await client.ready()
    assert (shape(frames), tags_of(frames)) == ("12DC12CZ", ["SELECT 1", "INSERT 0 1"])
    assert await logged(client) == [(b"1",)]
    await client.close()


async def test_what_was_done_before_is_not_done_twice(world: World) -> None:
    client = await world.raw()
    await make_log(client)
    client.send(parse(b"INSERT INTO log VALUES (1)"), BIND, EXECUTE, parse(LATE), BIND, EXECUTE, Sync())
    frames = await client.ready()
    assert (kinds(frames), error_of(frames)["H"], status_of(frames)) == ("12C1EZ", AGAIN_HINT, "I")
    assert await logged(client) == []
    await client.close()


async def test_a_portal_that_was_bound_before_is_not_lost_unseen(world: World) -> None:
    client = await world.raw()
    client.send(parse(b"SELECT 1"), Bind(portal=b"one", statement=b""), parse(LATE), BIND, EXECUTE, Sync())
    frames = await client.ready()
    assert (kinds(frames), error_of(frames)["C"]) == ("121EZ", "55000")
    await client.close()


async def test_a_run_statement_before_it_keeps_the_refusal(world: World) -> None:
    client = await world.raw()
    issue = parse(b"SELECT number FROM api_issues WHERE number = 1")
    client.send(issue, BIND, EXECUTE, parse(LATE), BIND, EXECUTE, Sync())
    frames = await client.ready()
    assert (shape(frames), error_of(frames)["H"]) == ("12DC1EZ", AGAIN_HINT)
    await client.close()


async def test_syncs_sent_ahead_keep_the_refusal(world: World) -> None:
    client = await world.raw()
    await make_log(client)
    client.send(parse(LATE), BIND, EXECUTE, Sync(), parse(b"INSERT INTO log VALUES (1)"), BIND, EXECUTE, Sync())
    first = await client.ready()
    assert (kinds(first), tags_of(await client.ready())) in (("1EZ", ["INSERT 0 1"]), ("12DCZ", ["INSERT 0 1"]))
    assert await logged(client) == [(b"1",)]
    await client.close()


async def test_a_block_keeps_the_refusal(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"BEGIN"))
    await client.ready()
    client.send(parse(LATE), BIND, EXECUTE, Sync())
    frames = await client.ready()
    assert (kinds(frames), error_of(frames)["H"], status_of(frames)) == ("1EZ", AGAIN_HINT, "E")
    await client.close()


async def test_a_block_opened_in_the_pipeline_keeps_the_refusal(world: World) -> None:
    client = await world.raw()
    client.send(parse(b"BEGIN"), BIND, EXECUTE, Flush())
    await client.until(b"C")
    client.send(parse(LATE), BIND, EXECUTE, Sync())
    frames = await client.ready()
    assert (kinds(frames), status_of(frames)) == ("1EZ", "E")
    await client.close()


async def test_a_long_implicit_transaction_keeps_the_refusal(world: World) -> None:
    client = await world.raw()
    client.send(parse(LATE + b" --" + b"x" * JOURNAL_BYTES_MAX), BIND, EXECUTE, Sync())
    assert error_of(await client.ready())["C"] == "55000"
    await client.close()


async def test_the_unnamed_statement_is_the_one_that_was_bound(world: World) -> None:
    client = await world.raw()
    other = parse(b"SELECT 'other'")
    client.send(parse(LATE), BIND, EXECUTE, other, BIND, EXECUTE, Sync())
    assert rows_of(await client.ready()) == [*ROWS, (b"other",)]
    await client.close()


async def test_what_only_execute_plans_is_run_with_no_answer_given_twice(world: World) -> None:
    client = await world.raw()
    client.send(parse(b"EXPLAIN " + LATE), BIND, Describe(kind="P", name=b""), EXECUTE, Sync())
    frames = await client.ready()
    assert (shape(frames), rows_of(frames)[0]) == ("12TDCZ", (b"API scan",))
    await client.close()


async def test_a_refusal_that_a_function_causes_stands(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    body = b"CREATE FUNCTION pg_temp.hidden() RETURNS int LANGUAGE sql AS 'SELECT number FROM api_' 'late'"
    client.send(Query(text=b"SET check_function_bodies = off"), Query(text=body.replace(b"' '", b"")))
    await client.ready()
    await client.ready()
    client.send(parse(b"SELECT pg_temp.hidden()"), BIND, EXECUTE, Sync())
    frames = await client.ready()
    assert (error_of(frames)["C"], status_of(frames)) == ("0A000", "I")
    client.send(parse(b"SELECT 1"), BIND, EXECUTE, Sync())
    assert rows_of(await client.ready()) == [(b"1",)]
    await client.close()


async def test_a_statement_that_may_not_be_run_says_so_and_the_next_sync_ends_it(world: World) -> None:
    client = await world.raw()
    client.send(parse(LATE + b" /* denied */"), BIND, EXECUTE, parse(b"SELECT 1"), BIND, EXECUTE, Sync())
    frames = await client.ready()
    assert (kinds(frames), error_of(frames)["C"], status_of(frames)) == ("1EZ", "HV000", "I")
    client.send(Close(kind="S", name=b""), parse(b"SELECT 1"), BIND, EXECUTE, Sync())
    assert shape(await client.ready()) == "312DCZ"
    await client.close()


async def test_psycopg_and_asyncpg_do_not_notice(world: World, runner: RunnerDouble) -> None:
    async with await psycopg.AsyncConnection.connect(world.dsn, autocommit=True) as session:
        cursor = await session.execute("SELECT number FROM api_late WHERE number > %s", [1])
        assert await cursor.fetchall() == [(7,)]
    runner.late_known = False
    connection = await asyncpg.connect(**world.arguments)
    try:
        assert await connection.fetchval("SELECT number FROM api_late WHERE number > $1", 1) == 7
    finally:
        await connection.close()
    assert runner.refreshes == 2
