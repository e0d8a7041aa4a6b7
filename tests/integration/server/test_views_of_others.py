"""Views of another owner over API and local tables: read as their owner would, or refused; never anything beyond."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DemoServer
from sessions import open_session

SETUP = """
CREATE TABLE public.vo_secret (k text, note text);
CREATE TABLE public.vo_filtered (k text, note text);
CREATE TABLE public.vo_forced (k text, note text);
CREATE TABLE public.vo_open (k text, note text);
INSERT INTO public.vo_secret VALUES ('WEB', 'secret'), ('API', 'secret');
INSERT INTO public.vo_filtered VALUES ('WEB', 'mine'), ('API', 'hidden');
INSERT INTO public.vo_open VALUES ('WEB', 'open'), ('API', 'open');
ALTER TABLE public.vo_filtered ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.vo_forced ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.vo_forced FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON public.vo_filtered FOR SELECT USING (note = 'mine');
CREATE VIEW public.vo_v_secret AS SELECT p.key, s.note FROM jira.projects p JOIN public.vo_secret s ON s.k = p.key;
CREATE VIEW public.vo_v_filtered AS SELECT p.key, s.note FROM jira.projects p JOIN public.vo_filtered s ON s.k = p.key;
CREATE VIEW public.vo_v_forced AS SELECT p.key, s.note FROM jira.projects p JOIN public.vo_forced s ON s.k = p.key;
CREATE VIEW public.vo_v_open AS SELECT p.key, s.note FROM jira.projects p JOIN public.vo_open s ON s.k = p.key;
CREATE VIEW public.vo_v_both AS SELECT p.key, s.note, o.note AS open FROM jira.projects p
  JOIN public.vo_secret s ON s.k = p.key JOIN public.vo_open o ON o.k = p.key;
CREATE VIEW public.vo_v_deep AS SELECT key, note FROM public.vo_v_secret;
CREATE VIEW public.vo_v_local AS SELECT k, note FROM public.vo_secret WHERE k = 'WEB';
CREATE VIEW public.vo_v_over_local AS SELECT p.key, s.note FROM jira.projects p JOIN public.vo_v_local s ON s.k = p.key;
CREATE VIEW public.vo_v_closed AS SELECT k, note FROM public.vo_secret WHERE k = 'WEB';
CREATE VIEW public.vo_v_over_closed AS SELECT p.key, s.note, current_user AS who FROM jira.projects p
  JOIN public.vo_v_closed s ON s.k = p.key;
CREATE VIEW public.vo_v_mine WITH (security_invoker = true) AS SELECT key, note FROM public.vo_v_open;
CREATE VIEW public.vo_v_system AS SELECT p.key, s.ctid FROM jira.projects p JOIN public.vo_secret s ON s.k = p.key;
CREATE VIEW public.vo_v_sample AS SELECT p.key FROM jira.projects p, public.vo_secret s TABLESAMPLE system (100);
CREATE VIEW public.vo_barrier WITH (security_barrier = true) AS
  SELECT key, name FROM jira.projects WHERE md5(key) = md5('WEB');
CREATE TYPE public.vo_mood AS ENUM ('calm', 'cross');
CREATE TYPE public.vo_pair AS (a int, b text[]);
CREATE TYPE public.vo_spans AS RANGE (subtype = float8);
CREATE DOMAIN public.vo_short AS text CHECK (length(VALUE) < 5);
CREATE TABLE public.vo_typed (id int, gone text, f float8, n numeric(12, 3), t text, b bytea, d date, z timestamptz,
  i interval, j jsonb, u uuid, m public.vo_mood, p public.vo_pair, s public.vo_short, r public.vo_spans, q int4range,
  ai int[], am public.vo_mood[], ap public.vo_pair[], c char(5), ip inet, bits bit(3), unused public.vo_short);
