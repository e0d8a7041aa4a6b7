"""Relayed and run statements in one transaction: views, savepoints, failures, pipelines, time."""

from __future__ import annotations

import psycopg
from psycopg.pq import TransactionStatus
from sessions import WEB, refused, rows_of, value_of

PULLS = (
    "SELECT p.repo, p.number, j.key FROM github.pull_requests p JOIN jira.issues j"
    f" ON j.key = split_part(p.title, ':', 1) WHERE p.{WEB[:14]} AND p.repo = 'web'"
)
COUNT = f"SELECT count(*) FROM github.issues WHERE {WEB} AND number <= 3"


def test_a_view_in_an_open_transaction_answers_and_rolls_back(ana: psycopg.Connection) -> None:
    with ana.transaction(force_rollback=True):
        ana.execute(f"CREATE VIEW public.tx_pairs AS {PULLS}")
        assert value_of(ana, "SELECT count(*) FROM public.tx_pairs") > 0
        ana.execute("CREATE VIEW public.tx_keys AS SELECT DISTINCT key FROM tx_pairs")
        assert value_of(ana, "SELECT count(*) FROM tx_keys") > 0
    assert refused(ana, "SELECT count(*) FROM public.tx_pairs").sqlstate == "42P01"


def test_a_temporary_view_answers_in_autocommit(ana: psycopg.Connection) -> None:
    ana.execute(f"CREATE TEMP VIEW pairs AS {PULLS}")
    assert value_of(ana, "SELECT count(*) FROM pairs") > 0
    assert value_of(ana, "SELECT count(*) FROM pg_temp.pairs WHERE number < 0") == 0


def test_another_session_sees_a_new_view_at_once(ana: psycopg.Connection, admin: psycopg.Connection) -> None:
    assert refused(admin, "SELECT count(*) FROM public.tx_fresh").sqlstate == "42P01"
    ana.execute(f"CREATE VIEW public.tx_fresh AS {PULLS}")
    try:
        ana.execute("GRANT SELECT ON public.tx_fresh TO admin")
        assert value_of(admin, "SELECT count(*) FROM public.tx_fresh") > 0
    finally:
        ana.execute("DROP VIEW public.tx_fresh")


def test_local_and_api_rows_join(ana: psycopg.Connection) -> None:
    with ana.transaction(force_rollback=True):
        ana.execute("CREATE TABLE public.tx_owners (repo text, contact text)")
        ana.execute("INSERT INTO public.tx_owners VALUES ('web', 'ada'), ('api', 'bob')")
        sql = f"SELECT DISTINCT o.contact FROM github.issues i JOIN public.tx_owners o USING (repo) WHERE i.{WEB[:14]}"
        assert rows_of(ana, f"{sql} AND i.repo = 'web'") == [("ada",)]


def test_a_savepoint_survives_a_failed_run_statement(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    ana.execute("CREATE TEMP TABLE kept (n int)")
    ana.execute("SAVEPOINT before")
    assert refused(ana, f"SELECT 1 / 0 FROM github.issues WHERE {WEB}").sqlstate == "22012"
    assert ana.info.transaction_status is TransactionStatus.INERROR
    assert refused(ana, COUNT).sqlstate == "25P02"
    ana.execute("ROLLBACK TO SAVEPOINT before")
    assert value_of(ana, COUNT) == 3
    ana.execute("INSERT INTO kept VALUES (1)")
    ana.execute("COMMIT")
    assert rows_of(ana, "SELECT n FROM kept") == [(1,)]


def test_commit_of_a_failed_block_is_a_rollback(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    ana.execute("CREATE TABLE public.tx_lost (n int)")
    assert refused(ana, "SELECT count(*) FROM github.issues").sqlstate == "HV00L"
    assert refused(ana, "SELECT 1").sqlstate == "25P02"
    assert ana.execute("COMMIT").statusmessage == "ROLLBACK"
    assert refused(ana, "SELECT n FROM public.tx_lost").sqlstate == "42P01"


def test_now_is_the_transactions_own(ana: psycopg.Connection) -> None:
    with ana.transaction():
        relayed = value_of(ana, "SELECT now()")
        run = f"SELECT DISTINCT now() FROM github.issues WHERE {WEB} AND number <= 3"
        assert value_of(ana, run) == relayed
        assert value_of(ana, "SELECT transaction_timestamp()") == relayed
    assert value_of(ana, run) > relayed


def test_a_pipeline_mixes_relayed_and_run_statements(ana: psycopg.Connection) -> None:
    with ana.pipeline():
        ana.execute("CREATE TEMP TABLE steps (n bigint)")
        first = ana.execute(COUNT)
        ana.execute("INSERT INTO steps VALUES (7)")
        second = ana.execute("SELECT n FROM steps")
        third = ana.execute(f"{COUNT} AND state <> 'nonsense'")
    assert (first.fetchone(), second.fetchone(), third.fetchone()) == ((3,), (7,), (3,))


def test_a_failing_run_statement_takes_its_pipeline_with_it(ana: psycopg.Connection) -> None:
    try:
        with ana.pipeline():
            ana.execute("CREATE TABLE public.tx_piped (n int)")
            ana.execute("SELECT count(*) FROM github.issues")
            ana.execute("SELECT 1")
    except psycopg.Error as error:
        sqlstate = error.sqlstate
    assert sqlstate == "HV00L"
    assert refused(ana, "SELECT n FROM public.tx_piped").sqlstate == "42P01"


def test_a_prepared_statement_notices_that_its_table_changed(
    ana: psycopg.Connection, admin: psycopg.Connection
) -> None:
    admin.execute(
        """CREATE FOREIGN TABLE public.tx_labels (owner text OPTIONS ("column" 'owner'),
           repo text OPTIONS ("column" 'repo'), name text OPTIONS ("column" 'name'))
           SERVER github OPTIONS ("table" 'labels')"""
    )
    try:
        admin.execute("GRANT SELECT ON public.tx_labels TO ana")
        sql = f"SELECT * FROM public.tx_labels WHERE {WEB} ORDER BY name LIMIT 1"
        before = ana.execute(sql.encode(), prepare=True).fetchall()
        assert len(before[0]) == 3
        admin.execute("""ALTER FOREIGN TABLE public.tx_labels ADD color text OPTIONS ("column" 'color')""")
        assert prepared_error(ana, sql).diag.message_primary == "cached plan must not change result type"
        assert len(ana.execute(sql.encode(), prepare=False).fetchall()[0]) == 4
    finally:
        admin.execute("DROP FOREIGN TABLE public.tx_labels")


def test_settings_roll_back_with_their_transaction(ana: psycopg.Connection) -> None:
    with ana.transaction(force_rollback=True):
        ana.execute("SET omnisql.max_api_calls = 1")
        assert refused_in_savepoint(ana) == "54000"
    assert value_of(ana, COUNT) == 3


def refused_in_savepoint(session: psycopg.Connection) -> str | None:
    """Run a statement that is over the budget, without failing the block around it."""
    try:
        with session.transaction():
            session.execute(b"SELECT count(*) FROM jira.projects, jira.boards")
    except psycopg.Error as error:
        return error.sqlstate
    return None


def prepared_error(session: psycopg.Connection, sql: str) -> psycopg.Error:
    """Run a prepared statement that has to fail, and return its error."""
    try:
        session.execute(sql.encode(), prepare=True)
    except psycopg.Error as error:
        return error
    raise AssertionError(f"it was not refused: {sql}")
