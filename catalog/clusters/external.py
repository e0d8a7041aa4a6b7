"""A cluster that somebody else runs, by DSN: the same interface as an embedded one, without power over its life.

OmniSQL logs in as every role of the tenant by a way that no user's password takes part in: a client certificate, or
the operating system's account over a Unix socket (PostgreSQL 18, chapters 20.9 and 20.12). `dba_script` writes down
what the cluster's administrator sets up once for it.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from catalog.clusters.cluster import ClusterAddress
from catalog.connection import OwnConnection, connect_control
from catalog.errors import ClusterUnavailable, InvalidName
from catalog.quoting import identifier

SERVER_VERSION_MIN = 180000
CHECK_SQL = (
    "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version, r.rolsuper AS superuser"
    " FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER"
)
# What libpq calls these modes; `prefer` and `allow` would send the first packets in the clear, so they are not offered.
SSL_MODES = ("disable", "require", "verify-ca", "verify-full")
REQUIREMENTS_HINT = "Have the cluster's administrator run what `omnisql tenant dba-script` prints, then try again."


class ExternalCluster:
    """One external cluster, named by `postgresql://superuser@host:port/database?sslmode=..&sslcert=..&sslkey=..`."""

    def __init__(self, dsn: str, *, connect_timeout_s: float = 10.0) -> None:
        parts = urlsplit(dsn)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        user = unquote(parts.username or "") or query.get("user", "")
        if parts.scheme not in ("postgresql", "postgres") or not user:
            raise InvalidName("a cluster's DSN is postgresql://superuser@host:port/database")
        self._superuser = user
        self._host = query.get("host", unquote(parts.hostname or "") or "localhost")
        self._port = int(query.get("port", str(parts.port or 5432)))
        self._tls = None if self._host.startswith("/") else _tls_context(query)
        self._connect_timeout_s = connect_timeout_s
        self._checked = False
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
        """Check once that the cluster answers, is PostgreSQL 18 or newer, and that the DSN's role is a superuser.

        Raises: ClusterUnavailable (57P03).
        """
        if self._checked:
            return
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
        self._checked = True

    async def stop(self) -> None:
        """Forget that it was checked: the cluster is not ours to stop."""
        self._checked = False

    async def connect(self, role: str, database: str) -> OwnConnection:
        """Open a control connection as any role.

        Raises: ClusterUnavailable (57P03) when nothing answers or the role is not let in.
        """
        try:
            return await connect_control(
                timeout_s=self._connect_timeout_s,
                host=self._host,
                port=self._port,
                user=role,
                database=database,
                ssl=self._tls if self._tls is not None else False,
                passfile=None,
            )
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise ClusterUnavailable(
                "the external cluster does not let OmniSQL in", detail=str(error), hint=REQUIREMENTS_HINT
            ) from error

    def address(self) -> ClusterAddress:
        """Give the DSN's host and port with its way of TLS, or the path of its Unix socket."""
        directory = self.socket_directory
        if directory is not None:
            return ClusterAddress(socket_path=directory / f".s.PGSQL.{self._port}", host=None, port=self._port)
        return ClusterAddress(socket_path=None, host=self._host, port=self._port, tls=self._tls)


def dba_script(superuser: str, account: str) -> str:
    """Write what an administrator sets up once on an external cluster: a role, and how it may become every other.

    `account` is the operating system's account that runs OmniSQL, which matters where it connects by a Unix socket.
    """
    role = identifier(superuser)
    return f"""-- In psql, as a superuser of the cluster. The cluster serves one tenant only.
CREATE ROLE {role} LOGIN SUPERUSER;

-- In pg_hba.conf, above all other lines: over TLS by a client certificate whose common name is {superuser},
-- or on the same machine by a Unix socket. No password is involved, so none of a user's opens anything.
--   hostssl  all  all  <address of OmniSQL>/32  cert  map=omnisql
--   local    all  all                           peer  map=omnisql
-- In pg_ident.conf: whoever OmniSQL is may be every role.
--   omnisql  {superuser}  all
--   omnisql  {account}  all
-- And in postgresql.conf, so that statements and values stay out of the server's log:
--   log_statement = none
--   log_min_error_statement = panic
--   log_min_messages = log
SELECT pg_catalog.pg_reload_conf();
"""


def _tls_context(query: dict[str, str]) -> tls.SSLContext | None:
    mode = query.get("sslmode", "verify-full")
    if mode not in SSL_MODES:
        raise InvalidName("a cluster's DSN has an unknown sslmode", hint=f"Choose one of {', '.join(SSL_MODES)}.")
    if mode == "disable":
        return None
    try:
        context = tls.create_default_context(cafile=query.get("sslrootcert"))
        context.check_hostname = mode == "verify-full"
        if mode == "require":
            context.verify_mode = tls.CERT_NONE
        if "sslcert" in query:
            context.load_cert_chain(query["sslcert"], query.get("sslkey"))
    except (OSError, tls.SSLError) as error:
        raise InvalidName("a certificate of the cluster's DSN cannot be loaded", detail=str(error)) from error
    return context
