"""`omnisql source add | check | list | remove`: a tenant's sources, by the same SQL that any client may send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import asyncpg
from cyclopts import App, Parameter
from rich.text import Text

from catalog.quoting import identifier, literal, option_list, options_from_array
from connectors.registry import add_folder, connector_named, connector_names
from connectors.sdk.connector import Connector, WithSchemas
from omnisql_server.commands.client import ClientConnection, as_client
from omnisql_server.commands.query import as_table
from omnisql_server.commands.secret_input import given_options, read_secrets
from omnisql_server.commands.terminal import output, run
from omnisql_server.config import client_dsn, load_settings
from omnisql_server.manage.options import MEMBERS, secret_options

EVERYBODY = "public"

MAPPED_SQL = "SELECT m.umuser, m.usename FROM pg_catalog.pg_user_mappings m WHERE m.srvname = $1 ORDER BY m.umuser"
SOURCES_SQL = """
SELECT s.srvname, w.fdwname, s.srvoptions,
       (SELECT pg_catalog.array_agg(m.usename || CASE
                 WHEN m.umoptions IS NULL OR pg_catalog.array_to_string(m.umoptions, ',') LIKE '%=secret:%'
                 THEN ': given' ELSE ': missing' END ORDER BY m.umuser)
          FROM pg_catalog.pg_user_mappings m WHERE m.srvid = s.oid) AS credentials,
       (SELECT pg_catalog.array_agg(pg_catalog.format('%I.%I', n.nspname, c.relname) ORDER BY n.nspname, c.relname)
          FROM pg_catalog.pg_foreign_table t JOIN pg_catalog.pg_class c ON c.oid = t.ftrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE t.ftserver = s.oid) AS tables
  FROM pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
  JOIN pg_catalog.pg_proc p ON p.oid = w.fdwvalidator JOIN pg_catalog.pg_namespace v ON v.oid = p.pronamespace
 WHERE v.nspname = 'omnisql_catalog' AND w.fdwhandler = 0 AND w.fdwname <> 'omnisql'
 ORDER BY s.srvname
