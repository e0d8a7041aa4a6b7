"""A server with tenants as a child process, its administration channel, and PostgreSQL's processes behind it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
import yaml

from omnisql_server.admin.channel import ask_running_server
from omnisql_server.admin.tenants import TenantState
from wire.auth import make_verifier

PASSWORD = "correct horse"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
POLL_INTERVAL_S = 0.02
PROGRAM = str(Path(sys.executable).with_name("omnisql"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running server; `directory` holds its configuration, data, log and temporary files."""

    process: subprocess.Popen[bytes]
    directory: Path
    port: int

    @property
    def data(self) -> Path:
        """Return the data directory."""
        return self.directory / "data"

    def administer(self, operation: str, **arguments: object) -> tuple[TenantState, ...]:
        """Have the server carry out an administrative operation."""
        answered = asyncio.run(ask_running_server(self.data, operation, arguments))
        assert answered is not None
        return answered

    def create_tenant(self, name: str, *users: str, limits: Mapping[str, float] | None = None) -> None:
        """Make a tenant with the owner `admin` and some users, all with the same password."""
        self.administer("create", name=name, owner="admin", verifier=make_verifier(PASSWORD), limits=dict(limits or {}))
        for user in users:
            self.administer("add_user", name=name, user=user, verifier=make_verifier(PASSWORD))

    def connect(self, tenant: str, user: str = "admin", password: str = PASSWORD, **options: Any) -> psycopg.Connection:
        """Log in; statements are transactions of their own."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=tenant,
            user=user,
            password=password,
            **{"autocommit": True, "connect_timeout": 30, **options},
        )

    def refusal(self, tenant: str, user: str = "admin", password: str = PASSWORD) -> psycopg.OperationalError:
        """Return the error of a log-in that has to fail."""
        try:
            self.connect(tenant, user, password).close()
        except psycopg.OperationalError as error:
            return error
        raise AssertionError("the log-in succeeded")

    def cluster(self, tenant: str) -> str:
        """Return the name of a tenant's cluster."""
        (state,) = self.administer("show", name=tenant)
        return state.cluster

    def postmaster(self, cluster: str) -> psutil.Process:
        """Return the first process of a running cluster."""
        return psutil.Process(self.postmaster_pid(cluster))

    def postmaster_pid(self, cluster: str) -> int:
        """Return the number of the first process of a cluster that runs, or did not get to clear up."""
        return int((self.data / "postgres" / "clusters" / cluster / "postmaster.pid").read_text().splitlines()[0])

    def events(self) -> list[dict[str, Any]]:
        """Return what the server logged so far."""
        return [json.loads(line) for line in (self.directory / "log").read_text().splitlines() if line.startswith("{")]

    def stop(self) -> int:
        """Ask the server to end, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT_S)

    def kill_everything(self) -> None:
        """Kill the server and all that it started, none of which gets a chance to do anything."""
        processes = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        for process in processes:
            # PostgreSQL's processes end by themselves when the first of them is gone.
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_TIMEOUT_S)
        psutil.wait_procs(processes, STOP_TIMEOUT_S)


@contextmanager
def served_directory() -> Iterator[Path]:
    """Make a folder for a server that PostgreSQL's own account may enter, and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="omnisql-s-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o711)
        (directory / "tmp").mkdir(mode=0o711)
        yield directory


def start_served(
    directory: Path, settings: Mapping[str, Mapping[str, object]] | None = None, *, prefix: Sequence[str] = ()
) -> Served:
    """Start a server over a folder, and return once it accepts clients; `prefix` is a program that runs it."""
    sections: dict[str, dict[str, object]] = {
        "listener": {"port": 0, "drain_timeout_s": 1},
        "data": {"directory": str(directory / "data")},
        "telemetry": {"log_format": "json"},
    }
    for section, values in (settings or {}).items():
        sections.setdefault(section, {}).update(values)
    (directory / "omnisql.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
    (directory / "log").write_bytes(b"")
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [*prefix, PROGRAM, "serve", "--config", str(directory / "omnisql.yaml")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(directory),
        )
    return Served(process=process, directory=directory, port=_port(process, directory / "log"))


def environment(directory: Path) -> dict[str, str]:
    """Give a child process a small environment, with its temporary files in the folder."""
    inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return {**inherited, "TMPDIR": str(directory / "tmp")}


def until(holds: Callable[[], bool], limit_s: float = 10.0, pause_s: float = POLL_INTERVAL_S) -> None:
    """Wait until something holds that another process brings about."""
    give_up_s = time.monotonic() + limit_s
    never = threading.Event()
    while not holds():
        assert time.monotonic() < give_up_s, "it did not come about"
        never.wait(pause_s)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_s:
        for line in log.read_text(errors="replace").splitlines():
            if '"listener_ready"' in line:
                port: int = json.loads(line)["port"]
                return port
        try:
            process.wait(POLL_INTERVAL_S)
        except subprocess.TimeoutExpired:
            continue
        break
    process.kill()
    raise AssertionError(f"the server did not start:\n{log.read_text(errors='replace')}")
