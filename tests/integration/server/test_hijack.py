"""A user's own functions, operators and temporary tables of PostgreSQL's names never answer in PostgreSQL's place."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sessions import WEB, WEB_COUNT, Connect, refused, rows_of, value_of

TRAPS = """
CREATE SCHEMA trap;
GRANT USAGE ON SCHEMA trap TO PUBLIC;
CREATE FUNCTION trap.current_setting(text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'hijack' $$;
CREATE FUNCTION trap.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT 'hijack' $$;
CREATE FUNCTION trap.has_table_privilege(oid, oid, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE FUNCTION trap.has_any_column_privilege(oid, oid, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE FUNCTION trap.has_column_privilege(oid, oid, smallint, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE FUNCTION trap.to_regclass(text) RETURNS regclass LANGUAGE sql AS $$ SELECT NULL::regclass $$;
CREATE FUNCTION trap.pg_backend_pid() RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$;
CREATE FUNCTION trap.never(oid, oid) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE FUNCTION trap.never(integer, integer) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE OPERATOR trap.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = trap.never);
CREATE OPERATOR trap.= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = trap.never);
CREATE FUNCTION trap.length(text) RETURNS integer LANGUAGE sql AS $$ SELECT -1 $$;
CREATE DOMAIN trap.oid AS pg_catalog.int4 CHECK (false);
CREATE DOMAIN trap.text AS pg_catalog.text CHECK (false);
CREATE FOREIGN TABLE trap.labels (name text OPTIONS ("column" 'name')) SERVER github OPTIONS ("table" 'labels');
"""
SHADOWS = ("pg_class", "pg_locks", "pg_roles", "pg_attribute", "pg_foreign_table", "pg_namespace", "ddl_sequence")
COUNT = f"SELECT count(number) FROM github.issues WHERE {WEB}"


@pytest.fixture
def trapped(admin: psycopg.Connection, connect: Connect) -> Iterator[psycopg.Connection]:
    """Open a session of eve's that is led to the traps first; she may not read `trap.labels`."""
    admin.execute(TRAPS.encode())
    try:
        session = connect("eve")
        session.execute("SET search_path = trap, pg_catalog, public")
        yield session
        session.close()
    finally:
        admin.execute("DROP SCHEMA trap CASCADE")


def test_the_traps_work(trapped: psycopg.Connection) -> None:
    assert value_of(trapped, "SELECT current_setting('omnisql.engine', true)") == "hijack"
    assert value_of(trapped, "SELECT 1::oid = 1::oid") is False


def test_answers_and_policies_stay_what_they_are(trapped: psycopg.Connection, eve: psycopg.Connection) -> None:
    assert value_of(trapped, COUNT) == WEB_COUNT
    repositories = "SELECT DISTINCT repo FROM github.issues WHERE owner = 'acme' ORDER BY repo"
    assert rows_of(trapped, repositories) == rows_of(eve, repositories)


def test_the_user_s_own_functions_are_found_where_the_search_path_has_them_first(
    trapped: psycopg.Connection, eve: psycopg.Connection
) -> None:
    first = f"SELECT length(title) FROM github.issues WHERE {WEB} ORDER BY number LIMIT 1"
    assert value_of(trapped, first) == -1
    assert value_of(eve, first) > 0
    assert "search_path has other schemas before pg_catalog" in str(rows_of(trapped, f"EXPLAIN {first}"))


def test_privileges_stay_what_they_are(trapped: psycopg.Connection) -> None:
    assert refused(trapped, "SELECT name FROM trap.labels").sqlstate == "42501"


def test_temporary_tables_shadow_nothing(connect: Connect) -> None:
    session = connect("eve")
    for name in SHADOWS:
        session.execute(f"CREATE TEMP TABLE {name} (LIKE pg_catalog.pg_class)".encode())
    session.execute("SET search_path = pg_temp, pg_catalog, public")
    assert value_of(session, "SELECT count(*) FROM pg_class") == 0
    assert value_of(session, COUNT) == WEB_COUNT
    assert rows_of(session, "SELECT count(*) > 0 FROM omnisql.tables") == [(True,)]
