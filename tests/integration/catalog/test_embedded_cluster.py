"""An embedded cluster starts, stops, is noticed when it dies, and survives what a crash leaves behind."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter

import asyncpg
import pytest
import pytest_asyncio

from catalog.clusters import EmbeddedCluster, EmbeddedSettings
from catalog.clusters.processes import account_for, child_command, child_environment, processes_of, program
from catalog.errors import ClusterCorrupt, ClusterInUse, ClusterUnavailable, InvalidName

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[3]

OWNER_TEXT = """
import asyncio, sys
from pathlib import Path
from catalog.clusters import EmbeddedCluster, EmbeddedSettings

async def main():
    cluster = EmbeddedCluster("scratch", EmbeddedSettings(data_root=Path(sys.argv[1])))
    await cluster.start()
    print(f"host={cluster.socket_directory} {cluster.superuser}", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


@pytest_asyncio.fixture(loop_scope="session")
async def cluster(settings: EmbeddedSettings) -> AsyncIterator[EmbeddedCluster]:
    """The cluster `scratch`, stopped; its data stay from test to test."""
    cluster = EmbeddedCluster("scratch", settings)
    yield cluster
    await cluster.stop()


async def _value(cluster: EmbeddedCluster, statement: str, role: str | None = None) -> object:
    connection = await cluster.connect(role or cluster.superuser, "postgres")
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_a_started_cluster_answers_on_a_private_socket_and_a_stopped_one_leaves_nothing(
    cluster: EmbeddedCluster, settings: EmbeddedSettings
) -> None:
    begun_s = perf_counter()
    await cluster.start()
    print(f"first start {perf_counter() - begun_s:.2f} s")
    directory = cluster.socket_directory
    assert directory is not None
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert cluster.address().socket_path == directory / ".s.PGSQL.5432"
    assert len(os.fsencode(cluster.address().socket_path or "")) < 104
    assert await _value(cluster, "SHOW server_version") == "18.6"
    assert await _value(cluster, "SHOW listen_addresses") == ""
    assert await _value(cluster, "SHOW search_path") == "pg_catalog, pg_temp"
    row = "SELECT concat(pg_encoding_to_char(encoding), ' ', datlocprovider, ' ', datlocale) FROM pg_database LIMIT 1"
    assert await _value(cluster, row) == "UTF8 b C.UTF-8"
    assert await _value(cluster, "SHOW data_checksums") == "on"
    await cluster.start()
    await cluster.stop()
    await cluster.stop()
    assert not directory.exists()
    assert cluster.socket_directory is None
    assert not cluster.died.is_set()
    assert processes_of(cluster.data_directory, cluster.cluster_name) == []
    with pytest.raises(ClusterUnavailable):
        await cluster.connect(cluster.superuser, "postgres")


async def test_our_own_account_may_be_any_role_and_no_other_account_may_be_anyone(cluster: EmbeddedCluster) -> None:
    await cluster.start()
    await _value(cluster, "CREATE ROLE visitor LOGIN")
    assert await _value(cluster, "SELECT session_user::text", role="visitor") == "visitor"
    rules = "SELECT string_agg(map_name || ' ' || pg_username, ',') FROM pg_ident_file_mappings"
    assert await _value(cluster, rules) == "omnisql all"
    account = account_for(None)
    if account.switch:
        arguments = ["-h", str(cluster.socket_directory), "-U", "visitor", "-w", "-c", "select 1", "postgres"]
        command = child_command(account, program("psql"), arguments, death_signal=None)
        process = await asyncio.create_subprocess_exec(
            *command, env=child_environment(), cwd="/", stderr=asyncio.subprocess.PIPE
        )
        _, errors = await process.communicate()
        assert process.returncode == 2
        assert b'Peer authentication failed for user "visitor"' in errors


async def test_a_killed_cluster_is_noticed_and_keeps_what_was_committed(cluster: EmbeddedCluster) -> None:
    await cluster.start()
    await _value(cluster, "CREATE TABLE IF NOT EXISTS public.kept (x int)")
    await _value(cluster, "INSERT INTO public.kept VALUES (42)")
    assert cluster.pid is not None
    died, earlier_directory = cluster.died, cluster.socket_directory
    os.kill(cluster.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        await died.wait()
    assert cluster.pid is None
    assert (cluster.data_directory / "postmaster.pid").exists()
    await cluster.start()
    assert await _value(cluster, "SELECT max(x) FROM public.kept") == 42
    assert died.is_set()
    assert not cluster.died.is_set()
    assert earlier_directory is not None
    assert not earlier_directory.exists()


async def test_a_pid_file_naming_another_clusters_postmaster_does_not_prevent_the_start(
    cluster: EmbeddedCluster, acme: EmbeddedCluster
) -> None:
    await cluster.start()
    await cluster.stop()
    lines = [str(acme.pid), str(cluster.data_directory), "1", "5432", "", "", "", "ready"]
    (cluster.data_directory / "postmaster.pid").write_text("\n".join(lines) + "\n")
    await cluster.start()
    assert await _value(cluster, "SELECT 1") == 1
    assert await _value(acme, "SELECT 2") == 2


async def test_a_postmaster_left_by_an_earlier_run_is_stopped_first(cluster: EmbeddedCluster) -> None:
    await cluster.start()
    await cluster.stop()
    directory = str(cluster.data_directory)
    arguments = ["-D", directory, "-c", "listen_addresses=", "-c", f"unix_socket_directories={directory}"]
    command = child_command(account_for(None), program("postgres"), arguments, death_signal=None)
    leftover = await asyncio.create_subprocess_exec(
        *command, env=child_environment(), cwd="/", stderr=asyncio.subprocess.PIPE
    )
    assert leftover.stderr is not None
    async with asyncio.timeout(20):
        while b"ready to accept connections" not in (line := await leftover.stderr.readline()):
            assert line
    assert leftover.pid in processes_of(cluster.data_directory, cluster.cluster_name)
    await cluster.start()
    async with asyncio.timeout(10):
        assert await leftover.wait() in (0, -signal.SIGINT)
    assert cluster.pid != leftover.pid
    assert await _value(cluster, "SELECT 1") == 1


async def test_one_data_directory_is_run_by_one_holder_only(
    cluster: EmbeddedCluster, settings: EmbeddedSettings
) -> None:
    await cluster.start()
    with pytest.raises(ClusterInUse) as caught:
        await EmbeddedCluster("scratch", settings).start()
    assert caught.value.sqlstate == "55006"
    assert await _value(cluster, "SELECT 1") == 1


async def test_a_cluster_ends_with_the_process_that_started_it(
    cluster: EmbeddedCluster, settings: EmbeddedSettings
) -> None:
    pipe = asyncio.subprocess.PIPE
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER_TEXT, str(settings.data_root), cwd=ROOT, stdin=pipe, stdout=pipe
    )
    assert owner.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(20):
        while not lines or not lines[-1].startswith("host="):
            lines.append((await owner.stdout.readline()).decode().strip())
            assert lines[-1]
    host, superuser = lines[-1].removeprefix("host=").split(" ")
    connection = await asyncpg.connect(host=host, user=superuser, database="postgres", ssl=False)
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    owner.kill()
    await owner.wait()
    if sys.platform == "linux":
        async with asyncio.timeout(10):
            await lost.wait()
    await cluster.start()
    assert await _value(cluster, "SELECT 1") == 1
    await connection.close()


async def test_two_clusters_have_roles_of_the_same_name(cluster: EmbeddedCluster, acme: EmbeddedCluster) -> None:
    await cluster.start()
    await _value(cluster, "CREATE ROLE ana LOGIN")
    assert await _value(cluster, "SELECT session_user::text", role="ana") == "ana"
    names = "SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname IN ('ana', 'bob')"
    assert await _value(cluster, names) == "ana"
    assert await _value(acme, names) == "ana,bob"


async def test_values_and_statements_of_users_never_reach_the_server_log(cluster: EmbeddedCluster) -> None:
    await cluster.start()
    for statement in (
        "SELECT 'ghp_plain'::int",
        "DO $$ BEGIN EXECUTE 'SELECT 1/0, ''ghp_plain'''; END $$",
        "ghp_plain",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await _value(cluster, statement)
    written = cluster.log_path.read_text()
    assert "ready to accept connections" in written
    assert "ghp_plain" not in written


async def test_a_damaged_data_directory_is_told_from_one_that_does_not_start(settings: EmbeddedSettings) -> None:
    cluster = EmbeddedCluster("damaged", settings)
    cluster.data_directory.mkdir(parents=True)
    with pytest.raises(ClusterCorrupt) as caught:
        await cluster.start()
    assert caught.value.sqlstate == "XX001"
    assert cluster.socket_directory is None


@pytest.mark.parametrize("name", ["", "../x", "A", "a b", "x" * 49])
async def test_names_that_could_leave_the_data_root_are_refused(settings: EmbeddedSettings, name: str) -> None:
    with pytest.raises(InvalidName):
        EmbeddedCluster(name, settings)
