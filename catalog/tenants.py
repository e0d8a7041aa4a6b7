"""Makes a tenant's database inside its cluster, and the roles of its users.

The database belongs to a NOLOGIN control role with a random name, so that not even the tenant's owner can drop or
alter it. Everything here may be called again at any time and changes only what is missing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from catalog.clusters.cluster import Cluster
from catalog.connection import Connection
from catalog.errors import RoleRefused
from catalog.quoting import identifier, literal
from catalog.validators import CATALOG_SCHEMA

MAINTENANCE_DATABASE = "postgres"
CONTROL_ROLE_MARK = "OmniSQL control role of this cluster"
RESERVED_ROLES = frozenset({"public", "none", "postgres", "user", "current_user", "session_user", "current_role"})
RESERVED_PREFIXES = ("pg_", "omnisql_")

# Custom settings are granted so that ALTER ROLE .. SET works for ordinary users.
CUSTOM_SETTINGS = (
    "omnisql.max_staleness",
    "omnisql.max_api_calls",
    "omnisql.on_source_error",
    "omnisql.engine",
    "omnisql.async",
)

# The two keys of the advisory lock that a transaction holds from its first DDL statement to its end.
DDL_LOCK_CLASS = 0x6F6D6E69
DDL_LOCK_OBJECT = 0x64646C

CONTROL_ROLE_SQL = """
SELECT r.rolname FROM pg_catalog.pg_roles r
WHERE pg_catalog.shobj_description(r.oid, 'pg_authid') OPERATOR(pg_catalog.=) $1 ORDER BY r.oid LIMIT 1
"""
DATABASE_SQL = "SELECT 1 FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1"
ROLE_SQL = """
SELECT r.rolsuper, pg_catalog.shobj_description(r.oid, 'pg_authid') AS mark FROM pg_catalog.pg_roles r
WHERE r.rolname OPERATOR(pg_catalog.=) $1
"""
EVENT_TRIGGER_SQL = "SELECT 1 FROM pg_catalog.pg_event_trigger WHERE evtname OPERATOR(pg_catalog.=) $1"
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

# A foreign table without a handler makes every statement over its parent or child fail, or leaves rows out; seen at the
# end of each command, so that no way to get there is left, a DO block's included.
REFUSE_INHERITANCE_BODY = """
DECLARE
    refused pg_catalog.text;
BEGIN
    SELECT c.oid::pg_catalog.regclass::pg_catalog.text INTO refused
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_foreign_table t
        ON t.ftrelid OPERATOR(pg_catalog.=) i.inhrelid OR t.ftrelid OPERATOR(pg_catalog.=) i.inhparent
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.ftrelid
    JOIN pg_catalog.pg_foreign_server s ON s.oid OPERATOR(pg_catalog.=) t.ftserver
    JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw
    JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) w.fdwvalidator
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) '{schema}' AND w.fdwhandler OPERATOR(pg_catalog.=) 0::pg_catalog.oid
    LIMIT 1;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = '0A000',
            MESSAGE = pg_catalog.format('API table %s cannot be a partition, or take part in inheritance', refused),
            DETAIL = 'Statements over its parent or its children could not be answered.',
            HINT = 'Make a view that combines the tables by UNION ALL.';
    END IF;
END
"""
INHERITING_TAGS = ("CREATE FOREIGN TABLE", "CREATE TABLE", "ALTER TABLE", "ALTER FOREIGN TABLE", "CREATE SCHEMA")


async def create_tenant_database(cluster: Cluster, database: str) -> str:
    """Make the database with its control role and catalog schema; return the control role's name."""
    connection = await cluster.connect(cluster.superuser, MAINTENANCE_DATABASE)
    try:
        control_role = await _control_role(connection)
        if await connection.fetchval(DATABASE_SQL, database) is None:
            await connection.execute(
                f"CREATE DATABASE {identifier(database)} OWNER {identifier(control_role)} TEMPLATE template0"
            )
        for closed in (MAINTENANCE_DATABASE, "template1", database):
            await connection.execute(f"REVOKE ALL ON DATABASE {identifier(closed)} FROM PUBLIC")
        await connection.execute(f"GRANT SET ON PARAMETER {', '.join(CUSTOM_SETTINGS)} TO PUBLIC")
    finally:
        await connection.close()
    connection = await cluster.connect(cluster.superuser, database)
    try:
        async with connection.transaction():
            await _create_catalog_schema(connection, control_role)
    finally:
        await connection.close()
    return control_role


async def create_user(
    cluster: Cluster,
    database: str,
    role: str,
    *,
    search_path: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> None:
    """Make a role that may log in to the tenant's database and make temporary objects there, and nothing else.

    Raises: RoleRefused (42939) for reserved names and for roles that belong to the system.
    """
    _refuse_reserved(role)
    connection = await cluster.connect(cluster.superuser, database)
    try:
        async with connection.transaction():
            await _create_role(connection, role)
            name = identifier(role)
            await connection.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {identifier(database)} TO {name}")
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


async def make_owner(cluster: Cluster, database: str, role: str) -> None:
    """Give an existing user the owner's rights: make schemas, and own schema public and the wrappers' use; not the
    database itself.
    """
    _refuse_reserved(role)
    connection = await cluster.connect(cluster.superuser, database)
    try:
        async with connection.transaction():
            name = identifier(role)
            await connection.execute(f"GRANT CREATE, CONNECT, TEMPORARY ON DATABASE {identifier(database)} TO {name}")
            await connection.execute(f"ALTER SCHEMA public OWNER TO {name}")
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
    note_ddl = NOTE_DDL_BODY.format(schema=CATALOG_SCHEMA, lock_class=DDL_LOCK_CLASS, lock_object=DDL_LOCK_OBJECT)
    for function, body in (
        ("note_ddl", note_ddl),
        ("refuse_inheritance", REFUSE_INHERITANCE_BODY.format(schema=CATALOG_SCHEMA)),
    ):
        await connection.execute(
            f"CREATE OR REPLACE FUNCTION {CATALOG_SCHEMA}.{function}() RETURNS event_trigger LANGUAGE plpgsql"
            f" SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {literal(body)}"
        )
        await connection.execute(f"ALTER FUNCTION {CATALOG_SCHEMA}.{function}() OWNER TO {owner}")
    tags = f"ddl_command_end WHEN TAG IN ({', '.join(map(literal, INHERITING_TAGS))})"
    for trigger, event, function in (
        ("omnisql_ddl_end", "ddl_command_end", "note_ddl"),
        ("omnisql_ddl_drop", "sql_drop", "note_ddl"),
        ("omnisql_inheritance", tags, "refuse_inheritance"),
    ):
        if await connection.fetchval(EVENT_TRIGGER_SQL, trigger) is None:
            await connection.execute(
                f"CREATE EVENT TRIGGER {trigger} ON {event} EXECUTE FUNCTION {CATALOG_SCHEMA}.{function}()"
            )


async def _create_role(connection: Connection, role: str) -> None:
    row = await connection.fetchrow(ROLE_SQL, role)
    if row is None:
        await connection.execute(f"CREATE ROLE {identifier(role)}")
    elif row["rolsuper"] or row["mark"] == CONTROL_ROLE_MARK:
        raise RoleRefused("the role belongs to the system", detail=role)
    await connection.execute(
        f"ALTER ROLE {identifier(role)} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
    )


def _refuse_reserved(role: str) -> None:
    if role in RESERVED_ROLES or role.startswith(RESERVED_PREFIXES):
        raise RoleRefused("the role name is reserved", detail=role)
