"""Run statements by the simple and the extended protocol, alone and between relayed ones."""

from __future__ import annotations

import asyncpg
import psycopg
import pytest
from raw_client import error_of, kinds, rows_of, shape, status_of, tags_of
from runner_double import RunnerDouble
from world import World

from omnisql_server.session.refusals import AGAIN_HINT
from wire.backend_decode import decode_row_description
from wire.frontend import Bind, Close, Describe, Execute, Flush, Parse, Query, Sync

ISSUES = b"SELECT number, title FROM api_issues ORDER BY number"


async def test_a_run_query_looks_like_any_other(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=ISSUES + b" LIMIT 2"))
    frames = await client.ready()
    assert kinds(frames) == "TDDCZ"
    assert [(each.name, each.type_oid) for each in decode_row_description(frames[0].payload)] == [
        ("number", 23),
        ("title", 25),
    ]
    assert rows_of(frames) == [(b"1", b"title 1"), (b"2", b"title 2")]
    assert (tags_of(frames), status_of(frames)) == (["SELECT 2"], "I")
    await client.close()


async def test_psycopg_and_asyncpg_read_run_statements(world: World) -> None:
    async with await psycopg.AsyncConnection.connect(world.dsn) as connection:
        for binary in (False, True):
            cursor = await connection.cursor(binary=binary).execute(
                "SELECT number, title FROM api_issues WHERE number <= %s AND title <> %s ORDER BY 1", [3, "title 2"]
            )
            assert await cursor.fetchall() == [(1, "title 1"), (3, "title 3")]
    direct = await asyncpg.connect(**world.arguments)
    try:
        statement = await direct.prepare("SELECT number, title FROM api_issues WHERE number = any($1::int[])")
        assert [tuple(row) for row in await statement.fetch([5, 7])] == [(5, "title 5"), (7, "title 7")]
        assert await statement.fetchval([9]) == 9
    finally:
        await direct.close()


async def test_a_mixed_psycopg_pipeline_is_one_order(world: World) -> None:
    async with await psycopg.AsyncConnection.connect(world.dsn, autocommit=True) as connection:
        async with connection.pipeline():
            cursors = [
                await connection.execute("SELECT 1 + %s", [1]),
                await connection.execute("SELECT count(*) FROM api_issues WHERE number > %s", [90]),
                await connection.execute("SELECT %s::text", ["after"]),
                await connection.execute("SELECT max(number) FROM api_issues"),
            ]
        assert [(await cursor.fetchone()) for cursor in cursors] == [(2,), (10,), ("after",), (100,)]


async def test_copy_and_explain_have_their_own_shapes(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"COPY (SELECT * FROM api_issues) TO STDOUT"))
    frames = await client.ready()
    assert (kinds(frames), tags_of(frames)) == ("HddcCZ", ["COPY 2"])
    assert [frame.payload for frame in frames if frame.kind == b"d"] == [b"1\ta\\tb\n", b"2\t\\N\n"]
    client.send(Query(text=b"EXPLAIN SELECT * FROM api_issues"))
    frames = await client.ready()
    assert (kinds(frames), tags_of(frames)) == ("TDDCZ", ["EXPLAIN"])
    client.send(Parse(statement=b"", text=b"COPY (SELECT * FROM api_issues) TO STDOUT"))
    client.send(Bind(portal=b"", statement=b""), Describe(kind="P", name=b""), Execute(portal=b"", rows_max=1), Sync())
    frames = await client.ready()
    assert (kinds(frames), tags_of(frames)) == ("12nHddcCZ", ["COPY 2"])
    await client.close()


async def test_psycopg_copies_out(world: World) -> None:
    async with (
        await psycopg.AsyncConnection.connect(world.dsn) as connection,
        connection.cursor() as cursor,
        cursor.copy("COPY (SELECT * FROM api_issues) TO STDOUT") as copy,
    ):
        assert [row async for row in copy.rows()] == [("1", "a\tb"), ("2", None)]


