"""Statements that reach no API table are PostgreSQL's, byte for byte."""

from __future__ import annotations

import asyncio

import asyncpg
import psycopg
import pytest
from raw_client import error_of, kinds, rows_of, shape, status_of, tags_of
from world import MakeWorld, World, eventually

from wire.frontend import Bind, CopyData, CopyDone, CopyFail, Describe, Execute, Flush, Parse, Query, Sync, Terminate


async def test_simple_queries_are_answered(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"SELECT 1 AS a; SELECT 2, 'x'; -- nothing"))
    frames = await client.ready()
    assert kinds(frames) == "TDCTDCZ"
    assert rows_of(frames) == [(b"1",), (b"2", b"x")]
    client.send(Query(text=b""))
    assert kinds(await client.ready()) == "IZ"
    await client.close()


async def test_psycopg_sees_a_postgresql(world: World) -> None:
    async with await psycopg.AsyncConnection.connect(world.dsn) as connection:
        row = await (await connection.execute("SELECT %s::int + 1, current_user, %s", [41, "é"])).fetchone()
        assert row == (42, "ana", "é")
        assert connection.info.parameter_status("server_encoding") == "UTF8"
        row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
        assert row == (connection.info.backend_pid,)


async def test_asyncpg_sees_a_postgresql(world: World) -> None:
    connection = await asyncpg.connect(**world.arguments)
    try:
        assert await connection.fetchval("SELECT $1::int8 + 1", 41) == 42
        async with connection.transaction():
            cursor = await connection.cursor("SELECT g FROM generate_series(1, 10) AS g")
            assert [row[0] for row in await cursor.fetch(3)] == [1, 2, 3]
            assert [row[0] for row in await cursor.fetch(100)] == [4, 5, 6, 7, 8, 9, 10]
        await connection.reset()
    finally:
        await connection.close()


async def test_settings_and_options_reach_the_backend(world: World) -> None:
    client = await world.raw(options="-c work_mem=5MB --search_path=a,\\ b", application_name="tests")
    client.send(
        Query(
            text=b"SELECT current_setting('work_mem'), current_setting('search_path'), "
            b"current_setting('omnisql.engine'), current_setting('omnisql.note'), current_setting('application_name')"
        )
    )
    assert rows_of(await client.ready()) == [(b"5MB", b"a, b", b"auto", b"two words", b"tests")]
    await client.close()


async def test_an_unknown_setting_is_refused_by_postgresql(world: World) -> None:
    with pytest.raises(psycopg.OperationalError, match="no_such_setting"):
        await psycopg.AsyncConnection.connect(world.dsn, options="-c no_such_setting=1")


async def test_copy_in_and_out_by_psycopg(world: World) -> None:
    def copy() -> list[tuple[object, ...]]:
        with psycopg.connect(world.dsn) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE t (a int, b text)")
            with cursor.copy("COPY t FROM STDIN") as sink:
                for number in range(1000):
                    sink.write_row((number, f"row {number}"))
            with cursor.copy("COPY (SELECT * FROM t ORDER BY a) TO STDOUT") as source:
                source.set_types(["int4", "text"])
                return list(source.rows())

    rows = await asyncio.to_thread(copy)
    assert len(rows) == 1000
    assert rows[999] == (999, "row 999")


async def test_copy_in_by_asyncpg(world: World) -> None:
    connection = await asyncpg.connect(**world.arguments)
    try:
        await connection.execute("CREATE TEMP TABLE t (a int, b text)")
        await connection.copy_records_to_table("t", records=[(1, "x"), (2, None)])
        assert await connection.fetchval("SELECT sum(a) FROM t") == 3
    finally:
        await connection.close()


async def test_copy_in_ignores_sync_until_it_ends(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"CREATE TEMP TABLE t (a int)"))
    await client.ready()
    client.send(Parse(statement=b"", text=b"COPY t FROM STDIN"), Bind(portal=b"", statement=b""))
    client.send(Execute(portal=b""), Sync())
    assert kinds(await client.until(b"G")) == "12G"
    client.send(CopyData(data=b"1\n2\n"), Sync(), Flush(), CopyDone(), Sync())
    frames = await client.ready()
    assert (kinds(frames), tags_of(frames)) == ("CZ", ["COPY 2"])
    client.send(Query(text=b"COPY t FROM STDIN"))
    await client.until(b"G")
    client.send(CopyFail(message=b"enough"))
    frames = await client.ready()
    assert error_of(frames)["C"] == "57014"
    client.send(Query(text=b"SELECT count(*) FROM t"))
    assert rows_of(await client.ready()) == [(b"2",)]
    await client.close()


