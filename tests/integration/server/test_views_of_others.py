"""Views of another owner over API and local tables: read as their owner would, or refused; never anything beyond."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

TABLES = "public.vo_secret, public.vo_filtered, public.vo_open"
SETUP = """
CREATE TABLE public.vo_secret (k text, note text);
CREATE TABLE public.vo_filtered (k text, note text);
CREATE TABLE public.vo_open (k text, note text);
INSERT INTO public.vo_secret VALUES ('WEB', 'secret'), ('API', 'secret');
INSERT INTO public.vo_filtered VALUES ('WEB', 'mine'), ('API', 'hidden');
INSERT INTO public.vo_open VALUES ('WEB', 'open'), ('API', 'open');
ALTER TABLE public.vo_filtered ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON public.vo_filtered FOR SELECT USING (note = 'mine');
CREATE VIEW public.vo_v_secret AS SELECT p.key, s.note FROM jira.projects p JOIN public.vo_secret s ON s.k = p.key;
CREATE VIEW public.vo_v_filtered AS SELECT p.key, s.note FROM jira.projects p JOIN public.vo_filtered s ON s.k = p.key;
CREATE VIEW public.vo_v_open AS SELECT p.key, s.note FROM jira.projects p JOIN public.vo_open s ON s.k = p.key;
CREATE VIEW public.vo_v_deep AS SELECT key, note FROM public.vo_v_secret;
CREATE VIEW public.vo_v_local AS SELECT k, note FROM public.vo_secret WHERE k = 'WEB';
CREATE VIEW public.vo_v_over_local AS SELECT p.key, s.note FROM jira.projects p JOIN public.vo_v_local s ON s.k = p.key;
CREATE VIEW public.vo_v_mine WITH (security_invoker = true) AS SELECT key, note FROM public.vo_v_open;
CREATE VIEW public.vo_barrier WITH (security_barrier = true) AS
  SELECT key, name FROM jira.projects WHERE md5(key) = md5('WEB');
GRANT SELECT ON public.vo_v_secret, public.vo_v_filtered, public.vo_v_open, public.vo_v_deep, public.vo_v_over_local,
  public.vo_v_mine, public.vo_barrier, public.vo_open, public.vo_filtered, public.vo_v_local TO ana;
"""
REFUSED = {
    "select": "SELECT * FROM public.vo_v_secret",
    "one column": "SELECT note FROM public.vo_v_secret",
    "count": "SELECT count(*) FROM public.vo_v_secret",
    "no column of it": "SELECT key FROM public.vo_v_secret",
    "view on view": "SELECT * FROM public.vo_v_deep",
    "common table expression": "WITH w AS (SELECT * FROM public.vo_v_secret) SELECT * FROM w",
    "subquery": "SELECT 1 WHERE EXISTS (SELECT FROM public.vo_v_secret)",
    "scalar subquery": "SELECT (SELECT max(note) FROM public.vo_v_secret)",
    "union": "SELECT note FROM public.vo_v_open UNION SELECT note FROM public.vo_v_secret",
    "lateral": "SELECT * FROM public.vo_v_open o, LATERAL (SELECT * FROM public.vo_v_secret s WHERE s.key = o.key) l",
    "table command": "TABLE public.vo_v_secret",
    "explain": "EXPLAIN SELECT * FROM public.vo_v_secret",
    "create table as": "CREATE TEMP TABLE t AS SELECT * FROM public.vo_v_secret",
    "insert": "INSERT INTO pg_temp.kept SELECT key FROM public.vo_v_secret",
    "copy": "COPY (SELECT * FROM public.vo_v_secret) TO STDOUT",
    "cursor": "DECLARE c CURSOR FOR SELECT * FROM public.vo_v_secret",
    "spliced": "SELECT 1_000 FROM public.vo_v_secret",
    "row security": "SELECT * FROM public.vo_v_filtered",
    "row security counted": "SELECT count(*) FROM public.vo_v_filtered",
}


def rows_of(session: psycopg.Connection, sql: str) -> list[object]:
    with session.transaction(), session.cursor() as cursor:
        if sql.startswith("COPY"):
            with cursor.copy(sql.encode()) as copy:
                return list(copy.rows())
        return list(cursor.execute(sql.encode()))


@pytest.fixture(autouse=True)
def _objects(admin: psycopg.Connection) -> Iterator[None]:
    for statement in SETUP.split(";\n")[:-1]:
        admin.execute(statement.encode())
    yield
    admin.execute(f"DROP TABLE {TABLES} CASCADE".encode())
    admin.execute("DROP VIEW public.vo_barrier")


@pytest.mark.parametrize("case", REFUSED)
def test_what_only_the_owner_may_read_is_refused_by_name(ana: psycopg.Connection, case: str) -> None:
    ana.execute("CREATE TEMP TABLE kept (k text)")
    ana.execute("SELECT count(*) FROM omnisql.tables")
    with pytest.raises(psycopg.Error) as caught:
        rows_of(ana, REFUSED[case])
    assert caught.value.sqlstate == "0A000"
    view = "vo_v_filtered" if case.startswith("row") else "vo_v_secret"
    assert f"public.{view} reads" in (caught.value.diag.message_primary or "")
    assert "security_invoker" in (caught.value.diag.message_hint or "")


def test_what_the_user_may_read_alike_is_answered(ana: psycopg.Connection) -> None:
    for view in ("vo_v_open", "vo_v_mine"):
        assert len(ana.execute(f"SELECT * FROM public.{view}".encode()).fetchall()) == 2
    # A view that is PostgreSQL's alone is read by it, as its owner.
    assert ana.execute("SELECT note FROM public.vo_v_over_local").fetchall() == [("secret",)]


def test_the_owner_reads_everything(admin: psycopg.Connection) -> None:
    for view, count in (("vo_v_secret", 2), ("vo_v_deep", 2), ("vo_v_filtered", 2)):
        assert len(admin.execute(f"SELECT * FROM public.{view}".encode()).fetchall()) == count


def test_a_right_taken_away_counts_for_a_prepared_statement(ana: psycopg.Connection, admin: psycopg.Connection) -> None:
    sql = b"SELECT note FROM public.vo_v_open WHERE key <> %s"
    assert len(ana.execute(sql, ["x"], prepare=True).fetchall()) == 2
    admin.execute("REVOKE SELECT ON public.vo_open FROM ana")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="vo_v_open reads vo_open"):
        ana.execute(sql, ["x"], prepare=True)


def test_a_security_barrier_keeps_its_hidden_rows_from_functions_of_the_user(ana: psycopg.Connection) -> None:
    ana.execute(
        """CREATE FUNCTION pg_temp.leak(k text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS
           $$ BEGIN IF k <> 'WEB' THEN RAISE EXCEPTION 'saw %', k; END IF; RETURN true; END $$"""
    )
    sql = b"SELECT key FROM public.vo_barrier WHERE pg_temp.leak(key)"
    assert ana.execute(sql).fetchall() == [("WEB",)]