async def test_notices_of_the_pipeline_reach_the_client(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"SELECT number FROM api_noisy LIMIT 1"))
    assert kinds(await client.ready()) == "NTDCZ"
    await client.close()


async def test_mixed_strings_are_one_implicit_transaction(world: World) -> None:
    client = await world.raw()
    client.send(
        Query(
            text=b"CREATE TEMP TABLE m (a int); INSERT INTO m SELECT 1; SELECT max(number) FROM api_issues; "
            b"SELECT a, 'x' FROM m"
        )
    )
    frames = await client.ready()
    assert kinds(frames) == "CCTDCTDCZ"
    assert tags_of(frames) == ["CREATE TABLE", "INSERT 0 1", "SELECT 1", "SELECT 1"]
    client.send(Query(text=b"INSERT INTO m VALUES (2); SELECT number FROM api_broken; INSERT INTO m VALUES (3)"))
    frames = await client.ready()
    assert (kinds(frames), error_of(frames)["C"], status_of(frames)) == ("CEZ", "HV000", "I")
    client.send(Query(text=b"SELECT a FROM m"))
    assert rows_of(await client.ready()) == [(b"1",)]
    await client.close()


async def test_error_positions_count_from_the_whole_string(world: World) -> None:
    client = await world.raw()
    text = "SELECT 'é'; SELECT max(number) FROM api_issues; SELECT nothing_here"
    client.send(Query(text=text.encode()))
    frames = await client.ready()
    assert (error_of(frames)["C"], int(error_of(frames)["P"]) - 1) == ("42703", text.index("nothing_here"))
    text = "SELECT 1; SELECT absent FROM api_issues"
    client.send(Query(text=text.encode()))
    frames = await client.ready()
    assert (error_of(frames)["C"], int(error_of(frames)["P"]) - 1) == ("42703", text.index("absent"))
    await client.close()


async def test_copy_in_inside_a_mixed_string(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"CREATE TEMP TABLE m (a int)"))
    await client.ready()
    client.send(Query(text=b"SELECT max(number) FROM api_issues; COPY m FROM STDIN; SELECT sum(a) FROM m"))
    await client.until(b"G")
    client.send(b"d\0\0\0\x08" + b"1\n2\n", b"c\0\0\0\x04")
    frames = await client.ready()
    assert (tags_of(frames), rows_of(frames)) == (["COPY 2", "SELECT 1"], [(b"3",)])
    await client.close()


async def test_transaction_commands_work_inside_a_mixed_string(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"BEGIN; SELECT max(number) FROM api_issues"))
    frames = await client.ready()
    assert (tags_of(frames), status_of(frames)) == (["BEGIN", "SELECT 1"], "T")
    client.send(Query(text=b"COMMIT; SELECT min(number) FROM api_issues"))
    frames = await client.ready()
    assert (tags_of(frames), status_of(frames)) == (["COMMIT", "SELECT 1"], "I")
    await client.close()


async def test_a_failed_run_statement_fails_its_block(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"BEGIN"))
    await client.ready()
    client.send(Query(text=b"SELECT number FROM api_broken"))
    frames = await client.ready()
    assert (kinds(frames), error_of(frames)["H"], status_of(frames)) == ("EZ", "Try later.", "E")
    client.send(Query(text=ISSUES))
    frames = await client.ready()
    assert (error_of(frames)["C"], status_of(frames)) == ("25P02", "E")
    client.send(Query(text=b"COMMIT"))
    frames = await client.ready()
    assert (tags_of(frames), status_of(frames)) == (["ROLLBACK"], "I")
    client.send(Query(text=b"SELECT number FROM api_broken"))
    assert status_of(await client.ready()) == "I"
    await client.close()


