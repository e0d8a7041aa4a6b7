"""Authenticators: what they send, that OAuth 2.0 refreshes once for many, rotates safely and forgets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from local_network import LOCAL_SETTINGS

from connectors.sdk.auth import BasicAuth, Grant, OAuth2, TokenAnswer, TokenAuth
from connectors.sdk.connector import FetchContext
from connectors.sdk.errors import CredentialsRejected, Retryable
from connectors.sdk.request import Request
from connectors.sdk.transport import Transport, post_form
from connectors.sdk.verdicts import judge_by_status

GRANT = Grant(server="shop", token_url="http://127.0.0.1/token", client_id="c", client_secret="client_secret_value")


class Endpoint:
    """A token endpoint that counts, rotates and can fail."""

    def __init__(self, answer: TokenAnswer | None = None, expires_in: float = 3600) -> None:
        self.forms: list[Mapping[str, str]] = []
        self.persisted: list[str] = []
        self.answer = answer
        self.expires_in = expires_in
        self.now_s = 0.0

    async def post(self, _url: str, fields: Mapping[str, str]) -> TokenAnswer:
        self.forms.append(fields)
        await asyncio.sleep(0)
        number = len(self.forms)
        body = {"access_token": f"a{number}", "refresh_token": f"r{number}", "expires_in": self.expires_in}
        return self.answer or TokenAnswer(status=200, body=body)

    async def persist(self, refresh_token: str) -> None:
        self.persisted.append(refresh_token)

    def oauth(self, **more: Any) -> OAuth2:
        return OAuth2(
            grant=GRANT,
            refresh_token="r0",
            post_form=self.post,
            persist=self.persist,
            clock_s=lambda: self.now_s,
            **more,
        )


async def test_fixed_credentials_are_sent_as_the_schemes_say() -> None:
    assert await TokenAuth("t").headers() == {"Authorization": "Bearer t"}
    assert await TokenAuth("t", header="X-Key", prefix="").headers() == {"X-Key": "t"}
    assert await BasicAuth("aladdin", "opensesame").headers() == {"Authorization": "Basic YWxhZGRpbjpvcGVuc2VzYW1l"}
    assert await TokenAuth("t").renew({}) is False


async def test_twenty_callers_share_one_refresh() -> None:
    endpoint = Endpoint()
    oauth = endpoint.oauth()
    found = await asyncio.gather(*(oauth.headers() for _ in range(20)))
    assert found == [{"Authorization": "Bearer a1"}] * 20
    assert len(endpoint.forms) == 1
    rejected = found[0]
    assert await asyncio.gather(*(oauth.renew(rejected) for _ in range(20))) == [True] * 20
    assert len(endpoint.forms) == 2
    assert await oauth.headers() == {"Authorization": "Bearer a2"}


async def test_a_token_is_renewed_before_it_expires_with_the_rotated_refresh_token() -> None:
    endpoint = Endpoint(expires_in=100)
    oauth = endpoint.oauth(expiry_skew_s=10)
    await oauth.headers()
    endpoint.now_s = 89.0
    assert await oauth.headers() == {"Authorization": "Bearer a1"}
    endpoint.now_s = 91.0
    assert await oauth.headers() == {"Authorization": "Bearer a2"}
    assert [form["refresh_token"] for form in endpoint.forms] == ["r0", "r1"]
    assert endpoint.persisted == ["r1", "r2"]


async def test_a_rotated_token_that_cannot_be_stored_is_not_used() -> None:
    endpoint = Endpoint()

    async def fail(_refresh_token: str) -> None:
        raise Retryable(message="the store is away")

    oauth = OAuth2(grant=GRANT, refresh_token="r0", post_form=endpoint.post, persist=fail)
    with pytest.raises(Retryable):
        await oauth.headers()
    with pytest.raises(Retryable):
        await oauth.headers()
    assert [form["refresh_token"] for form in endpoint.forms] == ["r0", "r1"]


@pytest.mark.parametrize(("status", "kind"), [(400, CredentialsRejected), (401, CredentialsRejected), (503, Retryable)])
async def test_a_refused_refresh_is_named_without_secrets(status: int, kind: type[Exception]) -> None:
    oauth = Endpoint(TokenAnswer(status=status, body={"error": "invalid_grant"})).oauth()
    with pytest.raises(kind) as raised:
        await oauth.headers()
    shown = str(vars(raised.value))
    assert '"shop"' in str(raised.value)
    assert "client_secret_value" not in shown
    assert "r0" not in shown


async def test_a_request_that_is_rejected_is_repeated_once_with_a_new_token(api: Any, context: FetchContext) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/token":
            form = await request.post()
            return web.json_response({"access_token": "fresh", "refresh_token": str(form["refresh_token"]) + "+"})
        if request.headers["Authorization"] != "Bearer fresh":
            return web.json_response({}, status=401)
        return web.json_response({"id": 1})

    api.answer(handler)
    persisted: list[str] = []

    async def persist(refresh_token: str) -> None:
        persisted.append(refresh_token)

    grant = Grant(server="shop", token_url=f"{api.base_url}/token", client_id="c", client_secret="s")
    poster = partial(post_form, server="shop", settings=LOCAL_SETTINGS)
    transport = Transport(
        connector="test",
        server="shop",
        base_url=api.base_url,
        authenticator=OAuth2(grant=grant, refresh_token="r", post_form=poster, persist=persist, access_token="stale"),
        judge=judge_by_status,
        settings=LOCAL_SETTINGS,
    )
    response = await transport.send(Request(template="/x", path="/x"), context)
    assert response.body == {"id": 1}
    assert persisted == ["r+"]
    assert [request.path for request in api.requests] == ["/x", "/token", "/x"]
    await transport.close()


async def test_without_a_refresh_token_the_client_itself_is_granted_one() -> None:
    endpoint = Endpoint()
    oauth = OAuth2(
        grant=replace(GRANT, scope="read"), refresh_token=None, post_form=endpoint.post, persist=endpoint.persist
    )
    assert await oauth.headers() == {"Authorization": "Bearer a1"}
    assert await oauth.renew(await oauth.headers()) is True
    asked = {"client_id": "c", "client_secret": "client_secret_value", "scope": "read"}
    assert endpoint.forms == [{"grant_type": "client_credentials", **asked}] * 2
    assert endpoint.persisted == []
