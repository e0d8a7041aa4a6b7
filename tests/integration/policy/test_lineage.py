"""What is written from API tables: where its columns come from, under which masks, and that it stays its owner's."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DemoServer
from guarded import log_in, undone

WEB = "github.issues WHERE owner = 'acme' AND repo = 'web'"
ALONE = "rows from API tables are for the owner of their table alone"
PROJECTS, BOARDS = "jira.projects", "jira.boards"
"""Of the former ana may share what she writes."""

WRITES = {
    f"INSERT INTO kept SELECT key, name FROM {PROJECTS}": {("a", "projects.key"), ("b", "projects.name")},
    f"INSERT INTO kept (b, a) SELECT name, key FROM {PROJECTS}": {("a", "projects.key"), ("b", "projects.name")},
    f"INSERT INTO kept SELECT key, name FROM {PROJECTS} UNION ALL SELECT name, key FROM {PROJECTS}": {
        (column, origin) for column in ("a", "b") for origin in ("projects.key", "projects.name")
    },
    f"UPDATE kept SET b = p.name FROM {PROJECTS} p WHERE p.key = a": set(),
    f"MERGE INTO kept USING {PROJECTS} p ON a = p.key WHEN NOT MATCHED THEN INSERT VALUES (p.key, p.name)": set(),
    f"WITH w AS (INSERT INTO kept SELECT key, name FROM {PROJECTS} RETURNING a) SELECT count(*) FROM w": set(),
    f"EXPLAIN ANALYZE INSERT INTO kept SELECT key, name FROM {PROJECTS}": {
        ("a", "projects.key"),
        ("b", "projects.name"),
    },
    f"COPY (INSERT INTO kept SELECT key, name FROM {PROJECTS} RETURNING a) TO STDOUT": {
        ("a", "projects.key"),
        ("b", "projects.name"),
    },
}
"""Statements that write key and name, and what is known of single columns then."""

COPIES = (
    "CREATE TABLE copy AS SELECT t FROM made",
    "SELECT t INTO copy FROM made",
    "CREATE TABLE copy (t text); EXPLAIN ANALYZE INSERT INTO copy SELECT t FROM made",
    "CREATE TABLE copy (t text); COPY (INSERT INTO copy SELECT t FROM made RETURNING t) TO STDOUT",
    "CREATE TABLE copy AS SELECT t FROM over",
    "CREATE MATERIALIZED VIEW copy AS SELECT t FROM over",
    "CREATE VIEW copy AS SELECT t FROM over",
    "DO $$ BEGIN EXECUTE 'CREATE TABLE own.copy AS SELECT * FROM own.ma' || 'de'; END $$",
    "SELECT 1 FROM made; CREATE TABLE copy AS SELECT 1 AS a",
)

SHARING = {
    "GRANT SELECT ON made TO eve": "own.made is granted to eve",
    "GRANT SELECT (t) ON made TO PUBLIC": "own.made is granted to PUBLIC",
    "GRANT UPDATE, TRIGGER ON made TO eve": "own.made is granted to eve",
    "GRANT SELECT ON ALL TABLES IN SCHEMA own TO eve": "own.made is granted to eve",
    "DO $$ BEGIN EXECUTE 'GRANT SELECT ON own.ma' || 'de TO eve'; END $$": "own.made is granted to eve",
    "GRANT SELECT ON over TO eve": "own.over is granted to eve",
    "CREATE VIEW more AS TABLE over; GRANT SELECT ON more TO eve": "own.more is granted to eve",
    "CREATE MATERIALIZED VIEW stored AS SELECT t FROM made; GRANT SELECT ON stored TO eve": (
        "own.stored is granted to eve"
    ),
    "CREATE TABLE parent (t text) PARTITION BY LIST (t); GRANT SELECT ON parent TO eve;"
    " ALTER TABLE parent ATTACH PARTITION made DEFAULT": "own.parent is granted to eve",
    "CREATE TABLE parent (t text); GRANT SELECT ON parent TO eve; ALTER TABLE made INHERIT parent": (
        "own.parent is granted to eve"
    ),
    "CREATE FUNCTION reading() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT t FROM own.made'": (
        "own.reading() runs as ana for PUBLIC"
    ),
    "CREATE FUNCTION reading() RETURNS text LANGUAGE sql AS 'SELECT t FROM own.made';"
    " ALTER FUNCTION reading() SECURITY DEFINER": "own.reading() runs as ana for PUBLIC",
    "CREATE TABLE noted (t text); GRANT SELECT ON noted TO eve;"
    " CREATE RULE telling AS ON INSERT TO noted DO ALSO SELECT * FROM made": "own.noted is granted to eve",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA own GRANT SELECT ON TABLES TO eve;"
    " CREATE TABLE again AS SELECT t FROM made": "own.again is granted to eve",
    "ALTER TABLE made OWNER TO taker": "own.made belongs to taker",
    "DO $$ BEGIN ALTER TABLE own.made OWNER TO taker; END $$": "own.made belongs to taker",
    f"CREATE TABLE open (a text); GRANT SELECT ON open TO eve; INSERT INTO open SELECT name FROM {BOARDS}": (
        "own.open is granted to eve"
    ),
}
"""What ana cannot do with `made` or the view `over` it, the last of some statements, and what it would come to."""


READS = (
    "SELECT count(*) FROM people",
    "EXPLAIN TABLE seen",
    "EXECUTE counted",
    "DO $$ BEGIN PERFORM n FROM own.people; END $$",
    "DECLARE c CURSOR WITH HOLD FOR TABLE seen",
    "CREATE TABLE copied AS TABLE people",
    "SELECT count(*) FROM people, jira.projects",
)
"""Statements that read what eve wrote from people."""


@pytest.fixture(scope="module")
def own(guarded: DemoServer) -> Iterator[psycopg.Connection]:
    """Give ana a schema that everybody may use, with a table from an API, a view over it, and a plain table."""
    with log_in(guarded, "admin") as admin, log_in(guarded, "ana") as session:
        admin.execute("CREATE ROLE taker; CREATE SCHEMA own; GRANT ALL ON SCHEMA own TO ana, eve, taker")
        admin.execute("GRANT taker TO ana WITH SET TRUE, INHERIT FALSE")
        session.execute("SET search_path = own, github")
        session.execute(f"CREATE TABLE made AS SELECT title AS t FROM {WEB}".encode())
        session.execute("CREATE VIEW over AS SELECT t FROM made; CREATE TABLE kept (a text, b text)")
        yield session
        session.execute("DROP TABLE made, kept CASCADE")
        admin.execute("DROP SCHEMA own CASCADE; DROP ROLE taker")


def lineage(session: psycopg.Connection, name: str) -> set[tuple[str | None, str, str | None]]:
    """Return which columns of a relation have which origins and masks; without column, what it reads at all."""
    sql = "SELECT \"column\", api_table || '.' || api_column, mask FROM omnisql.lineage WHERE name = %s"
    return set(session.execute(sql, (name,)).fetchall())


def origins(session: psycopg.Connection, name: str) -> set[str]:
    """Return all API columns that a relation comes from."""
    return {origin for _, origin, _ in lineage(session, name)}


def refused(session: psycopg.Connection, sql: str) -> str:
    """Run a statement that must not expose anything, and return how it would have."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        session.execute(sql.encode())
    assert caught.value.diag.message_primary == ALONE
    return str(caught.value.diag.message_detail).partition(",")[0]


