"""Names mean over API tables what they mean over local tables: the same steps, the same answers."""

from __future__ import annotations

import psycopg
import pytest
from demo_sessions import Connect

KEYS = ("API", "DATA", "MOB", "WEB")


def answers(session: psycopg.Connection, schema: str, *steps: str) -> list[object]:
    """Run steps in which {s} stands for the schema; return the rows of those that give some, or the SQLSTATE."""
    found: list[object] = []
    for step in steps:
        try:
            cursor = session.execute(step.replace("{s}", schema).encode())
        except psycopg.Error as error:
            found.append(error.sqlstate)
        else:
            if cursor.description is not None:
                found.append(sorted(row[0] if len(row) == 1 else row for row in cursor.fetchall()))
    return found


K = "SELECT k FROM"
ALL = ["API", "DATA", "MOB", "WEB"]
CASES: dict[str, tuple[tuple[str, ...], list[object]]] = {
    "without nulls in arrays": (("SET search_path = {s}", "SET array_nulls = off", f"{K} p"), [ALL]),
    "search_path order": (
        (
            "CREATE SCHEMA nm_other",
            "CREATE TABLE nm_other.p AS SELECT 'other' AS k",
            "SET search_path = {s}, nm_other",
            f"{K} p",
            "SET search_path = nm_other, {s}",
            f"{K} p",
            f"{K} {{s}}.p",
        ),
        [ALL, ["other"], ALL],
    ),
    "empty search_path": (("SET search_path = ''", f"{K} {{s}}.p", f"{K} p"), [ALL, "42P01"]),
    "pg_temp table first": (
        (
            "SET search_path = {s}",
            f"{K} p",
            "CREATE TEMP TABLE p AS SELECT 'temp' AS k",
            f"{K} p",
            f"{K} {{s}}.p",
            f"{K} pg_temp.p",
            "SET search_path = {s}, pg_temp",
            f"{K} p",
        ),
        [ALL, ["temp"], ALL, ["temp"], ALL],
    ),
    "temp view that is replaced": (
        (
            "CREATE TEMP VIEW v AS SELECT k FROM {s}.p WHERE k < 'D'",
            f"{K} v",
            "CREATE OR REPLACE TEMP VIEW v AS SELECT k FROM {s}.p WHERE k > 'D'",
            f"{K} v",
            "ALTER VIEW v RENAME COLUMN k TO m",
            f"{K} v",
            "SELECT m FROM v",
        ),
        [["API"], ["DATA", "MOB", "WEB"], "42703", ["DATA", "MOB", "WEB"]],
    ),
    "temp view over it": (
        (
            "CREATE TEMP VIEW v AS SELECT k FROM {s}.p WHERE k < 'D'",
            f"{K} v",
            f"{K} pg_temp.v",
            "DROP VIEW v",
            f"{K} v",
        ),
        [["API"], ["API"], "42P01"],
    ),
    "temp view of the same name": (
        (
            "SET search_path = {s}",
            "CREATE TEMP VIEW p AS SELECT k FROM {s}.p WHERE k < 'D'",
            f"{K} p",
            f"{K} {{s}}.p",
        ),
        [["API"], ALL],
    ),
    "WITH query of the name": (
        (
            "SET search_path = {s}",
            "WITH p AS (SELECT 'cte' AS k) SELECT k FROM p",
            "WITH p AS (SELECT k FROM p WHERE k < 'D') SELECT k FROM p",
            "WITH p AS (SELECT 'cte' AS k) SELECT k FROM {s}.p",
            "WITH p AS (SELECT 'cte' AS k), q AS (SELECT k FROM p) SELECT k FROM q",
            "SELECT (WITH p AS (SELECT 'cte' AS k) SELECT k FROM p) FROM p WHERE k = 'API'",
        ),
        [["cte"], ["API"], ALL, ["cte"], ["cte"]],
    ),
    "recursive WITH query": (
        (
            "SET search_path = {s}",
            "WITH RECURSIVE p(k, n) AS (SELECT k, 1 FROM {s}.p UNION ALL SELECT k, n + 1 FROM p WHERE n < 2)"
            " SELECT k || n FROM p WHERE k < 'D'",
        ),
        [["API1", "API2"]],
    ),
    "Unicode escapes": (
        (
            "SET search_path = {s}",
            'SELECT k FROM U&"\\0070"',
            "SELECT k FROM U&\"!0070\" UESCAPE '!'",
            'SELECT U&"\\006b" FROM {s}.U&"\\0070"',
            'SELECT k FROM U&"say ""hi"" \\00fcn\\00ef"',
        ),
        [ALL, ALL, ALL, ALL],
    ),
    "quoted and folded names": (
        (
            "SET search_path = {s}",
            f"{K} P",
            f'{K} "P"',
            f'{K} "p"',
            "SELECT P.K FROM p WHERE \"Kind\" = 'software'",
            "SELECT Kind FROM p",
            f'{K} "Two Words"',
            'SELECT "Two Words".k FROM "Two Words"',
            f'{K} "say ""hi"" ünï"',
            f'{K} "two words"',
        ),
        [ALL, ALL, ALL, ALL, "42703", ALL, ALL, ALL, "42P01"],
    ),
    "views on views across schemas": (
        (
            "CREATE SCHEMA nm_other",
            "CREATE VIEW nm_other.p AS SELECT k, name FROM {s}.p WHERE k < 'M'",
            "CREATE VIEW {s}.deep AS SELECT upper.k FROM nm_other.p AS upper JOIN {s}.p USING (k)",
            'CREATE VIEW nm_other."Deeper" AS TABLE {s}.deep',
            'SELECT k FROM nm_other."Deeper"',
            "SET search_path = nm_other, {s}",
            "SELECT k FROM \"Deeper\" WHERE k > 'B'",
        ),
        [["API", "DATA"], ["DATA"]],
    ),
    "TABLE": (
        ("SET search_path = {s}", "SELECT count(*) FROM (TABLE p) AS t", "SELECT k FROM (TABLE {s}.p) q"),
        [[4], ALL],
    ),
    "function of the name in FROM": (
        (
            "CREATE FUNCTION {s}.p(n int) RETURNS TABLE (k text) LANGUAGE sql AS $$ SELECT 'function' || n $$",
            "SET search_path = {s}",
            f"{K} p(1)",
            "SELECT p.k FROM p(1)",
            "SELECT f.k || p.k FROM p, p(2) AS f WHERE p.k < 'D'",
        ),
        [["function1"], ["function1"], ["function2API"]],
    ),
    "function of the row type": (
        (
            "CREATE FUNCTION {s}.made() RETURNS SETOF {s}.p LANGUAGE sql AS $$ VALUES ('a', 'b', 'c') $$",
            f"{K} {{s}}.made()",
            "SELECT m.k || p.k FROM {s}.made() m, {s}.p WHERE p.k < 'D'",
        ),
        [["a"], ["aAPI"]],
    ),
    "column named like a table": (
        (
            "CREATE VIEW {s}.c AS SELECT k AS p, name FROM {s}.p",
            "SELECT p FROM {s}.c",
            "SELECT c.p FROM {s}.c, {s}.p WHERE p.k = c.p",
            "SELECT p.k FROM {s}.p, {s}.c WHERE c.p = 'API' AND p = p AND p.k = 'WEB'",
        ),
        [ALL, ALL, ["WEB"]],
    ),
    "schema renamed": (
        (f"{K} {{s}}.p", "ALTER SCHEMA {s} RENAME TO nm_renamed", f"{K} nm_renamed.p", f"{K} {{s}}.p"),
        [ALL, ALL, "42P01"],
    ),
    "table renamed in the same transaction": (
        (
            "BEGIN",
            "ALTER TABLE {s}.p RENAME TO renamed",
            f"{K} {{s}}.renamed",
            "ALTER TABLE {s}.renamed RENAME COLUMN k TO label",
            "SELECT label FROM {s}.renamed",
            "ROLLBACK",
            f"{K} {{s}}.p",
            f"{K} {{s}}.renamed",
        ),
        [ALL, ALL, ALL, "42P01"],
    ),
    "moved to another schema in the same transaction": (
        (
            "BEGIN",
            "CREATE SCHEMA nm_other",
            "ALTER TABLE {s}.p SET SCHEMA nm_other",
            f"{K} nm_other.p",
            "ROLLBACK",
            f"{K} {{s}}.p",
        ),
        [ALL, ALL],
    ),
    "schema renamed in the same transaction": (
        ("BEGIN", "ALTER SCHEMA {s} RENAME TO nm_renamed", f"{K} nm_renamed.p", "ROLLBACK", f"{K} {{s}}.p"),
        [ALL, ALL],
    ),
    "view made, read and rolled back": (
        (
            "BEGIN",
            "CREATE VIEW {s}.fresh AS TABLE {s}.p",
            f"{K} {{s}}.fresh",
            "ROLLBACK",
            f"{K} {{s}}.fresh",
            f"{K} {{s}}.p",
        ),
        [ALL, "42P01", ALL],
    ),
    "view dropped in a transaction that is rolled back": (
        (
            "CREATE VIEW {s}.kept AS TABLE {s}.p",
            f"{K} {{s}}.kept",
            "BEGIN",
            "DROP VIEW {s}.kept",
            "SAVEPOINT a",
            f"{K} {{s}}.kept",
            "ROLLBACK",
            f"{K} {{s}}.kept",
        ),
        [ALL, "42P01", ALL],
    ),
    "replaced by a view of the same name": (
        (
            "BEGIN",
            "ALTER TABLE {s}.p RENAME TO below",
            "CREATE VIEW {s}.p AS SELECT k FROM {s}.below WHERE k < 'D'",
            f"{K} {{s}}.p",
            "COMMIT",
            f"{K} {{s}}.p",
        ),
        [["API"], ["API"]],
    ),
    "made by a DO block": (
        ("DO $$ BEGIN EXECUTE 'CREATE VIEW {s}.hidden AS TABLE {s}.p'; END $$", f"{K} {{s}}.hidden"),
        [ALL],
    ),
    "two of a name joined": (
        (
            "CREATE SCHEMA nm_other",
            "CREATE TABLE nm_other.p AS SELECT k, k || '!' AS mark FROM {s}.p",
            "SELECT nm_other.p.mark FROM {s}.p, nm_other.p WHERE {s}.p.k = nm_other.p.k AND {s}.p.k < 'D'",
        ),
        [["API!"]],
    ),
    "two of a name, one inside the other": (
        (
            "CREATE SCHEMA nm_other",
            "CREATE TABLE nm_other.p AS SELECT 'API' AS k",
            "SELECT count(*) FROM {s}.p WHERE EXISTS (SELECT FROM nm_other.p AS q WHERE q.k = {s}.p.k)",
            "SELECT count(*) FROM {s}.p WHERE EXISTS (SELECT FROM nm_other.p WHERE nm_other.p.k = {s}.p.k)",
        ),
        [[1], [1]],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_names_are_resolved_as_over_local_tables(connect: Connect, schema: str, case: str) -> None:
    steps, expected = CASES[case]
    assert answers(connect(), schema, *steps) == expected


def test_what_another_session_just_committed_is_seen(connect: Connect, schema: str) -> None:
    session, other = connect(), connect()
    assert answers(session, schema, f"{K} {{s}}.p") == [ALL]
    other.execute(f"CREATE VIEW {schema}.news AS SELECT k FROM {schema}.p WHERE k < 'D'".encode())
    assert answers(session, schema, f"{K} {{s}}.news") == [["API"]]
    other.execute(f"CREATE OR REPLACE VIEW {schema}.news AS SELECT k FROM {schema}.p WHERE k > 'M'".encode())
    assert answers(session, schema, f"{K} {{s}}.news") == [["MOB", "WEB"]]
    other.execute(f"ALTER VIEW {schema}.news RENAME TO older".encode())
    assert answers(session, schema, f"{K} {{s}}.older", f"{K} {{s}}.news") == [["MOB", "WEB"], "42P01"]
    other.execute(f"DROP VIEW {schema}.older".encode())
    other.execute(f"CREATE TABLE {schema}.older AS SELECT 'local' AS k".encode())
    assert answers(session, schema, f"{K} {{s}}.older") == [["local"]]


def test_what_another_session_just_committed_is_seen_by_prepared_statements(connect: Connect, schema: str) -> None:
    session, other = connect(), connect()
    assert answers(session, schema, f"{K} {{s}}.p") == [ALL]
    other.execute(f"CREATE VIEW {schema}.news AS SELECT k FROM {schema}.p WHERE k < 'D'".encode())
    assert session.execute(f"SELECT k FROM {schema}.news WHERE k <> %s".encode(), ["x"]).fetchall() == [("API",)]
    other.execute(f"CREATE VIEW {schema}.newer AS SELECT k FROM {schema}.p WHERE k > 'W'".encode())
    with session.pipeline():
        first = session.execute(f"SELECT k FROM {schema}.newer WHERE k <> %s".encode(), ["x"], prepare=True)
        second = session.execute(b"SELECT %s::text", ["after"])
        assert (first.fetchall(), second.fetchall()) == ([("WEB",)], [("after",)])
    other.execute(f"CREATE VIEW {schema}.newest AS SELECT k FROM {schema}.p WHERE k < 'D'".encode())
    # Planned by Execute, not by Bind.
    assert session.execute(f"EXPLAIN SELECT k FROM {schema}.newest".encode(), prepare=True).fetchall()


def test_inside_a_block_what_another_session_just_committed_is_seen_at_once(connect: Connect, schema: str) -> None:
    session, other = connect(), connect()
    assert answers(session, schema, f"{K} {{s}}.p") == [ALL]
    other.execute(f"CREATE VIEW {schema}.news AS SELECT k FROM {schema}.p WHERE k < 'D'".encode())
    assert answers(session, schema, "BEGIN", f"{K} {{s}}.news", "ROLLBACK") == [["API"]]


def test_what_another_session_makes_out_of_sight_is_seen(connect: Connect, schema: str) -> None:
    session, other = connect(), connect()
    assert answers(session, schema, f"{K} {{s}}.p") == [ALL]
    view = f"CREATE VIEW {schema}.news AS SELECT k FROM {schema}.p WHERE k < 'D'"
    other.execute(f"DO $$ BEGIN EXECUTE $v${view}$v$; END $$".encode())
    assert answers(session, schema, f"{K} {{s}}.news") == [["API"]]


def test_a_prepared_statement_follows_a_rename_or_says_so(connect: Connect, schema: str) -> None:
    session = connect()
    sql = f"SELECT k FROM {schema}.p".encode()
    assert answers(session, schema, f"{K} {{s}}.p") == [ALL]
    session.pgconn.prepare(b"kept", sql)
    assert session.pgconn.exec_prepared(b"kept", None).ntuples == len(ALL)
    session.execute(f"ALTER TABLE {schema}.p RENAME TO moved".encode())
    failed = session.pgconn.exec_prepared(b"kept", None)
    assert failed.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"42P01"
    session.execute(f"CREATE VIEW {schema}.p AS SELECT k FROM {schema}.moved WHERE k < 'D'".encode())
    again = session.pgconn.exec_prepared(b"kept", None)
    assert [again.get_value(row, 0) for row in range(again.ntuples)] == [b"API"]
    session.execute(f"DROP VIEW {schema}.p".encode())
    session.execute(f"CREATE TABLE {schema}.p AS SELECT 'local'::text AS k".encode())
    again = session.pgconn.exec_prepared(b"kept", None)
    assert [again.get_value(row, 0) for row in range(again.ntuples)] == [b"local"]
