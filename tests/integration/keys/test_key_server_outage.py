"""A server whose keys are in OpenBao: rotation, moving there from files, an outage, and a tenant that is destroyed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from beside_control import with_control
from demo_server import DemoServer, demo_directory, start_demo
from key_server import KeyServer, server_of
from served import until

from catalog.control import Tenant, tenant_named
from omnisql_server.admin.channel import ask_running_server

WEB = "owner = 'acme' AND repo = 'web'"
COUNT = f"SELECT count(*) FROM github.issues WHERE {WEB}"
PROGRAM = str(Path(sys.executable).with_name("omnisql"))


@pytest.fixture
def server(bao: KeyServer) -> Iterator[DemoServer]:
    with server_of(bao, TIMEOUT_S="0.3", HELD_S="3") as running:
        yield running


def sqlstate_of(session: psycopg.Connection, sql: str) -> str | None:
    """Run a statement; return its SQLSTATE if it fails."""
    try:
        session.execute(sql.encode())
    except psycopg.Error as error:
        return error.sqlstate
    return None


def names_of(bao: KeyServer, tenant: Tenant) -> list[str]:
    """Name the keys of a tenant."""
    return [name for name in bao.key_names() if str(tenant.id) in name]


def test_statements_go_on_for_as_long_as_keys_are_held_and_then_say_what_is_missing(
    bao: KeyServer, server: DemoServer
) -> None:
    with psycopg.connect(**server.arguments("ana"), dbname="acme", autocommit=True) as session:
        assert sqlstate_of(session, COUNT) is None
        bao.process.send_signal(signal.SIGSTOP)
        try:
            assert sqlstate_of(session, COUNT) is None
            until(lambda: sqlstate_of(session, COUNT) == "57P03", limit_s=30)
            # What needs no key goes on.
            assert session.execute("SELECT 1").fetchone() == (1,)
        finally:
            bao.process.send_signal(signal.SIGCONT)
        until(lambda: sqlstate_of(session, COUNT) is None, limit_s=30)


def test_keys_are_rotated_while_statements_go_on_and_destroyed_with_their_tenant(
    bao: KeyServer, server: DemoServer
) -> None:
    data = server.directory / "data"
    tenant = with_control(data, lambda connection: tenant_named(connection, "acme"))
    assert names_of(bao, tenant) == [f"omnisql-{tenant.id}-1"]
    with psycopg.connect(**server.arguments("ana"), dbname="acme", autocommit=True) as session:
        session.execute("SET omnisql.max_staleness = '1h'")
        expected = session.execute(COUNT).fetchone()
        environment = {**os.environ, "OMNISQL_DATA_DIRECTORY": str(data)}
        rotated = subprocess.run(
            [PROGRAM, "keys", "rotate", "acme"], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        assert rotated.stdout == "rotated: acme\n"
        assert names_of(bao, tenant) == [f"omnisql-{tenant.id}-2"]
        assert session.execute(COUNT).fetchone() == expected
    asyncio.run(ask_running_server(data, "destroy", {"name": "acme", "confirm": "acme"}))
    assert names_of(bao, tenant) == []


def test_keys_in_files_move_to_the_key_server_when_they_are_rotated(bao: KeyServer, server: DemoServer) -> None:
    assert server.stop() == 0
    assert not (server.directory / "data" / "tenant-keys").exists()
    with demo_directory() as directory:
        plain = start_demo(directory)
        assert plain.stop() == 0
        assert len(list((directory / "data" / "tenant-keys").iterdir())) == 1
        known = bao.key_names()
        environment = {
            **os.environ,
            "OMNISQL_DATA_DIRECTORY": str(directory / "data"),
            "OMNISQL_KEYS_ADDRESS": bao.address,
            "OMNISQL_KEYS_ROLE_ID": bao.role_id,
            "OMNISQL_KEYS_SECRET_ID_FILE": str(bao.secret_id_file),
        }
        subprocess.run([PROGRAM, "keys", "rotate"], env=environment, check=True, capture_output=True, timeout=120)
        assert list((directory / "data" / "tenant-keys").iterdir()) == []
        assert len(bao.key_names()) == len(known) + 1
