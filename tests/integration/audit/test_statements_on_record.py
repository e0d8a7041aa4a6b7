"""What is on record of statements: all that read API tables, however they end, and no value of any of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice

import psycopg
import pytest
from audit_reading import CACHED, WEB, Recorded, records, refused, session, texts
from beside_control import with_control
from demo_server import DemoServer
from served import until

from catalog.audit import append
from catalog.connection import OwnConnection
from omnisql_server.audit.record import Record, TableRead

COUNT = f"SELECT count(*) FROM github.issues WHERE {WEB} AND state = 'open'"
MANY = "SELECT a.number FROM github.issues a, github.issues b, github.issues c WHERE " + " AND ".join(
    f"{each}.owner = 'acme' AND {each}.repo = 'web'" for each in "abc"
)


@pytest.fixture
def ana(demo: DemoServer) -> Iterator[psycopg.Connection]:
    with session(demo) as opened:
        yield opened


def phases(found: list[Record]) -> list[tuple[str, str, str]]:
    """Return phase, kind and outcome of records."""
    return [(each.phase, each.kind, each.outcome) for each in found]


def test_a_statement_that_asks_a_source_has_a_start_and_a_finish(
    demo: DemoServer, ana: psycopg.Connection, recorded: Recorded
) -> None:
    ana.execute(COUNT)
    start, finish = recorded()
    assert (start.phase, finish.phase, start.id) == ("start", "finish", finish.id)
    assert (start.calls, start.outcome) == (0, "")
    assert finish.calls == len(demo.github.requests()) > 0
    assert (finish.outcome, finish.rows) == ("00000", 1)
    assert (finish.tenant, finish.principal, finish.roles, finish.client) == ("acme", "ana", ("ana",), "127.0.0.1")
    assert finish.text == "SELECT count(*) FROM github.issues WHERE owner = ? AND repo = ? AND state = ?"
    assert finish.sources == ("github",)
    assert finish.tables == (
        TableRead(server="github", table="github.issues", relation="github.issues", columns=("owner", "repo", "state")),
    )
    assert len(finish.fingerprint) == 16
    assert len(finish.query_id) == 32
    assert len(finish.policy_revision) == 16


def test_one_answered_from_what_is_kept_has_one_record(ana: psycopg.Connection, recorded: Recorded) -> None:
    ana.execute(CACHED)
    ana.execute(COUNT)
    ana.execute(COUNT)
    first, second, third = recorded()
    assert [first.phase, second.phase, third.phase] == ["start", "finish", "whole"]
    assert (third.calls, third.rows, third.outcome, third.tables) == (0, 1, "00000", second.tables)
    assert third.fingerprint == second.fingerprint


def test_many_rows_from_what_is_kept_begin_on_record_before_the_first_goes_out(
    ana: psycopg.Connection, recorded: Recorded
) -> None:
    ana.execute(CACHED)
    expected = ana.execute(MANY).fetchall()
    again = ana.execute(MANY).fetchall()
    assert len(again) == len(expected) > 10_000
    assert phases(recorded()) == [("start", "SELECT", ""), ("finish", "SELECT", "00000")] * 2
    assert recorded()[-1].rows == len(again)


def test_filters_are_on_record_by_the_names_of_their_policies(demo: DemoServer, recorded: Recorded) -> None:
    with session(demo, "eve") as eve:
        eve.execute(f"SELECT number FROM github.issues WHERE {WEB}")
    filtered = recorded()[-1]
    assert {(each.table, each.policy) for each in filtered.filters} == {("github.issues", "github-rows-by-team")}
    assert filtered.masks == ()


@pytest.mark.parametrize(
    ("sql", "kind", "outcome"),
    [
        ("SELECT hunter2 FROM github.issues", "SELECT", "42703"),
        (f"SELECT 1 / (number - number) FROM github.issues WHERE {WEB}", "SELECT", "22012"),
        (f"SELECT number FROM github.issues WHERE {WEB} FOR UPDATE", "SELECT", "0A000"),
        ("UPDATE github.issues SET title = 'hunter2'", "write", "0A000"),
        ("LOCK TABLE github.issues", "LOCK TABLE", "0A000"),
    ],
)
def test_statements_that_fail_are_on_record_with_their_sqlstate(
    ana: psycopg.Connection, recorded: Recorded, sql: str, kind: str, outcome: str
) -> None:
    assert refused(ana, sql).sqlstate == outcome
    last = recorded()[-1]
    assert (last.kind, last.outcome, last.rows) == (kind, outcome, 0)
    assert "github.issues" in {each.relation for each in last.tables}


def test_a_canceled_statement_is_on_record(demo: DemoServer, ana: psycopg.Connection, recorded: Recorded) -> None:
    demo.github.configure(latency_ms=30_000)
    timer = threading.Timer(0.5, ana.cancel)
    timer.start()
    assert refused(ana, COUNT).sqlstate == "57014"
    timer.join()
    assert ana.execute("SELECT 1").fetchone() == (1,)
    start, finish = recorded()
    assert (start.phase, finish.phase, finish.outcome) == ("start", "finish", "57014")


def test_a_portal_closed_early_is_on_record(ana: psycopg.Connection, recorded: Recorded) -> None:
    with ana.cursor() as cursor:
        for row in cursor.stream(MANY):
            assert row
            break
    assert ana.execute("SELECT 1").fetchone() == (1,)
    finish = recorded()[-1]
    assert finish.phase == "finish"
    assert finish.outcome in {"00000", "57014"}


def test_what_is_streamed_has_its_finish_on_record_before_its_last_row(
    demo: DemoServer, ana: psycopg.Connection, recorded: Recorded
) -> None:
    demo.github.configure(page_rows_max=20, next=[{"none": True}, {"hold": True}])
    rows = ana.cursor().stream(f"SELECT number FROM github.issues WHERE {WEB}".encode())
    # One row is held back as long as it may be the last.
    count = len(list(islice(rows, 19)))
    assert phases(recorded()) == [("start", "SELECT", "")]
    demo.github.release()
    count += len(list(rows))
    start, finish = recorded()
    assert (start.id, finish.outcome, finish.rows, finish.calls) == (finish.id, "00000", count, -(-count // 20))


def test_writing_begins_on_record_even_if_no_source_is_asked(ana: psycopg.Connection, recorded: Recorded) -> None:
    ana.execute(CACHED)
    ana.execute(f"SELECT number FROM github.issues WHERE {WEB}")
    ana.execute(f"CREATE TEMP TABLE mine AS SELECT number FROM github.issues WHERE {WEB}")
    start, finish = recorded()[-2:]
    assert (start.phase, finish.phase, finish.kind, finish.calls) == ("start", "finish", "write", 0)
    assert finish.detail.startswith("SELECT ")


def test_prepared_explained_and_copied_statements_are_on_record(ana: psycopg.Connection, recorded: Recorded) -> None:
    ana.execute(CACHED)
    number = ana.execute(f"SELECT number FROM github.issues WHERE {WEB} LIMIT 1").fetchone()
    assert number is not None
    before = len(recorded())
    ana.execute(f"PREPARE p(int) AS SELECT title FROM github.issues WHERE {WEB} AND number = $1")
    ana.execute("EXECUTE p(7654321)")
    ana.execute(f"EXPLAIN SELECT number FROM github.issues WHERE {WEB}")
    with ana.cursor().copy(f"COPY (SELECT number FROM github.issues WHERE {WEB}) TO STDOUT") as copy:
        copied = len(list(copy.rows()))
    ana.execute(f"SELECT number FROM github.issues WHERE {WEB} AND number < %s", (7654321,), prepare=True)
    found = [each for each in recorded()[before:] if each.phase != "start"]
    assert [each.kind for each in found] == ["EXECUTE", "EXPLAIN", "COPY TO", "SELECT"]
    assert found[2].rows == copied > 0
    assert "7654321" not in "".join(repr(each) for each in found)


def test_local_statements_leave_no_record(ana: psycopg.Connection, recorded: Recorded) -> None:
    ana.execute("SELECT 1")
    ana.execute("CREATE TEMP TABLE local (x int)")
    ana.execute("INSERT INTO local VALUES (1)")
    assert recorded() == []


def test_administrative_statements_are_on_record_without_their_secrets(demo: DemoServer, recorded: Recorded) -> None:
    with session(demo, "admin") as admin:
        admin.execute("CREATE SERVER spare FOREIGN DATA WRAPPER github OPTIONS (base_url 'https://api.github.com')")
        admin.execute("CREATE USER MAPPING FOR PUBLIC SERVER spare OPTIONS (token 'hunter2secret')")
        assert refused(admin, "CREATE USER MAPPING FOR PUBLIC SERVER spare OPTIONS (token hunter2secret)").sqlstate
        admin.execute("DROP SERVER spare CASCADE")
    found = recorded()
    assert phases(found) == [
        ("start", "server", ""),
        ("finish", "server", "00000"),
        ("start", "user mapping", ""),
        ("finish", "user mapping", "00000"),
        ("whole", "not grammatical, perhaps with a secret", "42601"),
        ("whole", "DROP USER MAPPING or SERVER", "relayed"),
    ]
    assert found[3].text == "CREATE USER MAPPING FOR PUBLIC SERVER spare OPTIONS (token ?)"
    assert "hunter2secret" not in texts(demo)


def test_the_owner_sees_all_that_is_on_record_and_others_what_they_did_themselves(
    demo: DemoServer, ana: psycopg.Connection, recorded: Recorded
) -> None:
    ana.execute(COUNT)
    with session(demo, "eve") as eve, session(demo, "admin") as admin:
        eve.execute(f"SELECT number FROM github.issues WHERE {WEB}")
        assert eve.execute("SELECT DISTINCT principal FROM omnisql.audit").fetchall() == [("eve",)]
        seen = admin.execute(
            "SELECT principal, tables, columns, outcome, calls FROM omnisql.audit"
            " WHERE phase = 'finish' AND kind = 'SELECT' ORDER BY number DESC LIMIT 2"
        ).fetchall()
    assert [row[0] for row in seen] == ["eve", "ana"]
    expected = recorded()[1]
    columns = [f"github.issues.{name}" for name in expected.tables[0].columns]
    assert seen[1][1:] == (["github.issues"], columns, "00000", expected.calls)


def test_changes_of_roles_are_on_record(demo: DemoServer, recorded: Recorded) -> None:
    with session(demo, "admin") as admin:
        admin.execute("CREATE ROLE newcomer LOGIN PASSWORD 'hunter2'")
        session(demo, "newcomer", password="hunter2").close()
        admin.execute("DROP ROLE newcomer")
        with pytest.raises(psycopg.OperationalError):
            session(demo, "newcomer", password="hunter2")
    assert [each.detail for each in recorded() if each.kind == "roles"] == ["made newcomer", "dropped newcomer"]


@pytest.mark.parametrize("from_bytes", [False, True], ids=["executed", "from-bytes"])
def test_without_its_record_a_statement_is_refused_and_no_source_is_asked(
    demo: DemoServer, ana: psycopg.Connection, from_bytes: bool
) -> None:
    def is_from_bytes() -> bool:
        ana.execute(COUNT)
        last = records(demo)[-1]
        return last.id == last.query_id

    # What is prepared is executed once more.
    ana.prepare_threshold = None
    ana.execute(CACHED)
    assert not is_from_bytes()
    if from_bytes:
        until(is_from_bytes)
    asked = len(demo.github.requests())

    def close_the_way_in(sql: str) -> None:
        async def change(connection: OwnConnection) -> None:
            await connection.execute(sql)

        with_control(demo.directory / "data", change)

    before = len(records(demo))
    close_the_way_in("REVOKE EXECUTE ON FUNCTION audit.append(uuid[], text[]) FROM omnisql_audit")
    try:
        kept = refused(ana, COUNT)
        fetched = refused(ana, f"SELECT count(*) FROM github.pull_requests WHERE {WEB}")
        assert (kept.sqlstate, fetched.sqlstate) == ("58030", "58030")
        assert "AUDIT_UNAVAILABLE" in str(kept)
        assert len(demo.github.requests()) == asked
        assert ana.execute("SELECT 1").fetchone() == (1,)
    finally:
        close_the_way_in("GRANT EXECUTE ON FUNCTION audit.append(uuid[], text[]) TO omnisql_audit")
    assert ana.execute(COUNT).fetchone() is not None
    assert len(records(demo)) == before + 1


def test_the_writer_may_do_nothing_but_append(demo: DemoServer) -> None:
    async def attempt(connection: OwnConnection) -> list[str]:
        await connection.execute("SET SESSION AUTHORIZATION omnisql_audit")
        outcomes = []
        for sql in (
            "SELECT * FROM audit.records",
            "INSERT INTO audit.heads VALUES (gen_random_uuid(), 1, '')",
            "UPDATE audit.heads SET number = 0",
            "DELETE FROM audit.records",
            "SELECT audit.prepare_month(now())",
            "SELECT * FROM control.tenants",
            "SELECT * FROM control.data_keys",
        ):
            try:
                await connection.execute(sql)
            except Exception as error:  # noqa: BLE001  the SQLSTATE is what is looked at
                outcomes.append(str(getattr(error, "sqlstate", error)))
        await append(connection, {})
        return outcomes

    assert with_control(demo.directory / "data", attempt) == ["42501"] * 7
