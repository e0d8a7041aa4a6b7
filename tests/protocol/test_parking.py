"""Idle sessions give their backends away when they hold no state, and their clients never notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from idle_sessions import SOON_S, run, without_backend
from raw_client import error_of, kinds, rows_of
from world import MakeWorld, World

from omnisql_server.session.parking import EVIDENCE
from omnisql_server.settings import SessionSettings
from wire.frontend import Bind, Close, Describe, Execute, Parse, Query, Sync


@pytest_asyncio.fixture
async def parking(make_world: MakeWorld) -> AsyncIterator[World]:
    """A world in which an idle session soon gives its backend away, and none of them is kept."""
    world = await make_world(sessions=SessionSettings(park_after_s=SOON_S, parked_max=0))
    await world.scalar("ALTER ROLE ana RESET ALL")
    yield world
    await world.scalar("ALTER ROLE ana RESET ALL")


async def test_an_idle_session_gives_its_backend_away_and_gets_another(parking: World) -> None:
    client = await parking.raw()
    assert await run(client, "SELECT count(*) FROM notes WHERE lower(text) = 'x'") == [(b"0",)]
    await without_backend(parking)
    assert await run(client, "SELECT 1") == [(b"1",)]
    await without_backend(parking)
    assert await run(client, "SELECT max(number) FROM api_issues") == [(b"100",)]
    await client.close()


async def test_a_session_that_does_not_sleep_keeps_its_backend(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=0))
    client = await world.raw()
    await run(client, "SELECT 1")
    for _ in range(20):
        assert await world.scalar("SELECT count(*) FROM pg_stat_activity, pg_sleep(0.01) WHERE usename = 'ana'") == 1
    await client.close()


STATE = [
    ("SET work_mem = '8MB'", "SHOW work_mem", b"8MB"),
    ("SET my.setting = 'mine'", "SHOW my.setting", b"mine"),
    ("SELECT set_config('work_mem', '8MB', false)", "SHOW work_mem", b"8MB"),
    ("CREATE TEMP TABLE mine AS SELECT 7 AS n", "SELECT n FROM mine", b"7"),
    ("SELECT 7 AS n INTO TEMP mine", "SELECT n FROM mine", b"7"),
    ("PREPARE mine AS SELECT 7", "EXECUTE mine", b"7"),
    ("BEGIN; DECLARE mine CURSOR WITH HOLD FOR SELECT 7; COMMIT", "FETCH mine", b"7"),
    ("SELECT pg_advisory_lock(7)", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", b"1"),
    ("LISTEN mine", "SELECT count(*) FROM pg_listening_channels()", b"1"),
    ("CREATE SEQUENCE IF NOT EXISTS counted; SELECT nextval('counted')", "SELECT currval('counted') > 0", b"t"),
    ("SELECT setseed(0.5)", "SELECT random()::numeric(9, 6) = 0.985168", b"t"),
    ("SET ROLE ana; SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SHOW transaction_read_only", b"on"),
    ("DO $$ BEGIN PERFORM set_config('my.setting', 'mine', false); END $$", "SHOW my.setting", b"mine"),
    ("SELECT \"set_config\"('my.setting', 'mine', false)", "SHOW my.setting", b"mine"),
    ("SELECT U&\"s\\0065t_config\"('my.setting', 'mine', false)", "SHOW my.setting", b"mine"),
    ("LOAD 'auto_explain_is_not_here'", "SELECT 7", b"7"),
]


@pytest.mark.parametrize(("text", "question", "answer"), STATE, ids=[text[:40] for text, _, _ in STATE])
async def test_state_pins_the_backend(parking: World, text: str, question: str, answer: bytes) -> None:
    client, other = await parking.raw(), await parking.raw()
    client.send(Query(text=text.encode()))
    await client.ready()
    # The other one goes meanwhile: the first one was looked at as often.
    await without_backend(parking, 1)
    await parking.scalar(f"SELECT pg_sleep({4 * SOON_S})")
    assert await parking.backends() == 1
    assert await run(client, question) == [(answer,)]
    await client.close()
    await other.close()


async def test_the_process_id_pins_the_backend_once_it_is_known(parking: World) -> None:
    client, other = await parking.raw(), await parking.raw()
    ((known,),) = await run(client, "SELECT pg_backend_pid()")
    await without_backend(parking, 1)
    assert await run(client, "SELECT pg_backend_pid()") == [(known,)]
    await client.close()
    await other.close()


async def test_a_named_statement_pins_the_backend(parking: World) -> None:
    client, other = await parking.raw(), await parking.raw()
    client.send(Parse(statement=b"mine", text=b"SELECT 7"), Sync())
    await client.ready()
    await without_backend(parking, 1)
    client.send(Bind(portal=b"", statement=b"mine"), Execute(portal=b""), Sync())
    assert rows_of(await client.ready()) == [(b"7",)]
    await client.close()
    await other.close()


async def test_a_named_statement_over_an_api_table_pins_the_backend(parking: World) -> None:
    client, other = await parking.raw(), await parking.raw()
    client.send(Parse(statement=b"mine", text=b"SELECT max(number) FROM api_issues"), Sync())
    await client.ready()
    await without_backend(parking, 1)
    client.send(Bind(portal=b"", statement=b"mine"), Execute(portal=b""), Sync())
    assert rows_of(await client.ready()) == [(b"100",)]
    await client.close()
    await other.close()


async def test_an_open_transaction_pins_the_backend(parking: World) -> None:
    client, other = await parking.raw(), await parking.raw()
    await run(client, "BEGIN")
    await without_backend(parking, 1)
    await run(client, "COMMIT")
    await without_backend(parking)
    await client.close()
    await other.close()


async def test_messages_without_a_sync_pin_the_backend(parking: World) -> None:
    client, other = await parking.raw(), await parking.raw()
    client.send(Parse(statement=b"", text=b"SELECT 7"), Bind(portal=b"open", statement=b""), b"H\0\0\0\x04")
    await client.until(b"2")
    await without_backend(parking, 1)
    client.send(Execute(portal=b"open"), Sync())
    assert rows_of(await client.ready()) == [(b"7",)]
    await client.close()
    await other.close()


async def test_hidden_state_is_seen_by_the_backend_itself(parking: World) -> None:
    # A view hides the calls: no text of the client's names them.
    await parking.scalar(
        "CREATE OR REPLACE VIEW public.hidden AS"
        " SELECT set_config('work_mem', '8MB', false) AS one, pg_try_advisory_lock(8) AS two"
    )
    await parking.scalar("GRANT SELECT ON public.hidden TO ana")
    client, other = await parking.raw(), await parking.raw()
    lock = "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
    for column, state in (("one", "current_setting('work_mem') = '8MB'"), ("two", lock)):
        await run(client, f"SELECT {column} FROM hidden")
        # The other one is idle later, so that this one had its turn when that one's is over.
        await run(other, "SELECT 1")
        await without_backend(parking, 1)
        assert await run(client, f"SELECT {state}") == [(b"t",)]
        await run(client, "DISCARD ALL")
        await without_backend(parking)
    await client.close()
    await other.close()


async def test_discard_all_makes_the_backend_free_again(parking: World) -> None:
    client = await parking.raw()
    for text in ("SET work_mem = '8MB'; CREATE TEMP TABLE mine (n int)", "LISTEN mine", "PREPARE mine AS SELECT 1"):
        await run(client, text)
        await run(client, "DISCARD ALL")
        await without_backend(parking)
    await run(client, "SELECT 1")
    await client.close()


async def test_discard_all_does_not_free_what_was_sent_behind_it(parking: World) -> None:
    client, other = await parking.raw(), await parking.raw()
    client.send(
        *(Parse(statement=b"", text=b"DISCARD ALL"), Bind(portal=b"", statement=b""), Execute(portal=b""), Sync()),
        *(Parse(statement=b"", text=b"SELECT setseed(0.5)"), Bind(portal=b"", statement=b""), Execute(portal=b"")),
        Sync(),
    )
    await client.ready()
    await client.ready()
    await without_backend(parking, 1)
    assert await run(client, "SELECT random()::numeric(9, 6) = 0.985168") == [(b"t",)]
    await client.close()
    await other.close()


async def test_discard_all_does_not_free_what_waits_for_its_answer(parking: World) -> None:
    client, other = await parking.raw(), await parking.raw()
    client.send(
        *(Parse(statement=b"", text=b"DISCARD ALL"), Bind(portal=b"", statement=b""), Execute(portal=b""), Sync()),
        Query(text=b"SELECT max(number), setseed(0.5) FROM api_issues"),
    )
    await client.ready()
    await client.ready()
    await without_backend(parking, 1)
    assert await run(client, "SELECT random()::numeric(9, 6) = 0.985168") == [(b"t",)]
    await client.close()
    await other.close()


@pytest.mark.parametrize("text", [b"SELECT 7 + $1::int", b"SELECT count(*) + $1::int FROM api_issues"])
async def test_the_unnamed_statement_outlives_its_backend(parking: World, text: bytes) -> None:
    client = await parking.raw()
    client.send(Parse(statement=b"", text=text), Describe(kind="S", name=b""), Sync())
    assert kinds(await client.ready()) == "1tTZ"
    await without_backend(parking)
    client.send(Bind(portal=b"", statement=b"", parameters=(b"1",)), Execute(portal=b""), Sync())
    frames = await client.ready()
    assert (kinds(frames), rows_of(frames)) == ("2DCZ", [(b"8" if b"7" in text else b"101",)])
    client.send(Close(kind="S", name=b""), Sync())
    await client.ready()
    await without_backend(parking)
    client.send(Bind(portal=b"", statement=b"", parameters=(b"1",)), Sync())
    assert error_of(await client.ready())["C"] == "26000"
    await client.close()


async def test_a_statement_that_means_other_rows_afterwards_is_refused_as_postgresql_does(parking: World) -> None:
    client = await parking.raw()
    client.send(Parse(statement=b"", text=b"SELECT title FROM api_issues"), Describe(kind="S", name=b""), Sync())
    await client.ready()
    await without_backend(parking)
    await parking.scalar("ALTER FOREIGN TABLE public.api_issues ALTER title TYPE varchar(20)")
    try:
        client.send(Bind(portal=b"", statement=b""), Execute(portal=b""), Sync())
        frames = await client.ready()
        assert kinds(frames) == "EZ"
        assert (error_of(frames)["C"], error_of(frames)["M"]) == ("0A000", "cached plan must not change result type")
    finally:
        await parking.scalar("ALTER FOREIGN TABLE public.api_issues ALTER title TYPE text")
    client.send(Parse(statement=b"", text=b"SELECT max(number) FROM api_issues"), Sync())
    assert kinds(await client.ready()) == "1Z"
    await client.close()


async def test_an_unnamed_statement_that_nobody_binds_disturbs_nobody(parking: World) -> None:
    client = await parking.raw()
    client.send(Parse(statement=b"", text=b"SELECT absent"), Sync())
    assert kinds(await client.ready()) == "EZ"
    await without_backend(parking)
    client.send(Close(kind="S", name=b"other"), Sync())
    assert kinds(await client.ready()) == "3Z"
    await without_backend(parking)
    client.send(Bind(portal=b"", statement=b""), Sync())
    assert error_of(await client.ready())["C"] == "42703"
    client.send(Parse(statement=b"mine", text=b"SELECT 7"), Bind(portal=b"", statement=b"mine"), Execute(portal=b""))
    client.send(Sync())
    assert rows_of(await client.ready()) == [(b"7",)]
    await client.close()


async def test_the_unnamed_statement_is_there_for_a_later_message_too(parking: World) -> None:
    client = await parking.raw()
    client.send(Parse(statement=b"", text=b"SELECT 7"), Sync())
    await client.ready()
    await without_backend(parking)
    client.send(Sync(), Parse(statement=b"other", text=b"SELECT 8"), Describe(kind="S", name=b""), Sync())
    assert kinds(await client.ready()) == "Z"
    assert kinds(await client.ready()) == "1tTZ"
    client.send(Bind(portal=b"", statement=b""), Execute(portal=b""), Sync())
    assert rows_of(await client.ready()) == [(b"7",)]
    await client.close()


async def test_a_long_unnamed_statement_pins_the_backend(parking: World) -> None:
    client, other = await parking.raw(), await parking.raw()
    client.send(Parse(statement=b"", text=b"SELECT '" + b"x" * 20_000 + b"'"), Sync())
    await client.ready()
    await without_backend(parking, 1)
    await run(client, "SELECT 1")
    await without_backend(parking)
    await client.close()
    await other.close()


async def test_a_changed_parameter_reaches_the_client(parking: World) -> None:
    client = await parking.raw()
    await run(client, "SELECT 1")
    await without_backend(parking)
    await parking.scalar("ALTER ROLE ana SET timezone = 'Asia/Tokyo'")
    client.send(Query(text=b"SHOW timezone"))
    frames = await client.ready()
    assert [frame.payload for frame in frames if frame.kind == b"S"] == [b"TimeZone\0Asia/Tokyo\0"]
    assert rows_of(frames) == [(b"Asia/Tokyo",)]
    await client.close()


async def test_an_idle_session_timeout_of_the_role_pins_the_backend(parking: World) -> None:
    await parking.scalar("ALTER ROLE ana SET idle_session_timeout = '700ms'")
    client = await parking.raw()
    frames = await client.rest()
    assert error_of(frames)["C"] == "57P05"


async def test_a_role_that_is_gone_is_told_in_postgresqls_words(parking: World) -> None:
    client = await parking.raw()
    await run(client, "SELECT 1")
    await without_backend(parking)
    await parking.scalar("ALTER ROLE ana NOLOGIN")
    try:
        client.send(Query(text=b"SELECT 1"))
        frames = await client.rest()
        assert (error_of(frames)["S"], error_of(frames)["C"]) == ("FATAL", "28000")
    finally:
        await parking.scalar("ALTER ROLE ana LOGIN")


async def test_a_client_that_returns_while_its_backend_is_asked_waits_no_longer(parking: World) -> None:
    client = await parking.raw()
    for number in range(60):
        await asyncio.sleep(0)
        client.send(Query(text=f"SELECT {number}".encode()))
        assert rows_of(await client.ready()) == [(str(number).encode(),)]
        await parking.scalar(f"SELECT pg_sleep({SOON_S} * {number % 3})")
    await client.close()


SEEN = [
    "PREPARE mine AS SELECT 7",
    "BEGIN; DECLARE mine CURSOR WITH HOLD FOR SELECT 7; COMMIT",
    "LISTEN mine",
    "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 7'",
    "SELECT pg_advisory_lock(9)",
    "SET work_mem = '8MB'",
    "SET ROLE ana",
    "SET idle_session_timeout = '1h'",
]


@pytest.mark.parametrize("place", range(len(SEEN)))
async def test_the_backend_sees_each_kind_of_state(world: World, place: int) -> None:
    socket = world.cluster.address().socket_path
    assert socket is not None
    options: dict[str, Any] = {"host": str(socket.parent), "port": world.cluster.port, "user": world.cluster.superuser}
    async with await psycopg.AsyncConnection.connect(**options, dbname="acme", autocommit=True) as connection:
        assert await (await connection.execute(EVIDENCE)).fetchone() == (False,) * len(SEEN)
        await connection.execute(SEEN[place].encode())
        held = await (await connection.execute(EVIDENCE)).fetchone()
        assert held is not None
        assert held[place]
        for text in (b"RESET ROLE", b"DISCARD ALL"):
            await connection.execute(text)
        assert await (await connection.execute(EVIDENCE)).fetchone() == (False,) * len(SEEN)