async def test_a_savepoint_saves_from_a_failed_run_statement(world: World) -> None:
    async with await psycopg.AsyncConnection.connect(world.dsn) as connection:
        await connection.execute("CREATE TEMP TABLE s (a int)")

        async def insert_and_fail() -> None:
            async with connection.transaction():
                await connection.execute("INSERT INTO s VALUES (1)")
                await connection.execute("SELECT number FROM api_broken WHERE number > %s", [1])

        with pytest.raises(psycopg.DatabaseError, match="the API is down"):
            await insert_and_fail()
        assert await (await connection.execute("SELECT count(*) FROM s")).fetchone() == (0,)


async def test_a_failed_run_statement_undoes_its_pipeline(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"CREATE TEMP TABLE p (a int)"))
    await client.ready()
    client.send(Parse(statement=b"", text=b"INSERT INTO p VALUES (1)"), Bind(portal=b"", statement=b""))
    client.send(Execute(portal=b""), Parse(statement=b"", text=b"SELECT number FROM api_broken"))
    client.send(Bind(portal=b"", statement=b""), Execute(portal=b""))
    client.send(Parse(statement=b"", text=b"INSERT INTO p VALUES (2)"), Sync())
    frames = await client.ready()
    assert (kinds(frames), error_of(frames)["C"], status_of(frames)) == ("12C12EZ", "HV000", "I")
    client.send(Query(text=b"SELECT count(*) FROM p"))
    assert rows_of(await client.ready()) == [(b"0",)]
    await client.close()


async def test_an_unknown_api_table_is_tried_again_as_a_run_statement(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    client.send(Query(text=b"SELECT number FROM api_late"))
    frames = await client.ready()
    assert (shape(frames), rows_of(frames), runner.refreshes) == ("TDCZ", [(b"7",)], 1)
    await client.close()


async def test_a_refused_query_is_not_tried_again_after_work_it_undid(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"CREATE TEMP TABLE u (a int)"))
    await client.ready()
    client.send(Parse(statement=b"", text=b"INSERT INTO u VALUES (1)"), Bind(portal=b"", statement=b""))
    client.send(Execute(portal=b""), Query(text=b"SELECT number FROM api_late"))
    frames = await client.ready()
    assert (kinds(frames), error_of(frames)["C"], status_of(frames)) == ("12CEZ", "55000", "I")
    client.send(Query(text=b"SELECT count(*) FROM u"))
    assert rows_of(await client.ready()) == [(b"0",)]
    await client.close()


async def test_a_refusal_that_stands_comes_with_a_hint(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    client.send(Query(text=b"BEGIN"), Query(text=b"SELECT number FROM api_late"))
    await client.ready()
    frames = await client.ready()
    assert (kinds(frames), error_of(frames)["C"], status_of(frames)) == ("EZ", "55000", "E")
    assert error_of(frames)["H"] == AGAIN_HINT
    assert runner.refreshes == 0
    client.send(Query(text=b"ROLLBACK"))
    await client.ready()
    assert runner.refreshes == 1
    await client.close()


async def test_definitions_grow_the_overlay(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    client.send(Query(text=b"CREATE VIEW seen AS SELECT * FROM api_issues"))
    assert tags_of(await client.ready()) == ["CREATE VIEW"]
    client.send(Query(text=b"DROP VIEW seen"))
    await client.ready()
    assert runner.overlays[-1] == frozenset({"seen"})
    await client.close()


async def test_discard_all_forgets_statements_on_both_sides(world: World) -> None:
    client = await world.raw()
    client.send(Parse(statement=b"s", text=ISSUES), Bind(portal=b"", statement=b"s"), Execute(portal=b""), Sync())
    assert shape(await client.ready()) == "12DCZ"
    client.send(Query(text=b"DISCARD ALL"))
    await client.ready()
    client.send(Bind(portal=b"", statement=b"s"), Sync())
    frames = await client.ready()
    assert error_of(frames)["C"] == "26000"
    client.send(Query(text=ISSUES))
    assert tags_of(await client.ready()) == ["SELECT 100"]
    client.send(Parse(statement=b"s", text=ISSUES), Close(kind="S", name=b"s"), Flush(), Sync())
    assert kinds(await client.ready()) == "13Z"
    await client.close()
