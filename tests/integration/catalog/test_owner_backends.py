"""Kept backends of owners: used again while they are who they were, and let go of otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
import pytest_asyncio

from catalog.clusters import EmbeddedCluster
from omnisql_server.owner_backends import OwnerBackends

ROLE = "keeper"

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def backends(acme: EmbeddedCluster) -> AsyncIterator[OwnerBackends]:
    await run(acme, f"CREATE ROLE {ROLE} LOGIN")
    kept = OwnerBackends(partial(acme.connect, database="acme"), kept_max=2)
    yield kept
    await kept.close()
    await run(acme, f"DROP ROLE IF EXISTS {ROLE}, other_keeper")


async def run(acme: EmbeddedCluster, sql: str) -> None:
    connection = await acme.connect(acme.superuser, "acme")
    await connection.execute(sql)
    await connection.close()


async def pid_of(backends: OwnerBackends, role: str = ROLE) -> int:
    async with backends.lease(role) as connection:
        assert await connection.fetchval("SELECT session_user") == role
        return connection.get_server_pid()


async def test_a_backend_is_used_again_by_one_at_a_time(backends: OwnerBackends) -> None:
    first = await pid_of(backends)
    async with backends.lease(ROLE) as connection:
        assert connection.get_server_pid() == first
        assert await pid_of(backends) != first
    assert len(backends) == 2
    assert await pid_of(backends, "ana") not in (0, first)
    assert len(backends) == 2


async def renamed(acme: EmbeddedCluster) -> None:
    await run(acme, f"ALTER ROLE {ROLE} RENAME TO other_keeper")
    await run(acme, f"CREATE ROLE {ROLE} LOGIN")


async def dropped(acme: EmbeddedCluster) -> None:
    await run(acme, f"DROP ROLE {ROLE}")
    await run(acme, f"CREATE ROLE {ROLE} LOGIN")


async def made_superuser(acme: EmbeddedCluster) -> None:
    await run(acme, f"ALTER ROLE {ROLE} SUPERUSER")


async def terminated(acme: EmbeddedCluster) -> None:
    await run(acme, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{ROLE}'")


@pytest.mark.parametrize("change", [renamed, dropped, made_superuser, terminated])
async def test_a_backend_of_who_it_was_is_not_used_again(
    acme: EmbeddedCluster, backends: OwnerBackends, change: Callable[[EmbeddedCluster], Awaitable[None]]
) -> None:
    first = await pid_of(backends)
    await change(acme)
    assert await pid_of(backends) != first


async def test_a_limited_role_and_a_failure_leave_no_backend(acme: EmbeddedCluster, backends: OwnerBackends) -> None:
    with pytest.raises(ZeroDivisionError):
        async with backends.lease(ROLE):
            raise ZeroDivisionError
    assert len(backends) == 0
    await run(acme, f"ALTER ROLE {ROLE} CONNECTION LIMIT 1")
    await pid_of(backends)
    assert len(backends) == 0


async def test_a_backend_that_nobody_uses_is_ended(acme: EmbeddedCluster, backends: OwnerBackends) -> None:
    hasty = OwnerBackends(partial(acme.connect, database="acme"), kept_s=0)
    await pid_of(hasty)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(hasty) == 0
    async with backends.lease(ROLE) as connection:
        await backends.close()
    assert connection.is_closed()
    assert len(backends) == 0
