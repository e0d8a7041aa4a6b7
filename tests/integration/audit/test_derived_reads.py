"""Reads of what was written from API tables, and statements about rights, are on record though PostgreSQL answers."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from audit_reading import Recorded, refused, session
from demo_server import DemoServer

from omnisql_server.audit.record import Record, TableRead

READ = TableRead(server="jira", table="jira.projects", relation="public.derived", columns=("key", "name"))


@pytest.fixture(scope="module")
def derived(demo: DemoServer) -> Iterator[psycopg.Connection]:
    """Give ana a table with rows of an API, a view over it and a plain table."""
    with session(demo) as ana:
        ana.execute("CREATE TABLE public.derived AS SELECT key, name FROM jira.projects")
        ana.execute("CREATE VIEW public.over AS SELECT key FROM public.derived; CREATE TABLE public.plain (a text)")
        ana.execute("CREATE FUNCTION public.count_() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM public.over; END")
        ana.execute("CREATE FUNCTION public.call_() RETURNS bigint LANGUAGE sql AS 'SELECT public.count_()'")
        ana.execute("CREATE VIEW public.counted AS SELECT public.call_() AS n")
        ana.execute(
            "CREATE FUNCTION public.fire_() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.call_(); RETURN"
            " NEW; END'; CREATE TABLE public.fires (a text);"
            " CREATE TRIGGER fires BEFORE INSERT ON public.fires FOR EACH ROW EXECUTE FUNCTION public.fire_()"
        )
        ana.execute(
            "CREATE PROCEDURE public.proceed_(name text) LANGUAGE plpgsql AS"
            " 'BEGIN EXECUTE ''SELECT key FROM public.'' || name; END'"
        )
        yield ana
        ana.execute("DROP TABLE public.derived, public.plain, public.fires CASCADE; DROP FUNCTION public.fire_")
        ana.execute("DROP FUNCTION IF EXISTS public.call_, public.count_ CASCADE; DROP PROCEDURE public.proceed_")


def _of_statements(recorded: Recorded) -> list[Record]:
    """Leave out changes of roles that the server notices by itself, whenever it looks."""
    return [record for record in recorded() if record.kind != "roles"]


def _only(recorded: Recorded) -> Record:
    (record,) = recorded()
    return record


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT * FROM public.derived WHERE key = 'WEB'", "SELECT"),
        ("SELECT 1; SELECT count(*) FROM public.over", "SELECT"),
        ("INSERT INTO public.plain SELECT 'a' FROM public.over", "write"),
        ("EXPLAIN ANALYZE SELECT * FROM public.derived", "EXPLAIN"),
        ("DO $$ BEGIN PERFORM key FROM public.derived; END $$", "DO"),
        ("DO $$ BEGIN EXECUTE 'SELECT key FROM public.deri' || 'ved'; END $$", "DO"),
        ("SELECT public.count_()", "SELECT"),
        ("SELECT 1 WHERE public.call_() > 0", "SELECT"),
        ("TABLE public.counted", "SELECT"),
        ("CALL public.proceed_('derived')", "CALL"),
        ("INSERT INTO public.fires VALUES ('a')", "write"),
        ("SELECT * FROM ts_stat('SELECT to_tsvector(key) FROM public.deri' || 'ved')", "SELECT"),
    ],
)
def test_a_read_is_on_record_with_its_origin(
    derived: psycopg.Connection, recorded: Recorded, sql: str, kind: str
) -> None:
    derived.execute("SET omnisql.purpose = 'support'")
    derived.execute(sql.encode())
    record = _only(recorded)
    assert (record.kind, record.phase, record.outcome) == (kind, "whole", "relayed")
    assert record.purpose == "support"
    # A text that is made at run time may read all that was derived.
    assert READ in record.tables if "|| 'ved'" in sql or "proceed_" in sql else record.tables == (READ,)
    assert record.sources == ("jira",)
    assert "WEB" not in record.text


def test_copies_prepared_statements_and_cursors_are_on_record(derived: psycopg.Connection, recorded: Recorded) -> None:
    with derived.cursor() as cursor, cursor.copy("COPY public.derived TO STDOUT") as copied:
        assert b"".join(map(bytes, copied)).count(b"\n") == 4
    derived.execute("PREPARE reading AS SELECT * FROM public.over")
    derived.execute("EXECUTE reading")
    derived.execute(
        "BEGIN; DECLARE rows_ CURSOR FOR TABLE public.derived; FETCH 1 FROM rows_; COMMIT; DEALLOCATE reading"
    )
    records = recorded()
    assert [record.kind for record in records] == ["COPY of a table", "EXECUTE", "DECLARE CURSOR"]
    assert all(record.tables == (READ,) for record in records)


def test_every_bind_is_on_record(derived: psycopg.Connection, recorded: Recorded) -> None:
    for key, name in (("WEB", "Web platform"), ("API", "API platform")):
        sql = "SELECT name FROM public.derived WHERE key = %s"
        assert derived.execute(sql, (key,), prepare=True).fetchone() == (name,)
    assert [record.tables for record in recorded()] == [(READ,), (READ,)]


def test_rows_of_a_temporary_table_are_on_record(demo: DemoServer, recorded: Recorded) -> None:
    with session(demo) as ana:
        ana.execute("CREATE TEMP TABLE passing AS SELECT key FROM jira.projects")
        ana.execute("SELECT count(*) FROM passing")
    last = recorded()[-1]
    assert (last.outcome, [table.table for table in last.tables]) == ("relayed", ["jira.projects"])


def test_rights_and_roles_are_on_record(demo: DemoServer, recorded: Recorded) -> None:
    with session(demo, "admin") as admin:
        admin.execute("CREATE ROLE passing PASSWORD 'hidden-word'; GRANT passing TO ana")
        admin.execute("CREATE TABLE public.mine (a int); GRANT SELECT ON public.mine TO PUBLIC")
        admin.execute("DROP TABLE public.mine; DROP ROLE passing")
        refused(admin, "ALTER ROLE ana SUPERUSER")
    records = _of_statements(recorded)
    assert [record.text.partition(" ")[0] for record in records] == ["CREATE", "GRANT", "GRANT", "DROP", "ALTER"]
    assert {record.outcome for record in records} == {"relayed"}
    assert "hidden-word" not in "".join(record.text for record in records)


def test_rights_after_a_failed_block_are_postgresqls_and_on_record(demo: DemoServer, recorded: Recorded) -> None:
    with session(demo) as ana:
        for _ in range(2):
            ana.execute("BEGIN")
            refused(ana, "GRANT SELECT ON public.nowhere TO eve")
            assert refused(ana, "ROLLBACK; REVOKE SELECT ON public.nowhere FROM eve").sqlstate == "42P01"
    assert [record.text.partition(" ")[0] for record in _of_statements(recorded)] == ["GRANT", "REVOKE"] * 2
