"""Prepared statements and portals over API tables behave as PostgreSQL's own."""

from __future__ import annotations

import pytest
from raw_client import RawClient, error_of, kinds, rows_of, shape, status_of, tags_of
from runner_double import RunnerDouble
from world import MakeWorld, World

from omnisql_server.settings import SessionSettings
from wire.backend_decode import decode_parameter_description, decode_row_description
from wire.frontend import Bind, Close, Describe, Execute, Flush, Parse, Query, Sync

ISSUES = b"SELECT number FROM api_issues ORDER BY number"
LOCAL = b"SELECT g AS number FROM generate_series(1, 100) AS g ORDER BY g"


async def exchange(client: RawClient, *messages: object) -> str:
    """Send messages and a Sync; return the kinds of the answer, or the code of its error."""
    client.send(*messages, Sync())
    frames = await client.ready()
    return error_of(frames)["C"] if "E" in kinds(frames) else shape(frames)


def pages(portal: bytes, *limits: int) -> list[Execute]:
    """Execute a portal several times."""
    return [Execute(portal=portal, rows_max=limit) for limit in limits]


@pytest.mark.parametrize("text", [LOCAL, ISSUES], ids=["relayed", "run"])
async def test_portals_page_as_postgresql_does(world: World, text: bytes) -> None:
    client = await world.raw()
    client.send(Parse(statement=b"", text=text), Bind(portal=b"p", statement=b""))
    client.send(*pages(b"p", 40, 60, 10, 0), Sync())
    frames = await client.ready()
    assert shape(frames) == "12DsDsCCZ"
    assert len(rows_of(frames)) == 100
    assert rows_of(frames)[40] == (b"41",)
    assert tags_of(frames) == ["SELECT 0", "SELECT 0"]
    client.send(Parse(statement=b"", text=text), Bind(portal=b"", statement=b""), *pages(b"", 99, 99), Sync())
    frames = await client.ready()
    assert (shape(frames), tags_of(frames)) == ("12DsDCZ", ["SELECT 1"])
    await client.close()


@pytest.mark.parametrize("text", [LOCAL, ISSUES], ids=["relayed", "run"])
async def test_portals_live_as_long_as_their_transaction(world: World, runner: RunnerDouble, text: bytes) -> None:
    client = await world.raw()
    assert await exchange(client, Parse(statement=b"s", text=text), Bind(portal=b"p", statement=b"s")) == "12Z"
    assert await exchange(client, Execute(portal=b"p")) == "34000"
    client.send(Query(text=b"BEGIN"))
    await client.ready()
    assert await exchange(client, Bind(portal=b"p", statement=b"s"), *pages(b"p", 10)) == "2DsZ"
    assert await exchange(client, Bind(portal=b"q", statement=b"s"), *pages(b"q", 5)) == "2DsZ"
    assert await exchange(client, *pages(b"p", 10)) == "DsZ"
    assert await exchange(client, Close(kind="P", name=b"q")) == "3Z"
    client.send(*pages(b"p", 0), Sync())
    assert tags_of(await client.ready()) == ["SELECT 80"]
    client.send(Query(text=b"COMMIT"))
    await client.ready()
    assert await exchange(client, Execute(portal=b"p")) == "34000"
    await client.close()


@pytest.mark.parametrize("text", [LOCAL, ISSUES], ids=["relayed", "run"])
async def test_a_sync_ends_the_transaction_that_a_query_in_a_pipeline_has_left_open(world: World, text: bytes) -> None:
    client = await world.raw()
    client.send(Parse(statement=b"", text=text), Bind(portal=b"p", statement=b""), *pages(b"p", 1), Query(text=LOCAL))
    assert status_of(await client.ready()) == "T"
    client.send(Sync())
    assert status_of(await client.ready()) == "I"
    await client.close()


async def test_commit_in_a_pipeline_ends_run_portals(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"BEGIN"))
    await client.ready()
    client.send(Parse(statement=b"", text=ISSUES), Bind(portal=b"p", statement=b""), *pages(b"p", 1))
    client.send(Parse(statement=b"c", text=b"COMMIT"), Bind(portal=b"", statement=b"c"), Execute(portal=b""))
    client.send(*pages(b"p", 1), Sync())
    frames = await client.ready()
    assert (kinds(frames), error_of(frames)["C"], status_of(frames)) == ("12Ds12CEZ", "34000", "I")
    await client.close()


