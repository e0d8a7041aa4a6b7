"""Token buckets in Valkey: one hash for each tenant, source and bucket, changed by one atomic script.

The keys of a source share a hash tag, so that they live on one node of a cluster.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from importlib.resources import files
from typing import cast
from urllib.parse import quote

from connectors.sdk.connector import QuotaObserved
from omnisql_server.limits.valkey import Valkey

CLOSED_MAX_S = 86_400.0
"""The longest time a source can close a bucket for; no known quota is longer than a day."""

CALL_TIMEOUT_S = 5.0

_SCRIPT = files("omnisql_server.limits").joinpath("bucket.lua").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketLimit:
    """What a source is declared to allow: `capacity` at once, then `refill_per_s` on average."""

    capacity: float
    refill_per_s: float

    def __post_init__(self) -> None:
        """Refuse a bucket that could never be used."""
        if not (0 < self.capacity < math.inf and 0 < self.refill_per_s < math.inf):
            raise ValueError("capacity and refill_per_s must be positive and finite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The answer of a bucket: whether the units are ours, how many are left, how long to wait if they are not."""

    allowed: bool
    left: float
    wait_ms: float


class BucketStore:
    """All buckets of one Valkey. Its methods raise `redis.RedisError` or TimeoutError when Valkey does not answer."""

    def __init__(self, client: Valkey) -> None:
        self._script = client.register_script(_SCRIPT)

    async def take(self, key: str, limit: BucketLimit, cost: float) -> Taken:
        """Take `cost` units, all or none; a cost above the capacity needs a full bucket and leaves a debt."""
        if not 0 <= cost < math.inf:
            raise ValueError("a cost is zero or more, and finite")
        return await self._run(key, limit, "take", repr(float(cost)))

    async def take_spare(self, key: str, limit: BucketLimit, cost: float, left: float) -> Taken:
        """Take `cost` units if a share `left` of the capacity remains after that; else none."""
        return await self._run(key, limit, "spare", repr(float(cost)), repr(float(left)))

    async def observe(self, key: str, limit: BucketLimit, quota: QuotaObserved) -> Taken:
        """Correct the bucket by what the source said of its own count."""
        reset_ms = None if quota.reset_s is None else _milliseconds(quota.reset_s)
        texts = ["" if number is None else str(number) for number in (quota.limit, quota.remaining, reset_ms)]
        return await self._run(key, limit, "observe", *texts)

    async def block(self, key: str, limit: BucketLimit, duration_s: float) -> Taken:
        """Close the bucket for everybody; a shorter time never opens it earlier."""
        return await self._run(key, limit, "block", str(_milliseconds(duration_s)))

    async def _run(self, key: str, limit: BucketLimit, operation: str, *arguments: str) -> Taken:
        declared = (repr(float(limit.capacity)), repr(float(limit.refill_per_s)))
        async with asyncio.timeout(CALL_TIMEOUT_S):
            reply = await self._script(keys=[key], args=[operation, *declared, *arguments])
        allowed, left, wait_ms = cast("tuple[int, bytes, int]", tuple(reply))
        return Taken(allowed=allowed == 1, left=float(left), wait_ms=float(wait_ms))


def bucket_key(tenant: str, source: str, bucket: str) -> str:
    """Name a bucket's hash; the parts are encoded, so that no name can end the tag or look like two."""
    return f"omnisql:limit:{{{_encoded(tenant)}:{_encoded(source)}}}:{_encoded(bucket)}"


def _encoded(part: str) -> str:
    return quote(part, safe="")


def _milliseconds(duration_s: float) -> int:
    # NaN closes for the longest time: what cannot be understood is not an invitation.
    bounded_s = CLOSED_MAX_S if math.isnan(duration_s) else min(CLOSED_MAX_S, max(0.0, duration_s))
    return math.ceil(bounded_s * 1000)
