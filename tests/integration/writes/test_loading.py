"""Many rows are loaded by COPY where PostgreSQL would do no more with them; but for the time, nobody can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from writing import refused, rows, tag

Connect = Callable[..., psycopg.Connection]

ROWS = 300
MANY = "SELECT row_number() OVER (ORDER BY key) AS place, key, status, created AS created_at FROM jira.issues"
CREATED = "CREATE TEMP TABLE target (place bigint, key text, status text, created_at timestamptz)"
SEEN = """CREATE FUNCTION pg_temp.seen(text) RETURNS boolean LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO statements VALUES (current_query()); RETURN true; END'"""
"""A function for a CHECK, which thereby learns by which statement of PostgreSQL's a row is written."""


@pytest.fixture
def writer(connect: Connect) -> psycopg.Connection:
    """Open a session with a function that notes how a row is written."""
    session = connect("ana")
    session.execute("CREATE TEMP TABLE statements (text text)")
    session.execute(SEEN)
    return session


def verbs(session: psycopg.Connection) -> list[str]:
    """Return the first words of the statements by which rows were written."""
    written = "split_part(split_part(text, '*/ ', -1), ' ', 1)"
    return [text for (text,) in rows(session, f"SELECT DISTINCT {written} FROM statements")]


@pytest.mark.parametrize(
    ("target", "statement", "verb"),
    [
        ("place bigint, key text CHECK (pg_temp.seen(key))", "SELECT place, key", "COPY"),
        ("key text CHECK (pg_temp.seen(key)), place bigint", "(place, key) SELECT place, key", "COPY"),
        ("key varchar CHECK (pg_temp.seen(key)), note text", "SELECT key", "COPY"),
        ("key text PRIMARY KEY CHECK (pg_temp.seen(key))", "SELECT key", "COPY"),
        ("key text CHECK (pg_temp.seen(key)), note text DEFAULT 'none'", "(key) SELECT key", "INSERT"),
        ("key text CHECK (pg_temp.seen(key)), id int GENERATED ALWAYS AS IDENTITY", "SELECT key", "INSERT"),
        ("key varchar(40) CHECK (pg_temp.seen(key))", "SELECT key", "INSERT"),
        ("key text CHECK (pg_temp.seen(key)), place int", "SELECT key, place", "INSERT"),
        ("key text PRIMARY KEY CHECK (pg_temp.seen(key))", "SELECT key|ON CONFLICT DO NOTHING", "INSERT"),
        ("key text CHECK (pg_temp.seen(key))", "SELECT key|RETURNING key", "INSERT"),
        ("key text CHECK (pg_temp.seen(key))", "SELECT to_char(place, 'FM999')", "INSERT"),
    ],
)
def test_only_a_plain_target_is_loaded(writer: psycopg.Connection, target: str, statement: str, verb: str) -> None:
    writer.execute(f"CREATE TEMP TABLE target ({target})".encode())
    head, _, tail = statement.partition("|")
    assert tag(writer, f"INSERT INTO target {head} FROM ({MANY}) AS found {tail}") == f"INSERT 0 {ROWS}"
    assert verbs(writer) == [verb]
    assert rows(writer, "SELECT count(*), count(key) FROM target") == [(ROWS, ROWS)]


@pytest.mark.parametrize(
    "makes",
    [
        "CREATE TRIGGER t BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION pg_temp.same()",
        "CREATE RULE r AS ON INSERT TO target WHERE new.key = 'none' DO INSTEAD NOTHING",
        "ALTER TABLE target ENABLE ROW LEVEL SECURITY",
    ],
)
def test_a_target_that_acts_on_its_own_is_inserted_into(writer: psycopg.Connection, makes: str) -> None:
    writer.execute("CREATE TEMP TABLE target (key text CHECK (pg_temp.seen(key)))")
    writer.execute("""CREATE FUNCTION pg_temp.same() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'""")
    writer.execute(makes.encode())
    assert tag(writer, "INSERT INTO target SELECT key FROM jira.issues") == f"INSERT 0 {ROWS}"
    assert verbs(writer) == ["INSERT"]


