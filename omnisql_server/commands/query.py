"""`omnisql query`: one statement, its rows as a table, its notices and errors in full."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from omnisql_server.commands.client import ClientConnection, as_client, notices_shown
from omnisql_server.commands.terminal import ExitCode, output, run
from omnisql_server.config import client_dsn

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
    async def ask(connection: ClientConnection) -> None:
        statement = await connection.prepare(sql)
        columns = [(each.name, each.type.name in _NUMBERS) for each in statement.get_attributes()]
        rows = await statement.fetch()
        await notices_shown()
        if columns:
            output().print(as_table(columns, [tuple(row.values()) for row in rows]))
        output().print(Text(statement.get_statusmsg() or ""), style="dim")

    return await as_client(dsn, ask)


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