def test_columns_have_their_origins(own: psycopg.Connection) -> None:
    with undone(own):
        own.execute(
            "CREATE TABLE columns AS WITH i AS (SELECT number AS n, upper(title) AS t FROM github.issues"
            " WHERE owner = 'acme' AND repo = 'web') SELECT n, t || n AS both, 7 AS none FROM i"
        )
        found = lineage(own, "columns")
    of_columns = {(column, origin) for column, origin, _ in found if column is not None}
    assert of_columns == {("n", "issues.number"), ("both", "issues.number"), ("both", "issues.title")}
    whole = {origin for column, origin, _ in found if column is None}
    assert whole == {f"issues.{column}" for column in ("number", "title", "owner", "repo")}


@pytest.mark.usefixtures("own")
def test_masks_stay_on_record(eve: psycopg.Connection) -> None:
    with undone(eve):
        eve.execute(f"CREATE TABLE own.seen AS SELECT user_login AS who, state FROM {WEB}".encode())
        found = lineage(eve, "seen")
    assert {("who", "issues.user_login", "hash"), ("state", "issues.state", None)} <= found
    assert (None, "issues.user_login", "hash") in found


def done(connection: psycopg.Connection, statement: str) -> None:
    """Carry out a statement; what COPY sends is read to its end."""
    if not statement.startswith("COPY"):
        connection.execute(statement.encode())
        return
    with connection.cursor().copy(statement.encode()) as sent:
        assert list(sent)


