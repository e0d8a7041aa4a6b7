"""One server with two tenants that do not trust each other, for all tests of this folder that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from served import Served, served_directory, start_served

ACME, BETA = "acme", "beta"
SETTINGS = {
    "clusters": {
        "connections_max": 20,
        "sessions_max": 12,
        "temp_file_limit_mb": 8,
        "backend_memory_mb": 256,
        "disk_mb_max": 80,
    },
    "listener": {"connections_max": 40},
}


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    with served_directory() as directory:
        server = start_served(directory, SETTINGS)
        try:
            for tenant in (ACME, BETA):
                server.create_tenant(tenant, "ana")
            yield server
        finally:
            assert server.stop() == 0


@pytest.fixture
def admin(served: Served) -> Iterator[psycopg.Connection]:
    """Open a session of acme's owner."""
    with served.connect(ACME) as session:
        yield session


@pytest.fixture
def neighbor(served: Served) -> Iterator[psycopg.Connection]:
    """Open a session of a user of the other tenant."""
    with served.connect(BETA, "ana") as session:
        yield session
