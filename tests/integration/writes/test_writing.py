"""Statements that write rows of API tables into tables: PostgreSQL's tags, its tables' own rules, its errors."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from demo_server import DemoServer
from writing import FIRST, WEB, paths, refused, rows, tag

WEB_OF_I = "i.owner = 'acme' AND i.repo = 'web'"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (f"INSERT INTO copied {FIRST}", "INSERT 0 5"),
        (f"INSERT INTO copied ({FIRST})", "INSERT 0 5"),
        (f"INSERT INTO copied WITH found AS ({FIRST}) SELECT * FROM found", "INSERT 0 5"),
        (f"WITH found AS ({FIRST}) INSERT INTO copied SELECT * FROM found", "INSERT 0 5"),
        ("INSERT INTO copied VALUES ((SELECT max(id) FROM jira.boards), 'x')", "INSERT 0 1"),
        (f"CREATE TEMP TABLE made AS {FIRST}", "SELECT 5"),
        (f"CREATE TEMP TABLE made (a, b) AS {FIRST} WITH DATA", "SELECT 5"),
        (f"SELECT number, title INTO TEMP made FROM {WEB} AND number <= 5", "SELECT 5"),
        ("CREATE TEMP TABLE made AS TABLE jira.boards", "SELECT 4"),
    ],
)
def test_rows_written_are_counted(ana: psycopg.Connection, statement: str, expected: str) -> None:
    assert tag(ana, statement) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (f"UPDATE copied SET title = i.title FROM github.issues AS i WHERE {WEB_OF_I} AND i.number = copied.number", 5),
        (f"UPDATE copied SET title = (SELECT max(title) FROM {WEB}) WHERE number < 3", 2),
        (f"DELETE FROM copied USING github.issues AS i WHERE {WEB_OF_I} AND i.number = copied.number", 5),
        (f"DELETE FROM copied WHERE number IN (SELECT number FROM {WEB} AND number < 4)", 3),
        (
            f"MERGE INTO copied USING (SELECT number, title FROM {WEB} AND number < 9) AS i "
            "ON i.number = copied.number WHEN MATCHED THEN UPDATE SET title = i.title "
            "WHEN NOT MATCHED THEN INSERT VALUES (i.number, i.title)",
            8,
        ),
        (
            "WITH gone AS (DELETE FROM copied WHERE number < 3 RETURNING number) "
            f"INSERT INTO copied SELECT -g.number, i.title FROM gone AS g, github.issues AS i WHERE {WEB_OF_I} "
            "AND i.number = g.number",
            2,
        ),
    ],
)
def test_conditions_of_a_statement_that_changes_rows_are_asked_of_the_api(
    ana: psycopg.Connection, demo: DemoServer, statement: str, expected: int
) -> None:
    tag(ana, f"INSERT INTO copied {FIRST}")
    demo.github.reset()
    assert (tag(ana, statement) or "").split()[-1] == str(expected)
    assert all("/repos/acme/web/" in path or path == "/graphql" for path in paths(demo.github))
    assert paths(demo.github)


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE copied SET (number, title) = (SELECT number, title FROM {WEB} AND number = 5)",
        f"INSERT INTO copied VALUES ((SELECT number FROM {WEB} AND number = 5), 'x')",
    ],
)
def test_a_statement_whose_conditions_give_no_keys_says_what_to_do(ana: psycopg.Connection, statement: str) -> None:
    said = refused(ana, statement)
    assert said.sqlstate == "HV00L"
    assert str(said.message_detail).startswith("no condition of this statement can be used: ")
    assert said.message_hint == "read the rows into a table first: CREATE TEMPORARY TABLE .. AS SELECT .. WHERE .."
    assert tag(ana, f"CREATE TEMPORARY TABLE first AS {FIRST}") == "SELECT 5"
    assert tag(ana, "INSERT INTO copied TABLE first") == "INSERT 0 5"


@pytest.mark.parametrize(
    ("statement", "expected", "left"),
    [
        (
            "UPDATE copied SET title = b.name FROM jira.boards AS b WHERE b.id = copied.number",
            "UPDATE 2",
            [(1, "WEB board"), (2, "API board"), (9, "nine")],
        ),
        (
            "UPDATE copied SET (number, title) ="
            " (SELECT -b.id, b.name FROM jira.boards AS b WHERE b.id = copied.number)"
            " WHERE number < 9",
            "UPDATE 2",
            [(-1, "WEB board"), (-2, "API board"), (9, "nine")],
        ),
        ("DELETE FROM copied USING jira.boards AS b WHERE b.id = copied.number", "DELETE 2", [(9, "nine")]),
        ("DELETE FROM copied WHERE number IN (SELECT id FROM jira.boards)", "DELETE 2", [(9, "nine")]),
        (
            "MERGE INTO copied USING jira.boards AS b ON b.id = copied.number "
            "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (b.id::int, b.type)",
            "MERGE 4",
            [(3, "kanban"), (4, "scrum"), (9, "nine")],
        ),
        (
            "WITH gone AS (DELETE FROM copied RETURNING number) "
            "SELECT gone.number FROM gone JOIN jira.boards AS b ON b.id = gone.number",
            "SELECT 2",
            [],
        ),
    ],
)
def test_rows_are_changed_by_rows_of_an_api(
    ana: psycopg.Connection, statement: str, expected: str, left: list[tuple[int, str]]
) -> None:
    ana.execute("INSERT INTO copied VALUES (1, 'one'), (2, 'two'), (9, 'nine')")
    assert tag(ana, statement) == expected
    assert rows(ana, "SELECT number, title FROM copied") == left


def test_what_is_written_is_what_is_read_whatever_its_types(ana: psycopg.Connection) -> None:
    ana.execute(f"CREATE TEMP TABLE everything AS SELECT * FROM {WEB}".encode())
    written = rows(ana, "SELECT * FROM everything")
    assert written == rows(ana, f"SELECT * FROM {WEB}")
    assert len(written) > 50
    types = "SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid = {}::regclass AND attnum > 0"
    assert rows(ana, types.format("'everything'")) == rows(ana, types.format("'github.issues'"))


def test_returning_gives_the_rows_as_they_were_written(ana: psycopg.Connection) -> None:
    written = rows(ana, f"INSERT INTO copied {FIRST} RETURNING number * 10, title")
    assert [number for number, _ in written] == [10, 20, 30, 40, 50]
    assert [title for _, title in written] == [title for _, title in rows(ana, FIRST)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO copied VALUES (1, 'one')",
        "INSERT INTO copied SELECT b.id, b.type FROM jira.boards AS b WHERE b.id = 1",
        "UPDATE copied SET title = 'one' WHERE number = 1",
        "DELETE FROM copied WHERE number = 1",
        "MERGE INTO copied USING (VALUES (1)) AS v(n) ON v.n = copied.number WHEN MATCHED THEN DELETE",
    ],
)
def test_returning_reads_api_tables_too(ana: psycopg.Connection, statement: str) -> None:
    if not statement.startswith("INSERT"):
        ana.execute("INSERT INTO copied VALUES (1, 'one')")
    returning = " RETURNING (SELECT b.name FROM jira.boards AS b WHERE b.id = copied.number)"
    assert rows(ana, statement + returning) == [("WEB board",)]


def test_row_security_of_a_target_judges_each_row(connect: Callable[..., psycopg.Connection]) -> None:
    admin, ana = connect("admin"), connect("ana")
    admin.execute("CREATE TABLE public.guarded (id bigint, name text)")
    try:
        admin.execute("ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY")
        admin.execute("CREATE POLICY low ON public.guarded USING (id < 3)")
        admin.execute("GRANT ALL ON public.guarded TO ana")
        said = refused(ana, "INSERT INTO public.guarded SELECT id, name FROM jira.boards")
        assert said.sqlstate == "42501"
        assert tag(ana, "INSERT INTO public.guarded SELECT id, name FROM jira.boards WHERE id < 3") == "INSERT 0 2"
        assert rows(admin, "SELECT count(*) FROM public.guarded") == [(2,)]
    finally:
        admin.execute("DROP TABLE public.guarded")


def test_on_conflict_and_the_targets_own_rules_hold(ana: psycopg.Connection) -> None:
    ana.execute("""
        CREATE TEMP TABLE target (
            id int GENERATED ALWAYS AS IDENTITY, number int UNIQUE, title text DEFAULT 'none', made date DEFAULT now()
        )""")
    ana.execute("""CREATE FUNCTION pg_temp.shout() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN NEW.title := upper(NEW.title); RETURN NEW; END'""")
    ana.execute("CREATE TRIGGER t BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION pg_temp.shout()")
    assert tag(ana, f"INSERT INTO target (number) SELECT number FROM {WEB} AND number IN (1, 2)") == "INSERT 0 2"
    assert rows(ana, "SELECT id, number, title, made = current_date FROM target") == [
        (1, 1, "NONE", True),
        (2, 2, "NONE", True),
    ]
    upsert = f"INSERT INTO target (number, title) {FIRST} ON CONFLICT (number)"
    assert tag(ana, f"{upsert} DO NOTHING") == "INSERT 0 3"
    assert tag(ana, f"{upsert} DO UPDATE SET title = excluded.number || '!' WHERE target.number = 2") == "INSERT 0 1"
    assert rows(ana, "SELECT title FROM target WHERE number = 2") == [("2!",)]
    said = refused(ana, f"INSERT INTO target (id, title) {FIRST}")
    assert (said.sqlstate, said.message_primary) == ("428C9", 'cannot insert a non-DEFAULT value into column "id"')


