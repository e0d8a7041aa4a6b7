"""Sessions that write, over simulators without a past for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import asyncpg
import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from demo_sessions import Connect, demo_sessions


@pytest.fixture(autouse=True)
def _clean_sources(demo: DemoServer) -> Iterator[None]:
    demo.reset()
    yield
    demo.reset()


@pytest.fixture
def connect(demo: DemoServer) -> Iterator[Connect]:
    """Open sessions that are closed after the test."""
    with demo_sessions(demo, "ana") as connect:
        yield connect


@pytest.fixture
def ana(connect: Connect) -> psycopg.Connection:
    """Open a session of a user who sees everything, with an empty temporary table `copied`."""
    session = connect("ana")
    session.execute("CREATE TEMP TABLE copied (number int UNIQUE, title text)")
    return session


@pytest.fixture
async def asyncpg_ana(demo: DemoServer) -> AsyncIterator[asyncpg.Connection]:
    """Open the same by asyncpg."""
    session = await asyncpg.connect(**demo.arguments("ana"), database=DATABASE)
    await session.execute("CREATE TEMP TABLE copied (number int UNIQUE, title text)")
    yield session
    await session.close()
