"""A cluster far above its disk quota, one whose server starts again, and one that is dumped meanwhile."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from served import PASSWORD, PROGRAM, Served, environment, served_directory, start_served, until

from catalog.clusters.disk_use import disk_used_bytes
from catalog.clusters.processes import program

ACME = "acme"
MB = 2**20
# Rows that no compression makes small, so that a tenth of what is used is more than what changes by itself.
FILL = "INSERT INTO filler SELECT repeat('x', 1000000) FROM generate_series(1, 60)"
# Both have written when they fall asleep.
INSERTS = "INSERT INTO kept SELECT g FROM generate_series(100, 101) g, pg_sleep((g - 100) * 600)"
DELETES = "DELETE FROM kept WHERE x = 1 OR pg_sleep(600) IS NOT NULL"
ASLEEP = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE %s"


@pytest.fixture
def directory() -> Iterator[Path]:
    with served_directory() as made:
        yield made


@pytest.fixture
def server(directory: Path) -> Iterator[Served]:
    """Start a server with one tenant that has a large table and a small one, without a quota."""
    started = start_served(directory)
    try:
        started.create_tenant(ACME, "ana")
        with started.connect(ACME) as session:
            session.execute("CREATE TABLE filler (t text); ALTER TABLE filler ALTER t SET STORAGE EXTERNAL")
            session.execute("CREATE TABLE kept (x int); INSERT INTO kept VALUES (1), (2)")
            session.execute(FILL.encode())
        yield started
    finally:
        started.stop()


def give(server: Served, part: float | None) -> int:
    """Make what the tenant uses so many times its quota (None: none), and return that in megabytes."""
    used = disk_used_bytes(server.data / "postgres" / "clusters" / server.cluster(ACME)) / MB
    quota = None if part is None else int(used / part)
    server.administer("alter", name=ACME, limits={"clusters.disk_mb_max": quota})
    return quota or 0


def is_refused(session: psycopg.Connection) -> bool:
    try:
        session.execute("INSERT INTO kept VALUES (3)")
    except psycopg.errors.DiskFull:
        return True
    return False


def run(server: Served, sql: str) -> None:
    with server.connect(ACME) as session:
        session.execute(sql.encode())


def begin(server: Served, executor: ThreadPoolExecutor, sql: str) -> Future[None]:
    """Have a statement run elsewhere, and return when it has written and sleeps."""
    future = executor.submit(run, server, sql)
    with server.connect(ACME) as session:
        until(lambda: session.execute(ASLEEP, (f"{sql[:20]}%",)).fetchone() == (1,), 30.0)
    return future


def test_far_above_it_deletes_are_canceled_and_transactions_that_wrote_are_ended(server: Served) -> None:
    with ThreadPoolExecutor(2) as executor, server.connect(ACME) as idle, server.connect(ACME) as reader:
        try:
            inserts, deletes = begin(server, executor, INSERTS), begin(server, executor, DELETES)
            idle.execute("BEGIN")
            idle.execute("INSERT INTO kept VALUES (4)")
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM kept")
            give(server, 1.05)
            with pytest.raises(psycopg.errors.DiskFull):
                inserts.result(30.0)
            # One measure has seen both: what makes room by rows goes on, and so does what sleeps in its transaction.
            assert (deletes.done(), idle.execute("SELECT 1").fetchone()) == (False, (1,))
            give(server, 1.2)
            with pytest.raises(psycopg.errors.DiskFull, match="disk quota is exceeded"):
                deletes.result(30.0)
            until(lambda: _is_ended(idle), 30.0)
            assert reader.execute("SELECT count(*) FROM kept WHERE x < 3").fetchone() == (2,)
        finally:
            give(server, None)
            with server.connect(ACME) as session:
                session.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")


def _is_ended(session: psycopg.Connection) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def test_a_server_that_starts_again_goes_on_refusing_until_there_is_room(server: Served, directory: Path) -> None:
    quota = give(server, 1.05)
    with server.connect(ACME) as session:
        until(lambda: is_refused(session), 30.0)
    assert server.stop() == 0
    again = start_served(directory)
    try:
        with again.connect(ACME) as session:
            with pytest.raises(psycopg.errors.DiskFull) as caught:
                session.execute("INSERT INTO kept VALUES (5)")
            assert f"of {quota} MB" in str(caught.value.diag.message_detail)
            with pytest.raises(psycopg.errors.DiskFull):
                session.execute("BEGIN READ WRITE")
            assert session.execute("SELECT count(*) FROM filler").fetchone() == (60,)
            session.execute("DROP TABLE filler")
            until(lambda: not is_refused(session), 30.0)
        assert again.stop() == 0
    finally:
        again.stop()


def test_a_quota_that_is_gone_when_the_server_starts_again_refuses_nothing(server: Served, directory: Path) -> None:
    give(server, 1.05)
    with server.connect(ACME) as session:
        until(lambda: is_refused(session), 30.0)
    assert server.stop() == 0
    subprocess.run(
        [PROGRAM, "tenant", "alter", ACME, "--limit", "clusters.disk_mb_max=", "--config", directory / "omnisql.yaml"],
        env=environment(directory),
        check=True,
        capture_output=True,
        timeout=120,
    )
    again = start_served(directory)
    try:
        with again.connect(ACME) as session:
            session.execute("INSERT INTO kept VALUES (6)")
    finally:
        assert again.stop() == 0


def test_a_tenant_above_its_quota_can_be_dumped(server: Served) -> None:
    give(server, 1.2)
    with server.connect(ACME) as session:
        until(lambda: is_refused(session), 30.0)
    address = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "admin"]
    done = subprocess.run(
        [str(program("pg_dump")), *address, "--exclude-table-data=filler", ACME],
        env={"PGPASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "COPY public.kept (x) FROM stdin;\n1\n2\n" in done.stdout
