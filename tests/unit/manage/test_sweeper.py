"""When a tenant's unused secrets are swept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast
from uuid import UUID, uuid4

import pytest

from omnisql_server.manage import sweep as sweep_module
from omnisql_server.manage.sweep import Sweeper
from omnisql_server.model.run import SessionView
from omnisql_server.parse.grammar import parse_statements

LONG_S = 3600.0


class Sweeps:
    """Counts sweeps; the first `failures` of them fail."""

    def __init__(self, failures: int = 0) -> None:
        self.count = 0
        self._failures = failures
        self._changed = asyncio.Event()

    async def once(self) -> tuple[UUID, ...]:
        self.count += 1
        self._changed.set()
        if self.count <= self._failures:
            raise ConnectionError("the control cluster is down")
        return (uuid4(),)

    async def reach(self, count: int) -> None:
        """Wait until there were so many."""
        async with asyncio.timeout(5):
            while self.count < count:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def serving(sweeper: Sweeper) -> AsyncIterator[None]:
    """Serve for a while."""
    task = asyncio.create_task(sweeper.serve())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


async def test_it_sweeps_again_and_again() -> None:
    sweeps = Sweeps()
    async with serving(Sweeper(sweeps.once, interval_s=0.01)):
        await sweeps.reach(3)


async def test_a_failure_does_not_end_it() -> None:
    sweeps = Sweeps(failures=2)
    async with serving(Sweeper(sweeps.once, interval_s=0.01)):
        await sweeps.reach(4)


@pytest.mark.parametrize("sql", ["DROP USER MAPPING FOR a SERVER gh", "DROP SERVER gh CASCADE"])
async def test_a_drop_is_postgresqls_and_wakes_it(monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    monkeypatch.setattr(sweep_module, "SETTLE_S", 0.01)
    sweeps = Sweeps()
    sweeper = Sweeper(sweeps.once, interval_s=LONG_S)
    claims = cast(Callable[[object, SessionView | None], Awaitable[bool]], sweeper.claims)
    async with serving(sweeper):
        assert await claims(parse_statements(sql)[0], None) is False
        await sweeps.reach(1)
