"""A full disk: statements that need room fail with 53100, nothing committed is lost, and room makes all well again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from served import Served, served_directory, start_served, until

from omnisql_server.admin.channel import AdminError

DISK_MB = 220


def _on_small_disk(mount_point: Path) -> list[str]:
    """Run a program where a folder is a small disk of its own, which is gone with the program."""
    isolate = ["unshare", "--mount"]
    if os.geteuid() != 0:
        isolate = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount"]
    mount = f"mount -t tmpfs -o size={DISK_MB}m,mode=0711 tmpfs {shlex.quote(str(mount_point))}"
    return [*isolate, "sh", "-c", f'{mount} && exec "$@"', "sh"]


@pytest.fixture
def server() -> Iterator[Served]:
    with served_directory() as directory:
        disk = directory / "data" / "postgres"
        disk.mkdir(parents=True)
        started = start_served(directory, prefix=_on_small_disk(disk))
        try:
            yield started
        finally:
            assert started.stop() == 0


def _rows(server: Served, tenant: str) -> int | None:
    try:
        with server.connect(tenant) as session:
            ((count,),) = session.execute("SELECT count(*) FROM kept").fetchall()
            return int(count)
    except psycopg.OperationalError:
        return None


def test_a_full_disk_refuses_what_needs_room_loses_nothing_and_recovers(server: Served) -> None:
    for tenant in ("acme", "beta"):
        server.create_tenant(tenant)
        with server.connect(tenant) as session:
            session.execute("CREATE TABLE kept AS SELECT g AS x FROM generate_series(1, 1000) g")
    with server.connect("acme") as session:
        session.execute("CREATE TABLE filler (t text)")
        session.execute("ALTER TABLE filler ALTER t SET STORAGE EXTERNAL")
        with pytest.raises(psycopg.errors.OperationalError) as caught:
            session.execute("INSERT INTO filler SELECT repeat('x', 1000000) FROM generate_series(1, 400)")
        # A cluster that cannot even write its log ends, and is started again when there is room.
        assert caught.value.sqlstate in ("53100", "57P01", "57P02")
    until(lambda: _rows(server, "beta") == 1000, 30.0)
    until(lambda: _rows(server, "acme") == 1000, 30.0)
    with server.connect("acme") as session:
        session.execute("DROP TABLE filler")
        session.execute("INSERT INTO kept VALUES (0)")
    assert _rows(server, "acme") == 1001


def test_a_tenant_for_which_there_is_no_room_is_refused_and_can_be_made_later(server: Served) -> None:
    server.create_tenant("acme")
    filler = Path(f"/proc/{server.process.pid}/root") / server.data.relative_to("/") / "postgres" / "filler"
    free = os.statvfs(filler.parent)
    filler.write_bytes(b"\0" * (free.f_bavail * free.f_frsize - 8 * 2**20))
    with pytest.raises(AdminError) as caught:
        server.create_tenant("beta")
    assert (caught.value.sqlstate, caught.value.message) == ("53100", "no room for a new cluster")
    assert "password authentication failed" in str(server.refusal("beta"))
    with server.connect("acme") as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
    filler.unlink()
    server.create_tenant("beta")
    with server.connect("beta") as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
