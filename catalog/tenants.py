"""Makes a tenant's database inside its cluster, and the roles of its users.

The database belongs to a NOLOGIN control role with a random name, so that not even the tenant's owner can drop or
alter it. Everything here may be called again at any time and changes only what is missing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

import asyncpg

from catalog.api_table_fences import EVENT_TRIGGER_SQL, install_fences
from catalog.clusters.cluster import Cluster
from catalog.connection import Connection
from catalog.errors import DatabaseInUse, RoleRefused, RoleUnknown, TenantExists
from catalog.information_schema import mend_information_schema
from catalog.quoting import identifier, literal, options_from_array
from catalog.validators import CATALOG_SCHEMA

MAINTENANCE_DATABASE = "postgres"
CONTROL_ROLE_MARK = "OmniSQL control role of this cluster"
RESERVED_ROLES = frozenset({"public", "none", "postgres", "user", "current_user", "session_user", "current_role"})
RESERVED_PREFIXES = ("pg_", "omnisql_")

# Custom settings are granted so that ALTER ROLE .. SET works for ordinary users.
CUSTOM_SETTINGS = (
    "omnisql.max_staleness",
    "omnisql.stale_if_error",
    "omnisql.max_api_calls",
    "omnisql.on_source_error",
    "omnisql.engine",
    "omnisql.purpose",
    "omnisql.async",
)

# The two keys of the advisory lock that a transaction holds from its first DDL statement to its end.
DDL_LOCK_CLASS = 0x6F6D6E69
DDL_LOCK_OBJECT = 0x64646C

DATABASE_SETTINGS_SQL = """
SELECT s.setconfig FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d
ON d.oid OPERATOR(pg_catalog.=) s.setdatabase
WHERE s.setrole OPERATOR(pg_catalog.=) 0::pg_catalog.oid AND d.datname OPERATOR(pg_catalog.=) $1
"""
CONTROL_ROLE_SQL = """
SELECT r.rolname FROM pg_catalog.pg_roles r
WHERE pg_catalog.shobj_description(r.oid, 'pg_authid') OPERATOR(pg_catalog.=) $1 ORDER BY r.oid LIMIT 1
"""
DATABASE_SQL = "SELECT 1 FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1"
ROLE_SQL = """
SELECT r.rolsuper, pg_catalog.shobj_description(r.oid, 'pg_authid') AS mark FROM pg_catalog.pg_roles r
WHERE r.rolname OPERATOR(pg_catalog.=) $1
"""
ADMIN_SQL = """
SELECT pg_catalog.pg_has_role($2::pg_catalog.name, r.oid, 'MEMBER WITH ADMIN OPTION')
FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) $1
"""
SEQUENCE_SQL = f"SELECT pg_catalog.to_regclass('{CATALOG_SCHEMA}.ddl_sequence') IS NOT NULL"

# The lock is taken before the sequence moves: whoever sees the new number also sees the lock, or the transaction's end.
# It is only tried, so that a user who holds the same key exclusively blocks nobody; a reader takes any holder for an
# unfinished change.
NOTE_DDL_BODY = """
DECLARE
    relevant pg_catalog.bool;
BEGIN
    IF TG_EVENT OPERATOR(pg_catalog.=) 'sql_drop' THEN
        -- Only what the statement named counts: the rule that goes with a temporary view is not marked as temporary.
        relevant := EXISTS (
            SELECT FROM pg_catalog.pg_event_trigger_dropped_objects() d WHERE d.original AND NOT d.is_temporary
        );
    ELSE
        relevant := EXISTS (
            SELECT FROM pg_catalog.pg_event_trigger_ddl_commands() c
            WHERE c.schema_name IS NULL OR c.schema_name OPERATOR(pg_catalog.<>) 'pg_temp'
        );
    END IF;
    IF relevant THEN
        PERFORM pg_catalog.pg_try_advisory_xact_lock_shared({lock_class}, {lock_object});
        PERFORM pg_catalog.nextval('{schema}.ddl_sequence'::pg_catalog.regclass);
    END IF;
