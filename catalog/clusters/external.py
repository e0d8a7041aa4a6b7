"""A cluster that somebody else runs, by DSN: the same interface as an embedded one, without power over its life.

Roles other than the DSN's own log in as the server's pg_hba.conf says; where that asks for a password, OmniSQL keeps
a random one for each role and gives it through `role_password`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from catalog.clusters.cluster import ClusterAddress
from catalog.connection import OwnConnection, connect_control
from catalog.errors import ClusterUnavailable, InvalidName

SERVER_VERSION_MIN = 180000
CHECK_SQL = (
    "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version, r.rolsuper AS superuser"
    " FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER"
)

RolePassword = Callable[[str], Awaitable[str]]


class ExternalCluster:
    """One external PostgreSQL cluster, named by `postgresql://superuser@host:port/database`."""

    def __init__(self, dsn: str, *, role_password: RolePassword | None = None, connect_timeout_s: float = 10.0) -> None:
        parts = urlsplit(dsn)
        query = parse_qs(parts.query)
        user = unquote(parts.username or "") or query.get("user", [""])[0]
        if parts.scheme not in ("postgresql", "postgres") or not user:
            raise InvalidName("a cluster's DSN is postgresql://superuser@host:port/database")
        self._dsn = dsn
        self._superuser = user
        self._host = query.get("host", [unquote(parts.hostname or "") or "localhost"])[0]
        self._port = int(query.get("port", [str(parts.port or 5432)])[0])
        self._role_password = role_password
        self._connect_timeout_s = connect_timeout_s
        self._died = asyncio.Event()

    @property
    def superuser(self) -> str:
        """Name the DSN's role."""
        return self._superuser

    @property
    def socket_directory(self) -> Path | None:
        """Name the socket's directory if the DSN's host is one."""
        return Path(self._host) if self._host.startswith("/") else None

    @property
    def port(self) -> int:
        """Give the DSN's port."""
        return self._port

    @property
    def died(self) -> asyncio.Event:
        """Give an event that is never set: connections tell when an external cluster is gone."""
        return self._died

    async def start(self) -> None:
        """Check that the cluster answers, is PostgreSQL 18 or newer, and that the DSN's role is a superuser.

        Raises: ClusterUnavailable (57P03).
        """
        connection = await self.connect(self._superuser, "postgres")
        try:
            row = await connection.fetchrow(CHECK_SQL)
        finally:
            await connection.close()
        if row is None or row["version"] < SERVER_VERSION_MIN or not row["superuser"]:
            raise ClusterUnavailable(
                "the external cluster does not meet the requirements",
                detail=f"server_version_num {row and row['version']}, superuser {row and row['superuser']}",
                hint="Use PostgreSQL 18 or newer and a superuser.",
            )

    async def stop(self) -> None:
        """Do nothing: the cluster is not ours to stop."""

    async def connect(self, role: str, database: str) -> OwnConnection:
        """Open a control connection.

        Raises: ClusterUnavailable (57P03) when nothing answers.
        """
        if role == self._superuser:
            return await connect_control(timeout_s=self._connect_timeout_s, dsn=self._dsn, database=database)
        password = None if self._role_password is None else await self._role_password(role)
        # The DSN still says how to connect (TLS and certificates); its own password is of no use to another role.
        return await connect_control(
            timeout_s=self._connect_timeout_s, dsn=self._dsn, database=database, user=role, password=password or ""
        )

    def address(self) -> ClusterAddress:
        """Give the DSN's host and port, or the path of its Unix socket."""
        directory = self.socket_directory
        if directory is not None:
            return ClusterAddress(socket_path=directory / f".s.PGSQL.{self._port}", host=None, port=self._port)
        return ClusterAddress(socket_path=None, host=self._host, port=self._port)
