"""Reads of derived rows by what the same transaction has made, and by what was prepared before, are on record."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from audit_reading import Recorded, session
from demo_server import DemoServer

READS = "FUNCTION {} RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM fresh.made'"
IN_A_BLOCK = (
    "ALTER TABLE made RENAME TO other; SELECT count(*) FROM other",
    "CREATE TABLE whole (a text) PARTITION BY LIST (a); ALTER TABLE whole ATTACH PARTITION made DEFAULT;"
    " SELECT count(*) FROM whole",
    "CREATE TABLE whole (a text); ALTER TABLE made INHERIT whole; SELECT count(*) FROM whole",
    f"CREATE {READS.format('f()')}; SELECT f ()",
    f"/* */CREATE/**/{READS.format('f()')}; SELECT f/**/()",
    f"""CREATE {READS.format('"a name"()')}; SELECT "a name"()""",
    f"CREATE {READS.format('f()')}; ALTER FUNCTION f() RENAME TO g; SELECT g()",
    f"CREATE {READS.format('f()')}; CREATE VIEW over AS SELECT f() AS n; TABLE over",
    f"CREATE {READS.format('f(bigint, int)')}; CREATE AGGREGATE g (int) (sfunc = f, stype = bigint); SELECT g(1)",
    "CREATE VIEW over AS SELECT known() AS n; TABLE over",
    "DO $$ BEGIN EXECUTE 'CREATE FUNCTION f() RETURNS bigint RETURN (SELECT count(*) FROM fresh.made)'; END $$;"
    " SELECT f()",
)
AT_ANY_TIME = (
    "SELECT 1 OPERATOR(fresh.@@@@) 2",
    "INSERT INTO indexed VALUES ('x')",
    "SELECT quoted()",
    "SELECT long()",
    "DO $$ BEGIN PERFORM count(*) FROM FRESH.MADE; END $$",
    "SELECT * FROM crosstab('SELECT a, a, a FROM fresh.ma' || 'de') AS t(a text, b text)",
)
LONG = "l" * 63
QUOTED = '"we""ird"'


@pytest.fixture(scope="module")
def fresh(demo: DemoServer) -> Iterator[psycopg.Connection]:
    """Give ana a derived table and what reads it by functions."""
    with session(demo, "admin") as admin, session(demo) as ana:
        admin.execute("CREATE SCHEMA fresh; GRANT ALL ON SCHEMA fresh TO ana; CREATE EXTENSION tablefunc SCHEMA fresh")
        ana.execute("SET search_path = fresh")
        ana.execute("CREATE TABLE made AS SELECT key AS a FROM jira.projects")
        ana.execute(f"CREATE TABLE {QUOTED} AS TABLE made; CREATE TABLE {LONG} AS TABLE made".encode())
        ana.execute(f"CREATE {READS.format('known()')}; CREATE {READS.format('compared(int, int)')}".encode())
        ana.execute("CREATE OPERATOR @@@@ (leftarg = int, rightarg = int, function = compared)")
        ana.execute(f"CREATE {READS.format('indexing(text)').replace('LANGUAGE', 'IMMUTABLE LANGUAGE')}".encode())
        ana.execute("CREATE TABLE indexed (a text); CREATE INDEX ON indexed (indexing(a))")
        ana.execute(("CREATE " + READS.format("quoted()").replace("made", QUOTED)).encode())
        ana.execute(f"CREATE {READS.format('long()').replace('made', LONG + 'er')}".encode())
        yield ana
        ana.execute("ROLLBACK")
        ana.close()
        admin.execute("DROP SCHEMA fresh CASCADE")


def reads(recorded: Recorded) -> list[str]:
    """Return which relations with rows of an API were read, as is on record."""
    return [read.relation for record in recorded() for read in record.tables]


@pytest.mark.parametrize("statements", IN_A_BLOCK)
def test_what_a_transaction_has_made_is_read_on_record(
    fresh: psycopg.Connection, recorded: Recorded, statements: str
) -> None:
    fresh.execute("BEGIN")
    try:
        *before, last = statements.rsplit("; ", 1)
        for statement in before:
            fresh.execute(statement.encode())
        known = len(reads(recorded))
        assert fresh.execute(last.encode()).fetchall() == [(4,)]
        assert len(reads(recorded)) > known
    finally:
        fresh.execute("ROLLBACK")


@pytest.mark.parametrize("sql", AT_ANY_TIME)
def test_what_reads_by_itself_is_on_record(fresh: psycopg.Connection, recorded: Recorded, sql: str) -> None:
    fresh.execute(sql.encode())
    assert reads(recorded)


def test_one_message_that_makes_and_reads_is_on_record(fresh: psycopg.Connection, recorded: Recorded) -> None:
    fresh.execute(f"CREATE {READS.format('once()')}; SELECT once (); DROP FUNCTION once()".encode())
    assert "fresh.made" in reads(recorded)


def test_after_the_transaction_only_what_reads_is_on_record(fresh: psycopg.Connection, recorded: Recorded) -> None:
    fresh.execute("BEGIN")
    fresh.execute(f"CREATE {READS.format('f()')}".encode())
    fresh.execute("ROLLBACK")
    fresh.execute("SELECT 1 FROM pg_catalog.pg_class")
    assert not reads(recorded)


@pytest.mark.parametrize(("name", "by_parse"), [("parsed", True), ("prepared", False)])
def test_what_was_prepared_before_is_on_record(
    fresh: psycopg.Connection, recorded: Recorded, name: str, by_parse: bool
) -> None:
    """By Parse, or by PREPARE: PostgreSQL looks at the names anew when it is executed."""
    fresh.execute(f"CREATE TABLE {name} (a text)".encode())
    read = f"SELECT count(*) FROM {name} WHERE a <> ".encode()
    try:
        fresh.execute(b"PREPARE reading (text) AS " + read + b"$1")
        fresh.execute(read + b"%s", ("",), prepare=True)
        fresh.execute(f"INSERT INTO {name} SELECT key FROM jira.projects".encode())
        # The catalog is read again.
        fresh.execute(f"TABLE {name}".encode())
        known = len(reads(recorded))
        cursor = fresh.execute(read + b"%s", ("",), prepare=True) if by_parse else fresh.execute("EXECUTE reading ('')")
        assert cursor.fetchone() == (4,)
        assert reads(recorded)[known:] == [f"fresh.{name}"]
    finally:
        fresh.execute(f"DEALLOCATE reading; DROP TABLE {name}".encode())
