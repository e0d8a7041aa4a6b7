"""The demo as a child process, and its simulators by their control requests.

What the child puts in temporary folders goes to a folder of its own, so that a test can see what is left of it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import emitted_by_suite
import psutil  # type: ignore[import-untyped]
import redis
from http_caller import HttpCaller
from served import until

from connectors.simulators.company import Company, build_company

DATABASE = "acme"
PASSWORD = "demo"
ISSUES = 300
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
POLL_INTERVAL_S = 0.02
SETTINGS = {
    "OMNISQL_CLUSTERS_CONNECTIONS_MAX": "250",
    "OMNISQL_CLUSTERS_SESSIONS_MAX": "250",
    "OMNISQL_FETCH_SCAN_TIMEOUT_S": "4",
    "OMNISQL_LISTENER_MESSAGE_BYTES_MAX": str(1024 * 1024),
    "OMNISQL_LISTENER_DRAIN_TIMEOUT_S": "1",
    "OMNISQL_LIMITS_WAIT_MAX_S": "2",
    "OMNISQL_WEBHOOKS_PORT": "0",
    "OMNISQL_HTTP_PORT": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """A simulated API, seen from its control requests; one of a demo has a vendor, and its log is noted."""

    base_url: str
    vendor: str | None = None

    @property
    def port(self) -> int:
        """Return the port that the API answers on."""
        return int(self.base_url.rpartition(":")[2])

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests since the last reset, oldest first."""
        answered: list[dict[str, Any]] = self._call("/_sim/requests")
        return answered

    def configure(self, **settings: object) -> None:
        """Change settings; `next` queues faults."""
        self._call("/_sim/config", settings)

    def release(self, *faults: Mapping[str, object]) -> None:
        """Once every queued fault has met its request, let go of what hangs and have what is held back answered.

        Requests after those meet `faults`.
        """
        until(lambda: self._call("/_sim/config")["next"] == [])
        if faults:
            self.configure(next=faults)
        self._call("/_sim/release", {})

    def note(self) -> None:
        """Note what it was sent, to be judged when all tests have run."""
        if self.vendor is not None:
            emitted_by_suite.note(self.vendor, self.requests())

    def reset(self) -> None:
        """Forget requests and faults, and let go of hanging requests."""
        self.note()
        self._call("/_sim/reset", {})

    def _call(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.base_url + path, data=data), timeout=10) as answer:
            return json.load(answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoServer:
    """A demo that answers; `process` is the server itself."""

    process: subprocess.Popen[bytes]
    directory: Path
    port: int
    github: Simulator
    jira: Simulator
    _limits: list[redis.Redis] = field(default_factory=list, repr=False)

    @property
    def cluster(self) -> Path:
        """Return the data directory of the tenant's cluster."""
        return next((self.directory / "data" / "postgres" / "clusters").glob(f"{DATABASE}-*/"))

    def arguments(self, user: str) -> dict[str, Any]:
        """Return how psycopg and asyncpg connect as a user."""
        return {"host": "127.0.0.1", "port": self.port, "user": user, "password": PASSWORD}

    @property
    def webhooks(self) -> str:
        """Return the address that webhooks are sent to."""
        return f"http://127.0.0.1:{self._port_of('webhooks_ready')}/webhooks"

    def caller(self, token: str | None, user: str = "ana") -> HttpCaller:
        """Return who asks by HTTP with a token."""
        certificate = self.directory / "data" / "tls" / "server.crt"
        return HttpCaller(port=self._port_of("http_ready"), certificate=certificate, token=token, user=user)

    def reset(self) -> None:
        """Bring the simulators to their initial state and open every rate limit again."""
        self.github.reset()
        self.jira.reset()
        if not self._limits:
            self._limits.append(redis.Redis(unix_socket_path=str(self._valkey_socket())))
        self._limits[0].flushall()

    def sockets_to(self, simulator: Simulator) -> int:
        """Count the server's open connections to a simulated API."""
        connections = psutil.Process(self.process.pid).net_connections("tcp")
        return sum(1 for each in connections if each.raddr and each.raddr.port == simulator.port)

    def children(self) -> list[psutil.Process]:
        """Return every process below the server."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def left_over(self) -> list[str]:
        """Name what is in the folder for temporary files."""
        return sorted(path.name for path in (self.directory / "tmp").iterdir())

    def stop(self) -> int:
        """Ask the server to end, and return its exit code."""
        for client in self._limits:
            client.close()
        if self.process.poll() is None:
            self.github.note()
            self.jira.note()
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT_S)

    def _port_of(self, event: str) -> int:
        log = (self.directory / "log").read_text(errors="replace")
        return int(re.findall(rf"{event} .*port=(\d+)", log)[-1])

    def _valkey_socket(self) -> Path:
        return next((self.directory / "tmp").glob("*/valkey.sock"))


@contextmanager
def demo_directory() -> Iterator[Path]:
    """Make a folder for a demo that PostgreSQL's own account may enter, and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="omnisql-t-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o711)
        (directory / "tmp").mkdir(mode=0o711)
        yield directory


def start_demo(directory: Path, *, issues: int = ISSUES, settings: Mapping[str, str] | None = None) -> DemoServer:
    """Start the demo with its data and temporary files in a folder, and return once it answers."""
    ready_file = directory / "ready.json"
    ready_file.unlink(missing_ok=True)
    command = [str(Path(sys.executable).with_name("omnisql")), "demo", "--port", "0", "--issues", str(issues)]
    inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--data", str(directory / "data"), "--ready-file", str(ready_file)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**inherited, "TMPDIR": str(directory / "tmp"), **SETTINGS, **(settings or {})},
        )
    facts = _facts(process, ready_file, directory / "log")
    urls = facts["simulators"]
    return DemoServer(
        process=process,
        directory=directory,
        port=facts["port"],
        github=Simulator(base_url=urls["github"], vendor="github"),
        jira=Simulator(base_url=urls["jira"], vendor="jira"),
    )


@cache
def company() -> Company:
    """Build the company that the demo's simulators serve."""
    return build_company(issues=ISSUES)


def _facts(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> dict[str, Any]:
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while not ready_file.exists():
        try:
            code = process.wait(POLL_INTERVAL_S)
        except subprocess.TimeoutExpired:
            code = None
        if code is not None or time.monotonic() > give_up_s:
            process.kill()
            raise AssertionError(f"the demo did not start (exit code {code}):\n{log.read_text(errors='replace')}")
    facts: dict[str, Any] = json.loads(ready_file.read_text())
    return facts
