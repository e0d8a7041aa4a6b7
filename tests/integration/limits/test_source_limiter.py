"""A source's limiter on a real Valkey: short waits, refusals, cancellation."""

from __future__ import annotations

import asyncio

import pytest

from connectors.sdk.connector import Limiter, QuotaObserved
from connectors.sdk.errors import RateLimited
from omnisql_server.limits import BucketLimit, BucketStore, SourceLimiter, ValkeyChild
from omnisql_server.limits.bucket import bucket_key

pytestmark = pytest.mark.asyncio(loop_scope="session")


class VirtualTime:
    """A clock that moves only when somebody sleeps; the bucket is told by moving its stored times back."""

    def __init__(self, valkey: ValkeyChild, key: str) -> None:
        self.now_s = 0.0
        self.slept_s: list[float] = []
        self._valkey = valkey
        self._key = key

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, duration_s: float) -> None:
        self.slept_s.append(duration_s)
        self.now_s += duration_s
        for field in ("updated_ms", "until_ms", "full_ms"):
            if int(await self._valkey.client.hget(self._key, field) or 0):
                await self._valkey.client.hincrby(self._key, field, -round(duration_s * 1000))


def limiter(store: BucketStore, key: str, virtual: VirtualTime, *, wait_max_s: float = 10) -> SourceLimiter:
    return SourceLimiter(
        store,
        tenant="acme",
        source=key,
        limits={"core": BucketLimit(capacity=2, refill_per_s=0.5)},
        wait_max_s=wait_max_s,
        clock=virtual.clock,
        sleep=virtual.sleep,
    )


@pytest.fixture
def virtual(valkey: ValkeyChild, key: str) -> VirtualTime:
    return VirtualTime(valkey, bucket_key("acme", key, "core"))


async def test_it_is_a_limiter_for_connectors(store: BucketStore, key: str, virtual: VirtualTime) -> None:
    as_seen_by_connectors: Limiter = limiter(store, key, virtual)
    await as_seen_by_connectors.acquire("core")
    assert virtual.slept_s == []


async def test_what_nobody_waits_for_leaves_a_quarter_and_is_not_waited_for(store: BucketStore, key: str) -> None:
    limits = {"core": BucketLimit(capacity=8, refill_per_s=0.001)}
    source = SourceLimiter(store, tenant="acme", source=key, limits=limits, wait_max_s=3600)
    sparing: Limiter = source.sparing()
    for _ in range(6):
        await sparing.acquire("core")
    with pytest.raises(RateLimited):
        await sparing.acquire("core")
    await source.acquire("core", 2)


async def test_what_nobody_waits_for_leaves_a_quarter_of_what_the_source_tells(store: BucketStore, key: str) -> None:
    limits = {"core": BucketLimit(capacity=400, refill_per_s=0.001)}
    source = SourceLimiter(store, tenant="acme", source=key, limits=limits, wait_max_s=1)
    await source.observe(QuotaObserved(bucket="core", limit=8, remaining=3, reset_s=600.0))
    await source.sparing().acquire("core")
    with pytest.raises(RateLimited):
        await source.sparing().acquire("core")


async def test_a_short_wait_is_waited(store: BucketStore, key: str, virtual: VirtualTime) -> None:
    source = limiter(store, key, virtual)
    for _ in range(3):
        await source.acquire("core")
    assert len(virtual.slept_s) == 1
    assert virtual.now_s == pytest.approx(2.0, abs=0.2)


async def test_a_long_wait_is_refused_at_once_and_takes_nothing(
    store: BucketStore, key: str, virtual: VirtualTime
) -> None:
    source = limiter(store, key, virtual, wait_max_s=5)
    await source.acquire("core")
    await source.block("core", 42)
    with pytest.raises(RateLimited) as caught:
        await source.acquire("core")
    assert caught.value.sqlstate == "53400"
    assert caught.value.message == f'RATE_LIMIT_EXHAUSTED: the rate limit of server "{key}" is used up'
    assert caught.value.retry_after_s == pytest.approx(42, abs=0.5)
    assert 'Bucket "core" allows the next request in 42 seconds' in (caught.value.detail or "")
    assert "Run the statement again in 42 seconds" in (caught.value.hint or "")
    assert virtual.slept_s == []
    await virtual.sleep(42)
    await source.acquire("core")
    assert virtual.slept_s == [42]


async def test_waits_together_stay_within_the_bound(store: BucketStore, key: str, virtual: VirtualTime) -> None:
    source = limiter(store, key, virtual, wait_max_s=3)
    await source.acquire("core", 2)
    overtaken = virtual.sleep

    async def sleep_and_be_overtaken(duration_s: float) -> None:
        await overtaken(duration_s)
        await limiter(store, key, virtual).acquire("core")

    slow = SourceLimiter(
        store,
        tenant="acme",
        source=key,
        limits={"core": BucketLimit(capacity=2, refill_per_s=0.5)},
        wait_max_s=3,
        clock=virtual.clock,
        sleep=sleep_and_be_overtaken,
    )
    with pytest.raises(RateLimited):
        await slow.acquire("core")
    assert virtual.now_s <= 3


async def test_what_the_source_says_counts(store: BucketStore, key: str, virtual: VirtualTime) -> None:
    source = limiter(store, key, virtual)
    await source.observe(QuotaObserved(bucket="core", limit=None, remaining=0, reset_s=4))
    await source.acquire("core")
    assert virtual.now_s == pytest.approx(4, abs=0.1)


async def test_an_undeclared_bucket_has_a_limit_too(store: BucketStore, key: str, virtual: VirtualTime) -> None:
    source = limiter(store, key, virtual, wait_max_s=0)
    answers = await asyncio.gather(*(source.acquire("unheard-of", 10) for _ in range(60)), return_exceptions=True)
    assert 6 <= answers.count(None) <= 20
    assert all(answer is None or isinstance(answer, RateLimited) for answer in answers)


async def test_a_cancelled_wait_holds_nothing(store: BucketStore, key: str, virtual: VirtualTime) -> None:
    reached = asyncio.Event()

    async def sleep_forever(_duration_s: float) -> None:
        reached.set()
        await asyncio.Event().wait()

    source = limiter(store, key, virtual)
    await source.acquire("core", 2)
    waiting = SourceLimiter(
        store,
        tenant="acme",
        source=key,
        limits={"core": BucketLimit(capacity=2, refill_per_s=0.5)},
        wait_max_s=10,
        clock=virtual.clock,
        sleep=sleep_forever,
    )
    task = asyncio.create_task(waiting.acquire("core"))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await virtual.sleep(2)
    await source.acquire("core")
    assert virtual.slept_s == [2]


async def test_what_is_left_is_told_and_nothing_is_taken(store: BucketStore, key: str, virtual: VirtualTime) -> None:
    limits = limiter(store, key, virtual)
    assert await limits.standing() == ()
    await limits.observe(QuotaObserved(bucket="core", limit=5000, remaining=4812, reset_s=1830.0))
    left = []
    for _ in range(2):
        (told,) = await limits.standing()
        assert told.endswith(" of 5000 left, reset in 1830 s, no wait")
        left.append(int(told.removeprefix("core: ").partition(" ")[0]))
    # It only grows, as the bucket is filled.
    assert 4812 <= left[0] <= left[1]
    await limits.block("core", 12.0)
    (told,) = await limits.standing()
    assert told.endswith("left, reset in 1830 s, the next request waits 12 s")
