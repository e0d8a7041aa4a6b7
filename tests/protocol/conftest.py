"""A real cluster behind a real listener, with a stand-in for the pipeline."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from log_ins_double import LogInsDouble
from runner_double import RunnerDouble
from world import PASSWORD, MakeWorld, World

from catalog.clusters import EmbeddedCluster, EmbeddedSettings
from omnisql_server.listener.server import Listener
from omnisql_server.live_settings import LiveSettings
from omnisql_server.model.principal import Principal
from omnisql_server.session.pool import BackendPools
from omnisql_server.session.tenant import TenantAccess
from omnisql_server.settings import ListenerSettings, SessionSettings, Settings
from wire.auth import make_verifier

SETUP = """
CREATE FOREIGN DATA WRAPPER api;
CREATE SERVER api FOREIGN DATA WRAPPER api;
CREATE FOREIGN TABLE public.api_issues (number int, title text) SERVER api;
CREATE FOREIGN TABLE public.api_slow (number int) SERVER api;
CREATE FOREIGN TABLE public.api_broken (number int) SERVER api;
CREATE FOREIGN TABLE public.api_big (number int, title text) SERVER api;
CREATE FOREIGN TABLE public.api_noisy (number int, title text) SERVER api;
CREATE FOREIGN TABLE public.api_late (number int) SERVER api;
CREATE TABLE public.notes (id int PRIMARY KEY, text text);
CREATE ROLE ana LOGIN;
GRANT ALL ON ALL TABLES IN SCHEMA public TO ana;
GRANT CREATE ON SCHEMA public TO ana;
"""


@pytest.fixture(scope="session")
def data_root() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="omnisql-test-"))
    yield root
    shutil.rmtree(root)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(data_root: Path) -> AsyncIterator[EmbeddedCluster]:
    started = EmbeddedCluster("acme", EmbeddedSettings(data_root=data_root, max_connections=60))
    await started.start()
    try:
        connection = await started.connect(started.superuser, "postgres")
        await connection.execute("CREATE DATABASE acme")
        await connection.close()
        connection = await started.connect(started.superuser, "acme")
        await connection.execute(SETUP)
        await connection.close()
        yield started
    finally:
        await started.stop()


@pytest.fixture
def runner() -> RunnerDouble:
    return RunnerDouble()


@pytest_asyncio.fixture
async def make_world(cluster: EmbeddedCluster, runner: RunnerDouble) -> AsyncIterator[MakeWorld]:
    """Start listeners with settings of a test's own; all are drained afterwards, and nothing may be left."""
    verifier = make_verifier(PASSWORD)
    serving: list[tuple[World, asyncio.Task[None]]] = []

    log_ins = LogInsDouble((Principal(tenant="acme", name="ana"), verifier))

    async def make(**overrides: Any) -> World:
        listener_options = {name: overrides.pop(name) for name in ("tls", "is_trusted") if name in overrides}
        leases: list[int] = []
        sessions = overrides.pop("sessions", SessionSettings(park_after_s=0))
        listening = ListenerSettings(**{"port": 0, "drain_timeout_s": 0.2, **overrides})
        live = LiveSettings(Settings(listener=listening, sessions=sessions))
        pools = BackendPools(live)

        @contextlib.asynccontextmanager
        async def open_tenant(principal: Principal) -> AsyncIterator[TenantAccess]:
            leases.append(1)
            try:
                async with pools.lease(principal.tenant) as pool:
                    yield TenantAccess(
                        address=cluster.address(),
                        database="acme",
                        role=principal.name,
                        runner=runner,
                        pool=pool,
                        settings={"omnisql.engine": "auto", "omnisql.note": "two words"},
                    )
            finally:
                leases.pop()

        listener = Listener(live, log_ins=log_ins, open_tenant=open_tenant, **listener_options)
        task = asyncio.create_task(listener.serve())
        await listener.ready.wait()
        world = World(listener=listener, runner=runner, cluster=cluster, leases=leases, live=live, pools=pools)
        serving.append((world, task))
        return world

    yield make
    for world, task in serving:
        await world.listener.drain()
        await task
        assert world.listener.connection_count == 0
        assert world.listener.session_count == 0
        assert world.leases == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest_asyncio.fixture
async def world(make_world: MakeWorld) -> World:
    return await make_world()
