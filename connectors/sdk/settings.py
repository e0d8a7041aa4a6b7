"""Bounds of a connection to a source, its way out, and the clock, randomness and sleep it uses. Frozen values."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from connectors.sdk.addresses import Fence
from connectors.sdk.names import LookUp, addresses_of
from connectors.sdk.request import Request, Response
from connectors.sdk.retry import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """How connections leave: what may be connected to, by which proxy, and who is believed to sign certificates.

    `proxy_url` may hold a user and a password. `proxy_resolves` leaves it to the proxy to look up names and to refuse
    what they lead to. `no_proxy` names hosts that are connected to directly; one with a dot in front stands for all
    below it. `tls` replaces the system's trust.
    """

    fence: Fence = field(default_factory=Fence)
    proxy_url: str | None = field(default=None, repr=False)
    proxy_resolves: bool = False
    no_proxy: tuple[str, ...] = ()
    tls: ssl.SSLContext | None = None

    def is_proxied(self, host: str) -> bool:
        """Say whether a host is reached through the proxy."""
        name = host.rstrip(".").lower()
        if self.proxy_url is None:
            return False
        return not any(name == known or (known[:1] == "." and name.endswith(known)) for known in self.no_proxy)


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
    outbound: Outbound = field(default_factory=Outbound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a transport takes from outside: the wall clock in seconds, randomness in [0, 1), a way to wait, names.

    `witness`, if given, is shown every good or empty answer, with the headers that authenticated its request.
    """

    now_s: Callable[[], float] = time.time
    random: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    addresses_of: LookUp = addresses_of
    witness: Callable[[Request, Response, Mapping[str, str]], None] | None = None
