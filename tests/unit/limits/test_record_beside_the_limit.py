"""A statement's first record is written while the rate limit is asked, and no request is made before it is durable."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from omnisql_server.limits import BucketStore, SourceLimiter, ValkeyExternal
from omnisql_server.model.trail import TRAIL, Trail


async def test_the_record_is_begun_before_the_limit_is_asked_and_durable_before_the_request(tmp_path: Path) -> None:
    order: list[str] = []

    def clock() -> float:
        order.append("limit")
        return 0.0

    store = BucketStore(ValkeyExternal(f"unix://{tmp_path}/absent.sock").client)
    limiter = SourceLimiter(store, tenant="acme", source="hub", limits={}, wait_max_s=1, fail_open=True, clock=clock)
    # Valkey does not answer, and is not asked again for a while: nothing is waited for but the record.
    await limiter.acquire("core")
    durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    trail = Trail(begin=lambda: durable, begin_soon=lambda: order.append("begun"))
    order.clear()
    token = TRAIL.set(trail)
    try:
        request = limiter.acquire("core")
        waited_for = request.send(None)
        assert (order[:2], trail.calls) == (["begun", "limit"], 0)
        assert waited_for is durable
        durable.set_result(None)
        with pytest.raises(StopIteration):
            request.send(None)
        assert trail.calls == 1
    finally:
        TRAIL.reset(token)
