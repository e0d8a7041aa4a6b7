"""Sessions of the demo's users, over simulators without a past for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import psycopg
import pytest
from demo_server import DemoServer
from sessions import Connect, ConnectAsync, open_async, open_session


@pytest.fixture(scope="session")
def _discovered(demo: DemoServer) -> None:
    """Have the server ask Jira for its custom fields, which it does once, so that no test counts that request."""
    with open_session(demo, "ana") as session:
        session.execute("EXPLAIN SELECT key FROM jira.issues")


@pytest.fixture(autouse=True)
def _clean_sources(demo: DemoServer, _discovered: None) -> Iterator[None]:
    demo.reset()
    yield
    demo.reset()


@pytest.fixture
def connect(demo: DemoServer) -> Iterator[Connect]:
    """Open sessions that are closed after the test."""
    opened: list[psycopg.Connection] = []

    def connect(user: str = "ana", **options: object) -> psycopg.Connection:
        opened.append(open_session(demo, user, **options))
        return opened[-1]

    yield connect
    for session in opened:
        session.close()


@pytest.fixture
async def connect_async(demo: DemoServer) -> AsyncIterator[ConnectAsync]:
    """Open sessions for tests that do something else meanwhile; they are closed after the test."""
    opened: list[psycopg.AsyncConnection] = []

    async def connect(user: str = "ana") -> psycopg.AsyncConnection:
        opened.append(await open_async(demo, user))
        return opened[-1]

    yield connect
    for session in opened:
        await session.close()


@pytest.fixture
def ana(connect: Callable[..., psycopg.Connection]) -> psycopg.Connection:
    """Open a session of a user who sees everything."""
    return connect("ana")


@pytest.fixture
def eve(connect: Callable[..., psycopg.Connection]) -> psycopg.Connection:
    """Open a session of a user who sees the web team."""
    return connect("eve")


@pytest.fixture
def admin(connect: Callable[..., psycopg.Connection]) -> psycopg.Connection:
    """Open a session of the owner of the foreign tables."""
    return connect("admin")
