"""The shape of what connectors show in PostgreSQL: wrappers, servers and foreign tables as plain values, and their
installation.

Installing is idempotent and touches only what differs, so that an unchanged shape causes no DDL at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg

from catalog.connection import Connection
from catalog.errors import ShapeInUse, ShapeInvalid
from catalog.quoting import identifier, literal, option_changes, option_list, options_from_array, qualified
from catalog.validators import install_validator, validator_name

INSTALL_LOCK_KEY = 0x6F6D6E69_73686170

LOCK_SQL = "SELECT pg_catalog.pg_advisory_xact_lock($1)"
WRAPPER_SQL = """
SELECT w.fdwhandler OPERATOR(pg_catalog.=) 0 AS handlerless FROM pg_catalog.pg_foreign_data_wrapper w
WHERE w.fdwname OPERATOR(pg_catalog.=) $1
"""
SERVER_SQL = """
SELECT w.fdwname, s.srvoptions, s.srvversion, pg_catalog.obj_description(s.oid, 'pg_foreign_server') AS comment
FROM pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw
WHERE s.srvname OPERATOR(pg_catalog.=) $1
"""
SCHEMA_SQL = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) $1"
RELATION_SQL = """
SELECT c.oid, c.relkind::pg_catalog.text AS kind, s.srvname, t.ftoptions,
    pg_catalog.obj_description(c.oid, 'pg_class') AS comment
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
LEFT JOIN pg_catalog.pg_foreign_table t ON t.ftrelid OPERATOR(pg_catalog.=) c.oid
LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid OPERATOR(pg_catalog.=) t.ftserver
WHERE n.nspname OPERATOR(pg_catalog.=) $1 AND c.relname OPERATOR(pg_catalog.=) $2
"""
COLUMNS_SQL = """
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_name, a.attfdwoptions,
    pg_catalog.col_description(a.attrelid, a.attnum) AS comment
FROM pg_catalog.pg_attribute a
WHERE a.attrelid OPERATOR(pg_catalog.=) $1 AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
# PostgreSQL's own spelling of a type is safe to write into SQL text; what it cannot read gives null or a syntax error.
TYPES_SQL = """
SELECT t.name,
    pg_catalog.format_type(pg_catalog.to_regtype(t.name)::pg_catalog.oid, pg_catalog.to_regtypemod(t.name)) AS spelled
FROM pg_catalog.unnest($1::pg_catalog.text[]) t(name)
"""
MISSING_SCHEMA_GRANTS_SQL = """
SELECT s.name, r.role FROM pg_catalog.unnest($1::pg_catalog.text[]) s(name)
CROSS JOIN pg_catalog.unnest($2::pg_catalog.text[]) r(role)
WHERE NOT pg_catalog.has_schema_privilege(r.role::pg_catalog.name, s.name, 'USAGE') ORDER BY 1, 2
"""
MISSING_TABLE_GRANTS_SQL = """
SELECT t.name, r.role FROM pg_catalog.unnest($1::pg_catalog.text[]) t(name)
CROSS JOIN pg_catalog.unnest($2::pg_catalog.text[]) r(role)
WHERE NOT pg_catalog.has_table_privilege(r.role::pg_catalog.name, t.name, 'SELECT') ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapperShape:
    """One foreign-data wrapper: the options known at each level, and those among them that hold secrets."""

    name: str
    server_options: tuple[str, ...] = ()
    mapping_options: tuple[str, ...] = ()
    table_options: tuple[str, ...] = ("table", "max_staleness", "full_read", "stale_while_revalidate")
    column_options: tuple[str, ...] = ("column",)
    secret_options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignServer:
    """One configured account of an API."""

    name: str
    wrapper: str
    options: Mapping[str, str] = field(default_factory=dict)
    comment: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignColumn:
    """One column; `type_name` is written as in SQL, the option `column` names the API's column."""

    name: str
    type_name: str
    comment: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignTable:
    """One API table; the option `table` names the API's table."""

    schema: str
    name: str
    server: str
    columns: tuple[ForeignColumn, ...]
    comment: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


