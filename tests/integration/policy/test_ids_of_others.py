"""Names and numbers of what belongs to somebody else's session open nothing: cursors, portals, prepared statements,
temporary tables, snapshots, large objects, backends, cancel keys, credentials, records; over the wire and by HTTP.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from guarded import log_in
from http_caller import HttpCaller
from served import until

from catalog.api_tokens import new_token, token_digest, token_id
from omnisql_server.admin.channel import ask_running_server
from wire.startup import encode_cancel_request

NAME = "of_ana"
MADE = (
    f"CREATE TEMP TABLE {NAME} AS SELECT id, summary, description FROM jira.issues",
    f"PREPARE {NAME} AS SELECT summary FROM jira.issues",
    f"PREPARE {NAME}_copy AS SELECT summary FROM {NAME}",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    f"DECLARE {NAME} CURSOR FOR SELECT summary FROM jira.issues",
    f"DECLARE {NAME}_copy CURSOR WITH HOLD FOR SELECT summary FROM {NAME}",
)
GONE = frozenset({"34000", "26000", "42501", "28000", "42P01", "3F000", "22023", "42704"})
"""There is no such cursor, statement, table, schema or object; or it may not be used."""
TRIED = (
    "FETCH ALL FROM {name}",
    "FETCH ALL FROM {name}_copy",
    "MOVE {name}",
    "CLOSE {name}",
    "DECLARE again CURSOR WITH HOLD FOR TABLE {schema}.{name}",
    "DELETE FROM {schema}.{name} WHERE CURRENT OF {name}",
    "EXECUTE {name}",
    "EXECUTE {name}_copy",
    "EXPLAIN (ANALYZE) EXECUTE {name}",
    "CREATE TEMP TABLE t AS EXECUTE {name}",
    "DEALLOCATE {name}",
    "TABLE {schema}.{name}",
    "SELECT s.summary FROM {schema}.{name} AS s, jira.issues AS i WHERE s.id = i.id",
    "CREATE TEMP TABLE t AS TABLE {schema}.{name}",
    "DROP TABLE {schema}.{name}",
    "GRANT SELECT ON {schema}.{name} TO eve",
    "SELECT lo_get({object})",
    "SELECT lo_put({object}, 0, 'x')",
    "SELECT lo_unlink({object})",
    "SELECT pg_cancel_backend({pid})",
    "SELECT pg_terminate_backend({pid})",
    "SELECT pg_log_backend_memory_contexts({pid})",
    "CREATE USER MAPPING FOR CURRENT_USER SERVER jira OPTIONS (api_token '{handle}')",
)
"""Each of them is refused."""
LOOKED_FOR = (
    "SELECT * FROM pg_cursors WHERE name LIKE '{name}%'",
    "SELECT * FROM pg_prepared_statements WHERE name LIKE '{name}%'",
    "SELECT * FROM pg_stats WHERE tablename = '{name}'",
    "SELECT * FROM pg_largeobject_metadata WHERE oid = {object} AND lomowner = 'eve'::regrole",
    "SELECT query FROM pg_stat_activity WHERE pid = {pid} AND query LIKE '%summary%'",
    "SELECT umoptions FROM pg_user_mappings WHERE umoptions::text LIKE '%{handle}%'",
    "SELECT * FROM omnisql.audit WHERE id = '{record}'",
    "SELECT * FROM omnisql.last_query_sources WHERE source = 'jira'",
)
"""Each of them finds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anas:
    """What belongs to ana's session, by its names and numbers, and the texts that eve may not see."""

    server: DemoServer
    session: psycopg.Connection
    ids: dict[str, str]
    snapshot: str
    hidden: re.Pattern[str]

    def written(self, template: str) -> str:
        return template.format(name=NAME, **self.ids)

    def tried(self, session: psycopg.Connection, template: str, *, prepare: bool) -> tuple[str, str]:
        """Run a statement and return its SQLSTATE with all that it told."""
        try:
            cursor = session.execute(self.written(template).encode(), prepare=prepare)
        except psycopg.Error as error:
            return str(error.sqlstate), f"{error} {error.diag.message_detail} {error.diag.context}"
        return "", str(cursor.fetchall()) if cursor.description else ""


def value_of(session: psycopg.Connection, sql: str) -> str:
    (value,) = session.execute(sql.encode()).fetchone() or (None,)
    return str(value)


def column_of(session: psycopg.Connection, sql: str) -> set[str]:
    return {str(value) for (value,) in session.execute(sql.encode())}


@pytest.fixture(scope="module")
def anas(guarded: DemoServer) -> Iterator[Anas]:
    """Have ana read what eve may not see in all ways that leave something behind, and keep her session open."""
    with log_in(guarded, "ana") as ana, log_in(guarded, "eve") as eve, log_in(guarded, "admin") as admin:
        seen, allowed = (column_of(each, "SELECT summary FROM jira.issues") for each in (ana, eve))
        assert len(seen - allowed) > 5
        number = value_of(ana, f"SELECT lo_from_bytea(0, convert_to('{min(seen - allowed)}', 'UTF8'))")
        for statement in MADE:
            ana.execute(statement.encode())
        record = value_of(admin, "SELECT id FROM omnisql.audit WHERE principal = 'ana' ORDER BY number DESC LIMIT 1")
        handle = value_of(admin, "SELECT umoptions::text FROM pg_user_mappings WHERE srvname = 'jira' LIMIT 1")
        found = re.search(r"secret:[0-9a-f-]{36}", handle)
        assert found is not None
        ids = {
            "schema": value_of(ana, "SELECT pg_my_temp_schema()::regnamespace"),
            "pid": value_of(ana, "SELECT pg_backend_pid()"),
            "object": number,
            "handle": found.group(),
            "record": record,
        }
        snapshot = value_of(ana, "SELECT pg_export_snapshot()")
        hidden = re.compile("|".join(map(re.escape, sorted(seen - allowed))))
        yield Anas(server=guarded, session=ana, ids=ids, snapshot=snapshot, hidden=hidden)
        ana.execute("ROLLBACK")
        ana.execute(f"SELECT lo_unlink({number})".encode())


