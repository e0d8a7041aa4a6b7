"""Tokens of one credential are shared by its connections and by nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from connectors.sdk.auth import Grant, OAuth2, TokenAnswer
from connectors.sdk.connector import Source
from connectors.sdk.tokens import SharedTokens

SOURCE = Source(tenant="t", server="crm", connector="test")
VALUES = {"client_id": "c", "refresh_token": "r0"}


class Endpoint:
    """A token endpoint that replaces refresh tokens, and refuses one that it has replaced."""

    def __init__(self) -> None:
        self.current = "r0"
        self.answered = 0

    async def post(self, _url: str, fields: Mapping[str, str]) -> TokenAnswer:
        await asyncio.sleep(0)
        if fields["refresh_token"] != self.current:
            return TokenAnswer(status=400, body={"error": "invalid_grant"})
        self.answered += 1
        self.current = f"r{self.answered}"
        return TokenAnswer(status=200, body={"access_token": f"a{self.answered}", "refresh_token": self.current})

    async def persist(self, _refresh_token: str) -> None:
        pass

    def make(self) -> OAuth2:
        grant = Grant(server="crm", token_url="http://127.0.0.1/", client_id="c", client_secret="s")
        return OAuth2(grant=grant, refresh_token="r0", post_form=self.post, persist=self.persist)


async def test_connections_of_one_credential_get_one_token() -> None:
    endpoint, tokens = Endpoint(), SharedTokens()
    shares = [tokens.share(SOURCE, VALUES, endpoint.make) for _ in range(20)]
    found = await asyncio.gather(*(share.headers() for share in shares))
    assert found == [{"Authorization": "Bearer a1"}] * 20
    await asyncio.gather(*(share.renew(found[0]) for share in shares))
    assert endpoint.answered == 2
    assert [await share.headers() for share in shares] == [{"Authorization": "Bearer a2"}] * 20


async def test_a_connection_that_is_closed_leaves_the_others_their_token() -> None:
    endpoint, tokens = Endpoint(), SharedTokens()
    first, second = (tokens.share(SOURCE, VALUES, endpoint.make) for _ in range(2))
    await first.headers()
    first.forget()
    assert await first.headers() == {}
    assert await first.renew({}) is False
    assert await second.headers() == {"Authorization": "Bearer a1"}
    # A replaced refresh token is known to connections that are opened later.
    later = tokens.share(SOURCE, VALUES, endpoint.make)
    assert await later.renew(await later.headers()) is True
    assert await later.headers() == {"Authorization": "Bearer a2"}


async def test_another_tenant_server_or_secret_gets_a_token_of_its_own() -> None:
    tokens = SharedTokens()
    endpoints = [Endpoint() for _ in range(4)]
    sources = [SOURCE, replace(SOURCE, tenant="u"), replace(SOURCE, server="v"), SOURCE]
    values = [VALUES, VALUES, VALUES, {**VALUES, "refresh_token": "r1"}]
    for source, given, endpoint in zip(sources, values, endpoints, strict=True):
        await tokens.share(source, given, endpoint.make).headers()
    assert [endpoint.answered for endpoint in endpoints] == [1, 1, 1, 1]


async def test_the_credential_used_longest_ago_goes_first() -> None:
    tokens, endpoint = SharedTokens(credentials_max=2), Endpoint()
    made: list[str] = []

    def make(name: str) -> OAuth2:
        made.append(name)
        return endpoint.make()

    for name in ("a", "b", "a", "c", "a", "b"):
        tokens.share(SOURCE, {"client_id": name}, partial(make, name))
    assert made == ["a", "b", "c", "b"]
