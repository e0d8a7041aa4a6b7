"""Arranges a small API, a context that records, and time that passes without waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from recorder import Recorder

from connectors.sdk.connector import FetchContext
from connectors.sdk.settings import Surroundings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class PassingTime:
    """A wall clock that only sleeping moves."""

    now_s: float = 1_000_000.0
    slept_s: list[float] = field(default_factory=list)

    async def sleep(self, delay_s: float) -> None:
        self.slept_s.append(delay_s)
        self.now_s += delay_s

    def surroundings(self) -> Surroundings:
        return Surroundings(now_s=lambda: self.now_s, random=lambda: 0.5, sleep=self.sleep)


class Api:
    """A server whose answer a test sets; it remembers the requests."""

    def __init__(self) -> None:
        self.handler: Handler | None = None
        self.requests: list[web.Request] = []
        self.base_url = ""

    def answer(self, handler: Handler) -> None:
        self.handler = handler

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        assert self.handler is not None
        self.requests.append(request)
        return await self.handler(request)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def context(recorder: Recorder) -> FetchContext:
    return FetchContext(meter=recorder, limiter=recorder, timeout_s=5.0)


@pytest.fixture
def passing_time() -> PassingTime:
    return PassingTime()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    served = Api()
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", served.dispatch)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()