@pytest.mark.parametrize("template", TRIED)
@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_what_is_anothers_is_refused(anas: Anas, eve: psycopg.Connection, template: str, prepare: bool) -> None:
    with eve.transaction(force_rollback=True):
        sqlstate, told = anas.tried(eve, template, prepare=prepare)
        assert sqlstate in GONE, told
        assert anas.hidden.search(told) is None


@pytest.mark.parametrize("template", LOOKED_FOR)
def test_what_is_anothers_is_not_found(anas: Anas, eve: psycopg.Connection, template: str) -> None:
    assert anas.tried(eve, template, prepare=False) == ("", "[]")


def test_each_of_them_is_there_for_its_own(anas: Anas) -> None:
    ana = anas.session
    for sql in ("FETCH 1 FROM {name}", "FETCH 1 FROM {name}_copy", "EXECUTE {name}", "TABLE {schema}.{name}"):
        sqlstate, told = anas.tried(ana, sql, prepare=False)
        assert (sqlstate, "summary" in sql or told != "[]") == ("", True), sql
    assert anas.hidden.search(anas.tried(ana, "SELECT convert_from(lo_get({object}), 'UTF8')", prepare=False)[1])


def test_no_portal_or_statement_of_another_session_is_described(anas: Anas, eve: psycopg.Connection) -> None:
    for describe in (eve.pgconn.describe_portal, eve.pgconn.describe_prepared):
        for name in (NAME, f"{NAME}_copy"):
            error = describe(name.encode())
            assert error.error_field(psycopg.pq.DiagnosticField.SQLSTATE) in (b"34000", b"26000")


def test_anothers_snapshot_shows_what_one_may_see(anas: Anas, eve: psycopg.Connection) -> None:
    allowed = column_of(eve, "SELECT summary FROM jira.issues")
    with eve.transaction(force_rollback=True):
        eve.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with suppress(psycopg.Error), eve.transaction():
            eve.execute(f"SET TRANSACTION SNAPSHOT '{anas.snapshot}'".encode())
        assert column_of(eve, "SELECT summary FROM jira.issues") == allowed
        sqlstate, _ = anas.tried(eve, "TABLE {schema}.{name}", prepare=False)
        assert sqlstate == "42501"


def test_no_guessed_key_cancels_anothers_statement(anas: Anas) -> None:
    with ThreadPoolExecutor(1) as executor, log_in(anas.server, "ana") as ana, log_in(anas.server, "ana") as beside:
        pid = int(value_of(ana, "SELECT pg_backend_pid()"))
        running = executor.submit(value_of, ana, "SELECT 'not canceled' FROM pg_sleep(1)")
        asleep = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'"
        until(lambda: value_of(beside, asleep) == "1")
        for key in (b"\0" * 4, b"\xff" * 4, secrets.token_bytes(4), secrets.token_bytes(32)):
            with socket.create_connection(("127.0.0.1", anas.server.port), timeout=10) as canceling:
                canceling.sendall(encode_cancel_request(pid, key))
                assert canceling.recv(1) == b""
        assert running.result(30.0) == "not canceled"


@pytest.fixture(scope="module")
def eve_by_http(guarded: DemoServer) -> Iterator[HttpCaller]:
    token = new_token()

    def administer(operation: str, **arguments: object) -> None:
        asyncio.run(ask_running_server(guarded.directory / "data", operation, {"name": DATABASE, **arguments}))

    made = {"user": "eve", "digest": token_digest(token).hex(), "description": "ids of others", "days": 1}
    administer("create_token", token=token_id(token), **made)
    yield guarded.caller(token, "eve")
    administer("revoke_token", token=token_id(token))


def test_nothing_of_another_session_is_reached_by_http(anas: Anas, eve_by_http: HttpCaller) -> None:
    for template in TRIED:
        answer = eve_by_http.ask(anas.written(template))
        told = answer.content.decode()
        assert answer.status >= 400, template
        assert answer.body["error"]["sqlstate"] in GONE | {"0A000", "25P01", "25001"}, told
        assert anas.hidden.search(told) is None
    for template in LOOKED_FOR:
        assert eve_by_http.ask(anas.written(template)).body["rows"] == [], template


def test_a_request_by_http_leaves_nothing_for_the_next(eve_by_http: HttpCaller) -> None:
    eve_by_http.ask("PREPARE left_behind AS SELECT summary FROM jira.issues")
    eve_by_http.ask("CREATE TEMP TABLE left_behind AS SELECT 1 AS x")
    for sql in ("EXECUTE left_behind", "TABLE left_behind", "FETCH 1 FROM left_behind"):
        assert eve_by_http.ask(sql).body["error"]["sqlstate"] in {"26000", "42P01", "34000"}, sql
    taken = HttpCaller(
        port=eve_by_http.port, certificate=eve_by_http.certificate, token=eve_by_http.token, user="ana"
    ).ask("SELECT 1")
    assert taken.error[:2] == (401, "28P01")
