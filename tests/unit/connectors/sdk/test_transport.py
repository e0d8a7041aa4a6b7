"""The transport against a real server: retries, limits, conditional requests, redirects, cancellation, messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from local_network import LOCAL_SETTINGS, TO_LOOPBACK
from network_servers import answering
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import connectors.sdk.transport as transport_module
from connectors.sdk.auth import TokenAuth
from connectors.sdk.connector import FetchContext
from connectors.sdk.errors import (
    CredentialsRejected,
    EmptyResult,
    Fatal,
    RateLimited,
    Retryable,
    SourceTimeout,
)
from connectors.sdk.quota import QuotaHeaders, ResetFormat
from connectors.sdk.request import Request
from connectors.sdk.settings import TransportSettings
from connectors.sdk.transport import USER_AGENT, Transport
from connectors.sdk.verdicts import judge_by_status

TOKEN = "tok_very_secret"
QUOTA = QuotaHeaders(limit="x-limit", remaining="x-left", reset="x-reset", reset_format=ResetFormat.EPOCH_S)
THINGS = Request(template="/things/{id}", path="/things/1")


@pytest.fixture
async def open_transport(api: Any, passing_time: Any) -> AsyncIterator[Callable[..., Transport]]:
    opened: list[Transport] = []

    def open_one(**bounds: Any) -> Transport:
        transport = Transport(
            connector="test",
            server="shop",
            base_url=api.base_url,
            authenticator=TokenAuth(TOKEN),
            judge=judge_by_status,
            quota=QUOTA,
            settings=TransportSettings(outbound=TO_LOOPBACK, **bounds),
            surroundings=passing_time.surroundings(),
        )
        opened.append(transport)
        return transport

    yield open_one
    for transport in opened:
        await transport.close()


def in_turn(*answers: Callable[[], web.Response]) -> Callable[[web.Request], Any]:
    """Answer with each in turn, then with the last one again and again."""
    left = list(answers)

    async def handler(_request: web.Request) -> web.Response:
        return (left.pop(0) if len(left) > 1 else left[0])()

    return handler


def ok() -> web.Response:
    return web.json_response({"id": 1})


def status(code: int, **headers: str) -> Callable[[], web.Response]:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda: web.json_response({"message": "no"}, status=code, headers=named)


async def test_a_good_answer_is_decoded_metered_and_limited(
    api: Any, open_transport: Any, context: FetchContext, recorder: Any
) -> None:
    api.answer(in_turn(lambda: web.json_response({"id": 1}, headers={"X-Limit": "10", "X-Left": "9"})))
    response = await open_transport().send(THINGS, context)
    assert response.body == {"id": 1}
    assert response.revalidated is False
    assert recorder.acquired == [("core", 1.0)]
    assert [(record.template, record.status, record.attempt) for record in recorder.requests] == [
        ("/things/{id}", 200, 1)
    ]
    assert recorder.requests[0].bytes_received == len(b'{"id": 1}')
    assert [(quota.limit, quota.remaining) for quota in recorder.observed] == [(10, 9)]
    assert api.requests[0].headers["User-Agent"] == USER_AGENT
    assert api.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"


async def test_server_errors_are_retried_with_jitter_then_reported(
    api: Any, open_transport: Any, context: FetchContext, passing_time: Any
) -> None:
    api.answer(in_turn(status(502), status(503), ok))
    assert (await open_transport().send(THINGS, context)).status == 200
    assert passing_time.slept_s == [0.25, 0.5]
    api.answer(in_turn(status(500)))
    with pytest.raises(Retryable) as raised:
        await open_transport().send(THINGS, context)
    assert raised.value.message.startswith('SOURCE_UNAVAILABLE: server "shop"')
    assert raised.value.sqlstate == "08006"
    assert len(api.requests) == 3 + 4


async def test_a_body_that_is_no_json_is_retried(api: Any, open_transport: Any, context: FetchContext) -> None:
    api.answer(in_turn(lambda: web.Response(body=b'{"id": '), ok))
    assert (await open_transport().send(THINGS, context)).body == {"id": 1}


async def test_rejected_credentials_name_the_server_and_not_the_token(
    api: Any, open_transport: Any, context: FetchContext
) -> None:
    api.answer(in_turn(status(401)))
    with pytest.raises(CredentialsRejected) as raised:
        await open_transport().send(THINGS, context)
    error = raised.value
    assert error.message == 'CREDENTIALS_REJECTED: server "shop" does not accept its credentials'
    assert error.sqlstate == "28000"
    assert TOKEN not in f"{error!r}{error.message}{error.detail}{error.hint}"
    assert len(api.requests) == 1


async def test_a_short_refusal_is_waited_out_and_blocks_the_bucket(
    api: Any, open_transport: Any, context: FetchContext, recorder: Any, passing_time: Any
) -> None:
    api.answer(in_turn(status(429, Retry_After="3"), ok))
    assert (await open_transport().send(THINGS, context)).status == 200
    assert passing_time.slept_s == [3.0]
    assert recorder.blocked == [("core", 3.0)]


async def test_a_long_refusal_is_an_error_with_the_time_to_wait(
    api: Any, open_transport: Any, context: FetchContext, passing_time: Any
) -> None:
    api.answer(in_turn(status(429, Retry_After="120")))
    with pytest.raises(RateLimited) as raised:
        await open_transport().send(THINGS, context)
    assert raised.value.message.startswith('RATE_LIMIT_EXHAUSTED: server "shop"')
    assert raised.value.sqlstate == "53400"
    assert raised.value.retry_after_s == 120.0
    assert "120 seconds" in str(raised.value.detail)
    assert raised.value.hint is not None
    assert passing_time.slept_s == []


async def test_short_refusals_without_end_are_bounded(api: Any, open_transport: Any, context: FetchContext) -> None:
    api.answer(in_turn(status(429, Retry_After="1")))
    with pytest.raises(RateLimited):
        await open_transport(rate_waits_max=2).send(THINGS, context)
    assert len(api.requests) == 3


async def test_an_unchanged_body_is_confirmed_instead_of_sent(
    api: Any, open_transport: Any, context: FetchContext, recorder: Any
) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == '"v1"':
            return web.Response(status=304, headers={"ETag": '"v1"'})
        return web.json_response([1, 2, 3], headers={"ETag": '"v1"', "Link": "<x>"})

    api.answer(handler)
    transport = open_transport()
    first, second = await transport.send(THINGS, context), await transport.send(THINGS, context)
    assert (first.body, first.revalidated) == ([1, 2, 3], False)
    assert (second.body, second.revalidated, second.status) == ([1, 2, 3], True, 200)
    assert second.headers["link"] == "<x>"
    assert [(record.status, record.revalidated) for record in recorder.requests] == [(200, False), (304, True)]


async def test_a_redirect_within_the_origin_keeps_the_credentials(
    api: Any, open_transport: Any, context: FetchContext
) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/things/1":
            raise web.HTTPMovedPermanently("/things/2")
        return web.json_response({"path": request.path})

    api.answer(handler)
    assert (await open_transport().send(THINGS, context)).body == {"path": "/things/2"}
    assert [request.headers["Authorization"] for request in api.requests] == [f"Bearer {TOKEN}"] * 2


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{other}/x",
        "https://127.0.0.1:{port}/x",
        "//127.0.0.1:{other}/x",
        "http://127.0.0.1:{port}@127.0.0.1:{other}/x",
        "http://user:password@127.0.0.1:{port}/x",
        "http://127.0.0.1:{port}\\@127.0.0.1:{other}/x",
        "http://localhost:{port}/x",
        "http://[::1/x",
        "http://127.0.0.1:99999/x",
        "ftp://127.0.0.1:{port}/x",
    ],
)
async def test_a_redirect_elsewhere_is_refused_and_gets_no_credentials(
    api: Any, open_transport: Any, context: FetchContext, location: str
) -> None:
    async with answering() as other:
        port = api.base_url.rpartition(":")[2]
        api.answer(in_turn(status(302, Location=location.format(port=port, other=other.port))))
        with pytest.raises(Fatal, match="another host"):
            await open_transport().send(THINGS, context)
        assert len(api.requests) == 1
        assert other.connections == 0


async def test_a_redirect_in_a_circle_ends(api: Any, open_transport: Any, context: FetchContext) -> None:
    api.answer(in_turn(status(302, Location="/things/1")))
    with pytest.raises(Fatal, match="redirects without end"):
        await open_transport().send(THINGS, context)
    assert len(api.requests) == 1 + TransportSettings().redirects_max


async def test_a_next_link_to_another_origin_is_refused(open_transport: Any, context: FetchContext) -> None:
    elsewhere = Request(template="/things", path="/things", url="http://127.0.0.1:1/things?page=2")
    with pytest.raises(Fatal, match="another host"):
        await open_transport().send(elsewhere, context)


async def test_an_answer_beyond_the_bound_is_refused(api: Any, open_transport: Any, context: FetchContext) -> None:
    api.answer(in_turn(lambda: web.json_response("x" * 200_000)))
    with pytest.raises(Fatal, match="too large"):
        await open_transport(response_bytes_max=100_000).send(THINGS, context)


async def test_a_source_that_hangs_times_out(api: Any, open_transport: Any, context: FetchContext) -> None:
    released = asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        await released.wait()
        return ok()

    api.answer(handler)
    with pytest.raises(SourceTimeout) as raised:
        await open_transport(read_timeout_s=0.05).send(THINGS, context)
    released.set()
    assert raised.value.message == 'SOURCE_TIMEOUT: server "shop" did not answer in time'
    assert len(api.requests) == 2


async def test_a_source_that_cannot_be_reached_is_unavailable(context: FetchContext, passing_time: Any) -> None:
    transport = Transport(
        connector="test",
        server="shop",
        base_url="http://127.0.0.1:1",
        authenticator=TokenAuth(TOKEN),
        judge=judge_by_status,
        settings=LOCAL_SETTINGS,
        surroundings=passing_time.surroundings(),
    )
    with pytest.raises(Retryable, match='SOURCE_UNAVAILABLE: server "shop"'):
        await transport.send(THINGS, context)
    assert len(passing_time.slept_s) == 3
    await transport.close()


async def test_an_expected_absence_is_an_empty_result(api: Any, open_transport: Any, context: FetchContext) -> None:
    api.answer(in_turn(status(404)))
    request = Request(template="/things/{id}", path="/things/1", empty_statuses=frozenset({404}))
    with pytest.raises(EmptyResult):
        await open_transport().send(request, context)
    with pytest.raises(Fatal) as raised:
        await open_transport().send(THINGS, context)
    assert raised.value.sqlstate == "HV000"


async def test_cancellation_closes_the_request_at_once_and_leaves_nothing(
    api: Any, open_transport: Any, context: FetchContext
) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        return ok()

    api.answer(handler)
    transport = open_transport()
    before = asyncio.all_tasks()
    sending = asyncio.create_task(transport.send(THINGS, context))
    await arrived.wait()
    assert transport.open_request_count == 1
    sending.cancel()
    async with asyncio.timeout(1.0):
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert transport.open_request_count == 0
    assert {task for task in asyncio.all_tasks() - before if "send" in repr(task)} == set()
    await transport.close()


async def test_a_span_tells_the_template_and_no_value(
    api: Any, open_transport: Any, context: FetchContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(transport_module, "_TRACER", provider.get_tracer("test"))
    api.answer(in_turn(ok))
    request = Request(template="/things/{id}", path="/things/private", parameters=(("q", "private"),))
    await open_transport().send(request, context)
    (span,) = exporter.get_finished_spans()
    assert span.name == "omnisql.api_request"
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.template": "/things/{id}",
        "http.response.status_code": 200,
        "omnisql.connector": "test",
        "omnisql.server": "shop",
    }


async def test_concurrency_is_bounded(api: Any, open_transport: Any, context: FetchContext) -> None:
    under_way, most = 0, 0
    full = asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 3:
            full.set()
        await full.wait()
        under_way -= 1
        return ok()

    api.answer(handler)
    transport = open_transport(concurrency_max=3)
    await asyncio.gather(*(transport.send(THINGS, context) for _ in range(9)))
    assert most == 3
