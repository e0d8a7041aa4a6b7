"""An answer may be bounded, whoever gives it; what is read in pieces may be longer."""

from __future__ import annotations

import pytest
from raw_client import RawClient, error_of, kinds, rows_of, status_of
from world import MakeWorld

from omnisql_server.settings import SessionSettings
from wire.frontend import Bind, Execute, Parse, Query, Sync

BOUND_BYTES = 200_000
LONG = "SELECT repeat('x', 1000), generate_series(1, 100000)"


async def _bounded(make_world: MakeWorld) -> RawClient:
    world = await make_world(sessions=SessionSettings(park_after_s=0, answer_bytes_max=BOUND_BYTES))
    return await world.raw()


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(LONG, id="relayed"),
        pytest.param(f"COPY ({LONG}) TO STDOUT", id="copied"),
        pytest.param("SELECT number, title FROM api_big", id="run"),
        pytest.param("SELECT title, generate_series(1, 100000) FROM api_issues", id="spliced"),
    ],
)
async def test_a_longer_answer_is_refused(make_world: MakeWorld, sql: str) -> None:
    client = await _bounded(make_world)
    client.send(Query(text=sql.encode()))
    frames = await client.ready()
    error = error_of(frames)
    assert (error["C"], error["M"]) == ("54000", "the answer is too large")
    assert error["D"] == f"limit {BOUND_BYTES} bytes (sessions.answer_bytes_max)"
    assert status_of(frames) == "I"
    for text in (b"SELECT 1", b"SELECT max(number) FROM api_issues"):
        client.send(Query(text=text))
        assert kinds(await client.ready()) == "TDCZ"
    await client.close()


async def test_pieces_count_one_by_one(make_world: MakeWorld) -> None:
    client = await _bounded(make_world)
    client.send(Query(text=b"BEGIN; DECLARE c CURSOR FOR SELECT repeat('x', 100000), generate_series(1, 3)"))
    await client.ready()
    for _ in range(3):
        client.send(Query(text=b"FETCH 1 FROM c"))
        assert len(rows_of(await client.ready())) == 1
    client.send(
        Parse(statement=b"", text=b"SELECT number, title FROM api_big"), Bind(portal=b"p", statement=b""), Sync()
    )
    await client.ready()
    for _ in range(3):
        client.send(Execute(portal=b"p", rows_max=1000), Sync())
        assert len(rows_of(await client.ready())) == 1000
    await client.close()
