"""Whatever goes wrong between this server and OPA, there is no decision and the statement is denied."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from omnisql_server.errors import PolicyUndecided
from omnisql_server.policy.server import ServerEngine

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def engine_over(answer: Answer, *, timeout_s: float = 5.0) -> AsyncIterator[ServerEngine]:
    """Serve OPA's path by a function."""
    app = web.Application()
    app.router.add_post("/v1/data/omnisql/decision", answer)
    async with TestServer(app) as server:
        engine = ServerEngine(f"http://127.0.0.1:{server.port}", timeout_s=timeout_s, token="t-1")
        try:
            yield engine
        finally:
            await engine.close()


async def test_a_decision_is_what_opa_says_to_the_input() -> None:
    seen: list[Any] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append((await request.json(), request.headers["Authorization"]))
        return web.json_response({"result": {"allow": True}})

    async with engine_over(answer) as engine:
        assert await engine.evaluate({"a": 1}) == {"allow": True}
    assert seen == [({"input": {"a": 1}}, "Bearer t-1")]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, "{}", "no data.omnisql.decision"),
        (200, "[]", "no data.omnisql.decision"),
        (200, '{"result"', "no JSON"),
        (500, '{"code": "internal_error"}', "status 500"),
        (401, "{}", "status 401"),
        (404, "{}", "status 404"),
    ],
)
async def test_another_answer_is_no_decision(status: int, body: str, words: str) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, content_type="application/json")

    async with engine_over(answer) as engine:
        with pytest.raises(PolicyUndecided) as caught:
            await engine.evaluate({})
    assert caught.value.sqlstate == "42501"
    assert words in (caught.value.detail or "")


async def test_a_late_answer_is_no_decision() -> None:
    gate = asyncio.Event()

    async def answer(_: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.json_response({"result": {"allow": True}})

    async with engine_over(answer, timeout_s=0.05) as engine:
        with pytest.raises(PolicyUndecided) as caught:
            await engine.evaluate({})
        gate.set()
    assert caught.value.detail == "the policy server gave no answer within 0.05 s"


async def test_nobody_there_is_no_decision(unused_tcp_port_factory: Callable[[], int]) -> None:
    engine = ServerEngine(f"http://127.0.0.1:{unused_tcp_port_factory()}", timeout_s=5.0)
    with pytest.raises(PolicyUndecided) as caught:
        await engine.evaluate({})
    await engine.close()
    assert caught.value.detail == "the policy server cannot be reached"


async def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    seen: list[int] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(1)
        if len(seen) == 2 and request.transport is not None:
            request.transport.close()
        return web.json_response({"result": json.loads("[1]")})

    async with engine_over(answer) as engine:
        assert await engine.evaluate({}) == [1]
        assert await engine.evaluate({}) == [1]
    assert len(seen) == 3
