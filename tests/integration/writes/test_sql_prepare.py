"""PREPARE, EXECUTE and DEALLOCATE over API tables: PostgreSQL's own prepared statements, run when they are executed."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from demo_server import DemoServer
from writing import FIRST, WEB, paths, refused, rows, tag

NUMBERS = f"SELECT number FROM {WEB}"
WATCHED = "SELECT name, parameter_types::text, result_types::text, from_sql FROM pg_prepared_statements"


def test_an_api_table_is_asked_when_a_prepared_statement_is_executed(demo: DemoServer, ana: psycopg.Connection) -> None:
    assert tag(ana, f"PREPARE p (int) AS {NUMBERS} AND number = $1") == "PREPARE"
    assert paths(demo.github) == []
    assert rows(ana, "EXECUTE p(3)") == [(3,)]
    assert rows(ana, "EXECUTE p('4')") == [(4,)]
    assert rows(ana, "EXECUTE p(2 + 3)") == [(5,)]
    assert tag(ana, "EXECUTE p(6)") == "SELECT 1"
    assert paths(demo.github) == [f"/repos/acme/web/issues/{number}" for number in (3, 4, 5, 6)]
    assert tag(ana, "DEALLOCATE p") == "DEALLOCATE"
    said = refused(ana, "EXECUTE p(3)")
    assert (said.sqlstate, said.message_primary) == ("26000", 'prepared statement "p" does not exist')


def test_postgresql_shows_what_was_prepared_and_guards_its_name(ana: psycopg.Connection) -> None:
    ana.execute(f"PREPARE p (int, text) AS {NUMBERS} AND number = $1 AND title <> $2".encode())
    ana.execute(f"PREPARE q AS {NUMBERS} AND number = $1".encode())
    shown = [row for row in rows(ana, WATCHED) if row[3]]
    assert shown == [("p", "{integer,text}", "{integer}", True), ("q", "{integer}", "{integer}", True)]
    said = refused(ana, f"PREPARE p AS {NUMBERS}")
    assert (said.sqlstate, said.message_primary) == ("42P05", 'prepared statement "p" already exists')
    assert rows(ana, "EXECUTE q(2)") == [(2,)]
    assert tag(ana, "DEALLOCATE ALL") == "DEALLOCATE ALL"
    assert refused(ana, "EXECUTE q(2)").sqlstate == "26000"


@pytest.mark.parametrize(
    ("statement", "sqlstate", "message", "position"),
    [
        ("EXECUTE p", "42601", 'wrong number of parameters for prepared statement "p"', None),
        ("EXECUTE p(1, 2)", "42601", 'wrong number of parameters for prepared statement "p"', None),
        ("EXECUTE p('x')", "22P02", 'invalid input syntax for type integer: "x"', "11"),
        (
            "EXECUTE p(true)",
            "42804",
            "parameter $1 of type boolean cannot be coerced to the expected type integer",
            "11",
        ),
        ("EXECUTE p((SELECT 1))", "0A000", "cannot use subquery in EXECUTE parameter", "11"),
        ("EXECUTE /* é */ p(1/0)", "22012", "division by zero", None),
        ("EXECUTE p($1)", "42P02", "there is no parameter $1", "11"),
    ],
)
def test_arguments_are_judged_by_postgresql(
    ana: psycopg.Connection, statement: str, sqlstate: str, message: str, position: str | None
) -> None:
    ana.execute(f"PREPARE p (int) AS {NUMBERS} AND number = $1".encode())
    said = refused(ana, statement)
    assert (said.sqlstate, said.message_primary, said.statement_position) == (sqlstate, message, position)
    # A statement over an ordinary table is refused by the same words in the same place.
    ana.execute("PREPARE l (int) AS SELECT number FROM copied WHERE number = $1")
    own = refused(ana, statement.replace(" p", " l"))
    assert (own.sqlstate, own.statement_position) == (sqlstate, position)
    assert own.message_primary == message.replace('"p"', '"l"')


def test_arguments_are_evaluated_once(ana: psycopg.Connection) -> None:
    ana.execute("CREATE TEMP SEQUENCE numbers")
    ana.execute(f"PREPARE p (bigint) AS {NUMBERS} AND number = $1".encode())
    assert rows(ana, "EXECUTE p(nextval('numbers'))") == [(1,)]
    assert rows(ana, "EXECUTE p(nextval('numbers'))") == [(2,)]


def test_values_of_every_kind_arrive(ana: psycopg.Connection) -> None:
    types = "(text, numeric, timestamptz, text[], bool, bytea, interval, int4range)"
    ana.execute(
        f"PREPARE p {types} AS SELECT DISTINCT $1, $2, $3 = 'epoch', $4, $5, $6, $7, $8::text FROM jira.boards".encode()
    )
    given = "EXECUTE p('a''é', 1.50, 'epoch', ARRAY['x', NULL], NULL, '\\x00ff', '1 day', '[1,3)')"
    ((first, second, epoch, listed, nothing, data, span, numbers),) = rows(ana, given)
    assert (first, str(second), epoch, listed, nothing) == ("a'é", "1.50", True, ["x", None], None)
    assert (bytes(data), span.days, numbers) == (b"\x00\xff", 1, "[1,3)")


def test_what_was_prepared_may_write(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute(f"PREPARE p (int) AS INSERT INTO copied {FIRST} AND number > $1 RETURNING number".encode())
    assert rows(ana, "EXECUTE p(3)") == [(4,), (5,)]
    assert refused(ana, "EXECUTE p(3)").sqlstate == "23505"
    assert tag(ana, f"PREPARE w AS INSERT INTO jira.boards (id) {NUMBERS}") == "PREPARE"
    said = refused(ana, "EXECUTE w")
    assert (said.sqlstate, said.message_primary) == ("0A000", "API table jira.boards is read-only")
    assert tag(ana, "PREPARE f AS SELECT id FROM jira.boards FOR UPDATE") == "PREPARE"
    assert refused(ana, "EXECUTE f").message_primary == "rows of an API table cannot be locked"


def test_explain_and_create_table_take_an_execute(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute(f"PREPARE p (int) AS {NUMBERS} AND number <= $1".encode())
    lines = [line for (line,) in ana.execute("EXPLAIN (COSTS OFF) EXECUTE p(2)").fetchall()]
    assert "github.issues" in "\n".join(lines)
    assert paths(demo.github) == []
    assert rows(ana, "EXPLAIN ANALYZE EXECUTE p(2)")
    assert rows(ana, "EXPLAIN CREATE TABLE never_made AS EXECUTE p(2)")
    assert rows(ana, "SELECT to_regclass('never_made') IS NULL") == [(True,)]
    assert tag(ana, "CREATE TEMP TABLE made (n) ON COMMIT PRESERVE ROWS AS EXECUTE p(2) WITH DATA") == "SELECT 2"
    assert rows(ana, "SELECT n FROM made") == [(1,), (2,)]
    demo.reset()
    assert tag(ana, "CREATE TEMP TABLE empty AS EXECUTE p(2) WITH NO DATA") == "CREATE TABLE AS"
    assert tag(ana, "CREATE TEMP TABLE IF NOT EXISTS made AS EXECUTE p(2)") == "CREATE TABLE AS"
    assert rows(ana, "SELECT * FROM empty") == []
    assert paths(demo.github) == []


def test_a_plan_must_not_change_its_result(ana: psycopg.Connection) -> None:
    ana.execute("CREATE TEMP VIEW seen AS SELECT id FROM jira.boards")
    ana.execute("PREPARE p AS SELECT * FROM seen")
    assert rows(ana, "EXECUTE p") == [(1,), (2,), (3,), (4,)]
    ana.execute("CREATE OR REPLACE TEMP VIEW seen AS SELECT id, name FROM jira.boards")
    said = refused(ana, "EXECUTE p")
    assert (said.sqlstate, said.message_primary) == ("0A000", "cached plan must not change result type")
    ana.execute("DROP VIEW seen")
    assert refused(ana, "EXECUTE p").sqlstate == "42P01"


def test_blocks_and_messages_hold_prepared_statements(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    ana.execute(f"PREPARE p (int) AS {NUMBERS} AND number = $1".encode())
    assert rows(ana, "EXECUTE p(1)") == [(1,)]
    assert refused(ana, "EXECUTE p(1/0)").sqlstate == "22012"
    assert refused(ana, "EXECUTE p(1)").sqlstate == "25P02"
    ana.execute("ROLLBACK")
    # It is no part of the transaction.
    assert rows(ana, "EXECUTE p(1)") == [(1,)]
    cursor = ana.execute(f"PREPARE m AS {NUMBERS} AND number = 2; EXECUTE m; DEALLOCATE m".encode())
    assert cursor.statusmessage == "PREPARE"
    assert cursor.nextset()
    assert cursor.fetchall() == [(2,)]
    assert cursor.nextset()
    assert cursor.statusmessage == "DEALLOCATE"


def test_the_extended_protocol_executes_too(ana: psycopg.Connection) -> None:
    ana.execute(f"PREPARE p (int) AS {NUMBERS} AND number = $1".encode(), prepare=True)
    for _ in range(2):
        cursor = ana.execute("EXECUTE p(7)", prepare=True, binary=True)
        assert (cursor.fetchall(), cursor.statusmessage) == ([(7,)], "SELECT 1")
    ana.execute("DEALLOCATE p")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        ana.execute("EXECUTE p(7)", prepare=True)
    ana.execute(f"PREPARE p (int) AS {NUMBERS} AND number = $1".encode())
    with ana.pipeline():
        first, second = ana.execute("EXECUTE p(8)"), ana.execute("EXECUTE p(9)")
    assert (first.fetchall(), second.fetchall()) == ([(8,)], [(9,)])


def test_a_statement_over_ordinary_tables_stays_postgresqls(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("PREPARE p AS SELECT id FROM jira.boards")
    ana.execute("DEALLOCATE p")
    ana.execute("PREPARE p (int) AS SELECT $1 + count(*) FROM copied")
    assert rows(ana, "EXECUTE p(1)") == [(1,)]
    assert str(rows(ana, "EXPLAIN EXECUTE p(1)")).count("Aggregate") == 1
    assert paths(demo.jira) == []


def test_policies_hold_for_what_was_prepared(connect: Callable[..., psycopg.Connection]) -> None:
    eve = connect("eve")
    eve.execute("PREPARE p AS SELECT DISTINCT project_key FROM jira.issues")
    assert rows(eve, "EXECUTE p") == [("WEB",)]
