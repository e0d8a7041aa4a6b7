"""What comes whole and is known is relayed whole, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from idle_sessions import run, without_backend
from raw_client import RawClient, error_of, kinds, rows_of, status_of, tags_of
from runner_double import RunnerDouble
from world import MakeWorld, World

from omnisql_server.session.link import BackendLink
from omnisql_server.session.replies import Reply
from omnisql_server.settings import SessionSettings
from wire.framing import Frame
from wire.frontend import Bind, Describe, Execute, Flush, Parse, Query, Sync

READ = Execute(portal=b"").encode() + Sync().encode()
DESCRIBED = Describe(kind="P", name=b"").encode() + READ
UNNAMED = Bind(portal=b"", statement=b"").encode()
LATE = Query(text=b"SELECT number FROM api_late").encode()


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """List what is relayed whole."""
    sent: list[bytes] = []
    send_alone = BackendLink.send_alone

    def send(link: BackendLink, data: bytes, replies: Sequence[Reply]) -> None:
        sent.append(data)
        send_alone(link, data, replies)

    monkeypatch.setattr(BackendLink, "send_alone", send)
    return sent


async def said(client: RawClient, *messages: object) -> list[Frame]:
    client.send(*messages)
    return await client.ready()


async def known(client: RawClient, *texts: str) -> None:
    """Make texts known."""
    for text in texts:
        await said(client, Query(text=text.encode()))


async def test_a_query_is_known_by_its_shape(world: World, whole: list[bytes]) -> None:
    client = await world.raw()
    queries = [Query(text=text).encode() for text in (b"SELECT 1", b"SELECT 2", b"SELECT 'a'", b"SELECT 3")]
    answers = [rows_of(await said(client, query)) for query in queries]
    assert answers == [[(b"1",)], [(b"2",)], [(b"a",)], [(b"3",)]]
    assert whole == [queries[1], queries[3]]
    await client.close()


@pytest.mark.parametrize("end", [READ, DESCRIBED], ids=["read", "described and read"])
@pytest.mark.parametrize("statement", [b"", b"named"])
async def test_a_unit_is_known_by_its_text_or_has_none(
    world: World, whole: list[bytes], statement: bytes, end: bytes
) -> None:
    client = await world.raw()
    text = b"SELECT g FROM pg_catalog.generate_series(1, $1) AS g"
    parse = Parse(statement=statement, text=text, type_oids=(23,)).encode()
    bind = Bind(portal=b"", statement=statement, parameters=(b"2",)).encode()
    answer = "12TDDCZ" if end is DESCRIBED else "12DDCZ"
    assert kinds(await said(client, parse + bind + end)) == answer
    unit = bind + end if statement else parse + bind + end
    whole.clear()
    for _ in range(2):
        frames = await said(client, unit)
        assert kinds(frames) == answer[bool(statement) :]
        assert rows_of(frames) == [(b"1",), (b"2",)]
    assert whole == [unit, unit]
    await client.close()


async def test_what_comes_in_pieces_is_not_taken_for_a_whole(world: World, whole: list[bytes]) -> None:
    client = await world.raw()
    parse = Parse(statement=b"", text=b"SELECT 7").encode()
    for data in (Query(text=b"SELECT 7").encode() + Query(text=b"SELECT 8").encode(), parse + Sync().encode()):
        await said(client, data)
    await client.ready()
    assert whole == []
    for data in (parse + UNNAMED + READ, Query(text=b"SELECT 7").encode()):
        client.send(data[:-3])
        await client.writer.drain()
        # Another session's answer says that the piece has been read.
        await world.scalar("SELECT 1")
        client.send(data[-3:])
        assert rows_of(await client.ready()) == [(b"7",)]
    await client.close()


async def test_a_text_that_may_leave_state_does_so_when_it_is_known(make_world: MakeWorld, whole: list[bytes]) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=0.05, parked_max=0))
    # Of which the backend itself does not tell.
    seed = "SELECT setseed(0.5)"
    first = await world.raw()
    await known(first, seed)
    expected = await run(first, "SELECT random()")
    await first.close()
    client = await world.raw()
    await known(client, seed)
    assert whole[-1] == Query(text=seed.encode()).encode()
    other = await world.raw()
    await known(other, "SELECT 1")
    # The other session, which is idle since later, has given its backend away.
    await without_backend(world, 1)
    assert await run(client, "SELECT random()") == expected
    await client.close()
    await other.close()


async def test_the_unnamed_statement_of_a_known_unit_outlives_its_backend(
    make_world: MakeWorld, whole: list[bytes]
) -> None:
    world = await make_world(sessions=SessionSettings(park_after_s=0.05, parked_max=0))
    client = await world.raw()
    unit = Parse(statement=b"", text=b"SELECT 7").encode() + UNNAMED + READ
    for _ in range(2):
        await said(client, unit)
    assert whole == [unit]
    await without_backend(world)
    await said(client, Sync())
    assert rows_of(await said(client, UNNAMED + READ)) == [(b"7",)]
    await said(client, Query(text=b"SELECT 1"))
    await without_backend(world)
    assert error_of(await said(client, UNNAMED + READ))["C"] == "26000"
    await client.close()


async def test_what_a_session_defines_is_not_relayed_any_more(
    world: World, runner: RunnerDouble, whole: list[bytes]
) -> None:
    client = await world.raw()
    await known(client, "SELECT number FROM mine", "SELECT number FROM mine")
    assert len(whole) == 1
    await known(client, "CREATE VIEW mine AS SELECT * FROM api_issues")
    await said(client, Query(text=b"SELECT number FROM mine"))
    assert len(whole) == 1
    assert runner.overlays[-1] == frozenset({"mine"})
    await known(client, "DROP VIEW mine")
    await client.close()


async def test_a_statement_that_is_run_is_bound_to_what_it_is(world: World, whole: list[bytes]) -> None:
    client = await world.raw()
    await said(client, Parse(statement=b"s", text=b"SELECT number FROM api_issues"), Sync())
    unit = Bind(portal=b"", statement=b"s").encode() + READ
    assert tags_of(await said(client, unit)) == ["SELECT 100"]
    assert whole == []
    await client.close()


async def test_after_a_refusal_the_catalog_is_read_before_anything_is_relayed(
    world: World, runner: RunnerDouble, whole: list[bytes]
) -> None:
    client = await world.raw()
    await known(client, "ROLLBACK", "BEGIN")
    frames = await said(client, LATE)
    assert (error_of(frames)["C"], status_of(frames), runner.refreshes) == ("55000", "E", 0)
    await said(client, Query(text=b"ROLLBACK"))
    assert runner.refreshes == 1
    await client.close()


async def test_a_known_query_that_undid_work_is_not_tried_again(world: World, whole: list[bytes]) -> None:
    client = await world.raw()
    await known(client, "CREATE TEMP TABLE api_late (number int)", "CREATE TEMP TABLE u (a int)")
    await said(client, LATE)
    await said(client, LATE)
    assert whole == [LATE]
    await known(client, "DROP TABLE pg_temp.api_late")
    client.send(Parse(statement=b"", text=b"INSERT INTO u VALUES (1)"), UNNAMED, Execute(portal=b""), Flush())
    assert kinds(await client.until(b"C")) == "12C"
    frames = await said(client, LATE)
    assert (kinds(frames), error_of(frames)["C"]) == ("EZ", "55000")
    await client.close()


async def test_a_known_query_that_is_refused_is_tried_again(world: World, whole: list[bytes]) -> None:
    client = await world.raw()
    await known(client, "CREATE TEMP TABLE api_late (number int)")
    await said(client, LATE)
    await known(client, "DROP TABLE pg_temp.api_late")
    frames = await said(client, LATE)
    assert whole[-1] == LATE
    assert (kinds(frames), rows_of(frames)) == ("TDCZ", [(b"7",)])
    await client.close()


@pytest.mark.parametrize("executes", [False, True], ids=["bound", "executed"])
async def test_a_known_unit_that_is_refused_is_tried_again(world: World, whole: list[bytes], executes: bool) -> None:
    client = await world.raw()
    await known(client, "CREATE TEMP TABLE api_late (number int)")
    unit = Parse(statement=b"", text=b"SELECT number FROM api_late").encode() + UNNAMED + DESCRIBED
    await said(client, unit)
    await known(client, "DROP TABLE pg_temp.api_late")
    frames = await said(client, unit)
    assert whole[-1] == unit
    assert (kinds(frames), rows_of(frames)) == ("12TDCZ", [(b"7",)])
    await client.close()


async def test_whoever_has_prepared_a_look_is_asked_at_each_execution(
    world: World, runner: RunnerDouble, whole: list[bytes]
) -> None:
    client, other = await world.raw(), await world.raw()
    await known(other, "EXECUTE looking")
    look = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '/* SELECT number FROM api%slow%'"
    await known(other, f"PREPARE looking AS {look}")
    client.send(Query(text=b"SELECT number FROM api_slow"))
    await runner.started.wait()
    assert rows_of(await said(other, Query(text=b"EXECUTE looking"))) == [(b"t",)]
    assert error_of(await client.ready())["C"] == "57014"
    await client.close()
    await other.close()


async def test_a_look_that_one_session_has_prepared_is_a_look_of_others(
    world: World, runner: RunnerDouble, whole: list[bytes]
) -> None:
    client, other, third = await world.raw(), await world.raw(), await world.raw()
    look = b"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '/* SELECT number FROM api%slow%'"
    prepare = Parse(statement=b"", text=look)
    await said(third, prepare, Sync())
    client.send(Query(text=b"SELECT number FROM api_slow"))
    await runner.started.wait()
    unit = (prepare, Bind(portal=b"", statement=b""), Execute(portal=b""), Sync())
    assert rows_of(await said(other, *unit)) == [(b"t",)]
    assert error_of(await client.ready())["C"] == "57014"
    for each in (client, other, third):
        await each.close()


async def test_nothing_is_relayed_while_postgresql_waits_for_copy_data(world: World, whole: list[bytes]) -> None:
    client = await world.raw()
    await known(client, "CREATE TEMP TABLE t (a int)", "SELECT 1", "SELECT 1")
    client.send(Query(text=b"COPY t FROM STDIN"))
    await client.until(b"G")
    whole.clear()
    client.send(Query(text=b"SELECT 1"))
    assert error_of(await client.rest())["C"] == "08P01"
    assert whole == []


async def test_nothing_is_relayed_that_postgresql_ignores(world: World, whole: list[bytes]) -> None:
    client = await world.raw()
    await known(client, "SELECT 1", "SELECT 1")
    client.send(Parse(statement=b"", text=b"SELECT absent"), Flush())
    await client.until(b"E")
    whole.clear()
    client.send(Query(text=b"SELECT 1"))
    await client.writer.drain()
    # Another session's answer says that it has been read.
    await world.scalar("SELECT 1")
    assert kinds(await said(client, Sync())) == "Z"
    assert whole == []
    assert rows_of(await said(client, Query(text=b"SELECT 1"))) == [(b"1",)]
    await client.close()
