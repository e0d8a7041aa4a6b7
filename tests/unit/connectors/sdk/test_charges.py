"""What a request takes of rate limits: declared, told by its answer, free, beside others, and shared by tokens."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from aiohttp import web
from conftest import Api, PassingTime
from local_network import LOCAL_SETTINGS
from recorder import Recorder

from connectors.sdk.connector import FetchContext
from connectors.sdk.errors import Retryable
from connectors.sdk.limits import RateLimit
from connectors.sdk.pool import TokenPool
from connectors.sdk.quota import QuotaHeaders, ResetFormat
from connectors.sdk.request import Charge, Request, Response
from connectors.sdk.transport import Transport
from connectors.sdk.verdicts import judge_by_status

POINTS = QuotaHeaders(limit="points-limit", remaining="points-left", reset="", reset_format=ResetFormat.SECONDS)
MAIN = QuotaHeaders(limit="limit", remaining="left", reset="", reset_format=ResetFormat.SECONDS)


def by_header(response: Response) -> int | None:
    text = response.headers.get("cost")
    return None if text is None else int(text)


LIMITS: Mapping[str, RateLimit] = {
    "core": RateLimit(free_unchanged=True),
    "points": RateLimit(points=100, every_s=60, quota=POINTS, told=by_header),
    "pace": RateLimit(points=10, every_s=60, beside=frozenset({"core"})),
}


def transport(api: Api, tokens: tuple[str, ...] = ("one",)) -> Transport:
    time = PassingTime()
    return Transport(
        connector="small",
        server="s",
        base_url=api.base_url,
        authenticator=TokenPool(tokens, server="s", clock_s=lambda: time.now_s),
        judge=judge_by_status,
        quota=MAIN,
        limits=LIMITS,
        settings=LOCAL_SETTINGS,
        surroundings=time.surroundings(),
    )


async def sent(api: Api, recorder: Recorder, request: Request, tokens: tuple[str, ...] = ("one",)) -> None:
    way = transport(api, tokens)
    try:
        await way.send(request, FetchContext(meter=recorder, limiter=recorder, timeout_s=10.0))
    finally:
        await way.close()


def answering(headers: Mapping[str, str], status: int = 200, text: str = "{}") -> web.Response:
    return web.Response(text=text, status=status, headers=headers, content_type="application/json")


PLAIN = Request(template="/a", path="/a", bucket="core", cost=2.0)
COUNTED = Request(template="/a", path="/a", bucket="other", also=(Charge(limit="points", points=7),))


async def test_what_is_declared_is_charged_and_waited_for(api: Api, recorder: Recorder) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return answering({"limit": "50", "left": "49"})

    api.answer(answer)
    await sent(api, recorder, PLAIN)
    assert recorder.requests[0].charges == (Charge(limit="core", points=2), Charge(limit="pace", points=1))
    assert (recorder.charged, recorder.acquired) == ([("pace", 1.0)], [("core", 2.0)])
    assert [(each.bucket, each.remaining) for each in recorder.observed] == [("core", 49)]


async def test_what_an_answer_tells_is_believed(api: Api, recorder: Recorder) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return answering({"cost": "9", "points-limit": "100", "points-left": "91", "limit": "50", "left": "49"})

    api.answer(answer)
    await sent(api, recorder, COUNTED)
    assert recorder.requests[0].charges == (
        Charge(limit="other", points=1),
        Charge(limit="points", points=9, told=True),
    )
    assert recorder.charged == [("points", 7.0)]
    assert [(each.bucket, each.remaining) for each in recorder.observed] == [("other", 49), ("points", 91)]


async def test_an_answer_that_confirms_another_is_free_where_that_is_declared(api: Api, recorder: Recorder) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return answering({"ETag": '"1"'}, status=304, text="")

    api.answer(answer)
    await sent(api, recorder, Request(template="/a", path="/a", bucket="core", etag='"1"'))
    assert recorder.requests[0].charges == (Charge(limit="core", points=0), Charge(limit="pace", points=1))


async def test_an_answer_that_cannot_be_read_was_a_request_all_the_same(api: Api, recorder: Recorder) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return answering({"cost": "9"}, text="{")

    api.answer(answer)
    with pytest.raises(Retryable):
        await sent(api, recorder, COUNTED)
    assert recorder.requests
    assert {each.charges for each in recorder.requests} == {
        (Charge(limit="other", points=1), Charge(limit="points", points=7))
    }


async def test_tokens_share_what_is_declared_and_not_what_is_told_of_all(api: Api, recorder: Recorder) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return answering({})

    api.answer(answer)
    both = Request(template="/a", path="/a", bucket="core", also=(Charge(limit="points", points=6),))
    await sent(api, recorder, both, tokens=("one", "two"))
    assert recorder.charged == [("points", 6.0), ("pace", 0.5)]
