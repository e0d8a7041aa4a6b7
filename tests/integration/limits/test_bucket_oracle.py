"""The bucket's script on a real Valkey against exact arithmetic, over random histories.

Time passes by moving the stored times back, which is the same as the clock going forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import count

import pytest
from bucket_model import BucketModel
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sdk.connector import QuotaObserved
from omnisql_server.limits import BucketLimit, BucketStore, Taken, ValkeyChild

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass(frozen=True)
class Take:
    cost: float


@dataclass(frozen=True)
class Block:
    duration_ms: int


@dataclass(frozen=True)
class Observe:
    limit: int | None
    remaining: int | None
    reset_ms: int | None


Step = Take | Block | Observe

MILLISECONDS = st.integers(0, 20_000)
TAKES = st.builds(Take, st.sampled_from([0.0, 0.25, 1.0, 1.0, 1.0, 3.0, 40.0]))
BLOCKS = st.builds(Block, MILLISECONDS)
COUNTS = st.none() | st.integers(0, 30)
OBSERVATIONS = st.builds(Observe, COUNTS, COUNTS, st.none() | MILLISECONDS)
HISTORIES = st.lists(st.tuples(MILLISECONDS, TAKES | TAKES | BLOCKS | OBSERVATIONS), min_size=1, max_size=25)
_numbers = count()


async def pass_time(valkey: ValkeyChild, key: str, duration_ms: int) -> None:
    fields = ("updated_ms", "until_ms", "full_ms")
    stored = await valkey.client.hmget(key, fields)
    times = [int(text or 0) for text in stored]
    earlier = {field: str(time - duration_ms) for field, time in zip(fields, times, strict=True) if time}
    if earlier:
        await valkey.client.hset(key, items=[part for pair in earlier.items() for part in pair])


@settings(max_examples=60, deadline=None)
@given(capacity=st.integers(1, 20), refill=st.sampled_from([0.05, 0.5, 1.0, 7.0, 1000.0]), history=HISTORIES)
async def test_the_script_counts_as_the_model_does(
    valkey: ValkeyChild, store: BucketStore, capacity: int, refill: float, history: list[tuple[int, Step]]
) -> None:
    key, limit = f"oracle:{{{next(_numbers)}}}", BucketLimit(capacity=capacity, refill_per_s=refill)
    model = BucketModel(Fraction(capacity), Fraction(refill))
    passed_ms = 0
    for duration_ms, step in history:
        await pass_time(valkey, key, duration_ms)
        passed_ms += duration_ms
        taken = await apply(store, key, limit, step)
        now_ms = int(await valkey.client.hget(key, "updated_ms") or 0) + passed_ms
        allowed, wait_ms = follow(model, step, taken, now_ms)
        assert taken.allowed == allowed
        assert taken.wait_ms == pytest.approx(wait_ms, abs=1)
        assert taken.left == pytest.approx(float(model.advance(now_ms)), abs=1e-6)
    await valkey.client.delete(key)


async def apply(store: BucketStore, key: str, limit: BucketLimit, step: Step) -> Taken:
    match step:
        case Take(cost):
            return await store.take(key, limit, cost)
        case Block(duration_ms):
            return await store.block(key, limit, duration_ms / 1000)
        case Observe(told, remaining, reset_ms):
            reset_s = None if reset_ms is None else reset_ms / 1000
            seen = QuotaObserved(bucket="core", limit=told, remaining=remaining, reset_s=reset_s)
            return await store.observe(key, limit, seen)


def follow(model: BucketModel, step: Step, taken: Taken, now_ms: int) -> tuple[bool, int]:
    match step:
        case Take(cost):
            return model.take(Fraction(cost), now_ms, script_allowed=taken.allowed)
        case Block(duration_ms):
            model.block(duration_ms, now_ms)
        case Observe(told, remaining, reset_ms):
            model.observe(told, remaining, reset_ms, now_ms)
    return False, 0
