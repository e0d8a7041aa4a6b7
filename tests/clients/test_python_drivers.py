"""What psycopg 2, psycopg 3 and asyncpg can do beyond the common script, each in its own way over API tables."""

from __future__ import annotations

import io
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import psycopg
import psycopg2
import psycopg2.errors
import psycopg2.extras
import pytest
from client_script import LONG_STATEMENT, WHERE, Seen
from demo_server import DATABASE, DemoServer
from served import until

from connectors.simulators.company import Company

pytestmark = pytest.mark.clients

FIRST = f"SELECT repo, number FROM github.issues WHERE {WHERE} AND number <= 4 ORDER BY repo, number"
LATENCY_MS = 30_000
OPEN = f"SELECT count(*) FROM github.issues WHERE {WHERE} AND state = "


@pytest.fixture
def seen(company: Company) -> Seen:
    """Return what ana sees."""
    return Seen(company, ("web", "api", "data", "mobile"))


@pytest.fixture
def first(seen: Seen) -> list[tuple[Any, ...]]:
    """Return the rows of FIRST."""
    return [(repo, int(number or 0)) for repo, number in seen.numbers(4)]


@pytest.fixture
def psycopg2_ana(demo: DemoServer) -> Iterator[Any]:
    """Connect by psycopg 2."""
    session = psycopg2.connect(**demo.arguments("ana"), dbname=DATABASE, sslmode="require", channel_binding="require")
    yield session
    session.close()


@pytest.fixture
def psycopg_ana(demo: DemoServer) -> Iterator[psycopg.Connection]:
    """Connect by psycopg 3."""
    with psycopg.connect(**secured(demo), autocommit=True) as session:
        yield session


@pytest.fixture
async def asyncpg_ana(demo: DemoServer) -> AsyncIterator[asyncpg.Connection]:
    """Connect by asyncpg."""
    encrypted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    encrypted.check_hostname, encrypted.verify_mode = False, ssl.CERT_NONE
    session = await asyncpg.connect(**demo.arguments("ana"), database=DATABASE, ssl=encrypted)
    yield session
    await session.close()


def secured(demo: DemoServer) -> dict[str, Any]:
    """Return the arguments of a connection with TLS and SCRAM."""
    return {**demo.arguments("ana"), "dbname": DATABASE, "sslmode": "require", "channel_binding": "require"}


def test_psycopg2_reads_by_every_kind_of_cursor(psycopg2_ana: Any, first: list[tuple[Any, ...]], seen: Seen) -> None:
    with psycopg2_ana, psycopg2_ana.cursor() as cursor:
        cursor.execute(OPEN + "%s", ("open",))
        assert cursor.fetchall() == [(int(seen.count("open")[0][0] or 0),)]
    with psycopg2_ana, psycopg2_ana.cursor("named", scrollable=True) as cursor:
        cursor.itersize = 2
        cursor.execute(FIRST)
        assert list(cursor) == first
        cursor.scroll(1, mode="absolute")
        assert cursor.fetchone() == first[1]
    with psycopg2_ana, psycopg2_ana.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute(FIRST)
        assert cursor.fetchone() == {"repo": first[0][0], "number": first[0][1]}


def test_psycopg2_writes_and_copies(psycopg2_ana: Any, first: list[tuple[Any, ...]]) -> None:
    with psycopg2_ana, psycopg2_ana.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE kept AS {FIRST}")
        psycopg2.extras.execute_values(cursor, "INSERT INTO kept VALUES %s", [("mine", 1), ("mine", 2)])
        cursor.copy_from(io.StringIO("copied\t3\n"), "kept")
        copied = io.StringIO()
        cursor.copy_expert(f"COPY ({FIRST}) TO STDOUT WITH CSV HEADER", copied)
        assert copied.getvalue() == "repo,number\n" + "".join(f"{repo},{number}\n" for repo, number in first)
        cursor.execute("SELECT * FROM kept")
        assert sorted(cursor.fetchall()) == sorted([*first, ("mine", 1), ("mine", 2), ("copied", 3)])


