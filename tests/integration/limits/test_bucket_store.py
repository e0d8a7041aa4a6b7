"""Buckets shared by several clients: never more than the capacity, one word of the source for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from connectors.sdk.connector import QuotaObserved
from omnisql_server.limits import BucketLimit, BucketStore, Valkey, ValkeyChild, ValkeyExternal

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLOW = 0.001


@pytest_asyncio.fixture(loop_scope="session")
async def replicas(valkey: ValkeyChild) -> AsyncIterator[list[BucketStore]]:
    """Four clients with connections of their own, as four replicas would have."""
    clients = [Valkey(unix_socket_path=str(valkey.socket_path)) for _ in range(4)]
    yield [BucketStore(client) for client in clients]
    for client in clients:
        await client.aclose()


async def test_four_clients_take_exactly_the_capacity(replicas: list[BucketStore], key: str) -> None:
    limit = BucketLimit(capacity=50, refill_per_s=SLOW)
    taken = await asyncio.gather(*(store.take(key, limit, 1) for _ in range(40) for store in replicas))
    assert sum(each.allowed for each in taken) == 50
    assert sorted(round(each.left) for each in taken if each.allowed) == list(range(50))


async def test_a_refusal_tells_when_to_come_back(store: BucketStore, key: str) -> None:
    limit = BucketLimit(capacity=2, refill_per_s=0.5)
    assert (await store.take(key, limit, 2)).left == 0
    refused = await store.take(key, limit, 1)
    assert refused.allowed is False
    assert 1900 <= refused.wait_ms <= 2000


async def test_retry_after_told_to_one_replica_stops_all(replicas: list[BucketStore], key: str) -> None:
    limit = BucketLimit(capacity=50, refill_per_s=1)
    await replicas[0].block(key, limit, 30)
    await replicas[1].block(key, limit, 5)
    for replica in replicas:
        refused = await replica.take(key, limit, 1)
        assert refused.allowed is False
        assert 29_000 <= refused.wait_ms <= 30_000


async def test_headers_make_the_bucket_smaller_and_never_larger(store: BucketStore, key: str) -> None:
    limit = BucketLimit(capacity=50, refill_per_s=SLOW)
    seen = QuotaObserved(bucket="core", limit=50, remaining=7, reset_s=60)
    assert (await store.observe(key, limit, seen)).left == 7
    late = QuotaObserved(bucket="core", limit=50, remaining=20, reset_s=60)
    assert (await store.observe(key, limit, late)).left == pytest.approx(7, abs=0.1)


async def test_a_source_without_quota_left_is_closed_until_its_reset(store: BucketStore, key: str) -> None:
    limit = BucketLimit(capacity=50, refill_per_s=1000)
    await store.observe(key, limit, QuotaObserved(bucket="core", limit=None, remaining=0, reset_s=40))
    refused = await store.take(key, limit, 1)
    assert refused.allowed is False
    assert 39_000 <= refused.wait_ms <= 40_000


async def test_a_larger_plan_than_declared_is_learned(store: BucketStore, key: str) -> None:
    limit = BucketLimit(capacity=60, refill_per_s=SLOW)
    told = QuotaObserved(bucket="core", limit=5000, remaining=4999, reset_s=3600)
    assert (await store.observe(key, limit, told)).left == 4999
    assert (await store.take(key, limit, 1000)).left == pytest.approx(3999, abs=1)


async def test_a_cost_above_the_capacity_waits_for_a_full_bucket_and_leaves_a_debt(
    store: BucketStore, key: str
) -> None:
    limit = BucketLimit(capacity=10, refill_per_s=1)
    dear = await store.take(key, limit, 25)
    assert (dear.allowed, dear.left) == (True, -15)
    assert 15_900 <= (await store.take(key, limit, 1)).wait_ms <= 16_000


@pytest.mark.parametrize("cost", [-1.0, float("inf"), float("nan")])
async def test_an_impossible_cost_is_refused(store: BucketStore, key: str, cost: float) -> None:
    with pytest.raises(ValueError, match="cost"):
        await store.take(key, BucketLimit(capacity=1, refill_per_s=1), cost)


async def test_absurd_times_are_bounded_to_a_day(store: BucketStore, valkey: ValkeyChild, key: str) -> None:
    limit = BucketLimit(capacity=1, refill_per_s=1)
    await store.block(key, limit, 1e30)
    refused = await store.take(key, limit, 1)
    assert 86_390_000 <= refused.wait_ms <= 86_400_000
    assert await valkey.client.pttl(key) > 86_400_000


async def test_an_idle_bucket_is_forgotten_in_the_end(store: BucketStore, valkey: ValkeyChild, key: str) -> None:
    await store.take(key, BucketLimit(capacity=10, refill_per_s=1), 5)
    assert 3_600_000 < await valkey.client.pttl(key) <= 3_605_000


async def test_a_cancellation_is_never_lost(valkey: ValkeyChild, key: str) -> None:
    limit, outcomes = BucketLimit(capacity=1000, refill_per_s=1), set()
    for turns in range(60):
        server = ValkeyExternal(f"unix://{valkey.socket_path}")
        task = asyncio.create_task(BucketStore(server.client).take(key, limit, 1))
        for _ in range(turns):
            await asyncio.sleep(0)
        canceled = task.cancel()
        await asyncio.wait([task])
        outcomes.add((canceled, task.cancelled()))
        await server.stop()
    assert outcomes <= {(True, True), (False, False)}
    assert (True, True) in outcomes