@pytest.mark.parametrize("text", [LOCAL, ISSUES], ids=["relayed", "run"])
async def test_names_are_postgresqls_business(world: World, text: bytes) -> None:
    client = await world.raw()
    assert await exchange(client, Parse(statement=b"s", text=text)) == "1Z"
    assert await exchange(client, Parse(statement=b"s", text=ISSUES)) == "42P05"
    assert await exchange(client, Parse(statement=b"s", text=LOCAL)) == "42P05"
    assert await exchange(client, Bind(portal=b"", statement=b"absent")) == "26000"
    assert await exchange(client, Execute(portal=b"absent")) == "34000"
    assert await exchange(client, Bind(portal=b"", statement=b"s", parameters=(b"1",))) == "08P01"
    assert await exchange(client, Bind(portal=b"", statement=b"s", result_formats=(0, 1, 0))) == "08P01"
    opens = (Bind(portal=b"p", statement=b"s"), Bind(portal=b"p", statement=b"s"))
    assert await exchange(client, *opens) == "42P03"
    assert await exchange(client, Bind(portal=b"", statement=b"s"), Bind(portal=b"", statement=b"s")) == "22Z"
    assert await exchange(client, Close(kind="S", name=b"s"), Close(kind="S", name=b"s")) == "33Z"
    assert await exchange(client, Bind(portal=b"", statement=b"s")) == "26000"
    assert await exchange(client, Parse(statement=b"s", text=text), Describe(kind="S", name=b"s")) == "1tTZ"
    client.send(Query(text=b"DEALLOCATE s"))
    await client.ready()
    assert await exchange(client, Bind(portal=b"", statement=b"s")) == "26000"
    assert await exchange(client, Parse(statement=b"s", text=text), Bind(portal=b"", statement=b"s")) == "12Z"
    await client.close()


async def test_relayed_and_run_statements_replace_each_other(world: World) -> None:
    client = await world.raw()
    for text, tag in ((ISSUES, "SELECT 100"), (b"SELECT 1", "SELECT 1"), (ISSUES, "SELECT 100")):
        client.send(Parse(statement=b"", text=text), Bind(portal=b"", statement=b""), Execute(portal=b""), Sync())
        assert tags_of(await client.ready()) == [tag]
    assert await exchange(client, Close(kind="S", name=b""), Parse(statement=b"s", text=ISSUES)) == "31Z"
    assert await exchange(client, Close(kind="S", name=b"s"), Parse(statement=b"s", text=LOCAL)) == "31Z"
    client.send(Bind(portal=b"", statement=b"s"), Execute(portal=b"", rows_max=5), Sync())
    assert shape(await client.ready()) == "2DsZ"
    await client.close()


async def test_descriptions_carry_parameters_and_formats(world: World) -> None:
    client = await world.raw()
    text = b"SELECT number, title FROM api_issues WHERE number = $1"
    client.send(Parse(statement=b"s", text=text, type_oids=(20,)), Describe(kind="S", name=b"s"), Flush())
    frames = await client.until(b"T")
    assert decode_parameter_description(frames[1].payload) == (20,)
    bind = Bind(portal=b"", statement=b"s", parameters=(b"3",), result_formats=(1, 0))
    client.send(bind, Describe(kind="P", name=b""), Execute(portal=b""), Sync())
    frames = await client.ready()
    assert kinds(frames) == "2TDCZ"
    assert [each.format for each in decode_row_description(frames[1].payload)] == [1, 0]
    assert rows_of(frames) == [(b"\0\0\0\x03", b"title 3")]
    await client.close()


async def test_a_changed_table_is_noticed_at_bind(world: World) -> None:
    client = await world.raw()
    connection = await world.cluster.connect(world.cluster.superuser, "acme")
    try:
        await connection.execute("CREATE FOREIGN TABLE public.api_shape (number int) SERVER api")
        await connection.execute("GRANT SELECT ON public.api_shape TO ana")
        assert await exchange(client, Parse(statement=b"s", text=b"SELECT * FROM api_shape")) == "1Z"
        await connection.execute("ALTER FOREIGN TABLE public.api_shape ADD COLUMN title text")
        assert await exchange(client, Bind(portal=b"", statement=b"s")) == "0A000"
    finally:
        await connection.execute("DROP FOREIGN TABLE public.api_shape")
        await connection.close()
    await client.close()


