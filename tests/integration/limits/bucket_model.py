"""The token bucket as exact arithmetic on fractions, to compare the script with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

# The script counts in binary floating point: a decision this close to the edge may fall on either side.
EDGE = Fraction(1, 1_000_000)


@dataclass(slots=True)
class BucketModel:
    """One bucket; times are whole milliseconds of any clock."""

    declared_capacity: Fraction
    declared_refill_per_s: Fraction
    limit: Fraction | None = None
    tokens: Fraction | None = None
    counted_ms: int = 0
    closed_until_ms: int = 0
    whole_at_ms: int | None = None

    @property
    def capacity(self) -> Fraction:
        return self.declared_capacity if self.limit is None else self.limit

    @property
    def refill_per_ms(self) -> Fraction:
        return self.declared_refill_per_s * self.capacity / self.declared_capacity / 1000

    def advance(self, now_ms: int) -> Fraction:
        """Count the tokens at `now_ms`."""
        if self.tokens is None:
            self.tokens, self.counted_ms = self.capacity, now_ms
        if self.whole_at_ms is not None and now_ms >= self.whole_at_ms:
            self.tokens, self.whole_at_ms = self.capacity, None
        self.tokens = min(self.capacity, self.tokens + (now_ms - self.counted_ms) * self.refill_per_ms)
        self.counted_ms = now_ms
        return self.tokens

    def take(self, cost: Fraction, now_ms: int, *, script_allowed: bool) -> tuple[bool, int]:
        """Answer whether the cost is granted, and the milliseconds to wait; the script decides at the very edge."""
        tokens, needed = self.advance(now_ms), min(cost, self.capacity)
        if now_ms < self.closed_until_ms:
            return False, self.closed_until_ms - now_ms
        granted = script_allowed if abs(tokens - needed) < EDGE else tokens >= needed
        if granted:
            self.tokens = tokens - cost
            return True, 0
        wait_ms = math.ceil((needed - tokens) / self.refill_per_ms)
        return False, wait_ms if self.whole_at_ms is None else min(wait_ms, self.whole_at_ms - now_ms)

    def observe(self, limit: int | None, remaining: int | None, reset_ms: int | None, now_ms: int) -> None:
        """Take the source's word."""
        resized = bool(limit) and limit != self.capacity
        if limit:
            self.limit = Fraction(limit)
        tokens = self.advance(now_ms)
        if remaining is None or reset_ms == 0:
            return
        self.tokens = min(self.capacity if resized else tokens, Fraction(remaining))
        if reset_ms is not None:
            self.whole_at_ms = now_ms + reset_ms
            if remaining == 0:
                self.block(reset_ms, now_ms)

    def block(self, duration_ms: int, now_ms: int) -> None:
        """Close the bucket."""
        self.advance(now_ms)
        self.closed_until_ms = max(self.closed_until_ms, now_ms + duration_ms)
