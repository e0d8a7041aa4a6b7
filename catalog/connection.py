"""Control connections: how OmniSQL itself, not a user, talks to a cluster.

Their search_path is pinned in the startup packet, before any statement, with pg_temp last: no object of a user can
stand in for one of pg_catalog.
"""

from __future__ import annotations

import ssl as tls
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from catalog.errors import ClusterUnavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
OwnConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONTROL_SETTINGS: Mapping[str, str] = {
    "search_path": "pg_catalog, pg_temp",
    "application_name": "omnisql-control",
    "standard_conforming_strings": "on",
    # A cluster without room has all other transactions begin read-only.
    "default_transaction_read_only": "off",
}

# A control statement is small; one that takes this long waits for a lock that will not come.
COMMAND_TIMEOUT_S = 60.0


# What a server that is absent, starting, stopping, full or speaking something else is met with.
UNREACHABLE = (
    OSError,
    TimeoutError,
    tls.SSLError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
)


async def connect_control(*, timeout_s: float, **where: Any) -> OwnConnection:
    """Open a control connection; `where` are asyncpg's own arguments for host, port, user, database, dsn or password.

    Raises: ClusterUnavailable (57P03) when nothing answers in time or the server is starting, stopping or full.
    """
    try:
        return await asyncpg.connect(
            timeout=timeout_s, command_timeout=COMMAND_TIMEOUT_S, server_settings=dict(CONTROL_SETTINGS), **where
        )
    except UNREACHABLE as error:
        raise ClusterUnavailable("the cluster does not accept connections", detail=str(error) or None) from error
