"""What a tenant's owner and users cannot do: destroy the database, leave it, or store a secret in PostgreSQL."""

from __future__ import annotations

import asyncpg
import pytest

from catalog.clusters import EmbeddedCluster
from catalog.connection import OwnConnection
from catalog.errors import RoleRefused
from catalog.tenants import create_tenant_database, create_user, make_owner

pytestmark = pytest.mark.asyncio(loop_scope="session")

HANDLE = "secret:0b0e0c3a-58c4-4b0e-9a53-0d4f4c3f9a11"
# PostgreSQL refuses these inside a transaction block, whoever asks.
NOT_IN_A_BLOCK = ("DROP DATABASE", "CREATE DATABASE", "ALTER SYSTEM")
MAPPING = "CREATE USER MAPPING FOR admin SERVER hub OPTIONS"


async def _refusal(connection: OwnConnection, statement: str) -> asyncpg.PostgresError:
    with pytest.raises(asyncpg.PostgresError) as caught:
        await connection.execute(statement)
    return caught.value


@pytest.mark.parametrize(
    "statement",
    [
        "DROP DATABASE acme",
        "ALTER DATABASE acme SET default_transaction_read_only = on",
        "ALTER DATABASE acme CONNECTION LIMIT 0",
        "ALTER DATABASE acme RENAME TO mine",
        "ALTER DATABASE acme OWNER TO admin",
        "CREATE DATABASE other",
        "CREATE ROLE other CREATEDB",
        "CREATE ROLE other REPLICATION",
        "CREATE ROLE other BYPASSRLS",
        "CREATE ROLE other SUPERUSER",
        "ALTER ROLE admin CREATEDB",
        "DROP OWNED BY CURRENT_USER, ana",
        "ALTER SYSTEM SET shared_buffers = '1GB'",
        "ALTER ROLE admin SET temp_file_limit = -1",
        "GRANT CONNECT ON DATABASE postgres TO admin",
        "ALTER SCHEMA omnisql_catalog RENAME TO mine",
        "DROP SCHEMA omnisql_catalog CASCADE",
        "DROP FUNCTION omnisql_catalog.note_ddl() CASCADE",
        "GRANT pg_read_server_files TO admin",
        "ALTER ROLE admin SUPERUSER",
        "ALTER EVENT TRIGGER omnisql_ddl_end DISABLE",
        "DROP EVENT TRIGGER omnisql_ddl_end",
        pytest.param(
            "CREATE OR REPLACE FUNCTION omnisql_catalog.validate_github(text[], oid) RETURNS void LANGUAGE sql AS ''",
            id="replace a validator",
        ),
        "ALTER FOREIGN DATA WRAPPER github NO VALIDATOR",
        "CREATE FOREIGN DATA WRAPPER loose NO VALIDATOR",
        "SELECT nextval('omnisql_catalog.ddl_sequence')",
        "SET event_triggers = off",
        "SET log_statement = 'all'",
    ],
)
async def test_the_owner_may_not(admin: OwnConnection, statement: str) -> None:
    alone = statement.startswith(NOT_IN_A_BLOCK)
    if not alone:
        await admin.execute("BEGIN")
    try:
        refusal = await _refusal(admin, statement)
    finally:
        if not alone:
            await admin.execute("ROLLBACK")
    assert refusal.sqlstate == "42501"
    assert (
        await admin.fetchval("SELECT count(*)::int FROM pg_database WHERE datname = 'acme' AND datconnlimit = -1") == 1
    )


