"""`omnisql query`: one statement, its rows as a table, its notices and errors in full."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg
from rich.table import Table
from rich.text import Text

from omnisql_server.commands.terminal import ExitCode, output, run, show
from omnisql_server.config import client_dsn

CONNECT_TIMEOUT_S = 15.0

_NUMBERS = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric", "oid"})


def query(sql: str, /, *, dsn: str | None = None) -> int:
    """Run one SQL statement and print its rows.

    Parameters
    ----------
    sql
        The statement.
    dsn
        Where to connect, such as postgresql://user:password@host:port/database. Without it OMNISQL_DSN is used, or the
        demonstration on this machine.
    """
    return run(_query(sql, dsn or client_dsn()))


async def _query(sql: str, dsn: str) -> ExitCode:
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    except asyncpg.PostgresError as error:
        _show_error(error)
        return ExitCode.FAILED
    except (OSError, TimeoutError, ValueError, asyncpg.InterfaceError) as error:
        # No message of these is shown whole: it may quote the DSN with its password.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        show(sqlstate="08001", message=f"cannot connect: {reason}", hint="Is the server running? See --dsn.")
        return ExitCode.UNREACHABLE
    try:
        connection.add_log_listener(_show_notice)
        statement = await connection.prepare(sql)
        columns = [(each.name, each.type.name in _NUMBERS) for each in statement.get_attributes()]
        rows = await statement.fetch()
        # Notices of the last message are delivered by callbacks that are only scheduled yet.
        await asyncio.sleep(0)
        if columns:
            output().print(as_table(columns, [tuple(row.values()) for row in rows]))
        output().print(Text(statement.get_statusmsg() or ""), style="dim")
    except asyncpg.PostgresError as error:
        _show_error(error)
        return ExitCode.FAILED
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
    return ExitCode.OK


def as_table(columns: Sequence[tuple[str, bool]], rows: Sequence[tuple[object, ...]]) -> Table:
    """Lay rows out as a table; `columns` are names, each with whether it holds numbers."""
    table = Table(header_style="bold")
    for name, number in columns:
        # Text throughout: brackets in a value or name are not markup.
        table.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def _cell(value: object) -> Text:
    if value is None:
        return Text("NULL", style="dim")
    if isinstance(value, bool):
        return Text("t" if value else "f")
    return Text(str(value))


def _show_error(error: asyncpg.PostgresError) -> None:
    _show_fields(error.as_dict())


def _show_notice(_connection: object, notice: asyncpg.PostgresLogMessage) -> None:
    _show_fields(notice.as_dict())


def _show_fields(fields: Mapping[str, str]) -> None:
    show(
        severity=fields.get("severity", "ERROR"),
        sqlstate=fields.get("sqlstate", "XX000"),
        message=fields.get("message", ""),
        detail=fields.get("detail"),
        hint=fields.get("hint"),
    )
