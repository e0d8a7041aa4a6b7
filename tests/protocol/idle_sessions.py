"""What tests of idle sessions do and wait for."""

from __future__ import annotations

from raw_client import RawClient, connect, error_of, kinds, rows_of
from world import World, eventually

from wire.frontend import Query
from wire.startup import encode_cancel_request

SOON_S = 0.05


async def run(client: RawClient, text: str) -> list[tuple[bytes | None, ...]]:
    """Run a simple query and return its rows."""
    client.send(Query(text=text.encode()))
    frames = await client.ready()
    assert "E" not in kinds(frames), error_of(frames)
    return rows_of(frames)


async def without_backend(world: World, count: int = 0) -> None:
    """Wait until so many backends are left."""

    async def holds() -> bool:
        return await world.backends() == count

    await eventually(holds)


async def parked(world: World, count: int) -> None:
    """Wait until so many backends were cleaned for others, and can be taken."""

    async def holds() -> bool:
        found = await world.scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ana' AND state = 'idle' AND query = 'DISCARD ALL'"
        )
        async with world.pools.lease("acme") as pool:
            return found == count == len(pool)

    await eventually(holds)


async def cancel(world: World, client: RawClient) -> None:
    """Send a cancel request with a session's key and wait until it has been dealt with."""
    canceling = await connect(world.listener.port)
    canceling.send(encode_cancel_request(*client.key))
    assert await canceling.frame() is None
    await canceling.close()