@pytest.mark.parametrize(("write", "expected"), WRITES.items())
def test_every_way_to_write_is_noted(own: psycopg.Connection, write: str, expected: set[tuple[str, str]]) -> None:
    with undone(own):
        done(own, write)
        found = lineage(own, "kept")
    assert {(column, origin) for column, origin, _ in found if column is not None} == expected
    assert {origin for _, origin, _ in found} == {"projects.key", "projects.name"}
    assert not lineage(own, "kept")


def test_a_temporary_table_passes_its_lineage_on(own: psycopg.Connection) -> None:
    with undone(own):
        own.execute(f"CREATE TEMP TABLE passing AS SELECT key FROM {PROJECTS}".encode())
        own.execute("CREATE TABLE last AS SELECT * FROM passing")
        assert origins(own, "last") == {"projects.key"}


def test_what_explain_makes_is_noted(own: psycopg.Connection) -> None:
    with undone(own):
        own.execute(f"EXPLAIN ANALYZE CREATE TABLE last AS SELECT key AS k FROM {PROJECTS}".encode())
        found = lineage(own, "last")
    assert ("k", "projects.key", None) in found


@pytest.mark.parametrize("copy", COPIES)
def test_copies_inherit(own: psycopg.Connection, eve: psycopg.Connection, copy: str) -> None:
    with undone(own):
        for statement in copy.split("; ") if "COPY" in copy else [copy]:
            done(own, statement)
        assert origins(own, "copy") == {"issues.title", "issues.owner", "issues.repo"}
        assert refused(own, "GRANT SELECT ON copy TO eve") == "own.copy is granted to eve"
    assert not lineage(eve, "made")


@pytest.mark.parametrize(("sql", "detail"), SHARING.items())
def test_no_command_gives_rows_to_others(own: psycopg.Connection, sql: str, detail: str) -> None:
    steps = sql.split("; ") if not sql.startswith("DO") else [sql]
    with undone(own):
        for step in steps[:-1]:
            own.execute(step.encode())
        assert refused(own, steps[-1]) == detail


def test_others_neither_look_in_nor_put_in(own: psycopg.Connection, eve: psycopg.Connection) -> None:
    assert refused(eve, "CREATE VIEW own.hers AS SELECT t FROM own.made") == "own.hers belongs to eve"
    own.execute("CREATE TABLE inbox (a text); GRANT INSERT ON inbox TO eve")
    assert refused(eve, f"INSERT INTO own.inbox SELECT key FROM {PROJECTS}") == "own.inbox belongs to ana"
    own.execute("DROP TABLE inbox")


def test_members_of_the_owner_are_others(guarded: DemoServer, own: psycopg.Connection) -> None:
    with log_in(guarded, "admin") as admin:
        admin.execute("GRANT ana TO eve")
        try:
            assert refused(own, f"CREATE TABLE ours AS SELECT name FROM {BOARDS}") == "eve is a member of ana"
        finally:
            admin.execute("REVOKE ana FROM eve GRANTED BY CURRENT_USER")