END
"""


async def create_tenant_database(cluster: Cluster, database: str, *, settings: Mapping[str, str] | None = None) -> str:
    """Make the database with its control role and catalog schema; return the control role's name.

    `settings` are what sessions start with unless a role or the client says otherwise; they belong to the database, so
    that SHOW, RESET and DISCARD ALL know them and ALTER ROLE .. SET prevails over them.
    """
    connection = await cluster.connect(cluster.superuser, MAINTENANCE_DATABASE)
    try:
        control_role = await _control_role(connection)
        if await connection.fetchval(DATABASE_SQL, database) is None:
            await connection.execute(
                f"CREATE DATABASE {identifier(database)} OWNER {identifier(control_role)} TEMPLATE template0"
            )
        for closed in (MAINTENANCE_DATABASE, "template1"):
            await connection.execute(f"REVOKE ALL ON DATABASE {identifier(closed)} FROM PUBLIC")
        # As PostgreSQL has it, so that a role which the owner makes can use the database: there is no other to use.
        await connection.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {identifier(database)} TO PUBLIC")
        await connection.execute(f"GRANT SET ON PARAMETER {', '.join(CUSTOM_SETTINGS)} TO PUBLIC")
        await _set_defaults(connection, database, settings or {})
    finally:
        await connection.close()
    connection = await cluster.connect(cluster.superuser, database)
    try:
        async with connection.transaction():
            await _create_catalog_schema(connection, control_role)
            await mend_information_schema(connection)
    finally:
        await connection.close()
    return control_role


async def rename_database(cluster: Cluster, database: str, name: str) -> None:
    """Give the tenant's database another name; doing it again does nothing. Nobody may be connected to it.

    Raises: DatabaseInUse (55006), TenantExists (42P04) when there is a database of that name as well.
    """
    connection = await cluster.connect(cluster.superuser, MAINTENANCE_DATABASE)
    try:
        if await connection.fetchval(DATABASE_SQL, database) is None and await connection.fetchval(DATABASE_SQL, name):
            return
        await connection.execute(f"ALTER DATABASE {identifier(database)} RENAME TO {identifier(name)}")
    except asyncpg.ObjectInUseError as error:
        raise DatabaseInUse("the tenant's database is in use", detail=error.detail) from error
    except asyncpg.DuplicateDatabaseError as error:
        raise TenantExists("the cluster has a database of this name already", detail=name) from error
    finally:
        await connection.close()


async def drop_database(cluster: Cluster, database: str) -> None:
    """Drop the tenant's database and end whatever is connected to it; doing it again does nothing.

    Its roles stay: they belong to the cluster, which is its administrator's.
    """
    await cluster.start()
    connection = await cluster.connect(cluster.superuser, MAINTENANCE_DATABASE)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {identifier(database)} WITH (FORCE)")
    finally:
        await connection.close()


async def create_user(
    cluster: Cluster,
    database: str,
    role: str,
    *,
    search_path: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    verifier: str | None = None,
    owner: str | None = None,
) -> None:
    """Make a role that may log in to the tenant's database and make temporary objects there, and nothing else.

    `verifier` is its password as SCRAM-SHA-256 verifier; without one a password it has stays. `owner` may alter, drop
    and grant the role from then on, without being a member of it.

    Raises: RoleRefused (42939) for reserved names and for roles that belong to the system.
    """
    _refuse_reserved(role)
    connection = await cluster.connect(cluster.superuser, database)
    try:
        async with connection.transaction():
            await _create_role(connection, role)
            name = identifier(role)
            if verifier is not None:
                await connection.execute(f"ALTER ROLE {name} PASSWORD {literal(verifier)}")
            if owner is not None and owner != role:
                await _give_to_owner(connection, role, owner)
            if search_path:
                path = ", ".join(identifier(schema) for schema in search_path)
                await connection.execute(
                    f"ALTER ROLE {name} IN DATABASE {identifier(database)} SET search_path = {path}"
                )
            for key, value in (settings or {}).items():
                setting = ".".join(identifier(part) for part in key.split("."))
                await connection.execute(
                    f"ALTER ROLE {name} IN DATABASE {identifier(database)} SET {setting} = {literal(value)}"
                )
    finally:
        await connection.close()


async def set_password(cluster: Cluster, database: str, role: str, verifier: str) -> None:
    """Give a user of the tenant another password, as SCRAM-SHA-256 verifier.

    Raises: RoleRefused (42939) for roles of the system, RoleUnknown (42704).
    """
    _refuse_reserved(role)
    connection = await cluster.connect(cluster.superuser, database)
    try:
        row = await connection.fetchrow(ROLE_SQL, role)
        if row is None:
            raise RoleUnknown("the user does not exist", detail=role[:80])
        _refuse_system(role, row)
        await connection.execute(f"ALTER ROLE {identifier(role)} PASSWORD {literal(verifier)}")
    finally:
        await connection.close()


async def make_owner(cluster: Cluster, database: str, role: str) -> None:
    """Give an existing user the owner's rights: make schemas and roles, and own schema public; not the database itself.

    From PostgreSQL 16 on CREATEROLE is the right to make roles and to alter those one made, not those of the system.
    """
    _refuse_reserved(role)
    connection = await cluster.connect(cluster.superuser, database)
    try:
        async with connection.transaction():
            name = identifier(role)
            await connection.execute(f"GRANT CREATE ON DATABASE {identifier(database)} TO {name}")
            await connection.execute(f"ALTER SCHEMA public OWNER TO {name}")
            await connection.execute(f"ALTER ROLE {name} CREATEROLE")
    finally:
        await connection.close()


async def _control_role(connection: Connection) -> str:
    """Find the cluster's control role by its comment, or make it; role and comment appear together."""
    found: str | None = await connection.fetchval(CONTROL_ROLE_SQL, CONTROL_ROLE_MARK)
    if found is not None:
        return found
    role = f"omnisql_{secrets.token_hex(8)}"
    async with connection.transaction():
        await connection.execute(f"CREATE ROLE {identifier(role)} NOLOGIN")
        await connection.execute(f"COMMENT ON ROLE {identifier(role)} IS {literal(CONTROL_ROLE_MARK)}")
    return role