@pytest.mark.parametrize("database", ["postgres", "template1"])
@pytest.mark.parametrize("role", ["admin", "ana"])
async def test_no_user_may_connect_to_another_database(acme: EmbeddedCluster, role: str, database: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await acme.connect(role, database)


async def test_the_database_belongs_to_a_role_that_cannot_log_in(
    acme: EmbeddedCluster, superuser: OwnConnection
) -> None:
    row = await superuser.fetchrow(
        "SELECT r.rolname, r.rolcanlogin, r.rolsuper FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba"
        " WHERE datname = 'acme'"
    )
    assert row is not None
    assert row["rolname"].startswith("omnisql_")
    assert (row["rolcanlogin"], row["rolsuper"]) == (False, False)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await acme.connect(row["rolname"], "acme")


async def test_the_owner_may_make_schemas_tables_and_temporary_tables(admin: OwnConnection) -> None:
    async with admin.transaction():
        await admin.execute("CREATE SCHEMA marts CREATE TABLE facts (x int)")
        await admin.execute("CREATE TABLE public.seeds (x int)")
        await admin.execute("CREATE TEMP TABLE scratch (x int)")
        await admin.execute("DROP SCHEMA marts CASCADE; DROP TABLE public.seeds, scratch")


async def test_making_the_database_and_its_users_again_changes_nothing(
    acme: EmbeddedCluster, superuser: OwnConnection
) -> None:
    roles = "SELECT array_agg(rolname ORDER BY rolname)::text FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%'"
    earlier = await superuser.fetchval(roles)
    await create_tenant_database(acme, "acme")
    await create_user(acme, "acme", "admin")
    await make_owner(acme, "acme", "admin")
    assert await superuser.fetchval(roles) == earlier
    assert await superuser.fetchval("SELECT count(*)::int FROM pg_event_trigger") == 4


@pytest.mark.parametrize("role", ["postgres", "public", "pg_monitor", "omnisql_x"])
async def test_reserved_roles_are_refused(acme: EmbeddedCluster, role: str) -> None:
    with pytest.raises(RoleRefused) as caught:
        await create_user(acme, "acme", role)
    assert caught.value.sqlstate == "42939"


async def test_a_role_of_the_system_is_refused_whatever_its_name(
    acme: EmbeddedCluster, superuser: OwnConnection
) -> None:
    # An external cluster's superuser has the name that its administrators gave it.
    await superuser.execute("CREATE ROLE dba SUPERUSER")
    try:
        with pytest.raises(RoleRefused):
            await create_user(acme, "acme", "dba")
        assert await superuser.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = 'dba'") is True
    finally:
        await superuser.execute("DROP ROLE dba")


async def test_a_user_may_keep_a_custom_setting(acme: EmbeddedCluster, admin: OwnConnection) -> None:
    await create_user(acme, "acme", "bob", settings={"omnisql.max_staleness": "5 min"})
    bob = await acme.connect("bob", "acme")
    assert await bob.fetchval("SHOW omnisql.max_staleness") == "5 min"
    await bob.execute("ALTER ROLE bob SET omnisql.engine = 'duckdb'")
    await bob.close()
    bob = await acme.connect("bob", "acme")
    assert await bob.fetchval("SHOW omnisql.engine") == "duckdb"
    await bob.close()


@pytest.mark.parametrize(
    ("statement", "message", "hint"),
    [
        ("ALTER SERVER hub OPTIONS (ADD bogus 'x')", 'invalid option "bogus"', "Known options are: base_url."),
        (f"{MAPPING} (password 'x')", 'invalid option "password"', "Known options are: user, token."),
        (
            "ALTER FOREIGN TABLE github.issues OPTIONS (ADD x '1')",
            'invalid option "x"',
            "Known options are: table, max_staleness, full_read, stale_while_revalidate.",
        ),
        (
            "ALTER FOREIGN TABLE github.issues ALTER COLUMN number OPTIONS (ADD x '1')",
            'invalid option "x"',
            "Known options are: column.",
        ),
    ],
)
async def test_unknown_options_are_refused_with_the_known_ones(
    admin: OwnConnection, statement: str, message: str, hint: str
) -> None:
    refusal = await _refusal(admin, statement)
    assert (refusal.sqlstate, refusal.args[0], refusal.hint) == ("HV00D", message, hint)


@pytest.mark.parametrize(
    "statement",
    [
        f"{MAPPING} (token 'ghp_plain')",
        f"{MAPPING} (token 'secret:ghp_plain')",
        f"{MAPPING} (token '{HANDLE}ghp_plain')",
        f"{MAPPING} (token E'{HANDLE}\\nghp_plain')",
        f"{MAPPING} (token 'ghp_plain={HANDLE}')",
        f"DO $$ BEGIN EXECUTE '{MAPPING} (token ''ghp_plain'')'; END $$",
    ],
)
async def test_a_plaintext_secret_is_refused_and_not_repeated(admin: OwnConnection, statement: str) -> None:
    refusal = await _refusal(admin, statement)
    assert refusal.sqlstate == "HV00D"
    assert refusal.args[0] == 'option "token" does not hold the handle of a secret'
    assert "ghp_plain" not in f"{refusal.args} {refusal.detail} {refusal.hint}"
    assert await admin.fetchval("SELECT count(*)::int FROM pg_user_mappings WHERE usename = 'admin'") == 0


async def test_an_option_name_cannot_smuggle_an_equals_sign(admin: OwnConnection) -> None:
    refusal = await _refusal(admin, f"{MAPPING} (\"user=x\" 'ghp_plain')")
    assert refusal.sqlstate in ("HV00D", "22023")


async def test_operators_and_functions_of_the_user_do_not_decide_for_the_validator(admin: OwnConnection) -> None:
    async with admin.transaction():
        for operator, function in (("~", "always"), ("~~", "always"), ("=", "always"), ("!~", "always")):
            await admin.execute(
                f"CREATE OR REPLACE FUNCTION public.{function}(text, text) RETURNS bool LANGUAGE sql AS 'SELECT true'"
            )
            await admin.execute(
                f"CREATE OPERATOR public.{operator} (LEFTARG = text, RIGHTARG = text, FUNCTION = public.{function})"
            )
        await admin.execute(
            "CREATE FUNCTION public.split_part(text, text, int) RETURNS text LANGUAGE sql AS 'SELECT ''user'''"
        )
    assert await admin.fetchval("SELECT 'a'::text ~ 'b'::text") is True
    refusal = await _refusal(admin, f"{MAPPING} (token 'ghp_plain')")
    assert (refusal.sqlstate, refusal.args[0]) == ("HV00D", 'option "token" does not hold the handle of a secret')
    await admin.execute("DROP FUNCTION public.always(text, text) CASCADE")
    await admin.execute("DROP FUNCTION public.split_part(text, text, int)")


async def test_a_handle_is_accepted(admin: OwnConnection) -> None:
    await admin.execute(f"{MAPPING} (\"user\" 'admin', token '{HANDLE}')")
    options = await admin.fetchval("SELECT umoptions FROM pg_user_mappings WHERE usename = 'admin'")
    assert options == ["user=admin", f"token={HANDLE}"]
    await admin.execute("DROP USER MAPPING FOR admin SERVER hub")


async def test_a_statement_that_slips_past_fails_and_returns_no_rows(acme: EmbeddedCluster) -> None:
    ana = await acme.connect("ana", "acme")
    refusal = await _refusal(ana, "SELECT count(*) FROM github.issues WHERE false")
    assert refusal.sqlstate == "55000"
    await ana.close()
