"""What a source tells of changes makes what is kept too old, for every replica and credential."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import pytest
from fresh_source import BATCHED, REVALIDATED
from fresh_world import Question, World, on, row

from connectors.sdk.scan import Operator
from omnisql_server.freshness.changes import note_change
from omnisql_server.freshness.store import TAG
from omnisql_server.model.freshness import Change, Staleness

pytestmark = pytest.mark.asyncio(loop_scope="session")
MINUTE_US = 60_000_000
FIVE_MINUTES = Staleness(max_us=5 * MINUTE_US)
OF_A, OF_B = (Question(conditions=(on("repo", Operator.EQ, repo),)) for repo in "ab")


async def tell(
    world: World, *tables: str, keys: Mapping[str, str] | None = None, server: str = "hub", delivery: str = "1"
) -> bool:
    """Tell of a change as a webhook does."""
    return await note_change(
        world.client,
        tenant=UUID(world.tenant),
        data_key=world.key,
        server=server,
        change=Change(tables=frozenset(tables), keys=keys or {}),
        delivery=delivery,
        kept_us=3_600_000_000,
    )


async def keep(world: World) -> None:
    """Keep rows of two repositories under two credentials."""
    world.source.rows = {1: row(1), 2: row(2, "b")}
    for credential in ("all", "public"):
        for question in (OF_A, OF_B):
            await world.read(question, FIVE_MINUTES, credential=credential)
    world.source.log.clear()


async def asked(world: World, question: Question = OF_A, *, replica: int = 1, credential: str = "all") -> int:
    """Ask, and return how many requests that took."""
    _, fetched = await world.read(question, FIVE_MINUTES, replica=replica, credential=credential)
    return fetched.report.requests


async def test_what_was_kept_before_is_read_again_everywhere(world: World) -> None:
    await keep(world)
    assert await tell(world, "items")
    assert [await asked(world, credential=credential) for credential in ("all", "public")] == [1, 1]
    assert [await asked(world, replica=replica) for replica in (0, 1)] == [0, 0]


@pytest.mark.parametrize(
    ("tables", "keys", "requests"),
    [
        ((), {}, [1, 1]),
        (("others",), {}, [0, 0]),
        (("items", "others"), {"repo": "A"}, [1, 0]),
        (("items",), {"repo": "a", "elsewhere": "x"}, [1, 0]),
        (("items",), {"repo": "c"}, [0, 0]),
    ],
)
async def test_a_change_concerns_its_tables_and_keys(
    world: World, tables: tuple[str, ...], keys: dict[str, str], requests: list[int]
) -> None:
    await keep(world)
    await tell(world, *tables, keys=keys)
    assert [await asked(world, OF_A), await asked(world, OF_B)] == requests


async def test_of_a_list_one_is_enough(world: World) -> None:
    await keep(world)
    both = Question(conditions=(on("repo", Operator.IN, ("a", "b")),), table=BATCHED)
    await world.read(both, FIVE_MINUTES)
    await tell(world, keys={"repo": "b"})
    assert await asked(world, both) == 1


async def test_a_change_is_confirmed_where_the_source_can(world: World) -> None:
    world.source.rows = {1: row(1)}
    question = Question(conditions=OF_A.conditions, table=REVALIDATED)
    await world.read(question, FIVE_MINUTES)
    await tell(world)
    _, fetched = await world.read(question, FIVE_MINUTES, replica=1)
    assert (fetched.report.revalidated, fetched.report.cache_hits) == (2, 1)


async def test_the_same_delivery_tells_nothing_more(world: World) -> None:
    await keep(world)
    assert await tell(world)
    assert await asked(world) == 1
    assert not await tell(world)
    assert await asked(world) == 0
    assert await tell(world, delivery="2")
    assert await asked(world) == 1


async def test_another_server_has_not_changed(world: World) -> None:
    await keep(world)
    await tell(world, server="other")
    assert await asked(world) == 0


async def test_too_many_changes_are_one_of_everything(world: World) -> None:
    await keep(world)
    for number in range(101):
        await tell(world, "items", keys={"repo": f"other-{number}"}, delivery=str(number))
    assert await asked(world) == 1
    assert await asked(world) == 0


async def test_a_mark_that_does_not_open_is_of_everything(world: World) -> None:
    await keep(world)
    await tell(world, "others")
    (place,) = [key async for key in world.client.scan_iter(f"{TAG}changed:{world.tenant}*")]
    (name,) = await world.client.hkeys(place)
    await world.client.hset(place, name, b"spoiled" * 9)
    assert await asked(world) == 1


async def test_a_tenant_that_leaves_takes_its_marks_along(world: World) -> None:
    await tell(world)
    await world.shared[0].store.leave(world.tenant)
    assert [key async for key in world.client.scan_iter(f"{TAG}chang*:{world.tenant}*")] == []
    assert not await tell(world, delivery="2")
