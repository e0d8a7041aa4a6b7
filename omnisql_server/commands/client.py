"""Commands that are clients of a running server: connect, do something, and show notices and errors in full."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import asyncpg

from omnisql_server.commands.terminal import ExitCode, show

CONNECT_TIMEOUT_S = 15.0

ClientConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def as_client(dsn: str, work: Callable[[ClientConnection], Awaitable[None]]) -> ExitCode:
    """Connect, do the work, and show what PostgreSQL or the server refuses."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    except asyncpg.PostgresError as error:
        _show_fields(error.as_dict())
        return ExitCode.FAILED
    except (OSError, TimeoutError, ValueError, asyncpg.InterfaceError) as error:
        # No message of these is shown whole: it may quote the DSN with its password.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        show(sqlstate="08001", message=f"cannot connect: {reason}", hint="Is the server running? See --dsn.")
        return ExitCode.UNREACHABLE
    try:
        connection.add_log_listener(_show_notice)
        await work(connection)
        await notices_shown()
    except asyncpg.PostgresError as error:
        await notices_shown()
        _show_fields(error.as_dict())
        return ExitCode.FAILED
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
    return ExitCode.OK


async def notices_shown() -> None:
    """Let notices be shown that have arrived: they are delivered by callbacks that are only scheduled yet."""
    await asyncio.sleep(0)


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