def test_few_rows_are_inserted(writer: psycopg.Connection) -> None:
    writer.execute("CREATE TEMP TABLE target (name text CHECK (pg_temp.seen(name)))")
    assert tag(writer, "INSERT INTO target SELECT name FROM jira.boards") == "INSERT 0 4"
    assert verbs(writer) == ["INSERT"]


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE TEMP TABLE made AS {MANY}",
        f"CREATE TEMP TABLE made (a, b) AS {MANY} ORDER BY place LIMIT 290 -- the first\n WITH DATA",
        f"WITH found AS ({MANY}) SELECT * INTO TEMPORARY TABLE made FROM found",
        "CREATE TEMP TABLE made AS SELECT status, count(*), avg(length(key)), min(created)::date, "
        "bool_or(status = 'Done'), 1.5::float8 * count(*) AS x, null AS y FROM jira.issues GROUP BY status",
        "CREATE TEMP TABLE made AS SELECT labels, due_date, key IS NULL AS never FROM jira.issues",
    ],
)
def test_a_new_table_is_the_same_by_both_ways(connect: Connect, statement: str) -> None:
    shape = """SELECT attnum, attname, atttypid::regtype::text, atttypmod, attcollation FROM pg_attribute
        WHERE attrelid = 'made'::regclass AND attnum > 0"""
    made = []
    for engine in ("auto", "postgres"):
        session = connect("ana")
        session.execute(f"SET omnisql.engine = {engine}".encode())
        said = tag(session, statement)
        made.append((said, rows(session, shape), rows(session, "SELECT * FROM made")))
    assert made[0] == made[1]
    assert made[0][2]


def test_a_new_table_lies_where_postgresql_would_make_it(ana: psycopg.Connection) -> None:
    ana.execute("CREATE TEMP TABLE made (other int)")
    try:
        assert tag(ana, f"CREATE UNLOGGED TABLE made AS {MANY}") == f"SELECT {ROWS}"
        assert rows(ana, "SELECT count(*) FROM public.made") == [(ROWS,)]
        assert rows(ana, "SELECT relpersistence FROM pg_class WHERE oid = 'public.made'::regclass") == [("u",)]
        assert rows(ana, "SELECT count(*) FROM made") == [(0,)]
    finally:
        ana.execute("DROP TABLE public.made")


def said_by(session: psycopg.Connection, statement: str) -> dict[str, Any]:
    """Return all that a failing statement's error says, but for where in PostgreSQL's source it comes from."""
    diag = refused(session, statement)
    names = [name for name in dir(diag) if not name.startswith(("_", "source_"))]
    fields = {name: getattr(diag, name) for name in names}
    # Each session's temporary schema has a number of its own.
    return fields | {"schema_name": str(fields["schema_name"]).rstrip("0123456789")}


@pytest.mark.parametrize(
    ("target", "statement"),
    [
        ("status text NOT NULL, key text", "INSERT INTO target SELECT nullif(status, 'Done'), key FROM jira.issues"),
        ("key text CHECK (key <> 'WEB-7')", "INSERT INTO target SELECT key FROM jira.issues ORDER BY key"),
        ("status text UNIQUE", "INSERT INTO target SELECT status FROM jira.issues ORDER BY key"),
        ("key text", "CREATE TEMP TABLE target AS SELECT key FROM jira.issues"),
        ("key text", "SELECT key INTO TEMP target FROM jira.issues"),
        ("key text", "CREATE TABLE nowhere.made AS SELECT key FROM jira.issues"),
        ("key text", "CREATE TABLE pg_catalog.made AS SELECT key FROM jira.issues"),
        ("place bigint", "INSERT INTO target SELECT 1 / (length(key) - length(key)) FROM jira.issues"),
        ("key text", "INSERT INTO github.repositories (name) SELECT key FROM jira.issues"),
        ("key text", "INSERT INTO omnisql_catalog.ddl_sequence SELECT key FROM jira.issues"),
    ],
)
def test_errors_are_those_of_the_statement_itself(connect: Connect, target: str, statement: str) -> None:
    said = []
    for engine in ("auto", "postgres"):
        session = connect("ana")
        session.execute(f"CREATE TEMP TABLE target ({target})".encode())
        session.execute(f"SET omnisql.engine = {engine}".encode())
        said.append(said_by(session, statement))
        assert rows(session, "SELECT count(*) FROM target") == [(0,)]
    assert said[0] == said[1]
    assert said[0]["context"] is None


def test_a_read_only_transaction_is_told_of_the_statement_that_was_sent(ana: psycopg.Connection) -> None:
    ana.execute(CREATED)
    ana.execute("CREATE TABLE public.lasting (key text)")
    try:
        ana.execute("BEGIN READ ONLY")
        assert tag(ana, f"INSERT INTO target {MANY}") == f"INSERT 0 {ROWS}"
        said = refused(ana, "INSERT INTO public.lasting SELECT key FROM jira.issues")
        assert (said.sqlstate, said.message_primary) == ("25006", "cannot execute INSERT in a read-only transaction")
        ana.execute("ROLLBACK")
    finally:
        ana.execute("DROP TABLE public.lasting")