def test_psycopg2_goes_on_after_an_error_by_a_savepoint(psycopg2_ana: Any, first: list[tuple[Any, ...]]) -> None:
    with psycopg2_ana, psycopg2_ana.cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        with pytest.raises(psycopg2.errors.DivisionByZero):
            cursor.execute(f"SELECT number / 0 FROM github.issues WHERE {WHERE}")
        cursor.execute("ROLLBACK TO before")
        cursor.execute(FIRST)
        assert cursor.fetchall() == first


def test_psycopg2_cancels_and_introspects(psycopg2_ana: Any, demo: DemoServer) -> None:
    def cancel() -> None:
        until(lambda: bool(demo.jira.requests()))
        psycopg2_ana.cancel()

    demo.jira.reset()
    demo.jira.configure(latency_ms=LATENCY_MS)
    canceling = threading.Thread(target=cancel)
    canceling.start()
    with psycopg2_ana, psycopg2_ana.cursor() as cursor, pytest.raises(psycopg2.errors.QueryCanceled):
        cursor.execute(LONG_STATEMENT)
    canceling.join()
    demo.jira.reset()
    psycopg2_ana.rollback()
    with psycopg2_ana, psycopg2_ana.cursor() as cursor:
        cursor.execute(FIRST)
        assert [(each.name, each.type_code) for each in cursor.description] == [("repo", 25), ("number", 23)]
        cursor.execute("SELECT table_type FROM information_schema.tables WHERE table_schema = 'jira'")
        assert set(cursor.fetchall()) == {("FOREIGN",)}


def test_psycopg_pipelines_reads_and_writes(psycopg_ana: psycopg.Connection, first: list[tuple[Any, ...]]) -> None:
    with psycopg_ana.pipeline():
        made = psycopg_ana.execute("CREATE TEMP TABLE kept (repo text, number int)")
        filled = psycopg_ana.execute(f"INSERT INTO kept {FIRST}".encode())
        counted = psycopg_ana.execute("SELECT count(*) FROM kept")
        read = psycopg_ana.execute(FIRST.encode())
        plain = psycopg_ana.execute("SELECT %s::int2 + %s", (1, 2))
    assert (made.statusmessage, filled.statusmessage) == ("CREATE TABLE", f"INSERT 0 {len(first)}")
    assert (counted.fetchall(), read.fetchall(), plain.fetchall()) == ([(len(first),)], first, [(3,)])


def test_an_error_in_a_psycopg_pipeline_ends_what_follows(psycopg_ana: psycopg.Connection) -> None:
    def failing() -> None:
        with psycopg_ana.pipeline():
            psycopg_ana.execute("CREATE TEMP TABLE gone (a int)")
            psycopg_ana.execute(f"SELECT number / 0 FROM github.issues WHERE {WHERE}".encode())
            psycopg_ana.execute("SELECT 1")

    with pytest.raises(psycopg.errors.DivisionByZero):
        failing()
    assert psycopg_ana.execute("SELECT to_regclass('gone')").fetchall() == [(None,)]


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_reads_by_server_side_cursors(
    psycopg_ana: psycopg.Connection, first: list[tuple[Any, ...]], binary: bool
) -> None:
    with psycopg_ana.transaction(), psycopg_ana.cursor("named", binary=binary, scrollable=True) as cursor:
        cursor.execute(FIRST.encode(), binary=binary)
        assert cursor.fetchmany(3) == first[:3]
        cursor.scroll(-1)
        assert cursor.fetchall() == first[2:]
    held = psycopg_ana.cursor("held", withhold=True)
    held.execute(FIRST.encode())
    assert held.fetchall() == first
    held.close()