ALTER TABLE public.vo_typed DROP COLUMN gone;
INSERT INTO public.vo_typed VALUES (1, 0.1, 1.250, E'a\\tb"', '\\x00ff', '2020-02-29', '2020-01-01 00:00+05',
  '-1 mon 2 days -03:04:05.678901', '{"a": [1, null]}', '00000000-0000-0000-0000-000000000001', 'cross',
  ROW(7, '{x,NULL}'), 'abc', '[1.5,2.5)', 'empty', '[0:1]={5,6}', '{calm,NULL}',
  ARRAY[ROW(1, '{}')::public.vo_pair], 'ab', '10.0.0.0/8', '101', 'zz');
INSERT INTO public.vo_typed (id) VALUES (2);
CREATE VIEW public.vo_v_typed AS SELECT p.key, t.id, t.f, t.n, t.t, t.b, t.d, t.z, t.i, t.j, t.u, t.m, t.p, t.s, t.r,
  t.q, t.ai, t.am, t.ap, t.c, t.ip, t.bits FROM public.vo_typed t LEFT JOIN jira.projects p ON p.key = 'WEB';
CREATE VIEW public.vo_v_whole AS SELECT s FROM public.vo_secret s, jira.projects p WHERE p.key = s.k;
CREATE TABLE public.vo_parent (k text);
CREATE TABLE public.vo_child () INHERITS (public.vo_parent);
INSERT INTO public.vo_parent VALUES ('parent');
INSERT INTO public.vo_child VALUES ('child');
CREATE VIEW public.vo_v_parent AS SELECT c.k FROM public.vo_parent c, jira.projects p WHERE p.key = 'WEB';
CREATE VIEW public.vo_v_only AS SELECT c.k FROM ONLY public.vo_parent c, jira.projects p WHERE p.key = 'WEB';
CREATE FUNCTION public.vo_code(k text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT k';
CREATE TABLE public.vo_coded (k text);
CREATE INDEX ON public.vo_coded (k) WHERE public.vo_code('a') = 'a';
CREATE VIEW public.vo_v_coded AS SELECT p.key FROM jira.projects p JOIN public.vo_coded s ON s.k = p.key;
CREATE DOMAIN public.vo_checked AS text CHECK (public.vo_code(VALUE) <> '');
CREATE TABLE public.vo_checks (k public.vo_checked);
CREATE VIEW public.vo_v_checks AS SELECT p.key FROM jira.projects p JOIN public.vo_checks s ON s.k = p.key;
CREATE TABLE public.vo_from (n int);
CREATE TABLE public.vo_to (n int);
CREATE VIEW public.vo_v_from AS SELECT n FROM public.vo_from, jira.projects p WHERE p.key = 'WEB';
INSERT INTO public.vo_from VALUES (1);
GRANT SELECT ON public.vo_to TO ana;
GRANT SELECT ON public.vo_v_secret, public.vo_v_filtered, public.vo_v_forced, public.vo_v_open, public.vo_v_both,
  public.vo_v_deep, public.vo_v_over_local, public.vo_v_over_closed, public.vo_v_mine, public.vo_v_system,
  public.vo_v_sample, public.vo_barrier, public.vo_v_typed, public.vo_v_whole, public.vo_v_parent, public.vo_v_only,
  public.vo_v_coded, public.vo_v_checks, public.vo_v_from, public.vo_open, public.vo_filtered, public.vo_v_local TO ana;
"""
TEARDOWN = """
DROP TABLE public.vo_secret, public.vo_filtered, public.vo_forced, public.vo_open, public.vo_typed, public.vo_parent,
  public.vo_child, public.vo_coded, public.vo_checks, public.vo_from, public.vo_to CASCADE;
DROP VIEW public.vo_barrier;
DROP DOMAIN public.vo_short, public.vo_checked;
DROP TYPE public.vo_spans, public.vo_pair, public.vo_mood;
DROP FUNCTION public.vo_code;
"""
ANSWERED: dict[str, tuple[str, list[tuple[object, ...]]]] = {
    "select": ("SELECT * FROM public.vo_v_secret ORDER BY key", [("API", "secret"), ("WEB", "secret")]),
    "one column": ("SELECT note FROM public.vo_v_secret", [("secret",), ("secret",)]),
    "count": ("SELECT count(*) FROM public.vo_v_secret", [(2,)]),
    "no column of it": ("SELECT key FROM public.vo_v_secret WHERE key = 'WEB'", [("WEB",)]),
    "view on view": ("SELECT note FROM public.vo_v_deep WHERE key = 'WEB'", [("secret",)]),
    "what the user may read too": ("SELECT open FROM public.vo_v_both", [("open",), ("open",)]),
    "common table expression": ("WITH w AS (SELECT * FROM public.vo_v_secret) SELECT count(*) FROM w", [(2,)]),
    "subquery": ("SELECT 1 WHERE EXISTS (SELECT FROM public.vo_v_secret)", [(1,)]),
    "scalar subquery": ("SELECT (SELECT max(note) FROM public.vo_v_secret)", [("secret",)]),
    "union": (
        "SELECT note FROM public.vo_v_filtered UNION SELECT note FROM public.vo_v_secret ORDER BY 1",
        [("hidden",), ("mine",), ("secret",)],
    ),
    "lateral": (
        "SELECT l.note FROM jira.projects o, LATERAL (SELECT * FROM public.vo_v_secret s WHERE s.key = o.key) l",
        [("secret",), ("secret",)],
    ),
    "table command": ("TABLE public.vo_v_secret ORDER BY 1", [("API", "secret"), ("WEB", "secret")]),
    "copy": ("COPY (SELECT note FROM public.vo_v_secret) TO STDOUT", [("secret",), ("secret",)]),
    "spliced": ("SELECT 1_000 FROM public.vo_v_secret WHERE key = 'API'", [(1000,)]),
    "row security that spares the owner": (
        "SELECT note FROM public.vo_v_filtered ORDER BY 1",
        [("hidden",), ("mine",)],
    ),
    "local view": ("SELECT key, note FROM public.vo_v_over_local", [("WEB", "secret")]),
    "local view of the owner alone": ("SELECT key, note, who FROM public.vo_v_over_closed", [("WEB", "secret", "ana")]),
    "inherited": ("SELECT k FROM public.vo_v_parent ORDER BY 1", [("child",), ("parent",)]),
    "only": ("SELECT k FROM public.vo_v_only", [("parent",)]),
    "whole row": ("SELECT (v.s).note, pg_typeof(v.s)::text FROM public.vo_v_whole v", [("secret", "vo_secret")] * 2),
}
WRITES = {
    "create table as": "CREATE TEMP TABLE made AS SELECT note FROM public.vo_v_secret",
    "insert": "INSERT INTO pg_temp.kept SELECT note FROM public.vo_v_secret",
    "cursor": "DECLARE made CURSOR FOR SELECT note FROM public.vo_v_secret",
}
REFUSED = {
    "forced row security": ("SELECT * FROM public.vo_v_forced", "row-level security"),
    "system columns": ("SELECT * FROM public.vo_v_system", "columns of the system"),
    "sample": ("SELECT * FROM public.vo_v_sample", "sample"),
    "code in an index": ("SELECT * FROM public.vo_v_coded", "calls a function"),
    "code in a domain": ("SELECT * FROM public.vo_v_checks", "calls a function"),
}


def rows_of(session: psycopg.Connection, sql: str) -> list[tuple[object, ...]]:
    with session.cursor() as cursor:
        if sql.startswith("COPY"):
            with cursor.copy(sql.encode()) as copy:
                return list(copy.rows())
        return cursor.execute(sql.encode()).fetchall()


@pytest.fixture(scope="module", autouse=True)
def _objects(demo: DemoServer) -> Iterator[None]:
    with open_session(demo, "admin") as admin:
        for statement in SETUP.split(";\n")[:-1]:
            admin.execute(statement.encode())
        yield
        for statement in TEARDOWN.split(";\n")[:-1]:
            admin.execute(statement.encode())


@pytest.mark.parametrize("case", ANSWERED)
def test_what_only_the_owner_may_read_is_read_as_the_owner(ana: psycopg.Connection, case: str) -> None:
    sql, expected = ANSWERED[case]
    assert rows_of(ana, sql) == expected
    with ana.transaction():
        ana.execute("SET TRANSACTION READ ONLY")
        assert rows_of(ana, sql) == expected


def test_values_of_every_kind_of_type_are_the_owners(ana: psycopg.Connection, admin: psycopg.Connection) -> None:
    ana.execute("SET datestyle = 'SQL, DMY'")
    ana.execute("SET intervalstyle = 'sql_standard'")
    ana.execute("SET bytea_output = 'escape'")
    sql = "SELECT row_to_json(v)::text, v::text FROM public.vo_v_typed v ORDER BY id"
    shown = rows_of(ana, sql)
    for setting in ("datestyle = 'SQL, DMY'", "intervalstyle = 'sql_standard'", "bytea_output = 'escape'"):
        admin.execute(f"SET {setting}".encode())
    assert shown == rows_of(admin, sql)
    assert len(shown) == 2


@pytest.mark.parametrize("case", WRITES)
def test_what_writes_or_goes_on_reading_has_the_owners_rows(ana: psycopg.Connection, case: str) -> None:
    ana.execute("CREATE TEMP TABLE kept (note text)")
    name = "kept" if case == "insert" else "made"
    with ana.transaction(force_rollback=True):
        ana.execute(WRITES[case].encode())
        sql = "FETCH ALL FROM made" if case == "cursor" else f"SELECT note FROM pg_temp.{name}"
        assert rows_of(ana, sql) == [("secret",), ("secret",)]


@pytest.mark.parametrize("case", REFUSED)
def test_what_only_the_table_itself_can_answer_is_refused_by_name(ana: psycopg.Connection, case: str) -> None:
    sql, why = REFUSED[case]
    with pytest.raises(
        psycopg.errors.FeatureNotSupported, match=r"view public.vo_v_.* reads .*owner's rights"
    ) as caught:
        rows_of(ana, sql)
    told = caught.value.diag
    assert why in f"{told.message_primary} {told.message_detail}"


def test_the_owner_reads_everything(admin: psycopg.Connection) -> None:
    for view, count in (("vo_v_secret", 2), ("vo_v_deep", 2), ("vo_v_filtered", 2)):
        assert len(admin.execute(f"SELECT * FROM public.{view}".encode()).fetchall()) == count


def test_what_the_user_may_read_alike_is_read_by_its_own_backend(ana: psycopg.Connection) -> None:
    for view in ("vo_v_open", "vo_v_mine"):
        assert len(ana.execute(f"SELECT * FROM public.{view}".encode()).fetchall()) == 2
    # So what the transaction has written itself is seen.
    with ana.transaction(force_rollback=True):
        ana.execute("CREATE TEMP TABLE written (n int)")
        assert len(ana.execute("SELECT * FROM public.vo_v_open").fetchall()) == 2


def test_a_right_taken_away_counts_for_a_prepared_statement(ana: psycopg.Connection, admin: psycopg.Connection) -> None:
    sql = b"SELECT note FROM public.vo_v_open WHERE key <> %s"
    assert len(ana.execute(sql, ["x"], prepare=True).fetchall()) == 2
    admin.execute("REVOKE SELECT ON public.vo_open FROM ana")
    try:
        assert len(ana.execute(sql, ["x"], prepare=True).fetchall()) == 2
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ana.execute("SELECT note FROM public.vo_open")
    finally:
        admin.execute("GRANT SELECT ON public.vo_open TO ana")


def test_an_owner_that_has_lost_the_right_is_refused_as_postgresql_does(
    ana: psycopg.Connection, admin: psycopg.Connection
) -> None:
    admin.execute("REVOKE SELECT ON public.vo_secret FROM admin")
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for table vo_secret"):
            ana.execute("SELECT * FROM public.vo_v_secret")
    finally:
        admin.execute("GRANT SELECT ON public.vo_secret TO admin")


def test_a_security_barrier_keeps_its_hidden_rows_from_functions_of_the_user(ana: psycopg.Connection) -> None:
    ana.execute(
        """CREATE FUNCTION pg_temp.leak(k text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS
           $$ BEGIN IF k <> 'WEB' THEN RAISE EXCEPTION 'saw %', k; END IF; RETURN true; END $$"""
    )
    sql = b"SELECT key FROM public.vo_barrier WHERE pg_temp.leak(key)"
    assert ana.execute(sql).fetchall() == [("WEB",)]
