"""One real Valkey for the tests of limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import pytest
import pytest_asyncio

from omnisql_server.limits import BucketStore, ValkeyChild

_numbers = count()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ValkeyChild]:
    child = ValkeyChild(tmp_path_factory.mktemp("valkey"))
    await child.start()
    try:
        yield child
    finally:
        await child.stop()


@pytest.fixture(scope="session")
def store(valkey: ValkeyChild) -> BucketStore:
    return BucketStore(valkey.client)


@pytest.fixture
def key() -> str:
    """A bucket that no other test uses."""
    return f"test:{{{next(_numbers)}}}:core"