async def test_a_bad_run_statement_leaves_no_name_behind(world: World) -> None:
    client = await world.raw()
    assert await exchange(client, Parse(statement=b"s", text=b"SELECT absent FROM api_issues")) == "42703"
    assert await exchange(client, Parse(statement=b"s", text=b"SELECT 1; SELECT * FROM api_issues")) == "42601"
    assert await exchange(client, Parse(statement=b"s", text=ISSUES), Bind(portal=b"", statement=b"s")) == "12Z"
    await client.close()


async def test_run_statements_and_portals_are_bounded(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(statements_max=2, portals_max=2))
    client = await world.raw()
    for name in (b"a", b"b"):
        assert await exchange(client, Parse(statement=name, text=ISSUES)) == "1Z"
    assert await exchange(client, Parse(statement=b"c", text=ISSUES)) == "54000"
    assert await exchange(client, Close(kind="S", name=b"b"), Parse(statement=b"c", text=ISSUES)) == "31Z"
    binds = [Bind(portal=name, statement=b"a") for name in (b"p", b"q", b"r")]
    assert await exchange(client, *binds) == "54000"
    assert await exchange(client, *binds[:2]) == "22Z"
    await client.close()


async def test_results_are_closed_once_they_are_read(world: World, runner: RunnerDouble) -> None:
    client = await world.raw()
    client.send(Query(text=b"BEGIN"))
    await client.ready()
    assert await exchange(client, Parse(statement=b"s", text=ISSUES), Bind(portal=b"p", statement=b"s")) == "12Z"
    assert await exchange(client, Execute(portal=b"p")) == "DCZ"
    assert runner.closes == 1
    assert await exchange(client, Bind(portal=b"q", statement=b"s"), *pages(b"q", 3)) == "2DsZ"
    assert runner.closes == 1
    client.send(Query(text=b"ROLLBACK"), Query(text=b"SELECT 1"))
    await client.ready()
    await client.ready()
    assert runner.closes == 2
    await client.close()


TWINS = b"SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'omnisql_twin%'"


async def test_twins_are_bounded_and_made_again(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(twins_max=2))
    client = await world.raw()
    for number in range(5):
        client.send(Parse(statement=b"s%d" % number, text=b"SELECT max(number) + %d FROM api_issues" % number), Sync())
        assert kinds(await client.ready()) == "1Z"
    for number in (0, 4, 0, 1, 2, 3, 4):
        client.send(Bind(portal=b"", statement=b"s%d" % number), Execute(portal=b""), Sync())
        frames = await client.ready()
        assert (kinds(frames), rows_of(frames)) == ("2DCZ", [(b"%d" % (100 + number),)])
        client.send(Query(text=TWINS))
        assert rows_of(await client.ready()) == [(b"2",)]
    await client.close()


async def test_a_twin_that_is_dropped_between_bind_and_execute_is_made_again(make_world: MakeWorld) -> None:
    world = await make_world(sessions=SessionSettings(twins_max=1))
    client = await world.raw()
    client.send(
        Parse(statement=b"", text=b"SELECT max(number) FROM api_issues"),
        Bind(portal=b"one", statement=b""),
        Parse(statement=b"", text=b"SELECT min(number) FROM api_issues"),
        Bind(portal=b"two", statement=b""),
        Execute(portal=b"one"),
        Execute(portal=b"two"),
        Sync(),
    )
    frames = await client.ready()
    assert (kinds(frames), rows_of(frames)) == ("1212DCDCZ", [(b"100",), (b"1",)])
    await client.close()


async def test_statements_that_cannot_be_described_leave_no_twin(world: World) -> None:
    client = await world.raw()
    for _ in range(3):
        client.send(Parse(statement=b"", text=b"SELECT number AS denied FROM api_issues"), Sync())
        assert kinds(await client.ready()) == "EZ"
    client.send(Query(text=TWINS))
    assert rows_of(await client.ready()) == [(b"0",)]
    await client.close()
