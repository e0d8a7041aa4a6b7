"""The bucket's script on a real Valkey against exact arithmetic, over random histories.

Time passes by moving the stored times back, which is the same as the clock going forward.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import count

import pytest
from bucket_model import BucketModel
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sdk.connector import QuotaObserved
from omnisql_server.limits import BucketLimit, BucketStore, Taken, ValkeyChild

pytestmark = pytest.mark.asyncio(loop_scope="session")

Take = tuple[str, float]
Observe = tuple[str, int | None, int | None, int | None]
Step = tuple[int, Take | Observe]

MILLISECONDS = st.integers(0, 20_000)
TAKES = st.tuples(st.just("take"), st.sampled_from([0.0, 0.25, 1.0, 1.0, 1.0, 3.0, 40.0]))
BLOCKS = st.tuples(st.just("block"), MILLISECONDS.map(float))
OBSERVATIONS = st.tuples(
    st.just("observe"),
    st.none() | st.integers(0, 30),
    st.none() | st.integers(0, 30),
    st.none() | st.integers(0, 20_000),
)
HISTORIES = st.lists(st.tuples(MILLISECONDS, TAKES | TAKES | BLOCKS | OBSERVATIONS), min_size=1, max_size=25)
_numbers = count()


async def pass_time(valkey: ValkeyChild, key: str, duration_ms: int) -> None:
    for field in ("updated_ms", "until_ms", "full_ms"):
        if int(await valkey.client.hget(key, field) or 0) != 0:
            await valkey.client.hincrby(key, field, -duration_ms)


@settings(max_examples=120, deadline=None)
@given(capacity=st.integers(1, 20), refill=st.sampled_from([0.05, 0.5, 1.0, 7.0, 1000.0]), history=HISTORIES)
async def test_the_script_counts_as_the_model_does(
    valkey: ValkeyChild, store: BucketStore, capacity: int, refill: float, history: list[Step]
) -> None:
    key, limit = f"oracle:{{{next(_numbers)}}}", BucketLimit(capacity=capacity, refill_per_s=refill)
    model = BucketModel(Fraction(capacity), Fraction(refill))
    passed_ms = 0
    for duration_ms, step in history:
        await pass_time(valkey, key, duration_ms)
        passed_ms += duration_ms
        taken = await apply(store, key, limit, step)
        now_ms = int(await valkey.client.hget(key, "updated_ms")) + passed_ms
        allowed, wait_ms = follow(model, step, taken, now_ms)
        assert taken.allowed == allowed
        assert taken.wait_ms == pytest.approx(wait_ms, abs=1)
        assert taken.left == pytest.approx(float(model.advance(now_ms)), abs=1e-6)
    await valkey.client.delete(key)


async def apply(store: BucketStore, key: str, limit: BucketLimit, step: Take | Observe) -> Taken:
    if step[0] == "take":
        return await store.take(key, limit, float(step[1] or 0))
    if step[0] == "block":
        return await store.block(key, limit, float(step[1] or 0) / 1000)
    _, told, remaining, reset_ms = step
    reset_s = None if reset_ms is None else reset_ms / 1000
    return await store.observe(
        key, limit, QuotaObserved(bucket="core", limit=told, remaining=remaining, reset_s=reset_s)
    )


def follow(model: BucketModel, step: Take | Observe, taken: Taken, now_ms: int) -> tuple[bool, int]:
    if step[0] == "take":
        return model.take(Fraction(step[1] or 0), now_ms, script_allowed=taken.allowed)
    if step[0] == "block":
        model.block(int(step[1] or 0), now_ms)
    else:
        _, told, remaining, reset_ms = step
        model.observe(told, remaining, reset_ms, now_ms)
    return False, 0
