"""Statements over API tables need a client that speaks UTF8; everything else works in any encoding."""

from __future__ import annotations

import pytest
from raw_client import RawClient, error_of, kinds, rows_of, status_of
from world import World

from wire.frontend import Bind, Execute, Parse, Query, Sync

ISSUES = b"SELECT max(number) FROM api_issues"
HINT = "SET client_encoding TO 'UTF8'"
PREPARED = (Parse(statement=b"", text=ISSUES), Bind(portal=b"", statement=b""), Execute(portal=b""), Sync())


async def refused(client: RawClient, *messages: object) -> str:
    """Send messages that are refused for the encoding, and return the transaction status."""
    client.send(*messages)
    frames = await client.ready()
    assert kinds(frames).replace("S", "")[-2:] == "EZ"
    assert (error_of(frames)["C"], error_of(frames)["H"]) == ("0A000", HINT)
    return status_of(frames)


async def run(client: RawClient, text: bytes) -> list[tuple[bytes | None, ...]]:
    """Run a simple query and return its rows."""
    client.send(Query(text=text))
    frames = await client.ready()
    assert "E" not in kinds(frames), error_of(frames)
    return rows_of(frames)


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "SJIS", "SQL_ASCII"])
async def test_other_encodings_are_refused_over_api_tables_only(world: World, encoding: str) -> None:
    client = await world.raw(client_encoding=encoding)
    assert await refused(client, Query(text=ISSUES)) == "I"
    assert await refused(client, *PREPARED) == "I"
    assert await run(client, b"SELECT 'plain'") == [(b"plain",)]
    await run(client, b"SET client_encoding TO 'UTF8'")
    assert await run(client, ISSUES) == [(b"100",)]
    await client.close()


async def test_bytes_that_are_no_utf8_do_not_hide_an_api_table(world: World) -> None:
    client = await world.raw(client_encoding="LATIN1")
    assert await refused(client, Query(text=b"SELECT '\xe9', number FROM api_issues")) == "I"
    assert await run(client, b"SELECT '\xe9'") == [(b"\xe9",)]
    await client.close()


async def test_nothing_of_a_refused_message_is_done(world: World) -> None:
    client = await world.raw(client_encoding="LATIN1")
    text = b"CREATE TABLE never_made (n int); SELECT '\xe9' FROM api_issues; SELECT 1"
    assert await refused(client, Query(text=text)) == "I"
    assert await run(client, b"SELECT to_regclass('never_made')") == [(None,)]
    await client.close()


@pytest.mark.parametrize(
    "change", [b"SET client_encoding TO 'LATIN1'", b"SELECT set_config('client_encoding', 'LATIN1', false)"]
)
async def test_a_change_of_encoding_is_seen_however_it_is_made(world: World, change: bytes) -> None:
    client = await world.raw()
    await run(client, change)
    assert await refused(client, Query(text=ISSUES)) == "I"
    await run(client, b"RESET client_encoding")
    assert await run(client, ISSUES) == [(b"100",)]
    await client.close()


async def test_a_rollback_takes_the_encoding_back(world: World) -> None:
    client = await world.raw()
    await run(client, b"BEGIN")
    await run(client, b"SET client_encoding TO 'LATIN1'")
    assert await refused(client, Query(text=ISSUES)) == "E"
    await run(client, b"ROLLBACK")
    assert await run(client, ISSUES) == [(b"100",)]
    await client.close()


async def test_a_change_within_one_message_counts(world: World) -> None:
    client = await world.raw()
    client.send(Query(text=b"SET client_encoding TO 'LATIN1'; " + ISSUES))
    frames = await client.ready()
    assert error_of(frames)["C"] == "0A000"
    assert await run(client, ISSUES) == [(b"100",)]
    await client.close()


async def test_statements_prepared_before_are_refused_when_they_are_executed(world: World) -> None:
    client = await world.raw()
    client.send(Parse(statement=b"mine", text=ISSUES), Sync())
    await client.ready()
    await run(client, b"SET client_encoding TO 'LATIN1'")
    execute = (Bind(portal=b"", statement=b"mine"), Execute(portal=b""), Sync())
    assert await refused(client, *execute) == "I"
    await run(client, b"SET client_encoding TO 'UTF8'")
    client.send(*execute)
    assert rows_of(await client.ready()) == [(b"100",)]
    await client.close()