"""

_Repeated = Annotated[tuple[str, ...], Parameter(negative="")]

source = App(name="source", help="Add, check, list and remove sources of a tenant.")


@source.command
def add(
    name: str,
    /,
    *,
    connector: str,
    option: _Repeated = (),
    secret_file: _Repeated = (),
    role: str = EVERYBODY,
    schema: str | None = None,
    remote_schema: str | None = None,
    limit_to: str | None = None,
    folder: Path | None = None,
    dsn: str | None = None,
) -> int:
    """Make a source: its server, a credential, and its tables in a schema; all of it or nothing.

    Secrets are asked for without being shown, or read from stdin, one a line, when that is no terminal.

    Parameters
    ----------
    name
        Name of the server.
    connector
        What kind of source it is, such as github, jira or pagerduty; see omnisql connector list.
    option
        An option of the server, such as base_url=https://api.github.com. May be given several times.
    secret_file
        A secret in a file, such as token=/run/secrets/github. May be given several times.
    role
        Whose credential it is: a role, or public for everybody's.
    schema
        Schema of the tables, made if there is none; the server's name without it.
    remote_schema
        Schema of the source to import, where it has several, as PostgreSQL does; public without it.
    limit_to
        Names of tables, with commas between them; all tables without it.
    folder
        Folder of your own manifests; without it that of the setting connectors.folder, if it is set.
    dsn
        Where to connect; see omnisql query.
    """
    kind = _connector_named(connector, folder)
    options = given_options(option, secret_options(kind))
    is_group = MEMBERS in options
    secrets = {} if is_group else read_secrets(kind, secret_file)
    whom = "PUBLIC" if role == EVERYBODY else identifier(role)
    mapping = f"CREATE USER MAPPING FOR {whom} SERVER {identifier(name)}{option_list(secrets)}"
    statements = (
        f"CREATE SERVER {identifier(name)} FOREIGN DATA WRAPPER {identifier(kind.name)}{option_list(options)}",
        *(() if is_group else (mapping,)),
        f"CREATE SCHEMA IF NOT EXISTS {identifier(schema or name)}",
        _import_statement(kind, name, schema or name, remote_schema, limit_to),
    )

    return run(as_client(dsn or client_dsn(), _making(name, schema or name, statements)))


@source.command
def check(name: str, /, *, dsn: str | None = None) -> int:
    """Ask a source whose credential it is that you use there.

    Parameters
    ----------
    name
        Name of the server.
    dsn
        Where to connect; see omnisql query.
    """

    async def work(connection: ClientConnection) -> None:
        await connection.execute(f"CALL omnisql.check_source({literal(name)})")

    return run(as_client(dsn or client_dsn(), work))


@source.command(name="list")
def list_(*, dsn: str | None = None) -> int:
    """List the sources with their options, credentials and tables.

    Parameters
    ----------
    dsn
        Where to connect; see omnisql query.
    """

    async def work(connection: ClientConnection) -> None:
        rows = await connection.fetch(SOURCES_SQL)
        names = ("server", "connector", "options", "credential", "tables")
        output().print(as_table([(column, False) for column in names], [_shown(row) for row in rows]))

    return run(as_client(dsn or client_dsn(), work))


@source.command
def remove(name: str, /, *, cascade: bool = False, dsn: str | None = None) -> int:
    """Remove a source with its credentials.

    Parameters
    ----------
    name
        Name of the server.
    cascade
        Remove its tables too, and what depends on them; without it they keep the source from being removed.
    dsn
        Where to connect; see omnisql query.
    """
    server = identifier(name)

    async def work(connection: ClientConnection) -> None:
        mapped = await connection.fetch(MAPPED_SQL, name)
        roles = ["PUBLIC" if row["umuser"] == 0 else identifier(row["usename"]) for row in mapped]
        await _in_one_transaction(
            connection,
            (
                *(f"DROP USER MAPPING FOR {role} SERVER {server}" for role in roles),
                f"DROP SERVER {server}{' CASCADE' if cascade else ''}",
            ),
        )
        _say(f"source {name} is removed")

    return run(as_client(dsn or client_dsn(), work))


def _making(name: str, schema: str, statements: tuple[str, ...]) -> Callable[[ClientConnection], Awaitable[None]]:
    async def work(connection: ClientConnection) -> None:
        await _in_one_transaction(connection, statements)
        rows = await connection.fetch(SOURCES_SQL)
        tables = next((row["tables"] or [] for row in rows if row["srvname"] == name), [])
        _say(f"source {name} is ready: {len(tables)} tables in schema {schema}")

    return work


def _import_statement(
    kind: Connector, server: str, schema: str, remote_schema: str | None, limit_to: str | None
) -> str:
    remote = remote_schema or (kind.default_schema if isinstance(kind, WithSchemas) else kind.name)
    limit = f" LIMIT TO ({', '.join(identifier(each.strip()) for each in limit_to.split(','))})" if limit_to else ""
    return (
        f"IMPORT FOREIGN SCHEMA {identifier(remote)}{limit} FROM SERVER {identifier(server)} INTO {identifier(schema)}"
    )


def _connector_named(name: str, folder: Path | None) -> Connector:
    """Return a connector of OmniSQL, or of a folder of one's own."""
    if name not in connector_names() and (chosen := folder or load_settings(None).connectors.folder) is not None:
        add_folder(chosen)
    return connector_named(name)


async def _in_one_transaction(connection: ClientConnection, statements: tuple[str, ...]) -> None:
    async with connection.transaction():
        for statement in statements:
            await connection.execute(statement)


def _shown(row: asyncpg.Record) -> tuple[str, ...]:
    options = options_from_array(row["srvoptions"])
    return (
        row["srvname"],
        row["fdwname"],
        ", ".join(f"{key}={value}" for key, value in options.items()),
        ", ".join(row["credentials"] or ["missing"]),
        ", ".join(row["tables"] or []),
    )


def _say(text: str) -> None:
    output().print(Text(text), style="dim")