def test_what_is_loaded_belongs_to_its_transaction(ana: psycopg.Connection) -> None:
    ana.execute(f"{CREATED.replace('place bigint', 'place bigint UNIQUE')}; BEGIN; SAVEPOINT before".encode())
    assert tag(ana, f"INSERT INTO target {MANY}") == f"INSERT 0 {ROWS}"
    assert tag(ana, f"CREATE TEMP TABLE made ON COMMIT DROP AS {MANY}") == f"SELECT {ROWS}"
    assert rows(ana, "SELECT count(*) FROM target JOIN made USING (place)") == [(ROWS,)]
    assert refused(ana, f"INSERT INTO target {MANY}").sqlstate == "23505"
    assert refused(ana, f"INSERT INTO target {MANY}").sqlstate == "25P02"
    ana.execute("ROLLBACK TO before")
    assert rows(ana, "SELECT count(*), to_regclass('made') FROM target") == [(0, None)]
    assert tag(ana, f"INSERT INTO target {MANY}") == f"INSERT 0 {ROWS}"
    ana.execute("COMMIT")
    assert rows(ana, "SELECT count(*) FROM target") == [(ROWS,)]
    assert refused(ana, f"INSERT INTO target SELECT place + {ROWS}, key FROM ({MANY}) AS m; SELECT 1 / 0").sqlstate
    assert rows(ana, "SELECT count(*) FROM target") == [(ROWS,)]


async def test_a_prepared_statement_loads_each_time_it_is_executed(demo: DemoServer) -> None:
    session = await asyncpg.connect(**demo.arguments("ana"), database=DATABASE)
    try:
        await session.execute("CREATE TEMP TABLE target (key text, status text)")
        insert = await session.prepare("INSERT INTO target SELECT key, status FROM jira.issues WHERE key <> $1")
        for _ in range(3):
            await insert.fetch("WEB-1")
        made = "CREATE TEMP TABLE made AS SELECT key FROM jira.issues WHERE key <> $1"
        assert await session.execute(made, "WEB-1") == f"SELECT {ROWS - 1}"
        assert await session.fetchval("SELECT count(*) FROM target") == 3 * (ROWS - 1)
    finally:
        await session.close()


async def waits(other: psycopg.AsyncConnection) -> None:
    """Wait until a session waits for another one's transaction inside a COPY."""
    asked = b"SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%COPY %public%contested%'"
    async with asyncio.timeout(20):
        while await (await other.execute(asked)).fetchone() is None:
            continue


@pytest.fixture
def contested(connect: Connect) -> Any:
    """Hold a key of a new table in an open transaction, so that whoever inserts it has to wait."""
    holder = connect("ana")
    holder.execute("CREATE TABLE public.contested (key text UNIQUE, status text)")
    holder.execute("BEGIN; INSERT INTO public.contested VALUES ('WEB-7', 'held')")
    yield holder
    holder.execute("ROLLBACK")
    holder.execute("DROP TABLE public.contested")


CONTEST = "INSERT INTO public.contested SELECT key, status FROM jira.issues"


async def test_a_load_can_be_canceled_in_its_middle(demo: DemoServer, contested: psycopg.Connection) -> None:
    arguments: dict[str, Any] = {**demo.arguments("ana"), "dbname": DATABASE, "autocommit": True}
    async with (
        await psycopg.AsyncConnection.connect(**arguments) as session,
        await psycopg.AsyncConnection.connect(**arguments) as watcher,
    ):
        statement = asyncio.ensure_future(session.execute(CONTEST.encode()))
        await waits(watcher)
        await session.cancel_safe()
        failure = (await asyncio.gather(statement, return_exceptions=True))[0]
        assert isinstance(failure, psycopg.errors.QueryCanceled)
        assert failure.diag.message_primary == "canceling statement due to user request"
        contested.execute("ROLLBACK")
        again = await session.execute(CONTEST.encode())
        assert again.statusmessage == f"INSERT 0 {ROWS}"
        await session.execute("DELETE FROM public.contested")


@pytest.mark.parametrize(
    ("setting", "sqlstate", "message"),
    [
        ("statement_timeout", "57014", "canceling statement due to statement timeout"),
        ("lock_timeout", "55P03", "canceling statement due to lock timeout"),
    ],
)
def test_timeouts_end_a_load(
    ana: psycopg.Connection, contested: psycopg.Connection, setting: str, sqlstate: str, message: str
) -> None:
    ana.execute(f"SET {setting} = '600ms'".encode())
    said = refused(ana, CONTEST)
    assert (said.sqlstate, said.message_primary) == (sqlstate, message)
    ana.execute(f"RESET {setting}".encode())
    contested.execute("ROLLBACK")
    assert tag(ana, CONTEST) == f"INSERT 0 {ROWS}"
    assert tag(ana, "DELETE FROM public.contested") == f"DELETE {ROWS}"
