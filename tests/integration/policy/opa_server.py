"""A real OPA server with a bundle, as a child process."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from installed_programs import opa_program

from omnisql_server.policy.embedded import decision_source
from omnisql_server.policy.rules import Rules

START_TIMEOUT_S = 30.0
POLL_TIMEOUT_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaServer:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]

    def put(self, rules: Rules) -> None:
        """Have a server without a bundle decide by rules from now on."""
        self._put("/v1/policies/omnisql", decision_source().encode())
        self._put("/v1/data/omnisql_policies", json.dumps(rules.data).encode())

    def _put(self, path: str, body: bytes) -> None:
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=body, method="PUT"), timeout=10):
            return


@contextmanager
def running_opa(directory: Path, bundle: bytes | None = None) -> Iterator[OpaServer]:
    """Serve a bundle, or nothing yet, until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [str(opa_program()), "run", "--server", "--addr", address, "--disable-telemetry", "--log-level", "error"]
    if bundle is not None:
        (directory / "bundle.tar.gz").write_bytes(bundle)
        command += ["--bundle", str(directory / "bundle.tar.gz")]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _await_health(process, f"http://{address}/health", directory / "log")
        yield OpaServer(url=f"http://{address}", process=process)
    finally:
        process.terminate()
        process.wait(START_TIMEOUT_S)


def _await_health(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_s:
        try:
            code = process.wait(POLL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = None
        if code is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            continue
    raise AssertionError(f"OPA did not start:\n{log.read_text(errors='replace')}")
