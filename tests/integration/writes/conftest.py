"""Sessions that write, over simulators without a past for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncpg
import psycopg
import pytest
from demo_server import DATABASE, DemoServer

Connect = Callable[..., psycopg.Connection]


@pytest.fixture(autouse=True)
def _clean_sources(demo: DemoServer) -> Iterator[None]:
    demo.reset()
    yield
    demo.reset()


@pytest.fixture
def connect(demo: DemoServer) -> Iterator[Connect]:
    """Open sessions in which statements are transactions of their own; they are closed after the test."""
    opened: list[psycopg.Connection] = []

    def connect(user: str = "ana", **options: Any) -> psycopg.Connection:
        known: dict[str, Any] = {**demo.arguments(user), "dbname": DATABASE, "autocommit": True, **options}
        opened.append(psycopg.connect(**known))
        return opened[-1]

    yield connect
    for session in opened:
        session.close()


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