def test_a_failing_statement_leaves_nothing(ana: psycopg.Connection) -> None:
    ana.execute("INSERT INTO copied VALUES (4, 'mine')")
    said = refused(ana, f"INSERT INTO copied {FIRST}")
    assert (said.sqlstate, said.constraint_name) == ("23505", "copied_number_key")
    assert rows(ana, "SELECT number FROM copied") == [(4,)]
    assert refused(ana, f"CREATE TEMP TABLE copied AS {FIRST}").sqlstate == "42P07"
    assert refused(ana, f"CREATE TEMP TABLE bad AS SELECT 1 / (number - 3) FROM {WEB}").sqlstate == "22012"
    assert rows(ana, "SELECT to_regclass('bad') IS NULL") == [(True,)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO jira.boards (id) VALUES (1)",
        "INSERT INTO jira.boards SELECT * FROM jira.boards",
        "UPDATE jira.boards SET name = 'x'",
        "DELETE FROM jira.boards USING jira.sprints WHERE false",
        "MERGE INTO jira.boards AS b USING copied ON b.id = copied.number WHEN MATCHED THEN DELETE",
        "WITH gone AS (DELETE FROM jira.boards RETURNING id) SELECT id FROM gone",
        "WITH new AS (INSERT INTO jira.boards (id) VALUES (1)) INSERT INTO copied VALUES (1, 'x')",
        "EXPLAIN INSERT INTO jira.boards (id) VALUES (1)",
        "COPY (DELETE FROM jira.boards RETURNING id) TO STDOUT",
        "COPY jira.boards FROM STDIN",
        "TRUNCATE copied, jira.boards",
        "INSERT INTO pg_temp.shown (id) VALUES (1)",
        "UPDATE pg_temp.shown SET id = 1",
    ],
)
def test_an_api_table_is_not_written_to(demo: DemoServer, ana: psycopg.Connection, statement: str) -> None:
    ana.execute("CREATE TEMP VIEW shown AS SELECT id FROM jira.boards")
    said = refused(ana, statement)
    assert (said.sqlstate, said.message_primary) == ("0A000", "API table jira.boards is read-only")
    assert said.message_hint is not None
    assert said.message_hint.startswith("write to a table of your own")
    assert paths(demo.jira) == []


