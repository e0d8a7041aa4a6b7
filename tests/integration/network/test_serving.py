"""`omnisql serve` as it comes: sources of this machine are refused, balancers and authorities are as configured."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from demo_server import DATABASE, PASSWORD, demo_directory, start_demo
from proxy_headers import proxied

from wire.startup import encode_ssl_request

WAIT_S = 60.0
SQL = "SELECT count(*) FROM github.issues WHERE owner = 'acme' AND repo = 'web'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a demo left behind: its directory, and the port that its server `github` points to."""

    directory: Path
    source_port: int


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    with demo_directory() as directory:
        demo = start_demo(directory, issues=50)
        assert demo.stop() == 0
        yield Kept(directory=directory, source_port=demo.github.port)


@contextmanager
def serving(kept: Kept, **settings: str) -> Iterator[tuple[int, Path]]:
    """Serve what the demo left and yield the port and the log."""
    log = kept.directory / "serve.log"
    log.write_text("")
    with log.open("ab") as output:
        process = launch(kept, output, **settings)
    try:
        yield listening_port(process, log), log
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0


def launch(kept: Kept, output: Any, **settings: str) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    ours = {
        "TMPDIR": str(kept.directory / "tmp"),
        "OMNISQL_DATA_DIRECTORY": str(kept.directory / "data"),
        "OMNISQL_LISTENER_PORT": "0",
        "OMNISQL_LISTENER_DRAIN_TIMEOUT_S": "1",
        "OMNISQL_TELEMETRY_LOG_FORMAT": "json",
    }
    command = [str(Path(sys.executable).with_name("omnisql")), "serve"]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**inherited, **ours, **settings}
    )


def listening_port(process: subprocess.Popen[bytes], log: Path) -> int:
    give_up_s = time.monotonic() + WAIT_S
    while time.monotonic() < give_up_s and process.poll() is None:
        for line in events(log, "listener_ready"):
            return int(line["port"])
    raise AssertionError(log.read_text(errors="replace"))


def events(log: Path, name: str) -> list[dict[str, Any]]:
    whole = log.read_text(errors="replace").rpartition("\n")[0]
    lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == name]


def log_in(port: int, **options: Any) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1", port=port, user="ana", password=PASSWORD, dbname=DATABASE, autocommit=True, **options
    )


def test_a_source_of_this_machine_is_refused_until_it_is_allowed(kept: Kept) -> None:
    with closing(socket.create_server(("127.0.0.1", kept.source_port))) as source:
        source.setblocking(False)
        with serving(kept) as (port, log):
            with log_in(port) as session, pytest.raises(psycopg.Error) as raised:
                session.execute(SQL)
            assert raised.value.sqlstate == "HV00N"
            assert raised.value.diag.message_primary == 'server "github" has no address that may be connected to'
            assert "network.allowed_networks" in str(raised.value.diag.message_hint)
            (line,) = events(log, "destination_refused")
            assert (line["server"], line["addresses"], line["principal"]) == ("github", [], "ana")
            assert line["client_address"] == "127.0.0.1"
        with pytest.raises(BlockingIOError):
            source.accept()
        with (
            serving(kept, OMNISQL_NETWORK_ALLOWED_NETWORKS="127.0.0.1/32") as (port, _),
            log_in(port, options="-c statement_timeout=2s") as session,
            pytest.raises(psycopg.errors.QueryCanceled),
        ):
            session.execute(SQL)
        source.accept()[0].close()


def test_balancers_are_those_of_the_settings(kept: Kept) -> None:
    with serving(kept, OMNISQL_LISTENER_PROXY_PROTOCOL_FROM="127.0.0.0/8") as (port, log):
        with pytest.raises(psycopg.OperationalError):
            log_in(port)
        assert events(log, "proxy_header_refused")[0]["client_address"] == "127.0.0.1"
        with closing(socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)) as balancer:
            balancer.sendall(proxied("192.0.2.7") + encode_ssl_request())
            assert balancer.recv(1) == b"S"


def test_a_file_without_authorities_ends_the_start(kept: Kept) -> None:
    log = kept.directory / "failed.log"
    with log.open("wb") as output:
        process = launch(kept, output, OMNISQL_NETWORK_CA_FILE="/nonexistent/ca.pem")
    assert process.wait(WAIT_S) != 0
    assert "setting network.ca_file cannot be used" in log.read_text()
