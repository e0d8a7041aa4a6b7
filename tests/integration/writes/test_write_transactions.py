"""Writing inside transactions: blocks, savepoints, the implicit one of a message, read-only ones."""

from __future__ import annotations

import psycopg
import pytest
from writing import FIRST, WEB, refused, rows, tag

INSERT = f"INSERT INTO copied {FIRST}"
NUMBERS = "SELECT number FROM copied"


def test_rollback_undoes_and_commit_keeps(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    assert tag(ana, INSERT) == "INSERT 0 5"
    assert len(rows(ana, NUMBERS)) == 5
    ana.execute("ROLLBACK")
    assert rows(ana, NUMBERS) == []
    ana.execute("BEGIN")
    ana.execute(INSERT.encode())
    ana.execute("COMMIT")
    assert len(rows(ana, NUMBERS)) == 5


def test_what_is_not_committed_is_read_by_the_same_transaction_only(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    ana.execute(f"CREATE TEMP TABLE made ON COMMIT DROP AS {FIRST}".encode())
    joined = f"SELECT i.number FROM made JOIN {WEB.replace('WHERE', 'AS i ON i.number = made.number WHERE')}"
    assert len(rows(ana, joined)) == 5
    ana.execute("COMMIT")
    assert rows(ana, "SELECT to_regclass('made') IS NULL") == [(True,)]


def test_a_failed_write_fails_its_block_up_to_the_savepoint(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    ana.execute("INSERT INTO copied VALUES (1, 'mine')")
    ana.execute("SAVEPOINT before")
    assert refused(ana, INSERT).sqlstate == "23505"
    assert refused(ana, NUMBERS).sqlstate == "25P02"
    assert refused(ana, INSERT).sqlstate == "25P02"
    ana.execute("ROLLBACK TO before")
    assert tag(ana, f"{INSERT} ON CONFLICT DO NOTHING") == "INSERT 0 4"
    ana.execute("COMMIT")
    assert len(rows(ana, NUMBERS)) == 5


@pytest.mark.parametrize(
    ("message", "sqlstate"),
    [
        (f"{INSERT}; SELECT 1 / 0", "22012"),
        (f"INSERT INTO copied VALUES (99, 'x'); {INSERT}; SELECT nothing FROM jira.boards", "42703"),
        (f"INSERT INTO copied VALUES (5, 'x'); {INSERT}", "23505"),
        (f"{INSERT}; INSERT INTO jira.boards (id) VALUES (1)", "0A000"),
    ],
)
def test_statements_of_one_message_are_undone_together(ana: psycopg.Connection, message: str, sqlstate: str) -> None:
    assert refused(ana, message).sqlstate == sqlstate
    assert rows(ana, NUMBERS) == []


def test_a_message_may_hold_blocks_of_its_own(ana: psycopg.Connection) -> None:
    six = f"INSERT INTO copied SELECT number, title FROM {WEB} AND number = 6"
    cursor = ana.execute(f"BEGIN; {INSERT}; ROLLBACK; {six}; SELECT number FROM copied".encode())
    tags = [cursor.statusmessage]
    while cursor.nextset():
        tags.append(cursor.statusmessage)
    assert tags == ["BEGIN", "INSERT 0 5", "ROLLBACK", "INSERT 0 1", "SELECT 1"]
    assert cursor.fetchall() == [(6,)]


@pytest.mark.parametrize("how", ["BEGIN READ ONLY", "SET default_transaction_read_only = on"])
def test_a_read_only_transaction_reads_and_does_not_write(ana: psycopg.Connection, how: str) -> None:
    ana.execute("CREATE TABLE pg_temp.kept (number int)")
    ana.execute(how.encode())
    assert len(rows(ana, FIRST)) == 5
    said = refused(ana, f"CREATE TABLE public.never AS {FIRST}")
    assert said.sqlstate == "25006"
    assert said.message_primary == "cannot execute CREATE TABLE AS in a read-only transaction"
    ana.execute("ROLLBACK")


def test_insert_in_a_read_only_transaction_is_postgresqls_error(ana: psycopg.Connection) -> None:
    ana.execute("CREATE TABLE public.lasting (number int, title text)")
    try:
        ana.execute("BEGIN READ ONLY")
        said = refused(ana, f"INSERT INTO public.lasting {FIRST}")
        assert (said.sqlstate, said.message_primary) == ("25006", "cannot execute INSERT in a read-only transaction")
        ana.execute("ROLLBACK")
        assert rows(ana, "SELECT number FROM public.lasting") == []
    finally:
        ana.execute("DROP TABLE public.lasting")


def test_a_write_that_takes_too_long_leaves_nothing(ana: psycopg.Connection) -> None:
    ana.execute("SET statement_timeout = '300ms'")
    slow = f"INSERT INTO copied SELECT number, title FROM {WEB} AND number <= 5 AND pg_sleep(0.2) IS NOT NULL"
    said = refused(ana, slow)
    assert (said.sqlstate, said.message_primary) == ("57014", "canceling statement due to statement timeout")
    ana.execute("RESET statement_timeout")
    assert rows(ana, NUMBERS) == []
    assert tag(ana, INSERT) == "INSERT 0 5"


def test_a_prepared_transaction_is_postgresqls_to_allow(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    ana.execute("CREATE TABLE half AS SELECT id FROM jira.boards")
    said = refused(ana, "PREPARE TRANSACTION 'half'")
    assert (said.sqlstate, said.message_primary) == ("55000", "prepared transactions are disabled")
    assert ana.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    assert rows(ana, "SELECT to_regclass('half') IS NULL") == [(True,)]
    assert refused(ana, "COMMIT PREPARED 'half'").sqlstate == "42704"