EXPLAINED_WRITES = {
    "INSERT INTO copied": f"INSERT INTO copied {FIRST}",
    "UPDATE copied": "UPDATE copied SET title = b.name FROM jira.boards b WHERE b.id = copied.number",
    "DELETE FROM copied": "DELETE FROM copied USING jira.boards b WHERE b.id = copied.number",
    "MERGE INTO copied": "MERGE INTO copied USING (SELECT id FROM jira.boards) b ON b.id = number"
    " WHEN MATCHED THEN DELETE",
    "WITH": "WITH gone AS (DELETE FROM copied RETURNING number) SELECT * FROM gone, jira.boards b WHERE b.id = number",
    "CREATE TABLE": "CREATE TABLE never_made AS SELECT id FROM jira.boards",
    "CREATE MATERIALIZED VIEW": "CREATE MATERIALIZED VIEW never_made AS SELECT id FROM jira.boards",
    "DECLARE": "DECLARE c CURSOR FOR SELECT id FROM jira.boards",
}


@pytest.mark.parametrize("statement", EXPLAINED_WRITES.values(), ids=EXPLAINED_WRITES)
def test_explain_of_a_write_shows_its_scans_and_writes_nothing(
    demo: DemoServer, ana: psycopg.Connection, statement: str
) -> None:
    before = rows(ana, "SELECT count(*) FROM copied")
    lines = "\n".join(str(row[0]) for row in rows(ana, f"EXPLAIN {statement}"))
    assert "Scan on " in lines
    assert "postgres" in lines
    assert paths(demo.github) == paths(demo.jira) == []
    assert rows(ana, "SELECT count(*) FROM copied") == before
    assert rows(ana, "SELECT to_regclass('never_made')") == [(None,)]
    prepared = ana.execute(f"EXPLAIN (FORMAT JSON) {statement}", prepare=True).fetchone()
    assert prepared is not None


