"""Materialized views over API tables: made, read, refreshed, altered and dropped as any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from demo_server import DemoServer
from writing import WEB, paths, refused, rows, tag

NUMBERS = f"SELECT number, title FROM {WEB} AND number <= 5"
LEFT = "SELECT relname FROM pg_class WHERE relnamespace = 'omnisql_data'::regnamespace AND relkind IN ('r', 'v')"


@pytest.fixture
def ana(connect: Callable[..., psycopg.Connection]) -> Iterator[psycopg.Connection]:
    """Open a session of a user who may make things in schema `mv`, which is gone after the test."""
    admin = connect("admin")
    admin.execute("CREATE SCHEMA mv")
    admin.execute("GRANT ALL ON SCHEMA mv TO ana, eve")
    session = connect("ana")
    session.execute("SET search_path = mv, public")
    yield session
    session.execute("ROLLBACK")
    admin.execute("DROP SCHEMA mv CASCADE")
    assert rows(admin, LEFT) == []


@pytest.fixture
def eve(connect: Callable[..., psycopg.Connection]) -> psycopg.Connection:
    """Open a session of a user who sees less."""
    session = connect("eve")
    session.execute("SET search_path = mv, public")
    return session


def test_it_holds_its_rows_until_it_is_refreshed(demo: DemoServer, ana: psycopg.Connection) -> None:
    assert tag(ana, f"CREATE MATERIALIZED VIEW m AS {NUMBERS}") == "SELECT 5"
    first = rows(ana, "SELECT * FROM m")
    assert [number for number, _ in first] == [1, 2, 3, 4, 5]
    assert len(paths(demo.github)) == 1
    assert tag(ana, "REFRESH MATERIALIZED VIEW m") == "REFRESH MATERIALIZED VIEW"
    assert len(paths(demo.github)) == 2
    assert rows(ana, "SELECT * FROM m") == first
    ana.execute("CREATE UNIQUE INDEX ON m (number)")
    assert tag(ana, "REFRESH MATERIALIZED VIEW CONCURRENTLY mv.m") == "REFRESH MATERIALIZED VIEW"
    assert rows(ana, "SELECT * FROM m") == first
    assert tag(ana, "REFRESH MATERIALIZED VIEW m WITH NO DATA") == "REFRESH MATERIALIZED VIEW"
    assert refused(ana, "SELECT * FROM m").sqlstate == "55000"
    assert len(paths(demo.github)) == 3
    assert tag(ana, "DROP MATERIALIZED VIEW m") == "DROP MATERIALIZED VIEW"
    assert rows(ana, LEFT) == []


def test_what_postgresql_knows_of_one_is_kept(demo: DemoServer, ana: psycopg.Connection) -> None:
    made = f'CREATE MATERIALIZED VIEW IF NOT EXISTS mv.m (a, "B b") WITH (fillfactor = 70) AS {NUMBERS} -- all\n'
    assert tag(ana, f"{made} WITH NO DATA") == "CREATE MATERIALIZED VIEW"
    assert tag(ana, made) == "CREATE MATERIALIZED VIEW"
    assert paths(demo.github) == []
    assert refused(ana, "SELECT * FROM m").sqlstate == "55000"
    ana.execute("REFRESH MATERIALIZED VIEW m")
    columns = "SELECT attname, atttypid::regtype::text FROM pg_attribute WHERE attrelid = 'm'::regclass AND attnum > 0"
    assert rows(ana, columns) == [("B b", "text"), ("a", "integer")]
    assert rows(ana, "SELECT reloptions FROM pg_class WHERE oid = 'm'::regclass") == [(["fillfactor=70"],)]
    ((schema, name, owner, populated, definition, _),) = rows(ana, "SELECT * FROM omnisql.matviews")
    assert (schema, name, owner, populated) == ("mv", "m", "ana", True)
    assert "github.issues" in definition
    assert refused(ana, f"CREATE MATERIALIZED VIEW m AS {NUMBERS}").sqlstate == "42P07"


def test_one_over_another_and_over_ordinary_tables(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("CREATE TABLE extra AS SELECT 2 AS number, 'two' AS note")
    ana.execute(f"CREATE MATERIALIZED VIEW m AS {NUMBERS}".encode())
    ana.execute(
        "CREATE MATERIALIZED VIEW n AS SELECT m.number, e.note, b.name FROM m JOIN extra e USING (number)"
        " JOIN jira.boards b ON b.id = m.number"
    )
    assert rows(ana, "SELECT number, note FROM n") == [(2, "two")]
    ana.execute("UPDATE extra SET number = 3")
    assert rows(ana, "SELECT number FROM n") == [(2,)]
    ana.execute("REFRESH MATERIALIZED VIEW n")
    assert rows(ana, "SELECT number FROM n") == [(3,)]
    ana.execute("CREATE MATERIALIZED VIEW o AS SELECT count(*) FROM m")
    ana.execute("REFRESH MATERIALIZED VIEW o")
    assert rows(ana, "SELECT count FROM o") == [(5,)]


def test_a_transaction_undoes_all_of_it(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    ana.execute(f"CREATE MATERIALIZED VIEW m AS {NUMBERS}".encode())
    ana.execute("REFRESH MATERIALIZED VIEW m")
    ana.execute("ROLLBACK")
    assert rows(ana, LEFT) == []
    assert refused(ana, f"CREATE MATERIALIZED VIEW m AS {NUMBERS} AND 1 / (number - 2) > 0").sqlstate == "22012"
    assert refused(ana, f"CREATE MATERIALIZED VIEW nowhere.m AS {NUMBERS}").sqlstate == "3F000"
    assert refused(ana, f"CREATE MATERIALIZED VIEW m AS {NUMBERS}; SELECT 1/0").sqlstate == "22012"
    assert rows(ana, LEFT) == []
    ana.execute(f"CREATE MATERIALIZED VIEW m AS {NUMBERS}".encode())
    demo.github.configure(next=[{"status": 500}] * 20)
    assert refused(ana, "REFRESH MATERIALIZED VIEW m").sqlstate is not None
    assert len(rows(ana, "SELECT * FROM m")) == 5


def test_what_postgresql_refuses_it_refuses_by_the_users_text(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("CREATE TEMP TABLE mine (number int)")
    said = refused(ana, "CREATE MATERIALIZED VIEW m AS SELECT b.id FROM jira.boards b, mine")
    assert said.message_primary == "materialized views must not use temporary tables or views"
    said = refused(ana, "CREATE MATERIALIZED VIEW m AS SELECT nothing FROM jira.boards")
    assert (said.sqlstate, said.statement_position) == ("42703", "38")
    assert refused(ana, "REFRESH MATERIALIZED VIEW nothing").sqlstate == "42P01"
    assert paths(demo.jira) == []


def test_others_read_what_they_are_granted_and_nothing_behind_it(
    connect: Callable[..., psycopg.Connection], ana: psycopg.Connection, eve: psycopg.Connection
) -> None:
    ana.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA mv GRANT ALL ON TABLES TO eve")
    ana.execute("CREATE MATERIALIZED VIEW m AS SELECT DISTINCT project_key FROM jira.issues")
    assert len(rows(eve, "SELECT * FROM m")) == 4
    ana.execute("REVOKE ALL ON m FROM eve")
    assert refused(eve, "SELECT * FROM m").sqlstate == "42501"
    rights = "DISTINCT has_table_privilege('eve', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')"
    assert rows(ana, LEFT.replace("relname", rights, 1)) == [(False,)]
    ((table,),) = rows(ana, LEFT.replace("('r', 'v')", "('r')"))
    for sql in (f"SELECT * FROM omnisql_data.{table}", f"DELETE FROM omnisql_data.{table}"):
        assert refused(eve, sql).sqlstate == "42501"
    ana.execute("GRANT MAINTAIN, SELECT ON m TO eve")
    said = refused(eve, "REFRESH MATERIALIZED VIEW m")
    assert (said.sqlstate, said.message_primary) == ("42501", "permission denied for materialized view m")
    assert len(rows(eve, "SELECT * FROM m")) == 4
    assert refused(eve, "CREATE TABLE omnisql_data.mine (a int)").sqlstate == "42501"
    ana.execute("CREATE TABLE omnisql_mv_mine (a int)")
    adopt = "SELECT omnisql_catalog.adopt_staging('mv.omnisql_mv_mine', 'mv.omnisql_mv_mine')"
    assert refused(eve, adopt).sqlstate == "42501"
    assert refused(connect("admin"), "DROP SCHEMA omnisql_data CASCADE").sqlstate == "42501"


def test_it_may_be_renamed_moved_and_given_away(
    connect: Callable[..., psycopg.Connection], ana: psycopg.Connection, eve: psycopg.Connection
) -> None:
    admin = connect("admin")
    ana.execute("CREATE MATERIALIZED VIEW m AS SELECT DISTINCT project_key FROM jira.issues")
    ana.execute("ALTER MATERIALIZED VIEW m RENAME TO other")
    ana.execute("ALTER MATERIALIZED VIEW other RENAME COLUMN project_key TO key")
    ana.execute("REFRESH MATERIALIZED VIEW other")
    assert len(rows(ana, "SELECT key FROM other")) == 4
    admin.execute("GRANT ana, eve TO CURRENT_USER WITH INHERIT TRUE, SET TRUE")
    try:
        admin.execute("ALTER MATERIALIZED VIEW mv.other OWNER TO eve")
    finally:
        admin.execute("REVOKE ana, eve FROM CURRENT_USER GRANTED BY CURRENT_USER")
    owners = rows(ana, LEFT.replace("relname", "DISTINCT pg_get_userbyid(relowner)::text", 1))
    assert owners == [("eve",)]
    assert refused(ana, "REFRESH MATERIALIZED VIEW other").sqlstate == "42501"
    eve.execute("REFRESH MATERIALIZED VIEW other")
    assert rows(eve, "SELECT key FROM other") == [("WEB",)]


def test_what_it_reads_cannot_be_dropped_from_below_it(ana: psycopg.Connection) -> None:
    ana.execute("CREATE VIEW below AS SELECT id, name FROM jira.boards")
    ana.execute("CREATE MATERIALIZED VIEW m AS SELECT * FROM below")
    ana.execute("CREATE VIEW above AS SELECT * FROM m")
    assert refused(ana, "DROP VIEW below").sqlstate == "2BP01"
    assert refused(ana, "DROP MATERIALIZED VIEW m").sqlstate == "2BP01"
    ana.execute("ALTER VIEW below RENAME TO beneath")
    ana.execute("REFRESH MATERIALIZED VIEW m")
    assert len(rows(ana, "SELECT * FROM above")) == 4
    ana.execute("DROP VIEW beneath CASCADE")
    assert rows(ana, LEFT) == []
    assert refused(ana, "SELECT * FROM m").sqlstate == "42P01"


def test_the_extended_protocol_makes_and_refreshes_too(ana: psycopg.Connection) -> None:
    made = ana.execute(f"CREATE MATERIALIZED VIEW m AS {NUMBERS}".encode(), prepare=True)
    assert made.statusmessage == "SELECT 5"
    for _ in range(2):
        assert ana.execute("REFRESH MATERIALIZED VIEW m", prepare=True).statusmessage == "REFRESH MATERIALIZED VIEW"
    with pytest.raises(psycopg.Error):
        ana.execute(f"CREATE MATERIALIZED VIEW n AS {NUMBERS} AND number = %s".encode(), (1,))
    ana.execute("CREATE MATERIALIZED VIEW local AS SELECT 1 AS one")
    assert tag(ana, "REFRESH MATERIALIZED VIEW local") == "REFRESH MATERIALIZED VIEW"
    assert ana.execute("REFRESH MATERIALIZED VIEW local", prepare=True).statusmessage == "REFRESH MATERIALIZED VIEW"


def test_explain_analyze_makes_it_and_tells_how(demo: DemoServer, ana: psycopg.Connection) -> None:
    lines = "\n".join(
        row[0] for row in ana.execute(f"EXPLAIN ANALYZE CREATE MATERIALIZED VIEW m AS {NUMBERS}".encode())
    )
    assert "->  API Scan on github.issues  (actual" in lines
    assert len(rows(ana, "SELECT * FROM m")) == 5
    assert len(paths(demo.github)) == 1
    again = f"CREATE MATERIALIZED VIEW m AS {NUMBERS}"
    for options in ("(ANALYZE)", "(COSTS off)"):
        assert refused(ana, f"EXPLAIN {options} {again}").sqlstate == "42P07"
        told = rows(ana, f"EXPLAIN {options} {again.replace('VIEW', 'VIEW IF NOT EXISTS')}")
        assert told == []
    assert len(paths(demo.github)) == 1
    assert tag(ana, "REFRESH MATERIALIZED VIEW m") == "REFRESH MATERIALIZED VIEW"


def test_explain_analyze_without_data_makes_it_empty(ana: psycopg.Connection) -> None:
    ana.execute(f"EXPLAIN ANALYZE CREATE MATERIALIZED VIEW m AS {NUMBERS} WITH NO DATA".encode(), prepare=True)
    assert refused(ana, "SELECT * FROM m").sqlstate == "55000"
    ana.execute("REFRESH MATERIALIZED VIEW m")
    assert len(rows(ana, "SELECT * FROM m")) == 5


@pytest.mark.parametrize(
    ("statement", "sqlstate", "place"),
    [
        (f"EXPLAIN (ANALYZE, nope) CREATE MATERIALIZED VIEW m AS {NUMBERS}", "42601", "nope"),
        (f"EXPLAIN ANALYZE CREATE MATERIALIZED VIEW m AS SELECT nope FROM {WEB}", "42703", "nope"),
        (f"EXPLAIN ANALYZE CREATE MATERIALIZED VIEW m AS {NUMBERS} FOR UPDATE", "0A000", None),
    ],
)
def test_what_explain_refuses_is_not_made(
    demo: DemoServer, ana: psycopg.Connection, statement: str, sqlstate: str, place: str | None
) -> None:
    said = refused(ana, statement)
    where = None if place is None else str(statement.index(place) + 1)
    assert (said.sqlstate, said.statement_position) == (sqlstate, where)
    assert rows(ana, "SELECT to_regclass('m')") == [(None,)]
    assert paths(demo.github) == []
