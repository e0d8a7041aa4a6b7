"""Two tenants with users of the same name: no trace of one in the other, and no harm by what the other uses up."""

from __future__ import annotations

from contextlib import ExitStack

import psycopg
import pytest
from served import Served

ACME, BETA = "acme", "beta"
MARK = "zebrafinch"

# Every catalog and view that a tenant's user can read, as text: whatever holds a name shows it.
READABLE = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('pg_catalog', 'information_schema', 'omnisql') AND c.relkind IN ('r', 'v', 'f')
    AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1
"""
# They may be selected from, and then their functions refuse.
UNREADABLE = {"pg_catalog.pg_hba_file_rules", "pg_catalog.pg_ident_file_mappings", "pg_catalog.pg_file_settings"}


def _answers(session: psycopg.Connection) -> bool:
    (one,) = session.execute("SELECT 1").fetchone() or (0,)
    return bool(one == 1)


def test_nothing_readable_in_one_tenant_holds_a_name_of_the_other(
    served: Served, admin: psycopg.Connection, neighbor: psycopg.Connection
) -> None:
    admin.execute(f"CREATE ROLE {MARK}; CREATE SCHEMA {MARK}; CREATE TABLE {MARK}.{MARK} ({MARK} int)")
    try:
        own = {name for (name,) in admin.execute(READABLE) if _holds(admin, name, MARK)}
        assert {"pg_catalog.pg_class", "pg_catalog.pg_roles", "information_schema.columns"} <= own
        names = [name for (name,) in neighbor.execute(READABLE)]
        assert len(names) > 150
        assert [name for name in names if _holds(neighbor, name, MARK)] == []
        assert [name for name in names if _holds(neighbor, name, ACME)] == []
    finally:
        admin.execute(f"DROP SCHEMA {MARK} CASCADE; DROP ROLE {MARK}")


def _holds(session: psycopg.Connection, name: str, word: str) -> bool:
    try:
        rows = session.execute(f"SELECT t::text FROM {name} t".encode()).fetchall()
    except psycopg.errors.InsufficientPrivilege:
        assert name in UNREADABLE
        return False
    return any(word in (text or "") for (text,) in rows)


def test_the_same_user_name_is_another_user(served: Served) -> None:
    with served.connect(ACME, "ana") as one, served.connect(BETA, "ana") as other:
        one.execute("CREATE TEMP TABLE mine (x int)")
        assert other.execute("SELECT to_regclass('pg_temp.mine')").fetchone() == (None,)
        databases = [session.execute("SELECT current_database()::text").fetchone() for session in (one, other)]
    assert databases == [(ACME,), (BETA,)]


def test_no_tenant_is_told_from_one_that_does_not_exist(served: Served) -> None:
    messages = {
        tenant: str(served.refusal(tenant, "ana", "wrong")).partition("FATAL:")[2] for tenant in (ACME, "nowhere")
    }
    assert messages[ACME] == messages["nowhere"]


def test_exhausted_locks_leave_the_other_tenant_answering(
    admin: psycopg.Connection, neighbor: psycopg.Connection
) -> None:
    with pytest.raises(psycopg.errors.OutOfMemory, match="out of shared memory"):
        admin.execute("SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 100000) g")
    assert _answers(neighbor)
    neighbor.execute("SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(1)")
    admin.execute("SELECT pg_advisory_unlock_all()")
    assert _answers(admin)


def test_exhausted_temporary_files_leave_the_other_tenant_answering(
    admin: psycopg.Connection, neighbor: psycopg.Connection
) -> None:
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="temp_file_limit"):
        admin.execute("SELECT count(DISTINCT g || repeat('x', 200)) FROM generate_series(1, 90000) g")
    assert _answers(neighbor)
    assert _answers(admin)


def test_exhausted_memory_leaves_the_other_tenant_and_the_own_session_answering(
    admin: psycopg.Connection, neighbor: psycopg.Connection
) -> None:
    with pytest.raises(psycopg.errors.OutOfMemory):
        admin.execute("SELECT length(string_agg(repeat('x', 1000000), '')) FROM generate_series(1, 900)")
    assert _answers(neighbor)
    assert _answers(admin)


def test_exhausted_sessions_leave_the_other_tenant_answering(served: Served, neighbor: psycopg.Connection) -> None:
    with ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(served.connect(ACME, "ana"))
        refused = served.refusal(ACME, "ana")
        assert "the tenant has too many sessions" in str(refused)
        assert _answers(neighbor)
        with served.connect(BETA, "ana") as another:
            assert _answers(another)
    with served.connect(ACME, "ana") as again:
        assert _answers(again)


@pytest.mark.parametrize(
    "attack",
    [
        "DROP SCHEMA omnisql CASCADE",
        "DROP SERVER omnisql CASCADE",
        "ALTER SERVER omnisql OWNER TO admin",
        "DROP FOREIGN TABLE omnisql.sources",
        "ALTER FOREIGN TABLE omnisql.sources RENAME TO mine",
        "CREATE TABLE omnisql.mine (x int)",
        "REVOKE SELECT ON omnisql.sources FROM PUBLIC",
        "ALTER DATABASE acme SET default_transaction_read_only = on",
        "ALTER DATABASE acme CONNECTION LIMIT 0",
        "REVOKE CONNECT ON DATABASE acme FROM PUBLIC",
        "ALTER SYSTEM SET max_connections = 1",
        "ALTER EVENT TRIGGER omnisql_ddl_end DISABLE",
        "ALTER ROLE ALL SET event_triggers = off",
        "ALTER ROLE ana SET session_preload_libraries = 'x'",
        "GRANT pg_execute_server_program TO admin",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_reload_conf()",
    ],
)
def test_the_owner_cannot_take_away_what_omnisql_needs(served: Served, admin: psycopg.Connection, attack: str) -> None:
    try:
        admin.execute(attack.encode())
    except psycopg.errors.InsufficientPrivilege:
        pass
    else:
        # PostgreSQL only warns where nothing could be revoked: nothing has changed.
        assert attack.startswith("REVOKE")
    with served.connect(ACME, "ana") as ana:
        assert ana.execute("SELECT count(*) FROM omnisql.sources").fetchone() == (0,)
        assert ana.execute("SHOW transaction_read_only").fetchone() == ("off",)
