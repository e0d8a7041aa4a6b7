"""What the tests of sources talk to besides the server: the clusters behind it, and an HTTP server that only counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
from demo_server import DATABASE, DemoServer

from catalog.clusters import EmbeddedCluster, EmbeddedSettings
from catalog.clusters.embedded import SOCKET_RECORD

CONTROL = ("omnisql-control", "omnisql_control")
TENANT = (DATABASE, DATABASE)
GOOD_TOKEN = "simulated-token"


def cluster_of(demo: DemoServer, name: str) -> EmbeddedCluster:
    """Describe a cluster that the server runs, the tenant's by its database; it is not started or stopped from here."""
    return EmbeddedCluster(
        demo.cluster.name if name == DATABASE else name,
        EmbeddedSettings(data_root=demo.directory / "data" / "postgres"),
    )


def data_directory(demo: DemoServer, cluster: str) -> Path:
    """Return a cluster's data directory."""
    return cluster_of(demo, cluster).data_directory


def socket_directory(demo: DemoServer, cluster: str) -> str:
    """Return where a cluster's socket is."""
    return next(path for path in data_directory(demo, cluster).rglob(SOCKET_RECORD)).read_text(encoding="utf-8")


@contextmanager
def superuser(demo: DemoServer, where: tuple[str, str] = TENANT) -> Iterator[psycopg.Connection]:
    """Connect to a cluster behind the server, as its superuser."""
    cluster, database = where
    address: dict[str, Any] = {"host": socket_directory(demo, cluster), "autocommit": True}
    # Any role may be taken by the account that started the server; only the superuser's name is random.
    name = superuser_name(demo, cluster)
    with psycopg.connect(**address, dbname=database, user=name) as connection:
        yield connection


def postgres_log(demo: DemoServer, cluster: str = DATABASE) -> str:
    """Return a cluster's whole log."""
    return cluster_of(demo, cluster).log_path.read_text(errors="replace")


def superuser_name(demo: DemoServer, cluster: str) -> str:
    """Return the random name of a cluster's superuser."""
    return cluster_of(demo, cluster).superuser


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A notice, read while its fields can be read."""

    severity: str | None
    sqlstate: str | None
    message: str


def collect_notices(session: psycopg.Connection) -> list[Said]:
    """Have a session's notices collected."""
    said: list[Said] = []

    def hear(fields: psycopg.errors.Diagnostic) -> None:
        said.append(Said(severity=fields.severity, sqlstate=fields.sqlstate, message=fields.message_primary or ""))

    session.add_notice_handler(hear)
    return said


def refusal(session: psycopg.Connection, sql: str) -> psycopg.errors.Diagnostic:
    """Run a statement that has to fail, and return the fields of its error."""
    try:
        session.execute(sql.encode())
    except psycopg.Error as error:
        return error.diag
    raise AssertionError(f"it was not refused: {sql}")


def value(session: psycopg.Connection, sql: str) -> Any:
    """Run a query and return the one value of its one row."""
    row = session.execute(sql.encode()).fetchone()
    assert row is not None
    return row[0]


def options_of(session: psycopg.Connection, server: str, role: str = "admin") -> dict[str, str]:
    """Return the options of a user mapping as PostgreSQL keeps them."""
    sql = "SELECT umoptions FROM pg_user_mappings WHERE srvname = %s AND usename = %s"
    row = session.execute(sql, (server, role)).fetchone()
    assert row is not None
    return dict(entry.split("=", 1) for entry in row[0])


class CountingServer:
    """An HTTP server that answers 404 and keeps what it was sent."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append(f"{self.path} {self.headers}")
                self.send_error(404)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
