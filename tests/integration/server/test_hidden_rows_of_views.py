"""What a view reads as its owner: of one snapshot with all the rest, and seen by nobody beyond what the view shows."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DemoServer
from served import until
from sessions import Connect, open_session, refused, rows_of, value_of

SETUP = """
CREATE TABLE public.hv_hidden (k text, note text, shown bool, n int);
INSERT INTO public.hv_hidden VALUES ('WEB', 'shown', true, 1), ('WEB', 'hidden', false, 0), ('API', 'hidden', false, 0);
CREATE TABLE public.hv_mine (n int);
INSERT INTO public.hv_mine VALUES (1);
CREATE VIEW public.hv_v AS SELECT p.key, h.note, h.n FROM jira.projects p JOIN public.hv_hidden h ON h.k = p.key
  WHERE md5(h.note) = md5('shown');
GRANT SELECT ON public.hv_v, public.hv_mine TO ana;
"""
SUM = "SELECT (SELECT sum(n) FROM public.hv_v) + (SELECT sum(n) FROM public.hv_mine)"
MOVE = """
WITH taken AS (UPDATE public.hv_hidden SET n = 1 - n WHERE shown RETURNING n)
UPDATE public.hv_mine SET n = 1 - taken.n FROM taken
"""


@pytest.fixture(scope="module", autouse=True)
def _objects(demo: DemoServer) -> Iterator[None]:
    with open_session(demo, "admin") as admin:
        for statement in SETUP.split(";\n")[:-1]:
            admin.execute(statement.encode())
        yield
        admin.execute("DROP TABLE public.hv_hidden, public.hv_mine CASCADE")


def test_a_row_that_moves_between_two_tables_is_always_counted_once(
    ana: psycopg.Connection, admin: psycopg.Connection
) -> None:
    admin.execute("UPDATE public.hv_mine SET n = 0")
    stop = threading.Event()

    def move() -> None:
        while not stop.is_set():
            admin.execute(MOVE)

    mover = threading.Thread(target=move)
    mover.start()
    sums = set()
    try:
        for number in range(24):
            # As simple queries, by the extended protocol, and prepared.
            sums |= set(ana.execute(SUM, prepare=number > 15, binary=number % 2 == 0))
        sums |= set(psycopg.ClientCursor(ana).execute(SUM).fetchall())
    finally:
        stop.set()
        mover.join()
    assert sums == {(1,)}


def test_the_transaction_of_a_statement_alone_leaves_nothing_behind(ana: psycopg.Connection) -> None:
    for cursor in (psycopg.ClientCursor(ana), psycopg.Cursor(ana)):
        assert cursor.execute(SUM).fetchone() is not None
        assert cursor.execute("SHOW transaction_isolation").fetchone() == ("read committed",)
        made = "CREATE TEMP TABLE made AS SELECT v.n FROM public.hv_v v, public.hv_mine m"
        assert cursor.execute(made.encode()).statusmessage == "SELECT 1"
        cursor.execute("DROP TABLE pg_temp.made")


def test_a_block_keeps_the_owners_rows_as_it_found_them(ana: psycopg.Connection, admin: psycopg.Connection) -> None:
    with ana.transaction():
        ana.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        before = ana.execute("SELECT n FROM public.hv_v").fetchall()
        admin.execute("UPDATE public.hv_hidden SET n = n + 10 WHERE shown")
        assert ana.execute("SELECT n FROM public.hv_v").fetchall() == before
        assert ana.execute(SUM).fetchone() is not None
    assert ana.execute("SELECT n FROM public.hv_v").fetchall() == [(before[0][0] + 10,)]
    admin.execute("UPDATE public.hv_hidden SET n = n - 10 WHERE shown")


@pytest.mark.parametrize(
    ("before", "sql", "why"),
    [
        ((), SUM, "reads other local tables"),
        (("CREATE TEMP TABLE t (n int)",), "SELECT * FROM public.hv_v", "has written"),
        (("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",), "SELECT * FROM public.hv_v", "serializable"),
        (("SAVEPOINT s",), "SELECT * FROM public.hv_v", "snapshot"),
        (("SET LOCAL log_parameter_max_length_on_error = 10",), "SELECT * FROM public.hv_v", "log_parameter"),
        (("SET LOCAL debug_print_plan = on",), "SELECT * FROM public.hv_v", "debug_print_plan"),
        (("SET LOCAL auto_explain.log_min_duration = 0",), "SELECT * FROM public.hv_v", "auto_explain"),
    ],
)
def test_what_cannot_be_of_one_snapshot_or_would_be_told_is_refused_by_name(
    ana: psycopg.Connection, before: tuple[str, ...], sql: str, why: str
) -> None:
    with ana.transaction(force_rollback=True):
        for statement in before:
            ana.execute(statement.encode())
        with pytest.raises(psycopg.errors.FeatureNotSupported, match=r"view public.hv_v reads hv_hidden") as caught:
            ana.execute(sql.encode())
    assert why in (caught.value.diag.message_detail or "")
    assert "security_invoker" in (caught.value.diag.message_hint or "")


SPY = """
CREATE FUNCTION pg_temp.spy(told text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS $$
DECLARE place text; seen text;
BEGIN
  seen := told || current_query() || (SELECT string_agg(a::text, ' ') FROM pg_stat_activity a)
    || COALESCE((SELECT string_agg(p::text, ' ') FROM pg_prepared_statements p), '')
    || COALESCE((SELECT string_agg(c::text, ' ') FROM pg_cursors c), '')
    || COALESCE((SELECT string_agg(relname, ' ') FROM pg_class
                  WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'), '');
  BEGIN
    PERFORM set_config('log_parameter_max_length_on_error', '-1', false), 1 / 0;
  EXCEPTION WHEN others THEN GET STACKED DIAGNOSTICS place = PG_EXCEPTION_CONTEXT; seen := seen || place;
  END;
  PERFORM set_config('log_parameter_max_length_on_error', '0', false);
  RAISE NOTICE '%', seen;
  RETURN true;
END $$
"""


def test_functions_of_the_user_see_nothing_of_rows_that_the_view_hides(ana: psycopg.Connection) -> None:
    ana.execute(SPY)
    told: list[str] = []
    ana.add_notice_handler(lambda diag: told.append(f"{diag.message_primary} {diag.message_detail} {diag.context}"))
    ana.execute("SET client_min_messages = log")
    for sql in (
        "SELECT * FROM public.hv_v WHERE pg_temp.spy(note)",
        "SELECT pg_temp.spy(v::text) FROM public.hv_v v",
        "SELECT count(*) FROM public.hv_v v LEFT JOIN public.hv_mine m ON pg_temp.spy(v.note)",
    ):
        assert ana.execute(sql.encode()).rowcount == 1
    assert len(told) == 3
    assert not [each for each in told if "hidden" in each.replace("hv_hidden", "")]
    with pytest.raises(psycopg.Error) as caught:
        ana.execute("SELECT 1 / (n - n), pg_temp.spy(note) FROM public.hv_v")
    assert "hidden" not in str(vars(caught.value.diag)) + str(caught.value.diag.context)


def test_a_cursor_shows_only_what_the_view_shows(ana: psycopg.Connection) -> None:
    with ana.transaction():
        ana.execute("DECLARE c SCROLL CURSOR FOR SELECT note FROM public.hv_v")
        assert ana.execute("FETCH ALL FROM c").fetchall() == [("shown",)]
        assert ana.execute("FETCH BACKWARD 1 FROM c").fetchall() == [("shown",)]


def test_parameters_of_users_types_are_not_bound_beside_hidden_rows(ana: psycopg.Connection) -> None:
    ana.execute("CREATE DOMAIN pg_temp.checked AS text CHECK (VALUE <> '')")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="hv_hidden") as caught:
        ana.execute("SELECT * FROM public.hv_v WHERE note <> %s::pg_temp.checked", ["x"], prepare=True)
    assert "a parameter" in (caught.value.diag.message_detail or "")


def test_a_locked_table_is_waited_for_a_moment_only(connect: Connect, admin: psycopg.Connection) -> None:
    waiting = connect("ana")
    with admin.transaction():
        admin.execute("LOCK TABLE public.hv_hidden IN ACCESS EXCLUSIVE MODE")
        waiting.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            waiting.execute("SELECT * FROM public.hv_v")
    assert waiting.execute("SELECT note FROM public.hv_v").fetchall() == [("shown",)]


OWNERS = "pg_stat_activity WHERE usename = 'admin' AND application_name = 'omnisql-control'"


ASKED = "SELECT note FROM public.hv_v WHERE n < 5 AND key IN ('WEB', 'API')"


def owners_backends(admin: psycopg.Connection) -> object:
    return value_of(admin, f"SELECT count(*) FROM {OWNERS} AND state <> 'idle'")


def test_an_owners_backend_is_kept_and_asked_for_the_rows_that_matter(
    ana: psycopg.Connection, admin: psycopg.Connection
) -> None:
    kept = f"SELECT pid FROM {OWNERS} ORDER BY pid"
    assert rows_of(ana, ASKED) == [("shown",)]
    ((pid,),) = rows_of(admin, kept)
    assert rows_of(ana, "SELECT key FROM public.hv_v WHERE n = 2") == []
    assert rows_of(admin, kept) == [(pid,)]
    lines = [line for (line,) in rows_of(ana, f"EXPLAIN {ASKED}")]
    at = lines.index("  ->  Owner Scan on public.hv_hidden")
    assert [line.strip() for line in lines[at + 1 :]] == [
        'Read As: "admin", whose rights view public.hv_v gives',
        "Columns: k, note, n",
        "Pushed: n < 5 (exact)",
        "Pushed: k IN ('WEB', 'API') (exact)",
    ]
    document = value_of(ana, f"EXPLAIN (FORMAT JSON) {ASKED}")
    assert document[0]["Plan"]["Plans"][-1]["Read As"] == "admin"


def test_a_kept_backend_sees_what_is_revoked(ana: psycopg.Connection, admin: psycopg.Connection) -> None:
    assert rows_of(ana, "SELECT note FROM public.hv_v") == [("shown",)]
    admin.execute("ALTER TABLE public.hv_hidden ENABLE ROW LEVEL SECURITY")
    admin.execute("ALTER TABLE public.hv_hidden FORCE ROW LEVEL SECURITY")
    try:
        assert refused(ana, "SELECT note FROM public.hv_v").sqlstate == "0A000"
    finally:
        admin.execute("ALTER TABLE public.hv_hidden DISABLE ROW LEVEL SECURITY")
        admin.execute("ALTER TABLE public.hv_hidden NO FORCE ROW LEVEL SECURITY")
    assert rows_of(ana, "SELECT note FROM public.hv_v") == [("shown",)]


ENDS = {"lock_timeout": "55P03", "statement_timeout": "57014", "cancel": "57014", "disconnect": None}


@pytest.mark.parametrize("end", ENDS)
def test_whatever_ends_the_statement_ends_the_owners_backend(
    connect: Connect, admin: psycopg.Connection, end: str
) -> None:
    """A reading that its own second ended before anything else could has shown nothing: it is tried again."""
    locker = connect("admin")
    until(lambda: ended_by(end, connect("ana"), locker, admin) == ENDS[end], limit_s=60)


def ended_by(end: str, ana: psycopg.Connection, locker: psycopg.Connection, admin: psycopg.Connection) -> str | None:
    """End a statement whose reading waits on another backend, and return its SQLSTATE.

    There, a lock that waits for the first session stands before the reading for it.
    """
    sqlstates: list[str | None] = []
    asking = threading.Thread(target=lambda: sqlstates.append(refused(ana, ASKED).sqlstate))
    ana.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    ana.execute("SELECT * FROM public.hv_v")
    locking = threading.Thread(target=lock, args=(locker,))
    waits = f"SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = {value_of(locker, 'SELECT pg_backend_pid()')}"
    locking.start()
    until(lambda: value_of(admin, waits) == 1)
    if end == "statement_timeout":
        ana.execute("SET LOCAL statement_timeout = '200ms'")
    asking.start()
    if end in ("cancel", "disconnect"):
        until(lambda: value_of(admin, READS) == 1 or not asking.is_alive())
    if end == "cancel":
        ana.cancel()
    elif end == "disconnect":
        with socket.socket(fileno=os.dup(ana.fileno())) as connection:
            connection.shutdown(socket.SHUT_RDWR)
    asking.join()
    until(lambda: owners_backends(admin) == 0)
    ana.close()
    locking.join()
    return sqlstates[0]


CONDITION = 'WHERE t."n" OPERATOR(pg_catalog.<) $1::pg_catalog.int8 AND t."k" OPERATOR(pg_catalog.=) ANY'
READS = f"SELECT count(*) FROM {OWNERS} AND state = 'active' AND strpos(query, $$ {CONDITION}$$) > 0"
"""What the owner's backend waits with is the reading, conditions included."""


def lock(session: psycopg.Connection) -> None:
    with session.transaction():
        session.execute("LOCK TABLE public.hv_hidden IN ACCESS EXCLUSIVE MODE")
