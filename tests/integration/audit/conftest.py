"""The demo with what each test puts on record, and a control cluster of its own for tests of chains."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from audit_reading import Recorded, all_records, records
from demo_server import DemoServer

from catalog.clusters import EmbeddedCluster, EmbeddedSettings
from catalog.control import prepare_control_database


@pytest.fixture
def recorded(demo: DemoServer) -> Iterator[Recorded]:
    """Return what was put on record since the test began."""
    demo.reset()
    before = len(all_records(demo))
    yield lambda: records(demo, before)
    demo.reset()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster() -> AsyncIterator[EmbeddedCluster]:
    """A control cluster with its migrated database."""
    data_root = Path(tempfile.mkdtemp(prefix="omnisql-test-"))
    cluster = EmbeddedCluster("control", EmbeddedSettings(data_root=data_root, max_connections=20))
    await cluster.start()
    try:
        await prepare_control_database(cluster)
        yield cluster
    finally:
        await cluster.stop()
        shutil.rmtree(data_root)