def test_psycopg_copies_binary_from_an_api_table_to_one_of_its_own(
    psycopg_ana: psycopg.Connection, first: list[tuple[Any, ...]]
) -> None:
    psycopg_ana.execute("CREATE TEMP TABLE kept (repo text, number int)")
    with psycopg_ana.cursor().copy(f"COPY ({FIRST}) TO STDOUT (FORMAT binary)".encode()) as out:
        data = b"".join(out)
    with psycopg_ana.cursor().copy("COPY kept FROM STDIN (FORMAT binary)") as into:
        into.write(data)
    assert psycopg_ana.execute("SELECT * FROM kept ORDER BY 1, 2").fetchall() == first


async def test_psycopg_async_does_the_same(demo: DemoServer, first: list[tuple[Any, ...]]) -> None:
    async with await psycopg.AsyncConnection.connect(**secured(demo), autocommit=True) as session:
        cursor = await session.execute(FIRST.encode())
        assert await cursor.fetchall() == first
        async with session.transaction(), session.cursor("named") as named:
            await named.execute(FIRST.encode())
            assert [row async for row in named] == first
        async with session.cursor().copy(f"COPY ({FIRST}) TO STDOUT".encode()) as copy:
            assert [row async for row in copy.rows()] == [(repo, str(number)) for repo, number in first]
        async with session.pipeline():
            one, two = await session.execute("SELECT 1"), await session.execute(FIRST.encode())
        assert (await one.fetchall(), await two.fetchall()) == ([(1,)], first)


async def test_asyncpg_prepares_pages_and_copies(asyncpg_ana: asyncpg.Connection, first: list[tuple[Any, ...]]) -> None:
    statement = await asyncpg_ana.prepare(
        "SELECT repo, number FROM github.issues WHERE owner = 'acme' AND repo = ANY($1) AND number <= $2 ORDER BY 1, 2"
    )
    assert [each.name for each in statement.get_parameters()] == ["text[]", "int4"]
    assert [attribute.type.name for attribute in statement.get_attributes()] == ["text", "int4"]
    assert [tuple(row) for row in await statement.fetch(["web", "api"], 4)] == first
    assert await statement.fetchval(["web"], 1, column=1) == 1
    async with asyncpg_ana.transaction():
        cursor = await asyncpg_ana.cursor(FIRST)
        assert [tuple(row) for row in await cursor.fetch(2)] == first[:2]
        assert [tuple(row) for row in await cursor.fetch(1)] == first[2:3]
        assert [tuple(row) for row in await cursor.fetch(100)] == first[3:]
    copied = io.BytesIO()
    assert await asyncpg_ana.copy_from_query(FIRST, output=copied, format="csv") == f"COPY {len(first)}"
    assert copied.getvalue().decode().splitlines() == [f"{repo},{number}" for repo, number in first]


async def test_asyncpg_rolls_back_writes_and_keeps_the_outer_block(
    asyncpg_ana: asyncpg.Connection, first: list[tuple[Any, ...]]
) -> None:
    async def failing() -> None:
        async with asyncpg_ana.transaction():
            await asyncpg_ana.execute("DELETE FROM kept")
            await asyncpg_ana.fetch(f"SELECT number / 0 FROM github.issues WHERE {WHERE}")

    async with asyncpg_ana.transaction():
        await asyncpg_ana.execute(f"CREATE TEMP TABLE kept AS {FIRST}")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await failing()
        assert [tuple(row) for row in await asyncpg_ana.fetch("SELECT * FROM kept ORDER BY 1, 2")] == first
    await asyncpg_ana.executemany("INSERT INTO kept VALUES ($1, $2)", [("mine", 7), ("mine", 8)])
    await asyncpg_ana.copy_records_to_table("kept", records=[("copied", 9)])
    assert await asyncpg_ana.fetchval("SELECT sum(number) FROM kept WHERE repo IN ('mine', 'copied')") == 24
    await asyncpg_ana.reset()
    assert [tuple(row) for row in await asyncpg_ana.fetch(FIRST)] == first