async def _create_catalog_schema(connection: Connection, control_role: str) -> None:
    owner = identifier(control_role)
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {CATALOG_SCHEMA} AUTHORIZATION {owner}")
    await connection.execute(f"GRANT USAGE ON SCHEMA {CATALOG_SCHEMA} TO PUBLIC")
    if not await connection.fetchval(SEQUENCE_SQL):
        await connection.execute(f"CREATE SEQUENCE {CATALOG_SCHEMA}.ddl_sequence")
        await connection.execute(f"SELECT pg_catalog.nextval('{CATALOG_SCHEMA}.ddl_sequence')")
        await connection.execute(f"ALTER SEQUENCE {CATALOG_SCHEMA}.ddl_sequence OWNER TO {owner}")
        await connection.execute(f"GRANT SELECT ON SEQUENCE {CATALOG_SCHEMA}.ddl_sequence TO PUBLIC")
    body = NOTE_DDL_BODY.format(schema=CATALOG_SCHEMA, lock_class=DDL_LOCK_CLASS, lock_object=DDL_LOCK_OBJECT)
    await connection.execute(
        f"CREATE OR REPLACE FUNCTION {CATALOG_SCHEMA}.note_ddl() RETURNS event_trigger LANGUAGE plpgsql"
        f" SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {literal(body)}"
    )
    await connection.execute(f"ALTER FUNCTION {CATALOG_SCHEMA}.note_ddl() OWNER TO {owner}")
    for trigger, event in (("omnisql_ddl_end", "ddl_command_end"), ("omnisql_ddl_drop", "sql_drop")):
        if await connection.fetchval(EVENT_TRIGGER_SQL, trigger) is None:
            await connection.execute(
                f"CREATE EVENT TRIGGER {trigger} ON {event} EXECUTE FUNCTION {CATALOG_SCHEMA}.note_ddl()"
            )
    await install_fences(connection, control_role)


async def _set_defaults(connection: Connection, database: str, settings: Mapping[str, str]) -> None:
    present = options_from_array(await connection.fetchval(DATABASE_SETTINGS_SQL, database))
    for name, value in settings.items():
        if present.get(name) != value:
            setting = ".".join(identifier(part) for part in name.split("."))
            await connection.execute(f"ALTER DATABASE {identifier(database)} SET {setting} = {literal(value)}")


async def _create_role(connection: Connection, role: str) -> None:
    row = await connection.fetchrow(ROLE_SQL, role)
    if row is None:
        await connection.execute(f"CREATE ROLE {identifier(role)}")
    else:
        _refuse_system(role, row)
    await connection.execute(f"ALTER ROLE {identifier(role)} LOGIN NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS")


async def _give_to_owner(connection: Connection, role: str, owner: str) -> None:
    statement = f"GRANT {identifier(role)} TO {identifier(owner)} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
    if not await connection.fetchval(ADMIN_SQL, role, owner):
        await connection.execute(statement)


def _refuse_system(role: str, row: asyncpg.Record) -> None:
    if row["rolsuper"] or row["mark"] == CONTROL_ROLE_MARK:
        raise RoleRefused("the role belongs to the system", detail=role)


def _refuse_reserved(role: str) -> None:
    if role in RESERVED_ROLES or role.startswith(RESERVED_PREFIXES):
        raise RoleRefused("the role name is reserved", detail=role)
