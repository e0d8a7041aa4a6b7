"""Clusters start on first use, make room for each other, stop when idle, and come back after whatever ends them."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from served import Served, served_directory, start_served, until

COLD_START_MAX_S = 30.0
"""Far above what a cold start takes, so that only one that never comes fails; benchmarks/tenants.py measures it."""


@pytest.fixture
def directory() -> Iterator[Path]:
    with served_directory() as made:
        yield made


def _running(server: Served) -> set[str]:
    return {state.name for state in server.administer("list") if state.running}


def _keep(server: Served, tenant: str) -> None:
    """Commit a row that has to be there whatever happens."""
    with server.connect(tenant) as session:
        session.execute("CREATE TABLE kept AS SELECT 7 AS x")


def _kept(server: Served, tenant: str) -> object:
    with server.connect(tenant) as session:
        return session.execute("SELECT x FROM kept").fetchone()


def test_a_tenant_makes_room_for_another_stops_when_idle_and_starts_cold(directory: Path) -> None:
    server = start_served(directory, {"clusters": {"running_max": 1, "idle_stop_s": 2}})
    try:
        for tenant in ("acme", "beta"):
            server.create_tenant(tenant)
        _keep(server, "acme")
        assert _running(server) == {"acme"}
        with server.connect("beta") as session:
            assert _running(server) == {"beta"}
            refused = str(server.refusal("acme"))
            assert "too many clusters are in use" in refused
            assert session.execute("SELECT 1").fetchone() == (1,)
        started_s = time.monotonic()
        assert _kept(server, "acme") == (7,)
        assert time.monotonic() - started_s < COLD_START_MAX_S
        until(lambda: _running(server) == set())
        assert _kept(server, "acme") == (7,)
    finally:
        assert server.stop() == 0


def test_a_killed_cluster_ends_its_sessions_alone_and_comes_back_with_all_that_was_committed(directory: Path) -> None:
    server = start_served(directory)
    try:
        for tenant in ("acme", "beta"):
            server.create_tenant(tenant)
        _keep(server, "acme")
        with server.connect("acme", sslmode="disable") as lost, server.connect("beta") as neighbor:
            server.postmaster(server.cluster("acme")).kill()
            assert b"C57P01\0" in _farewell(lost)
            assert neighbor.execute("SELECT 1").fetchone() == (1,)
            assert _kept(server, "acme") == (7,)
        assert "cluster_died" in {event["event"] for event in server.events()}
    finally:
        assert server.stop() == 0


def test_a_killed_backend_ends_its_session_and_its_cluster_goes_on(directory: Path) -> None:
    server = start_served(directory)
    try:
        server.create_tenant("acme")
        _keep(server, "acme")
        with server.connect("acme", sslmode="disable") as lost:
            (pid,) = lost.execute("SELECT pg_backend_pid()").fetchone() or (0,)
            psutil.Process(pid).kill()
            assert b"C57P01\0" in _farewell(lost)
        until(lambda: _answers(server, "acme"))
        assert _kept(server, "acme") == (7,)
    finally:
        assert server.stop() == 0


def test_everything_killed_at_once_loses_nothing_committed_and_leaves_nothing_running(directory: Path) -> None:
    server = start_served(directory)
    server.create_tenant("acme", "ana")
    _keep(server, "acme")
    session = server.connect("acme")
    session.execute("CREATE TABLE kept_too AS SELECT 8 AS x")
    server.kill_everything()
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    again = start_served(directory)
    try:
        assert _kept(again, "acme") == (7,)
        with again.connect("acme", "ana") as ana:
            assert ana.execute("SELECT current_user::text").fetchone() == ("ana",)
        with again.connect("acme") as admin:
            assert admin.execute("SELECT x FROM kept_too").fetchone() == (8,)
    finally:
        assert again.stop() == 0
    left = [each for each in psutil.process_iter(["cmdline"]) if str(directory) in " ".join(each.info["cmdline"] or [])]
    assert left == []


def test_a_damaged_data_directory_is_said_and_leaves_the_others_alone(directory: Path) -> None:
    server = start_served(directory, {"clusters": {"idle_stop_s": 1}})
    try:
        for tenant in ("acme", "beta"):
            server.create_tenant(tenant)
        _keep(server, "acme")
        server.administer("stop", name="acme")
        control_file = server.data / "postgres" / "clusters" / server.cluster("acme") / "global" / "pg_control"
        content = control_file.read_bytes()
        control_file.write_bytes(b"\0" * len(content))
        assert "the cluster's files are damaged" in str(server.refusal("acme"))
        control_file.unlink()
        assert "the data directory is incomplete" in str(server.refusal("acme"))
        with server.connect("beta") as session:
            assert session.execute("SELECT 1").fetchone() == (1,)
        state = control_file.parent.stat()
        control_file.write_bytes(content)
        control_file.chmod(0o600)
        os.chown(control_file, state.st_uid, state.st_gid)
        assert _kept(server, "acme") == (7,)
    finally:
        assert server.stop() == 0


def test_without_the_control_cluster_sessions_go_on_and_new_ones_are_told_so(directory: Path) -> None:
    server = start_served(directory)
    try:
        server.create_tenant("acme")
        with server.connect("acme") as session:
            control = server.postmaster("omnisql-control")
            control.kill()
            # One that died is started again with the next log-in that needs it; its processes may answer a last one.
            until(lambda: _answers(server, "acme") and server.postmaster_pid("omnisql-control") != control.pid)
            control_file = server.data / "postgres" / "clusters" / "omnisql-control" / "global" / "pg_control"
            aside = control_file.with_name("aside")
            control_file.rename(aside)
            server.postmaster("omnisql-control").kill()
            # Its processes may answer one more.
            until(lambda: not _answers(server, "acme"))
            assert "the control database is not available" in str(server.refusal("acme"))
            session.execute("CREATE TABLE meanwhile AS SELECT 1 AS x")
            aside.rename(control_file)
            assert _answers(server, "acme")
            assert session.execute("SELECT x FROM meanwhile").fetchone() == (1,)
    finally:
        assert server.stop() == 0


def _farewell(session: psycopg.Connection) -> bytes:
    """Return what an idle session is told at its end, before it asks anything."""
    readable, _, _ = select.select([session], [], [], 10.0)
    assert readable, "the session was told nothing"
    with socket.socket(fileno=os.dup(session.fileno())) as connection:
        return connection.recv(65_536)


def _answers(server: Served, tenant: str) -> bool:
    try:
        with server.connect(tenant) as session:
            return session.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False
