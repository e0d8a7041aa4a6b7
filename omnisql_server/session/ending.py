"""Why a session ends: the one exception that leaves the session's loop; and how its connections do."""

from __future__ import annotations

import asyncio

from omnisql_server.errors import BackendLost, OmniSQLError
from wire.errors import WireError


class SessionEnd(Exception):
    """The session is over; `error` is the FATAL error the client is still told, None when there is nothing to say."""

    def __init__(self, error: OmniSQLError | WireError | None = None) -> None:
        super().__init__(error.message if error else "the session ended")
        self.error = error


class AdminShutdown(OmniSQLError):
    """The server stops."""

    sqlstate = "57P01"
    severity = "FATAL"


def admin_shutdown() -> SessionEnd:
    """Build the end of a session whose server is stopping."""
    return SessionEnd(AdminShutdown(message="terminating connection due to administrator command"))


def lost_session(*, told: bool) -> SessionEnd:
    """Build the end of a session whose backend is gone; `told` says that PostgreSQL told the client itself."""
    if told:
        return SessionEnd()
    return SessionEnd(BackendLost(message="terminating connection because the tenant's PostgreSQL ended it"))


async def close_transport(transport: asyncio.Transport, closed: asyncio.Event, timeout_s: float) -> None:
    """Close a transport once what was written is sent, which has so much time; `closed` tells that it is."""
    transport.close()
    timer = asyncio.get_running_loop().call_later(timeout_s, transport.abort)
    try:
        await closed.wait()
    finally:
        timer.cancel()
