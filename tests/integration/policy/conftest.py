"""A demo of its own under the policy of this folder, and sessions of its users."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DemoServer, demo_directory, start_demo
from guarded import GUARD, log_in


@pytest.fixture(scope="package")
def guarded() -> Iterator[DemoServer]:
    """Serve the demo under the policy for as long as the tests of this folder run."""
    with demo_directory() as directory:
        server = start_demo(directory, issues=120, settings={"OMNISQL_POLICY_FILE": str(GUARD)})
        try:
            yield server
        finally:
            assert server.stop() == 0


@pytest.fixture
def ana(guarded: DemoServer) -> Iterator[psycopg.Connection]:
    """Open a session of a user who sees the data as they are."""
    with log_in(guarded, "ana") as session:
        yield session


@pytest.fixture
def eve(guarded: DemoServer) -> Iterator[psycopg.Connection]:
    """Open a session of a user whom the policy binds."""
    with log_in(guarded, "eve") as session:
        yield session
