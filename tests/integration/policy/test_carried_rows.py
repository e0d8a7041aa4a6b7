"""What functions, procedures, triggers and DO blocks read of derived tables is on record, what they write derived."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DemoServer
from guarded import log_in, undone

ALONE = "rows from API tables are for the owner of their table alone"
PREPARATION = """
CREATE TABLE kept (a text);
CREATE TABLE noted (a text);
CREATE TABLE plain (a text);
CREATE FUNCTION carrying() RETURNS void LANGUAGE sql AS 'INSERT INTO carry.kept SELECT key FROM carry.made';
CREATE FUNCTION "Calling one"() RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM carry.carrying(); END';
CREATE FUNCTION making(w text) RETURNS void LANGUAGE plpgsql
    AS 'BEGIN EXECUTE ''INSERT INTO carry.kept SELECT key FROM carry.ma'' || w; END';
CREATE FUNCTION reading() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM carry.made';
CREATE FUNCTION atomic() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM carry.made; END;
CREATE FUNCTION firing() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO carry.kept SELECT key FROM carry.made; RETURN NEW; END';
CREATE TRIGGER fires AFTER INSERT ON plain FOR EACH STATEMENT EXECUTE FUNCTION firing();
CREATE FUNCTION telling() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO carry.kept VALUES (NEW.a); RETURN NEW; END';
CREATE TRIGGER tells AFTER INSERT ON noted FOR EACH ROW EXECUTE FUNCTION telling();
CREATE PROCEDURE proceeding() LANGUAGE plpgsql AS
    'BEGIN INSERT INTO carry.kept SELECT key FROM carry.made; COMMIT; END';
"""
WRITES = (
    "SELECT carrying()",
    'SELECT "Calling one"()',
    "SELECT making('de')",
    "INSERT INTO plain VALUES ('x')",
    "INSERT INTO noted SELECT key FROM made",
    "INSERT INTO noted SELECT key FROM jira.projects",
    "DO $$ BEGIN INSERT INTO carry.kept SELECT key FROM carry.made; END $$",
    "DO $$ BEGIN EXECUTE 'INSERT INTO carry.kept SELECT key FROM carry.ma' || 'de'; END $$",
    "DO $$ DECLARE w text; BEGIN BEGIN SELECT key INTO w FROM carry.made; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL;"
    " END; INSERT INTO carry.kept VALUES (w); END $$",
    "DO $$ DECLARE c CURSOR FOR SELECT key FROM carry.made; w text; BEGIN OPEN c; FETCH c INTO w;"
    " INSERT INTO carry.kept VALUES (w); END $$",
)


@pytest.fixture(scope="module")
def carry(guarded: DemoServer) -> Iterator[psycopg.Connection]:
    """Give ana a schema with a derived table and functions that read it or write it on."""
    with log_in(guarded, "admin") as admin, log_in(guarded, "ana") as session:
        admin.execute("CREATE SCHEMA carry; GRANT ALL ON SCHEMA carry TO ana, eve")
        session.execute("SET search_path = carry")
        session.execute("CREATE TABLE made AS SELECT key FROM jira.projects")
        for statement in PREPARATION.strip().split(";\n"):
            session.execute(statement.encode())
        yield session
        session.execute("DROP TABLE made, kept, noted, plain CASCADE")
        admin.execute("DROP SCHEMA carry CASCADE")


def origins(session: psycopg.Connection, name: str) -> set[tuple[str, str]]:
    """Return the API columns that a relation comes from."""
    found = session.execute("SELECT api_table, api_column FROM omnisql.lineage WHERE name = %s", (name,))
    return set(found.fetchall())


@pytest.mark.parametrize("write", WRITES)
def test_what_code_writes_is_derived_when_its_transaction_commits(carry: psycopg.Connection, write: str) -> None:
    with undone(carry):
        carry.execute(write.encode())
        carry.execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert origins(carry, "kept") == {("projects", "key")}
        assert not origins(carry, "reading")


def test_code_that_reads_writes_to_nobody_else(carry: psycopg.Connection) -> None:
    carry.execute("CREATE TABLE open (a text); GRANT SELECT ON open TO eve")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=ALONE):
        carry.execute("DO $$ BEGIN INSERT INTO carry.open SELECT key FROM carry.made; END $$")
    assert carry.execute("SELECT count(*) FROM open").fetchone() == (0,)
    carry.execute("DROP TABLE open")
    for sql in ("CALL proceeding()", "DO $$ BEGIN PERFORM FROM carry.made; COMMIT; END $$"):
        # A procedure may end its transaction: it goes on, and is on record.
        carry.execute(sql.encode())
    carry.execute("CALL proceeding()", (), prepare=True)


def test_what_code_only_locks_or_deletes_stays_what_it_is(carry: psycopg.Connection) -> None:
    carry.execute("INSERT INTO kept VALUES ('w')")
    with undone(carry):
        carry.execute("DO $$ BEGIN PERFORM FROM carry.made; DELETE FROM carry.kept; END $$")
        carry.execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert not origins(carry, "kept")


@pytest.mark.parametrize(
    "making",
    [
        "EXPLAIN ANALYZE CREATE TABLE copied AS SELECT key FROM made",
        "EXPLAIN ANALYZE SELECT key INTO copied FROM made",
        "EXPLAIN (ANALYZE) CREATE MATERIALIZED VIEW copied AS SELECT key FROM made",
        "EXPLAIN (ANALYZE) CREATE TABLE copied AS EXECUTE reading_keys",
        "DO $$ BEGIN EXECUTE 'EXPLAIN ANALYZE CREATE TABLE carry.copied AS SELECT key FROM carry.ma' || 'de'; END $$",
    ],
)
def test_what_explain_makes_is_derived_when_its_transaction_commits(carry: psycopg.Connection, making: str) -> None:
    with undone(carry):
        carry.execute("DEALLOCATE ALL; PREPARE reading_keys AS SELECT key FROM made")
        carry.execute(making.encode())
        carry.execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert origins(carry, "copied") == {("projects", "key")}


def test_a_function_of_the_same_transaction_is_followed(carry: psycopg.Connection) -> None:
    with undone(carry):
        carry.execute(
            "CREATE FUNCTION new() RETURNS void LANGUAGE sql AS 'INSERT INTO carry.kept SELECT key FROM carry.made'"
        )
        carry.execute("SELECT new()")
        carry.execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert origins(carry, "kept") == {("projects", "key")}


def test_a_materialized_view_of_a_function_is_derived(carry: psycopg.Connection) -> None:
    with undone(carry):
        carry.execute("CREATE MATERIALIZED VIEW stored AS SELECT reading()")
        assert origins(carry, "stored") == {("projects", "key")}