async def test_copy_in_pipelined_before_its_answer(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"CREATE TEMP TABLE t (a int)"))
    await client.ready()
    client.send(Parse(statement=b"", text=b"COPY t FROM STDIN"), Bind(portal=b"", statement=b""), Execute(portal=b""))
    client.send(CopyData(data=b"1\n"), CopyDone(), Sync(), Query(text=b"SELECT count(*) FROM t"))
    frames = await client.ready()
    assert (kinds(frames), tags_of(frames)) == ("12GCZ", ["COPY 1"])
    assert rows_of(await client.ready()) == [(b"1",)]
    await client.close()


async def test_another_message_during_copy_in_is_refused_by_postgresql(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"CREATE TEMP TABLE t (a int)"))
    await client.ready()
    client.send(Parse(statement=b"", text=b"COPY t FROM STDIN"), Bind(portal=b"", statement=b""), Execute(portal=b""))
    client.send(Flush())
    await client.until(b"G")
    client.send(Parse(statement=b"", text=b"SELECT number FROM api_issues"), Sync())
    frames = await client.rest()
    assert [error_of([frame])["C"] for frame in frames] == ["08P01", "08P01"]
    assert error_of(frames[1:])["S"] == "FATAL"


async def test_errors_discard_until_sync(world: World) -> None:
    client = await world.raw()
    client.send(Parse(statement=b"", text=b"SELECT 1/0"), Bind(portal=b"", statement=b""), Execute(portal=b""))
    client.send(Parse(statement=b"", text=b"SELECT 2"), Query(text=b"SELECT 3"), Sync())
    frames = await client.ready()
    assert (kinds(frames), error_of(frames)["C"]) == ("1EZ", "22012")
    client.send(Query(text=b"SELECT 4"))
    assert rows_of(await client.ready()) == [(b"4",)]
    await client.close()


async def test_notices_and_notifications_arrive(world: World) -> None:
    listening, notifying = await world.raw(), await world.raw()
    listening.send(Query(text=b"LISTEN news; DO $$BEGIN RAISE NOTICE 'hello'; END$$"))
    assert kinds(await listening.ready()) == "CNCZ"
    notifying.send(Query(text=b"NOTIFY news, 'today'"))
    await notifying.ready()
    frame = await listening.frame()
    assert frame is not None
    assert (frame.kind, frame.payload[4:]) == (b"A", b"news\0today\0")
    for client in (listening, notifying):
        await client.close()


async def test_parameter_changes_are_reported(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"SET TimeZone = 'Europe/Paris'"))
    frames = await client.ready()
    assert kinds(frames) == "CSZ"
    assert frames[1].payload == b"TimeZone\0Europe/Paris\0"
    await client.close()


async def test_deep_pipelines_do_not_deadlock(world: World) -> None:
    client = await world.raw()
    client.send(Parse(statement=b"s", text=b"SELECT $1::text"), Describe(kind="S", name=b"s"))
    bind = Bind(portal=b"", statement=b"s", parameters=(b"v" * 40,)).encode() + Execute(portal=b"").encode()
    client.send(bind * 5000, Sync())
    async with asyncio.timeout(20):
        await client.writer.drain()
        frames = await client.ready()
    assert shape(frames)[:5] == "1tT2D"
    assert len(rows_of(frames)) == 5000
    await client.close()


async def test_large_results_meet_back_pressure(make_world: MakeWorld) -> None:
    world = await make_world(client_buffer_bytes_max=65_536)
    client = await world.raw()
    client.send(Query(text=b"SELECT repeat('x', 1000) FROM generate_series(1, 50000)"))
    frames = await client.ready()
    assert len(frames) == 50_003
    await client.close()


async def test_terminate_lets_the_last_statement_finish(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"INSERT INTO notes VALUES (100, 'last')"), Terminate())
    frames = await client.rest()
    assert "E" not in kinds(frames)

    async def inserted() -> bool:
        return await world.scalar("DELETE FROM public.notes WHERE id = 100 RETURNING 1") == 1

    await eventually(inserted)


async def test_a_terminated_backend_ends_the_session(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"SELECT pg_terminate_backend(pg_backend_pid())"))
    frames = await client.rest()
    assert [error_of([frame])["C"] for frame in frames if frame.kind == b"E"] == ["57P01"]


async def test_failed_blocks_stay_failed_until_rollback(world: World) -> None:
    client = await world.raw()
    for text, status in ((b"BEGIN", "T"), (b"SELECT 1/0", "E"), (b"SELECT 1", "E"), (b"COMMIT", "I")):
        client.send(Query(text=text))
        frames = await client.ready()
        assert status_of(frames) == status
    assert tags_of(frames) == ["ROLLBACK"]
    await client.close()
