"""Bounds of a connection to a source, and the clock, randomness and sleep it uses. Frozen values."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from connectors.sdk.retry import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportSettings:
    """Bounds of one connection to a source.

    `rate_wait_max_s` is the longest refusal that is waited out; a longer one is an error at once. `response_bytes_max`
    counts after decompression.
    """

    connect_timeout_s: float = 5.0
    read_timeout_s: float = 20.0
    total_timeout_s: float = 60.0
    concurrency_max: int = 8
    response_bytes_max: int = 64 * 1024 * 1024
    redirects_max: int = 3
    rate_wait_max_s: float = 15.0
    rate_waits_max: int = 5
    kept_bytes_max: int = 32 * 1024 * 1024
    pages_max: int = 10_000
    retry: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a transport takes from outside: the wall clock in seconds, randomness in [0, 1), a way to wait."""

    now_s: Callable[[], float] = time.time
    random: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
