"""The rate limits of one source, as its connector uses them: waits that are short, a refusal when they are long.

A wait holds nothing, so cancelling it gives nothing back. The limit is checked again after every wait: another session
may have been faster.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from connectors.sdk.connector import QuotaObserved
from connectors.sdk.errors import RateLimited, Retryable
from omnisql_server.limits.bucket import BucketLimit, BucketStore, Taken, bucket_key
from omnisql_server.model.trail import expect_call, note_call
from omnisql_server.observability.metrics import INSTRUMENTS

LIMIT_DEFAULT = BucketLimit(capacity=60, refill_per_s=10)
"""For a bucket that the connector does not declare; the source's own headers correct it."""

OBSERVE_INTERVAL_S = 2.0
GIVEN_UP_FOR_S = 1.0
"""How long Valkey is not asked again after it did not answer."""
PLENTY = 0.5
"""While more than this share of a quota is left, what a source says is passed on once in the interval, or when it has
moved by a twentieth of the quota."""

SPARED = 0.25
"""The share of a bucket's capacity that is left to statements that somebody waits for."""

_log = structlog.get_logger(__name__)


class SourceLimiter:
    """Limits of one source of one tenant; `limits` declares its buckets by name."""

    def __init__(
        self,
        store: BucketStore,
        *,
        tenant: str,
        source: str,
        limits: Mapping[str, BucketLimit],
        wait_max_s: float,
        fail_open: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._tenant = tenant
        self._source = source
        self._limits = limits
        self._wait_max_s = wait_max_s
        self._fail_open = fail_open
        self._clock = clock
        self._sleep = sleep
        self._told: dict[str, tuple[int | None, int | None, float]] = {}
        self._resets_s: dict[str, float] = {}
        self._given_up_until_s = -math.inf

    async def acquire(self, bucket: str, cost: float = 1.0) -> None:
        """Wait for, or be refused, `cost` units of a bucket.

        Raises:
            RateLimited: (53400) the wait would be longer than allowed; nothing was taken.
            Retryable: (08006) the limits cannot be checked, and configuration says to stop then.
        """
        # The record that the statement has begun is written meanwhile; no request is made before it is.
        expect_call()
        await self._take(bucket, cost)
        await note_call()

    async def charge(self, bucket: str, cost: float) -> None:
        """Wait for, or be refused, units of another bucket for a request that is about to be acquired.

        Raises:
            RateLimited, Retryable: as `acquire`.
        """
        await self._take(bucket, cost)

    async def _take(self, bucket: str, cost: float) -> None:
        limit, started_s = self._limit(bucket), self._clock()
        if self._has_given_up():
            self._pass_unchecked()
            return
        while True:
            try:
                taken = await self._store.take(self._key(bucket), limit, cost)
            except (RedisError, TimeoutError, OSError) as error:
                self._warn("rate_limit_unchecked", bucket, error)
                self._pass_unchecked(error)
                return
            waited_s, wait_s = self._clock() - started_s, taken.wait_ms / 1000.0
            if taken.allowed:
                INSTRUMENTS.rate_limit_waited(bucket=bucket, outcome="allowed", wait_s=waited_s)
                return
            if waited_s + wait_s > self._wait_max_s:
                INSTRUMENTS.rate_limit_waited(bucket=bucket, outcome="refused", wait_s=wait_s)
                raise self._exhausted(bucket, taken)
            _log.debug("rate_limit_awaited", source=self._source, bucket=bucket, wait_s=wait_s)
            await self._sleep(wait_s)

    def sparing(self) -> SparingLimiter:
        """Return the same limits for requests that nobody waits for."""
        return SparingLimiter(self)

    async def acquire_spare(self, bucket: str, cost: float) -> None:
        """Take units of a bucket if so much is left that nobody feels it; nothing is waited for.

        Raises:
            RateLimited: (53400) there is not. Retryable: (08006) that cannot be checked.
        """
        await note_call()
        await self.charge_spare(bucket, cost)

    async def charge_spare(self, bucket: str, cost: float) -> None:
        """Take units of another bucket as `acquire_spare` does.

        Raises:
            RateLimited, Retryable: as `acquire_spare`.
        """
        try:
            if self._has_given_up():
                raise TimeoutError
            taken = await self._store.take_spare(self._key(bucket), self._limit(bucket), cost, SPARED)
        except (RedisError, TimeoutError, OSError) as error:
            self._pass_unchecked(error)
            return
        if not taken.allowed:
            raise RateLimited(
                message=f'RATE_LIMIT_EXHAUSTED: what is left of the rate limit of server "{self._source}" is kept for'
                " statements",
                retry_after_s=60.0,
            )

    async def observe(self, quota: QuotaObserved) -> None:
        """Correct a bucket by what the source itself said, as far as that is news."""
        if self._has_given_up() or not self._is_news(quota):
            return
        try:
            await self._store.observe(self._key(quota.bucket), self._limit(quota.bucket), quota)
        except (RedisError, TimeoutError, OSError) as error:
            # The request was answered: losing its headers must not lose its rows. The next acquire decides.
            self._warn("rate_limit_observation_lost", quota.bucket, error)

    async def block(self, bucket: str, retry_after_s: float) -> None:
        """Close a bucket, for every session and replica, until the source answers again."""
        _log.info("rate_limit_closed", source=self._source, bucket=bucket, retry_after_s=retry_after_s)
        if self._has_given_up():
            return
        try:
            await self._store.block(self._key(bucket), self._limit(bucket), retry_after_s)
        except (RedisError, TimeoutError, OSError) as error:
            self._warn("rate_limit_closing_lost", bucket, error)

    async def standing(self) -> tuple[str, ...]:
        """Say of each bucket that the source has told of what is left, when it is whole again, and the wait for it.

        What is left is counted along for all sessions and replicas; nothing is taken. Nothing while Valkey is away.
        """
        if self._has_given_up():
            return ()
        found = []
        for bucket, (limit, _, _) in sorted(self._told.items()):
            try:
                taken = await self._store.take(self._key(bucket), self._limit(bucket), 0.0)
            except (RedisError, TimeoutError, OSError) as error:
                self._warn("rate_limit_unchecked", bucket, error)
                return ()
            whole = f" of {limit}" if limit is not None else ""
            reset_s = self._resets_s.get(bucket, -math.inf) - self._clock()
            reset = f", reset in {math.ceil(reset_s)} s" if reset_s > 0 else ""
            wait = f", the next request waits {math.ceil(taken.wait_ms / 1000)} s" if taken.wait_ms else ", no wait"
            found.append(f"{bucket}: {max(0, math.floor(taken.left))}{whole} left{reset}{wait}")
        return tuple(found)

    def _is_news(self, quota: QuotaObserved) -> bool:
        """Say whether an observation may change a decision: the bucket counts along, so that most of them do not."""
        told = self._told.get(quota.bucket)
        now_s = self._clock()
        if quota.reset_s is not None:
            self._resets_s[quota.bucket] = now_s + quota.reset_s
        if told is not None and told[0] == quota.limit and now_s - told[2] < OBSERVE_INTERVAL_S:
            limit, remaining, before = quota.limit or 0, quota.remaining or 0, told[1] or 0
            if remaining > limit * PLENTY and abs(before - remaining) < limit / 20:
                return False
        self._told[quota.bucket] = (quota.limit, quota.remaining, now_s)
        return True

    def _key(self, bucket: str) -> str:
        return bucket_key(self._tenant, self._source, bucket)

    def _limit(self, bucket: str) -> BucketLimit:
        return self._limits.get(bucket, LIMIT_DEFAULT)

    def _exhausted(self, bucket: str, taken: Taken) -> RateLimited:
        seconds = math.ceil(taken.wait_ms / 1000)
        return RateLimited(
            message=f'RATE_LIMIT_EXHAUSTED: the rate limit of server "{self._source}" is used up',
            retry_after_s=taken.wait_ms / 1000.0,
            detail=f'Bucket "{bucket}" allows the next request in {seconds} seconds; a statement waits at most'
            f" {self._wait_max_s:g} seconds.",
            hint=f"Run the statement again in {seconds} seconds, or narrow it so that it needs fewer calls.",
        )

    def _has_given_up(self) -> bool:
        """Say whether Valkey did not answer a moment ago: to ask it again would cost every request that time."""
        return self._clock() < self._given_up_until_s

    def _pass_unchecked(self, error: Exception | None = None) -> None:
        """Let the request pass, or refuse it, when nobody can say whether the limit allows it."""
        if self._fail_open:
            return
        raise Retryable(
            message=f'SOURCE_UNAVAILABLE: the rate limit of server "{self._source}" cannot be checked',
            detail="Valkey does not answer.",
            hint="Run the statement again later; if this lasts, let the operator look at Valkey.",
        ) from error

    def _warn(self, event: str, bucket: str, error: Exception) -> None:
        self._given_up_until_s = self._clock() + GIVEN_UP_FOR_S
        _log.warning(
            event,
            tenant=self._tenant,
            source=self._source,
            bucket=bucket,
            error=type(error).__name__,
            fail_open=self._fail_open,
        )


@dataclass(frozen=True, slots=True)
class SparingLimiter:
    """The limits of a source for requests that nobody waits for; implements the SDK's Limiter."""

    limiter: SourceLimiter

    async def acquire(self, bucket: str, cost: float = 1.0) -> None:
        """Take units of a bucket if it has some to spare; nothing is waited for.

        Raises:
            RateLimited: (53400) it has not. Retryable: (08006) that cannot be checked.
        """
        await self.limiter.acquire_spare(bucket, cost)

    async def charge(self, bucket: str, cost: float) -> None:
        """Take units of another bucket likewise."""
        await self.limiter.charge_spare(bucket, cost)

    async def observe(self, quota: QuotaObserved) -> None:
        """Hand on what the source said."""
        await self.limiter.observe(quota)

    async def block(self, bucket: str, retry_after_s: float) -> None:
        """Hand on that the source refuses."""
        await self.limiter.block(bucket, retry_after_s)
