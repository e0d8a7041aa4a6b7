"""One real Valkey for the tests of what is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fresh_world import World

from omnisql_server.limits import ValkeyChild


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kept_valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ValkeyChild]:
    child = ValkeyChild(tmp_path_factory.mktemp("kept"))
    await child.start()
    try:
        yield child
    finally:
        await child.stop()


@pytest.fixture
def world(kept_valkey: ValkeyChild) -> World:
    return World(kept_valkey.client)
