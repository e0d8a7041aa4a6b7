"""The settings below `omnisql.`: defaults, refusals, and limits that a user cannot widen."""

from __future__ import annotations

import psycopg
import pytest
from sessions import WEB, WEB_COUNT, Connect, refused, rows_of, value_of

from omnisql_server.model.custom_settings import DEFAULTS

COUNT = f"SELECT count(*) FROM github.issues WHERE {WEB}"


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_shown_and_come_back(ana: psycopg.Connection, name: str) -> None:
    other = {"omnisql.engine": "postgres", "omnisql.on_source_error": "partial", "omnisql.async": "on"}.get(name, "7")
    assert value_of(ana, f"SHOW {name}") == DEFAULTS[name]
    for undo in (f"RESET {name}", "RESET ALL", "DISCARD ALL", f"SET {name} TO DEFAULT"):
        ana.execute(f"SET {name} = '{other}'".encode())
        assert value_of(ana, f"SHOW {name}") == other
        ana.execute(undo.encode())
        assert value_of(ana, f"SHOW {name}") == DEFAULTS[name]


@pytest.mark.parametrize(
    "text",
    [
        "SET omnisql.engine = 'banana'",
        "SET LOCAL omnisql.engine = 'banana'",
        "SET SESSION omnisql.engine TO banana",
        "ALTER ROLE ana SET omnisql.engine = 'banana'",
    ],
)
def test_values_that_cannot_be_are_refused(ana: psycopg.Connection, text: str) -> None:
    error = refused(ana, text)
    assert error.sqlstate == "22023"
    assert error.diag.message_hint == "available values: auto, duckdb, postgres"
    assert value_of(ana, "SHOW omnisql.engine") == "auto"


def test_a_misspelt_name_is_refused(ana: psycopg.Connection) -> None:
    error = refused(ana, "SET omnisql.enginee = 'auto'")
    assert error.sqlstate == "42704"
    assert "omnisql.engine" in (error.diag.message_hint or "")


def test_a_refused_setting_fails_its_transaction(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    refused(ana, "SET omnisql.engine = 'banana'")
    assert ana.info.transaction_status is psycopg.pq.TransactionStatus.INERROR
    assert refused(ana, "SET omnisql.engine = 'banana'").sqlstate == "25P02"
    ana.execute("ROLLBACK")


def test_prepared_and_mixed_texts_are_checked_too(ana: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        ana.execute("SET omnisql.engine = 'banana'", prepare=True)
    refused(ana, "CREATE TABLE never_made (n int); SET omnisql.engine = 'banana'")
    assert value_of(ana, "SELECT to_regclass('never_made')") is None


def test_a_setting_takes_effect_and_is_rolled_back(ana: psycopg.Connection) -> None:
    ana.execute("BEGIN")
    ana.execute("SET omnisql.engine = 'postgres'")
    assert value_of(ana, COUNT) == WEB_COUNT
    assert "postgres" in " ".join(row[0] for row in rows_of(ana, f"EXPLAIN {COUNT}")).lower()
    ana.execute("ROLLBACK")
    assert value_of(ana, "SHOW omnisql.engine") == "auto"


def test_what_slips_past_the_text_is_refused_when_it_is_used(ana: psycopg.Connection) -> None:
    ana.execute("SELECT pg_catalog.set_config('omnisql.engine', 'banana', false)")
    error = refused(ana, COUNT)
    assert (error.sqlstate, error.diag.message_hint) == ("22023", "available values: auto, duckdb, postgres")
    ana.execute("RESET omnisql.engine")
    assert value_of(ana, COUNT) == WEB_COUNT


@pytest.mark.parametrize(
    ("options", "words"),
    [("-c omnisql.engine=banana", "invalid value for parameter"), ("-c omnisql.enginee=auto", "unrecognized")],
)
def test_start_up_options_are_checked(connect: Connect, options: str, words: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=f'FATAL:  {words}.*"omnisql.engine'):
        connect("ana", options=options)


def test_start_up_options_are_defaults_of_the_session(connect: Connect) -> None:
    session = connect("ana", options="-c omnisql.engine=postgres")
    session.execute("SET omnisql.engine = 'auto'")
    session.execute("DISCARD ALL")
    assert value_of(session, "SHOW omnisql.engine") == "postgres"


def test_a_users_limit_tightens_and_never_widens_the_operators(ana: psycopg.Connection) -> None:
    ana.execute("SET omnisql.max_api_calls = 0")
    assert refused(ana, COUNT).sqlstate == "54000"
    ana.execute("SET omnisql.max_api_calls = 999999999")
    assert value_of(ana, COUNT) == WEB_COUNT


def test_what_a_role_is_set_to_prevails_over_the_default_and_not_over_the_client(
    admin: psycopg.Connection, connect: Connect
) -> None:
    admin.execute("ALTER ROLE eve SET omnisql.engine = 'postgres'")
    try:
        session = connect("eve")
        assert value_of(session, "SHOW omnisql.engine") == "postgres"
        session.execute("SET omnisql.engine = 'duckdb'")
        session.execute("DISCARD ALL")
        assert value_of(session, "SHOW omnisql.engine") == "postgres"
        asked = connect("eve", options="-c omnisql.engine=duckdb")
        assert value_of(asked, "SHOW omnisql.engine") == "duckdb"
    finally:
        admin.execute("ALTER ROLE eve RESET omnisql.engine")
    assert value_of(connect("eve"), "SHOW omnisql.engine") == "auto"
