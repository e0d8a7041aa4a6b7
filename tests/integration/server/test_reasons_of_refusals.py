"""What API tables cannot do says so, with the reason, wherever it is tried."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from sessions import refused, value_of

SETUP = (
    "CREATE SCHEMA rf",
    "CREATE TABLE rf.plain (a text)",
    "CREATE VIEW rf.v AS SELECT key FROM jira.projects",
    "CREATE VIEW rf.locking AS SELECT key FROM jira.projects FOR UPDATE",
    "CREATE FUNCTION rf.sql_one() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM jira.projects'",
    "CREATE FUNCTION rf.sql_set() RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT key FROM jira.projects'",
    "CREATE FUNCTION rf.pl() RETURNS bigint LANGUAGE plpgsql AS"
    " 'BEGIN RETURN (SELECT count(*) FROM jira.projects); END'",
    "CREATE PROCEDURE rf.proc() LANGUAGE plpgsql AS 'BEGIN PERFORM rf.pl(); END'",
    "CREATE FUNCTION rf.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM key FROM rf.v; RETURN NEW; END'",
    "CREATE TABLE rf.triggered (a text)",
    "CREATE TRIGGER note BEFORE INSERT ON rf.triggered FOR EACH ROW EXECUTE FUNCTION rf.note()",
    "CREATE TABLE rf.checked (a text CHECK (rf.pl() > 0))",
    "CREATE TABLE rf.defaulted (a text, b bigint DEFAULT rf.sql_one())",
    "CREATE FUNCTION rf.fixed(text) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS"
    " 'BEGIN RETURN (SELECT count(*) FROM jira.projects); END'",
    "CREATE TABLE rf.generated (a text, b bigint GENERATED ALWAYS AS (rf.fixed(a)) STORED)",
    "CREATE TABLE rf.guarded AS SELECT 'a'::text AS a",
    "ALTER TABLE rf.guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "CREATE POLICY guard ON rf.guarded USING (rf.pl() > 0)",
    "INSERT INTO rf.plain VALUES ('API')",
)


@pytest.fixture(autouse=True)
def _objects(admin: psycopg.Connection) -> Iterator[None]:
    for sql in SETUP:
        admin.execute(sql.encode())
    yield
    if admin.info.transaction_status is not TransactionStatus.IDLE:
        admin.execute("ROLLBACK")
    admin.execute("DROP SCHEMA rf CASCADE")


@pytest.mark.parametrize(
    ("sql", "reader"),
    [
        ("SELECT rf.sql_one()", "function sql_one()"),
        ("SELECT rf.sql_one(), key FROM jira.projects", "function sql_one()"),
        ("SELECT rf.pl()", "function rf.pl()"),
        ("SELECT key FROM jira.projects WHERE rf.pl() > 0", "function rf.pl()"),
        ("CALL rf.proc()", "function rf.pl()"),
        ("DO 'BEGIN PERFORM key FROM jira.projects; END'", "a DO block"),
        ("INSERT INTO rf.triggered VALUES ('a')", "function rf.note()"),
        ("INSERT INTO rf.triggered SELECT key FROM jira.projects", "function rf.note()"),
        ("INSERT INTO rf.checked VALUES ('a')", "function rf.pl()"),
        ("INSERT INTO rf.defaulted (a) VALUES ('a')", "function sql_one()"),
        ("INSERT INTO rf.generated (a) VALUES ('a')", "function rf.fixed(text)"),
        ("SELECT a FROM rf.guarded", "function rf.pl()"),
        ("SELECT a FROM rf.guarded JOIN jira.projects ON true", "function rf.pl()"),
        ("SELECT * FROM rf.sql_set()", "a function, rule or policy that the statement uses"),
        ("SELECT * FROM rf.sql_set(), jira.boards", "a function, rule or policy that the statement uses"),
    ],
)
def test_a_body_that_reads_an_api_table_is_named(admin: psycopg.Connection, sql: str, reader: str) -> None:
    error = refused(admin, sql)
    assert error.sqlstate == "0A000"
    assert error.diag.message_primary == f"{reader} reads an API table, which only a top-level statement can"
    assert "CREATE TABLE .. AS" in str(error.diag.message_hint)
    if reader.startswith("function rf."):
        assert reader.removeprefix("function ") in str(error.diag.context)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "CREATE POLICY p ON rf.plain USING (a IN (SELECT key FROM rf.v))",
            "policy p of table rf.plain reads API table jira.projects, which only a top-level statement can",
        ),
        (
            "CREATE RULE r AS ON INSERT TO rf.plain DO ALSO SELECT key FROM jira.projects",
            "rule r of rf.plain reads API table jira.projects, which only a top-level statement can",
        ),
        (
            "CREATE FUNCTION rf.body() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM rf.v; END",
            "function rf.body() reads API table jira.projects, which only a top-level statement can",
        ),
    ],
)
def test_what_can_never_work_is_refused_where_it_is_defined(admin: psycopg.Connection, sql: str, message: str) -> None:
    error = refused(admin, sql)
    assert (error.sqlstate, error.diag.message_primary) == ("0A000", message)
    wrapped = refused(admin, f"DO $do$ BEGIN EXECUTE $x${sql}$x$; END $do$")
    assert (wrapped.sqlstate, wrapped.diag.message_primary) == ("0A000", message)


def test_a_view_below_a_policy_cannot_be_made_to_reach_an_api_table(admin: psycopg.Connection) -> None:
    admin.execute("CREATE VIEW rf.w AS SELECT 'API'::text AS key")
    admin.execute("CREATE POLICY p ON rf.plain USING (a IN (SELECT key FROM rf.w))")
    error = refused(admin, "CREATE OR REPLACE VIEW rf.w AS SELECT key FROM jira.projects")
    assert (error.sqlstate, "policy p of table rf.plain" in str(error)) == ("0A000", True)


@pytest.mark.parametrize("lock", ["FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "FOR KEY SHARE"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT key FROM jira.projects {lock}",
        "SELECT key FROM rf.v {lock}",
        "SELECT l.a FROM rf.plain l JOIN jira.projects p ON p.key = l.a {lock} OF l",
        "SELECT 1 FROM (SELECT key FROM jira.projects {lock}) q",
        "WITH q AS (SELECT a FROM rf.plain {lock}) SELECT q.a FROM q JOIN jira.projects p ON p.key = q.a",
        "SELECT key FROM jira.projects WHERE EXISTS (SELECT 1 FROM rf.plain {lock})",
        "INSERT INTO rf.plain SELECT key FROM jira.projects {lock}",
    ],
)
def test_rows_cannot_be_locked_beside_an_api_table(admin: psycopg.Connection, sql: str, lock: str) -> None:
    error = refused(admin, sql.format(lock=lock))
    assert (error.sqlstate, error.diag.message_primary) == ("0A000", "rows of an API table cannot be locked")


@pytest.mark.parametrize(
    ("column", "sql"),
    [
        ("ctid", "SELECT ctid FROM jira.projects x"),
        ("xmin", "SELECT x.xmin FROM jira.projects x"),
        ("tableoid", "SELECT (SELECT tableoid FROM jira.projects LIMIT 1) FROM rf.plain"),
        ("ctid", "SELECT a FROM rf.plain p WHERE EXISTS (SELECT 1 FROM jira.projects WHERE ctid = p.ctid)"),
        ("cmax", "SELECT a FROM rf.plain, LATERAL (SELECT cmax FROM jira.projects) AS q"),
    ],
)
def test_a_system_column_is_refused_by_name(admin: psycopg.Connection, column: str, sql: str) -> None:
    error = refused(admin, sql)
    expected = ("0A000", f'system column "{column}" of an API table cannot be read')
    assert (error.sqlstate, error.diag.message_primary) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT key AS xmin FROM jira.projects ORDER BY xmin",
        "SELECT xmin FROM (SELECT key AS xmin FROM jira.projects) AS q ORDER BY xmin",
        "WITH q (ctid) AS (SELECT key FROM jira.projects) SELECT ctid FROM q ORDER BY ctid",
    ],
)
def test_what_has_the_name_of_one_is_read(admin: psycopg.Connection, sql: str) -> None:
    assert admin.execute(sql.encode()).fetchall() == [("API",), ("DATA",), ("MOB",), ("WEB",)]


def test_a_local_table_beside_an_api_table_has_its_system_columns(admin: psycopg.Connection) -> None:
    rows = admin.execute("SELECT ctid FROM rf.plain WHERE EXISTS (SELECT FROM jira.projects WHERE key = 'WEB')")
    assert ("(0,1)",) in rows.fetchall()


def test_a_view_that_locks_is_refused_too(admin: psycopg.Connection) -> None:
    assert refused(admin, "SELECT key FROM rf.locking").sqlstate == "0A000"


@pytest.mark.parametrize("names", ["jira.projects", "rf.v", "rf.plain, rf.v", "ONLY rf.plain, ONLY jira.projects"])
def test_an_api_table_cannot_be_locked(admin: psycopg.Connection, names: str) -> None:
    admin.execute("BEGIN")
    error = refused(admin, f"LOCK TABLE {names} IN ACCESS SHARE MODE")
    assert (error.sqlstate, error.diag.message_primary) == ("0A000", "LOCK TABLE over API tables is not available")
    admin.execute("ROLLBACK")
    admin.execute("BEGIN")
    admin.execute("LOCK TABLE rf.plain")
    assert (
        value_of(
            admin,
            "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'rf.plain'::regclass",
        )
        == 1
    )


def test_an_api_table_cannot_be_sampled(admin: psycopg.Connection) -> None:
    error = refused(admin, "SELECT key FROM jira.projects TABLESAMPLE system (10)")
    assert error.sqlstate == "0A000"
    assert "TABLESAMPLE" in str(error)


@pytest.mark.parametrize("sql", ["COPY jira.projects FROM STDIN", "TRUNCATE rf.plain, jira.projects"])
def test_an_api_table_is_neither_filled_nor_emptied(admin: psycopg.Connection, sql: str) -> None:
    error = refused(admin, sql)
    assert (error.sqlstate, error.diag.message_primary) == ("0A000", "API table jira.projects is read-only")
    assert admin.info.transaction_status is TransactionStatus.IDLE
    assert value_of(admin, "SELECT count(*) FROM rf.plain") == 1


def test_a_local_table_of_an_api_tables_name_is_filled_and_emptied(admin: psycopg.Connection) -> None:
    admin.execute("CREATE TABLE rf.projects (a int)")
    with admin.cursor() as cursor, cursor.copy("COPY rf.projects FROM STDIN") as copy:
        copy.write("1\n2\n")
    assert value_of(admin, "SELECT sum(a) FROM rf.projects") == 3
    admin.execute("TRUNCATE rf.projects")
    assert value_of(admin, "SELECT count(*) FROM rf.projects") == 0
    admin.execute("ANALYZE rf.projects")
    assert admin.execute("VACUUM rf.projects").statusmessage == "VACUUM"
