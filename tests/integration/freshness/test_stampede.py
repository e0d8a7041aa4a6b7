"""Two hundred sessions that ask a cold table for the same rows at once, through the listener: one fetch, no error."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DATABASE, DemoServer

SESSIONS = 200
LATENCY_MS = 250
MORE_S = 10.0
"""What a session may wait beside the fetch, on two processors shared with everything else."""
COUNT = "SELECT count(title) FROM github.issues WHERE owner = 'acme' AND repo = 'web'"


@pytest.fixture
def server(demo: DemoServer) -> Iterator[DemoServer]:
    """Give the demo with nothing kept."""
    demo.reset()
    yield demo
    demo.reset()


@pytest.mark.asyncio
async def test_two_hundred_sessions_on_a_cold_table_make_one_fetch(server: DemoServer) -> None:
    async with await _session(server) as one:
        alone = await (await one.execute(COUNT.encode())).fetchall()
    pages = sorted(_named(each) for each in server.github.requests())
    sessions = await asyncio.gather(*(_session(server) for _ in range(SESSIONS)))
    try:
        server.reset()
        server.github.configure(latency_ms=LATENCY_MS)
        answers = await asyncio.gather(*(_asked(session) for session in sessions))
        # Each page once, and none of them a second time to confirm it.
        assert sorted(_named(each) for each in server.github.requests()) == pages
        assert [rows for rows, _ in answers] == [alone] * SESSIONS
        assert max(seconds for _, seconds in answers) < len(pages) * LATENCY_MS / 1000 + MORE_S
    finally:
        await asyncio.gather(*(session.close() for session in sessions))


async def _session(server: DemoServer) -> psycopg.AsyncConnection:
    session = await psycopg.AsyncConnection.connect(**server.arguments("ana"), dbname=DATABASE, autocommit=True)
    await session.execute("SET omnisql.max_staleness = '5 min'")
    return session


async def _asked(session: psycopg.AsyncConnection) -> tuple[list[tuple[int]], float]:
    began_s = time.monotonic()
    rows = await (await session.execute(COUNT.encode())).fetchall()
    return rows, time.monotonic() - began_s


def _named(request: dict[str, object]) -> tuple[str, str]:
    return str(request["path"]), json.dumps(request["query"])