def test_explain_analyze_of_a_write_writes(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute("CREATE TABLE made (id int8)")
    try:
        lines = rows(ana, "EXPLAIN (ANALYZE) INSERT INTO made SELECT id FROM jira.boards")
        assert "actual" in "\n".join(str(line) for line in lines)
        assert len(paths(demo.jira)) == 1
        assert rows(ana, "SELECT count(*) FROM made") == [(4,)]
        ana.execute("EXPLAIN ANALYZE DELETE FROM made USING jira.boards b WHERE b.id = made.id")
        assert rows(ana, "SELECT count(*) FROM made") == [(0,)]
        ana.execute("EXPLAIN ANALYZE CREATE TABLE made_too AS SELECT id FROM jira.boards")
        assert rows(ana, "SELECT count(*) FROM made_too") == [(4,)]
        ana.execute("SET default_transaction_read_only = on")
        said = refused(ana, "EXPLAIN ANALYZE INSERT INTO made SELECT id FROM jira.boards")
        assert said.sqlstate == "25006"
        ana.execute("RESET default_transaction_read_only")
    finally:
        ana.execute("DROP TABLE made; DROP TABLE IF EXISTS made_too")


def test_copy_of_a_write_gives_what_it_returns(ana: psycopg.Connection) -> None:
    ana.execute("CREATE TABLE made (id int8, name text)")
    try:
        statement = "COPY (INSERT INTO made SELECT id, name FROM jira.boards RETURNING id, name) TO STDOUT"
        with ana.cursor() as cursor:
            with cursor.copy(statement) as copy:
                copied = sorted(copy.rows())
            assert cursor.rowcount == 4
        assert copied == sorted((str(key), name) for key, name in rows(ana, "SELECT id, name FROM made"))
        with ana.cursor().copy(
            "COPY (WITH gone AS (DELETE FROM made RETURNING id) SELECT g.id FROM gone g"
            " JOIN jira.boards b USING (id)) TO STDOUT (FORMAT csv)"
        ) as copy:
            assert len(list(copy)) == 4
        assert rows(ana, "SELECT count(*) FROM made") == [(0,)]
    finally:
        ana.execute("DROP TABLE made")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "COPY (INSERT INTO copied SELECT id, name FROM jira.boards) TO STDOUT",
            "COPY query must have a RETURNING clause",
        ),
        ("COPY (SELECT id INTO made FROM jira.boards) TO STDOUT", "COPY (SELECT INTO) is not supported"),
    ],
)
def test_what_cannot_be_copied_is_refused(
    demo: DemoServer, ana: psycopg.Connection, statement: str, message: str
) -> None:
    said = refused(ana, statement)
    assert (said.sqlstate, said.message_primary) == ("0A000", message)
    assert paths(demo.jira) == []


