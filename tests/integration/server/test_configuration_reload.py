"""SIGHUP at `omnisql serve`: new settings, policy and certificate for open sessions and new ones; nobody is dropped."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from beside_control import with_control
from demo_server import DATABASE, PASSWORD, demo_directory, start_demo
from sessions import eventually, refused, value_of

from catalog.audit import SERVER_CHAIN, records_of
from catalog.connection import OwnConnection
from omnisql_server.audit.record import Record, decoded

STOP_TIMEOUT_S = 30.0
DENIED = "SELECT number FROM github.issues WHERE owner = 'acme' AND repo = 'web'"
DENIAL = {"version": 1, "denials": [{"name": "nobody", "tables": ["github.issues"]}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server of its own, its configuration file and its log."""

    process: subprocess.Popen[bytes]
    directory: Path
    config: Path
    log: Path
    port: int

    def configure(self, **sections: dict[str, Any]) -> None:
        """Write the configuration file."""
        self.config.write_text(yaml.safe_dump(sections), encoding="utf-8")

    async def reload(self, event: str = "configuration_reloaded") -> None:
        """Send SIGHUP and wait for what it leads to."""
        before = self.log.read_text(encoding="utf-8").count(event)
        self.process.send_signal(signal.SIGHUP)
        await eventually(lambda: self.log.read_text(encoding="utf-8").count(event) > before)

    def connect(self) -> psycopg.Connection:
        """Log in."""
        arguments: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "user": "ana", "password": PASSWORD}
        return psycopg.connect(**arguments, dbname=DATABASE, autocommit=True)

    def answers(self) -> bool:
        """Say whether clients are let in."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(directory: Path, port: int) -> Iterator[Served]:
    """Run `omnisql serve` over the data of a demo that has ended."""
    config, log = directory / "config.yaml", directory / "serve.log"
    command = [str(Path(sys.executable).with_name("omnisql")), "serve", "--config", str(config)]
    inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    environment = {
        **inherited,
        "TMPDIR": str(directory / "tmp"),
        "OMNISQL_DATA_DIRECTORY": str(directory / "data"),
        "OMNISQL_LISTENER_PORT": str(port),
        "OMNISQL_LISTENER_DRAIN_TIMEOUT_S": "1",
    }
    config.write_text("", encoding="utf-8")
    with log.open("ab") as sink:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment)
    try:
        yield Served(process=process, directory=directory, config=config, log=log, port=port)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_TIMEOUT_S) == 0


@pytest.fixture
def served() -> Iterator[Served]:
    with demo_directory() as directory:
        start_demo(directory, issues=50).stop()
        with serving(directory, free_port()) as started:
            yield started


async def test_a_configuration_is_read_again_without_dropping_a_session(served: Served, tmp_path: Path) -> None:
    await eventually(served.answers, 60.0)
    session = served.connect()
    session.execute("SET work_mem = '8MB'")
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump(DENIAL), encoding="utf-8")

    served.configure(listener={"connections_max": 1}, policy={"file": str(policy)}, engine={"threads": 1})
    await served.reload()
    assert "setting_needs_restart" in served.log.read_text(encoding="utf-8")
    assert "engine.threads" in served.log.read_text(encoding="utf-8")
    assert value_of(session, "SHOW work_mem") == "8MB"
    assert refused(session, DENIED).sqlstate == "42501"
    with pytest.raises(psycopg.OperationalError, match="too many clients"):
        served.connect()

    served.config.write_text("listener: {connections_max: 0}", encoding="utf-8")
    await served.reload("configuration_not_reloaded")
    policy.write_text("version: 2", encoding="utf-8")
    served.configure(listener={"connections_max": 5}, policy={"file": str(policy)})
    await served.reload("configuration_not_reloaded")
    assert refused(session, DENIED).sqlstate == "42501"
    with pytest.raises(psycopg.OperationalError, match="too many clients"):
        served.connect()

    served.configure(listener={"connections_max": 5}, telemetry={"log_level": "debug"})
    await served.reload()
    served.connect().close()
    # Where these rows come from has ended; what matters is that nobody forbids them any more.
    assert (
        refused(session, "SELECT number FROM github.issues WHERE owner = 'acme' AND repo = 'web'").sqlstate != "42501"
    )
    assert value_of(session, "SHOW work_mem") == "8MB"
    session.close()

    acts = await asyncio.to_thread(with_control, served.directory / "data", _acts)
    assert [(act.kind, act.detail) for act in acts[-3:]] == [
        ("serve", ""),
        ("reload", "listener.connections_max, policy.file"),
        ("reload", "listener.connections_max, telemetry.log_level, policy.file"),
    ]
    revisions = [act.policy_revision for act in acts[-3:]]
    assert revisions[0] == revisions[2] != revisions[1]


async def _acts(connection: OwnConnection) -> list[Record]:
    return [decoded(each.record) async for each in records_of(connection, SERVER_CHAIN, 0)]
