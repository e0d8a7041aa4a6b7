"""Sessions of the demo's users that manage sources of their own; what they make is dropped after every test."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DemoServer
from demo_sessions import Connect, demo_sessions
from external_postgres import ExternalPostgres, external_postgres
from source_world import GOOD_TOKEN, CountingServer, Said, collect_notices, superuser


@pytest.fixture(autouse=True)
def _clean_sources(demo: DemoServer) -> Iterator[None]:
    demo.reset()
    yield
    demo.reset()


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest) -> Iterator[ExternalPostgres]:
    """Run an external database with the SCHEMA of the test's module."""
    with external_postgres() as running:
        running.execute(request.module.SCHEMA)
        yield running


@pytest.fixture
def connect(demo: DemoServer) -> Iterator[Connect]:
    """Open sessions that are closed after the test."""
    with demo_sessions(demo, "admin") as connect:
        yield connect


@pytest.fixture
def owner(demo: DemoServer, connect: Connect) -> Iterator[psycopg.Connection]:
    """Open a session of the tenant's owner, whose servers and schema `s` are dropped afterwards."""
    session = connect("admin")
    session.execute("CREATE SCHEMA s")
    yield session
    session.close()
    with superuser(demo) as connection:
        found = connection.execute(
            "SELECT srvname FROM pg_foreign_server WHERE srvname NOT IN ('github', 'jira', 'omnisql')"
        ).fetchall()
        for (name,) in found:
            connection.execute(f'DROP SERVER "{name}" CASCADE'.encode())
        connection.execute("DROP SCHEMA IF EXISTS s CASCADE")


@pytest.fixture
def eve(connect: Connect) -> psycopg.Connection:
    """Open a session of an ordinary user."""
    return connect("eve")


@pytest.fixture
def notices(owner: psycopg.Connection) -> list[Said]:
    """Collect the notices of the owner's session."""
    return collect_notices(owner)


@pytest.fixture
def server(demo: DemoServer, owner: psycopg.Connection) -> str:
    """Make a server `gh` that leads to the simulator, without credentials."""
    owner.execute(f"CREATE SERVER gh FOREIGN DATA WRAPPER github OPTIONS (base_url '{demo.github.base_url}')".encode())
    return "gh"


@pytest.fixture
def source(owner: psycopg.Connection, server: str) -> str:
    """Give `gh` the owner's credential and import its issues into schema `s`."""
    owner.execute(f"CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token '{GOOD_TOKEN}')".encode())
    owner.execute("IMPORT FOREIGN SCHEMA github LIMIT TO (issues, labels) FROM SERVER gh INTO s")
    return server


@pytest.fixture
def elsewhere() -> Iterator[CountingServer]:
    """Serve another address, to which nothing may go."""
    server = CountingServer()
    yield server
    server.close()