def test_explain_of_a_write_to_ordinary_tables_is_postgresqls(ana: psycopg.Connection) -> None:
    lines = ana.execute("EXPLAIN INSERT INTO copied SELECT number, title FROM copied").fetchall()
    assert str(lines[0][0]).startswith("Insert on copied")


def test_a_table_may_have_the_name_of_an_api_table_in_another_schema(
    connect: Callable[..., psycopg.Connection],
) -> None:
    ana = connect("ana")
    assert tag(ana, "CREATE TABLE boards AS SELECT id, name FROM jira.boards") == "SELECT 4"
    try:
        assert rows(ana, "SELECT count(*) FROM boards") == [(4,)]
        assert tag(ana, "INSERT INTO boards SELECT id + 10, name FROM jira.boards") == "INSERT 0 4"
        assert tag(ana, "DELETE FROM boards WHERE id > 10") == "DELETE 4"
    finally:
        ana.execute("DROP TABLE boards")


def test_a_table_that_exists_is_left_alone_and_nobody_is_asked(demo: DemoServer, ana: psycopg.Connection) -> None:
    notices: list[str | None] = []
    ana.add_notice_handler(lambda said: notices.append(said.message_primary))
    again = f"CREATE TEMP TABLE IF NOT EXISTS copied AS {FIRST}"
    assert tag(ana, again) == "CREATE TABLE AS"
    assert ana.execute(again.encode(), prepare=True).statusmessage == "CREATE TABLE AS"
    assert notices == ['relation "copied" already exists, skipping'] * 2
    assert paths(demo.github) == []
    assert rows(ana, "SELECT number FROM copied") == []
    # A temporary table hides none that would be made in a schema.
    assert tag(ana, f"CREATE TABLE IF NOT EXISTS public.copied AS {FIRST}") == "SELECT 5"
    ana.execute("DROP TABLE public.copied")
    assert tag(ana, f"CREATE TEMP TABLE IF NOT EXISTS other AS {FIRST}") == "SELECT 5"


def test_with_no_data_asks_nobody(demo: DemoServer, ana: psycopg.Connection) -> None:
    assert tag(ana, f"CREATE TEMP TABLE empty AS SELECT * FROM {WEB} WITH NO DATA") == "CREATE TABLE AS"
    assert rows(ana, "SELECT count(*) FROM empty") == [(0,)]
    assert paths(demo.github) == []


def test_a_user_writes_only_rows_that_the_user_sees(connect: Callable[..., psycopg.Connection]) -> None:
    all_of_it = "CREATE TEMP TABLE seen AS SELECT project_key FROM jira.issues"
    ana, eve = connect("ana"), connect("eve")
    assert tag(ana, all_of_it) == "SELECT 300"
    tag(eve, all_of_it)
    assert rows(eve, "SELECT DISTINCT project_key FROM seen") == [("WEB",)]
    assert rows(eve, "SELECT count(*) FROM seen") == rows(ana, "SELECT count(*) FROM seen WHERE project_key = 'WEB'")


def test_only_the_rows_that_the_query_wants_are_asked_for(demo: DemoServer, ana: psycopg.Connection) -> None:
    ana.execute(f"INSERT INTO copied SELECT number, title FROM {WEB} AND number = 8".encode())
    ana.execute(f"SELECT number INTO TEMP one FROM {WEB} AND number = 9".encode())
    assert paths(demo.github) == ["/repos/acme/web/issues/8", "/repos/acme/web/issues/9"]