async def install(
    connection: Connection,
    *,
    wrappers: Sequence[WrapperShape],
    servers: Sequence[ForeignServer],
    tables: Sequence[ForeignTable],
    grants: Sequence[str] = (),
    owner: str | None = None,
) -> tuple[str, ...]:
    """Bring the database to this shape in one transaction and return the statements that it took.

    New schemas, servers and tables belong to `owner`, else to the connection's role; every role in `grants` may use
    the schemas and select from the tables. Objects that the shape does not name are left alone.

    Raises: ShapeInUse (2BP01) when a table must be made anew but views depend on it; ShapeInvalid (HV000) for what
    PostgreSQL refuses.
    """
    recorder = _Recorder(connection)
    try:
        async with connection.transaction():
            await connection.execute(LOCK_SQL, INSTALL_LOCK_KEY)
            spelled = await _spell_types(connection, tables)
            for wrapper in wrappers:
                await _install_wrapper(recorder, wrapper, owner)
            for server in servers:
                await _install_server(recorder, server, owner)
            for schema in dict.fromkeys(table.schema for table in tables):
                await _install_schema(recorder, schema, owner)
            for table in tables:
                await _install_table(recorder, table, spelled, owner)
            await _install_grants(recorder, tables, grants)
    except asyncpg.DependentObjectsStillExistError as error:
        raise ShapeInUse(
            "other objects depend on a foreign table that has changed", detail=error.detail, hint="Drop them first."
        ) from error
    except asyncpg.PostgresError as error:
        raise ShapeInvalid("PostgreSQL refuses the shape", detail=str(error)) from error
    return tuple(recorder.statements)


