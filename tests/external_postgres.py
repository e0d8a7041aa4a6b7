"""A PostgreSQL of somebody else's: a server of its own on a port of this machine, with passwords."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg

from catalog.clusters.processes import Account, account_for, child_command, child_environment, make_reachable, program

PASSWORD = "a secret of the source's"
SUPERUSER = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalPostgres:
    """A running server."""

    port: int

    def session(self, user: str = SUPERUSER, dbname: str = "postgres") -> psycopg.Connection:
        """Connect as a role, past OmniSQL, in autocommit."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, password=PASSWORD, dbname=dbname, autocommit=True
        )

    def execute(self, sql: LiteralString) -> None:
        """Run statements as the superuser."""
        with self.session() as session:
            session.execute(sql)


@contextmanager
def external_postgres() -> Iterator[ExternalPostgres]:
    """Run a server for a while; its data are in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="omnisql-external-", dir="/tmp") as folder:
        account = account_for(None)
        directory = Path(folder)
        (directory / "password").write_text(PASSWORD)
        make_reachable(directory, account)
        for path in (directory, *directory.iterdir()):
            os.chown(path, account.uid, account.gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        data = directory / "data"
        made = ["-D", str(data), "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={directory / 'password'}"]
        _run(account, "initdb", [*made, "--encoding=UTF8", "--locale=C", "--no-sync"])
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": folder,
            "fsync": "off",
            # Nobody reads the pipe once the server is ready.
            "log_min_messages": "log",
            "log_checkpoints": "off",
            "shared_buffers": "16MB",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = child_command(account, program("postgres"), ["-D", str(data), *options], death_signal=None)
        child = subprocess.Popen(command, env=child_environment(), cwd="/", stderr=subprocess.PIPE, text=True)
        assert child.stderr is not None
        said = list(_until_ready(child.stderr))
        assert "ready to accept connections" in said[-1], said
        try:
            yield ExternalPostgres(port=port)
        finally:
            child.send_signal(signal.SIGINT)
            child.stderr.close()
            child.wait(timeout=30)


def _until_ready(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if "ready to accept connections" in line:
            return


def _run(account: Account, name: str, arguments: list[str]) -> None:
    command = child_command(account, program(name), arguments, death_signal=None)
    subprocess.run(command, env=child_environment(), cwd="/", check=True, capture_output=True)
