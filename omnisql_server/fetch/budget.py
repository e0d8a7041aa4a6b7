"""How many API calls a statement may make: counted as they are made, by all of its scans together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import pyarrow as pa

from connectors.sdk.connector import Limiter, QuotaObserved
from connectors.sdk.misfits import Misfits
from omnisql_server.errors import LimitExceeded


@runtime_checkable
class Sparing(Protocol):
    """Rate limits of which a part is left to statements that somebody waits for."""

    def sparing(self) -> Limiter:
        """Return the same limits for what nobody waits for."""


class CallsExhausted(LimitExceeded):
    """The statement has made all the calls that it may make; `batches` are what the scan had read by then.

    `misfits` are the values in them that did not fit.
    """

    batches: tuple[pa.RecordBatch, ...] = ()
    misfits: Misfits = ()


@dataclass(slots=True)
class CallBudget:
    """The calls of one statement: `made` of those `allowed`, where `expected` were thought to be enough."""

    allowed: int
    expected: int = 0
    made: int = 0

    @property
    def left(self) -> int:
        """Return how many calls may still be made."""
        return self.allowed - self.made

    def take(self) -> None:
        """Count a call that is about to be made.

        Raises:
            CallsExhausted: SQLSTATE 54000, there is none left.
        """
        if self.made >= self.allowed:
            raise CallsExhausted(
                message=f"the statement was stopped after {self.made} API calls, the most that it may make",
                detail=f"It was expected to need {self.expected}.",
                hint="add conditions, raise omnisql.max_api_calls within fetch.api_calls_max, or have what was read by "
                "then: SET omnisql.on_source_error = 'partial'",
            )
        self.made += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetedLimiter:
    """A source's rate limits for one statement; implements the SDK's Limiter."""

    limiter: Limiter
    budget: CallBudget

    async def acquire(self, bucket: str, cost: float = 1.0) -> None:
        """Count a call, and wait for the source's limit."""
        self.budget.take()
        try:
            await self.limiter.acquire(bucket, cost)
        except BaseException:
            self.budget.made -= 1
            raise

    async def charge(self, bucket: str, cost: float) -> None:
        """Wait for another of the source's limits; that is no call."""
        await self.limiter.charge(bucket, cost)

    async def observe(self, quota: QuotaObserved) -> None:
        """Hand on what the source said."""
        await self.limiter.observe(quota)

    async def block(self, bucket: str, retry_after_s: float) -> None:
        """Hand on that the source refuses."""
        await self.limiter.block(bucket, retry_after_s)