class _Recorder:
    """Runs statements and remembers them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.statements: list[str] = []

    async def run(self, statement: str) -> None:
        await self.connection.execute(statement)
        self.statements.append(statement)


async def _spell_types(connection: Connection, tables: Sequence[ForeignTable]) -> dict[str, str]:
    names = sorted({column.type_name for table in tables for column in table.columns})
    rows = await connection.fetch(TYPES_SQL, names)
    unknown = [row["name"] for row in rows if row["spelled"] is None]
    if unknown:
        raise ShapeInvalid("a column's type does not exist", detail=", ".join(unknown))
    return {row["name"]: row["spelled"] for row in rows}


async def _install_wrapper(recorder: _Recorder, wrapper: WrapperShape, owner: str | None) -> None:
    validator_statement = await install_validator(
        recorder.connection,
        wrapper.name,
        server_options=wrapper.server_options,
        mapping_options=wrapper.mapping_options,
        table_options=wrapper.table_options,
        column_options=wrapper.column_options,
        secret_options=wrapper.secret_options,
    )
    if validator_statement is not None:
        recorder.statements.append(validator_statement)
    row = await recorder.connection.fetchrow(WRAPPER_SQL, wrapper.name)
    if row is None:
        name = identifier(wrapper.name)
        await recorder.run(f"CREATE FOREIGN DATA WRAPPER {name} NO HANDLER VALIDATOR {validator_name(wrapper.name)}")
        if owner is not None:
            await recorder.run(f"GRANT USAGE ON FOREIGN DATA WRAPPER {name} TO {identifier(owner)}")
    elif not row["handlerless"]:
        raise ShapeInvalid("a foreign-data wrapper of this name has a handler", detail=wrapper.name)


async def _install_server(recorder: _Recorder, server: ForeignServer, owner: str | None) -> None:
    row = await recorder.connection.fetchrow(SERVER_SQL, server.name)
    name = identifier(server.name)
    if row is None:
        wrapper = identifier(server.wrapper)
        version = f" VERSION {literal(server.version)}" if server.version is not None else ""
        await recorder.run(f"CREATE SERVER {name}{version} FOREIGN DATA WRAPPER {wrapper}{option_list(server.options)}")
        if owner is not None:
            await recorder.run(f"ALTER SERVER {name} OWNER TO {identifier(owner)}")
    elif row["fdwname"] != server.wrapper:
        raise ShapeInUse("a server of this name belongs to another wrapper", detail=f"{server.name}: {row['fdwname']}")
    else:
        changes = option_changes(options_from_array(row["srvoptions"]), server.options)
        if changes:
            await recorder.run(f"ALTER SERVER {name}{changes}")
        if server.version is not None and server.version != row["srvversion"]:
            await recorder.run(f"ALTER SERVER {name} VERSION {literal(server.version)}")
    if (row["comment"] if row else None) != server.comment:
        await recorder.run(f"COMMENT ON SERVER {name} IS {_comment(server.comment)}")


async def _install_schema(recorder: _Recorder, schema: str, owner: str | None) -> None:
    if await recorder.connection.fetchval(SCHEMA_SQL, schema) is None:
        authorization = f" AUTHORIZATION {identifier(owner)}" if owner is not None else ""
        await recorder.run(f"CREATE SCHEMA {identifier(schema)}{authorization}")


async def _install_table(
    recorder: _Recorder, table: ForeignTable, spelled: Mapping[str, str], owner: str | None
) -> None:
    name = qualified(table.schema, table.name)
    row = await recorder.connection.fetchrow(RELATION_SQL, table.schema, table.name)
    if row is not None and row["kind"] != "f":
        raise ShapeInUse("another object has the name of a foreign table", detail=name)
    columns = await recorder.connection.fetch(COLUMNS_SQL, row["oid"]) if row is not None else []
    kept = [(column["attname"], column["type_name"]) for column in columns]
    wanted = [(column.name, spelled[column.type_name]) for column in table.columns]
    if row is not None and (row["srvname"] != table.server or wanted[: len(kept)] != kept):
        await recorder.run(f"DROP FOREIGN TABLE {name}")
        row, columns = None, []
    if row is None:
        await _create_table(recorder, table, name, spelled, owner)
    else:
        await _alter_table(recorder, table, name, spelled, (options_from_array(row["ftoptions"]), columns))
    if (row["comment"] if row else None) != table.comment:
        await recorder.run(f"COMMENT ON FOREIGN TABLE {name} IS {_comment(table.comment)}")
    comments = {column["attname"]: column["comment"] for column in columns}
    for column in table.columns:
        if comments.get(column.name) != column.comment:
            await recorder.run(f"COMMENT ON COLUMN {name}.{identifier(column.name)} IS {_comment(column.comment)}")


async def _create_table(
    recorder: _Recorder, table: ForeignTable, name: str, spelled: Mapping[str, str], owner: str | None
) -> None:
    columns = ", ".join(_column_definition(column, spelled) for column in table.columns)
    server = identifier(table.server)
    await recorder.run(f"CREATE FOREIGN TABLE {name} ({columns}) SERVER {server}{option_list(table.options)}")
    if owner is not None:
        await recorder.run(f"ALTER FOREIGN TABLE {name} OWNER TO {identifier(owner)}")


async def _alter_table(
    recorder: _Recorder,
    table: ForeignTable,
    name: str,
    spelled: Mapping[str, str],
    existing: tuple[Mapping[str, str], Sequence[asyncpg.Record]],
) -> None:
    """Change options and append columns: neither touches the views that depend on the table."""
    options, columns = existing
    changes = option_changes(options, table.options)
    if changes:
        await recorder.run(f"ALTER FOREIGN TABLE {name}{changes}")
    for row, column in zip(columns, table.columns, strict=False):
        changes = option_changes(options_from_array(row["attfdwoptions"]), column.options)
        if changes:
            await recorder.run(f"ALTER FOREIGN TABLE {name} ALTER COLUMN {identifier(column.name)}{changes}")
    for column in table.columns[len(columns) :]:
        await recorder.run(f"ALTER FOREIGN TABLE {name} ADD COLUMN {_column_definition(column, spelled)}")


async def _install_grants(recorder: _Recorder, tables: Sequence[ForeignTable], grants: Sequence[str]) -> None:
    schemas = list(dict.fromkeys(table.schema for table in tables))
    for row in await recorder.connection.fetch(MISSING_SCHEMA_GRANTS_SQL, schemas, list(grants)):
        await recorder.run(f"GRANT USAGE ON SCHEMA {identifier(row['name'])} TO {identifier(row['role'])}")
    names = [qualified(table.schema, table.name) for table in tables]
    for row in await recorder.connection.fetch(MISSING_TABLE_GRANTS_SQL, names, list(grants)):
        await recorder.run(f"GRANT SELECT ON {row['name']} TO {identifier(row['role'])}")


def _column_definition(column: ForeignColumn, spelled: Mapping[str, str]) -> str:
    return f"{identifier(column.name)} {spelled[column.type_name]}{option_list(column.options)}"


def _comment(text: str | None) -> str:
    return "NULL" if text is None else literal(text)