def test_lineage_cannot_be_taken_away(own: psycopg.Connection) -> None:
    for sql in (
        "DELETE FROM omnisql_catalog.derived",
        "TRUNCATE omnisql_catalog.derivation",
        "INSERT INTO omnisql_catalog.shared SELECT 'made'::regclass, 'eve'::regrole",
        "INSERT INTO omnisql_catalog.share_permit SELECT 'made'::regclass, 'ana'::regrole, now()",
        "ALTER EVENT TRIGGER omnisql_sharing DISABLE",
        "SET event_triggers = off",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            own.execute(sql.encode())
    with undone(own):
        own.execute("ALTER TABLE made RENAME TO another; ALTER TABLE another RENAME COLUMN t TO u")
        assert ("u", "issues.title", None) in lineage(own, "another")
        own.execute("DROP TABLE another CASCADE")
        assert not lineage(own, "another")


def test_what_policy_lets_be_shared_is_shared(own: psycopg.Connection, eve: psycopg.Connection) -> None:
    own.execute(f"CREATE TABLE ours AS SELECT key FROM {PROJECTS}; CREATE TABLE open (a text)".encode())
    try:
        own.execute("GRANT SELECT ON ours TO eve")
        assert eve.execute("SELECT count(*) FROM own.ours").fetchone() == (4,)
        eve.execute("CREATE VIEW own.hers AS SELECT key FROM own.ours")
        shown = "CREATE FUNCTION own.shown() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT key FROM own.ours'"
        assert refused(eve, shown) == "own.shown() runs as eve for PUBLIC"
        own.execute("GRANT SELECT ON open TO eve")
        own.execute(f"INSERT INTO open SELECT key FROM {PROJECTS}".encode())
        own.execute("BEGIN; CREATE TABLE mixed AS SELECT key, t FROM ours, made")
        assert refused(own, "GRANT SELECT ON mixed TO eve") == "own.mixed is granted to eve"
        own.execute("ROLLBACK; REVOKE SELECT ON ours FROM eve CASCADE")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            eve.execute("SELECT count(*) FROM own.ours")
    finally:
        own.execute("ROLLBACK; DROP TABLE ours, open CASCADE")


def test_a_member_of_the_owner_reads_nothing(guarded: DemoServer, own: psycopg.Connection) -> None:
    with log_in(guarded, "admin") as admin:
        admin.execute("GRANT ana TO eve")
        try:
            with log_in(guarded, "eve") as eve:
                for role in ("eve", "ana"):
                    eve.execute(f"SET ROLE {role}".encode())
                    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
                        eve.execute("SELECT t FROM own.over")
                    assert "written from API tables" in str(caught.value.diag.message_detail)
        finally:
            admin.execute("REVOKE ana FROM eve GRANTED BY CURRENT_USER")
    assert own.execute("SELECT count(*) FROM over").fetchone() != (0,)


def test_a_table_that_wants_a_purpose_is_read_for_one_of_its_purposes(
    ana: psycopg.Connection, eve: psycopg.Connection
) -> None:
    users = "SELECT count(*) FROM jira.users"
    assert ana.execute(users).fetchone() == (37,)
    for setting in ("RESET omnisql.purpose", "SET omnisql.purpose = 'curiosity'"):
        eve.execute(setting.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            eve.execute(users)
        assert caught.value.diag.message_detail == "policy people-need-a-purpose"
    eve.execute("SET omnisql.purpose = 'Billing'")
    assert eve.execute(users).fetchone() == (37,)
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        eve.execute("SET omnisql.purpose = 'no purpose'")


def test_what_was_written_is_read_for_the_purposes_of_its_tables(guarded: DemoServer, own: psycopg.Connection) -> None:
    def denied(sql: str) -> str:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            eve.execute(sql.encode())
        assert caught.value.diag.message_detail == "policy people-need-a-purpose"
        return str(caught.value.diag.message_primary).rpartition(" ")[2]

    with log_in(guarded, "eve") as eve:
        eve.execute("SET search_path = own; SET omnisql.purpose = 'billing'")
        eve.execute("CREATE TABLE people AS SELECT display_name AS n FROM jira.users; CREATE VIEW seen AS TABLE people")
        try:
            eve.execute("PREPARE counted AS SELECT count(*) FROM seen")
            assert eve.execute("EXECUTE counted").fetchone() == (37,)
            eve.execute("SET omnisql.purpose = 'curiosity'")
            for array_nulls in ("off", "on"):
                eve.execute(f"SET array_nulls = {array_nulls}".encode())
                for sql in READS:
                    assert denied(sql) == "own.people", sql
            eve.execute("RESET omnisql.purpose")
            assert denied("TABLE seen") == "own.people"
            with pytest.raises(psycopg.errors.InsufficientPrivilege), eve.cursor(binary=True) as cursor:
                cursor.execute("SELECT n FROM people WHERE n > %s", ("",))
            eve.execute("SET omnisql.purpose = 'support'")
            for sql in READS:
                eve.execute(sql.encode())
        finally:
            eve.execute("RESET ALL; DROP TABLE IF EXISTS own.copied, own.people CASCADE")
