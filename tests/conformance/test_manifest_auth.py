"""Every way of proving oneself that a manifest can declare, against an API that checks it as its specification says.

Basic is RFC 7617, grants are RFC 6749 and RFC 7523, signatures RFC 7515 by RS256; the GitHub App is after GitHub's
"Generating an installation access token for a GitHub App".
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from local_network import LOCAL_SETTINGS
from rsa_keys import pem_of, rsa_key

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.declarative.load import load_text
from connectors.sdk.connector import Source
from connectors.sdk.errors import CredentialsRejected, OptionInvalid, RateLimited
from connectors.sdk.settings import Surroundings
from connectors.simulators import start_simulator

MANIFEST = """\
omnisql: 1
name: vault
title: Vault
documentation: https://vault.example/docs
options: {{user: {{description: A user.}}, client_id: {{description: A client.}}}}
secrets:
  secret: {{description: A secret.}}
  refresh: {{description: A refresh token.}}
auth: [{auth}]
rate_limit: {{limit: x-limit, remaining: x-remaining, reset: x-reset, reset_format: seconds}}
check: {{request: GET /me, shows: name}}
tables:
  things:
    description: Things.
    primary_key: [id]
    columns: {{id: int8!}}
    access_paths: {{all: {{request: GET /things, pagination: {{kind: none}}}}}}
"""
NOW_S = 1_790_000_000.0
SECRET = "a-good-secret"
OAUTH = 'kind: oauth2, token_path: /token, client_id: "{client_id}", client_secret: "{secret}"'
KEYED = 'private_key: "{secret}"'
WAYS = {
    "key": '{kind: header, header: X-Api-Key, value: "{secret}"}',
    "basic": '{kind: basic, user: "{user}", password: "{secret}"}',
    "refresh": f'{{{OAUTH}, grant: refresh_token, refresh_token: "{{refresh}}"}}',
    "client": f'{{{OAUTH}, grant: client_credentials, scope: "read of {{user}}"}}',
    "jwt": '{kind: jwt_bearer, token_path: /token, issuer: "{client_id}", subject: "{user}", audience: "{base_url}",'
    f" {KEYED}}}",
    "app": f'{{kind: github_app, token_path: "/app/{{user}}/tokens", app_id: "{{client_id}}", {KEYED}}}',
    "pool": '{kind: pool, tokens: "{secret}", header: X-Api-Key, prefix: "", reserve: 1}',
}
GRANTED = ("refresh", "client", "jwt", "app")


@dataclass(slots=True)
class Api:
    """An API that accepts each credential; tokens that it grants are good until they are revoked."""

    way: str
    now_s: float = NOW_S
    tokens: set[str] = field(default_factory=set)
    granted: int = 0
    left: dict[str, int] = field(default_factory=lambda: {SECRET: 10, "second": 10})
    sent: list[str] = field(default_factory=list)

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/token", self.token)
        application.router.add_post("/app/ada/tokens", self.installation)
        application.router.add_get("/me", self.me)
        return application

    async def me(self, request: web.Request) -> web.Response:
        authorization, api_key = request.headers.get("Authorization", ""), request.headers.get("X-Api-Key", "")
        self.sent.append(api_key)
        if self.way == "pool" and self.left.get(api_key, 0) > 0:
            self.left[api_key] -= 1
            limits = {"x-limit": "10", "x-remaining": str(self.left[api_key]), "x-reset": "60"}
            return web.json_response({"name": "ada"}, headers=limits)
        good = {
            "key": api_key == SECRET,
            "basic": authorization == f"Basic {base64.b64encode(f'ada:{SECRET}'.encode()).decode()}",
        }
        accepted = good.get(self.way, authorization.removeprefix("Bearer ") in self.tokens)
        return web.json_response({"name": "ada"}) if accepted else web.json_response({}, status=401)

    async def token(self, request: web.Request) -> web.Response:
        form = {name: str(text) for name, text in (await request.post()).items()}
        client = {"client_id": "app", "client_secret": SECRET}
        grants: dict[str, Mapping[str, str]] = {
            "refresh": {"grant_type": "refresh_token", "refresh_token": "r0", **client},
            "client": {"grant_type": "client_credentials", "scope": "read of ada", **client},
        }
        claims = self.claims(form.get("assertion", "")) if self.way == "jwt" else {}
        base_url = f"http://{request.host}"
        vouched = (claims.get("iss"), claims.get("sub"), claims.get("aud")) == ("app", "ada", base_url)
        if form != grants.get(self.way) and not vouched:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": self.grant(), "expires_in": 3600})

    async def installation(self, request: web.Request) -> web.Response:
        claims = self.claims(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if claims.get("iss") != "app" or not self.now_s < int(str(claims["exp"])) <= self.now_s + 600:
            return web.json_response({"message": "A JSON web token could not be decoded"}, status=401)
        expires_at = datetime.fromtimestamp(self.now_s + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return web.json_response({"token": self.grant(), "expires_at": expires_at}, status=201)

    def grant(self) -> str:
        self.granted += 1
        self.tokens = {f"granted-{self.granted}"}
        return f"granted-{self.granted}"

    def claims(self, assertion: str) -> dict[str, object]:
        """Return what an assertion says, nothing if it is not signed by the key that is known."""
        said, _, signature = assertion.rpartition(".")
        try:
            rsa_key().public_key().verify(_decoded(signature), said.encode(), PKCS1v15(), SHA256())
        except InvalidSignature:
            return {}
        header, _, body = said.partition(".")
        assert json.loads(_decoded(header))["alg"] == "RS256"
        found: dict[str, object] = json.loads(_decoded(body))
        return found


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@asynccontextmanager
async def opened(
    api: Api, secret: str | None = None, count: int = 1
) -> AsyncIterator[tuple[DeclarativeConnection, ...]]:
    simulator = await start_simulator(api.application())
    loaded = load_text(MANIFEST.format(auth=WAYS[api.way]), "vault.yaml")
    connector = DeclarativeConnector(loaded, LOCAL_SETTINGS, Surroundings(now_s=lambda: api.now_s))
    good = pem_of(rsa_key()) if api.way in {"jwt", "app"} else SECRET
    source = Source(
        tenant="t",
        server="safe",
        connector="vault",
        options={"base_url": simulator.base_url, "user": "ada", "client_id": "app"},
        secrets={"secret": good if secret is None else secret, "refresh": "r0"},
    )
    connections = []
    try:
        for _ in range(count):
            connections.append(await connector.connect(source))
        yield tuple(connections)
    finally:
        for each in connections:
            await each.disconnect()
        await simulator.stop()


@pytest.mark.parametrize("way", sorted(WAYS))
async def test_a_good_credential_is_accepted(way: str) -> None:
    async with opened(Api(way)) as (connection,):
        assert await connection.check() == "ada"


@pytest.mark.parametrize("way", sorted(WAYS))
async def test_a_wrong_credential_is_rejected_and_not_shown(way: str) -> None:
    wrong = pem_of(rsa_key(1)) if way in {"jwt", "app"} else "a-wrong-secret"
    async with opened(Api(way), wrong) as (connection,):
        with pytest.raises(CredentialsRejected) as rejected:
            await connection.check()
    shown = f"{rejected.value.message} {rejected.value.detail} {rejected.value.hint}"
    assert '"safe"' in shown
    assert not any(line in shown for line in wrong.splitlines())


@pytest.mark.parametrize("way", GRANTED)
async def test_a_granted_token_is_shared_and_got_again_once_it_is_revoked(way: str) -> None:
    api = Api(way)
    async with opened(api, count=2) as (first, second):
        await first.check()
        await second.check()
        assert api.granted == 1
        api.tokens.clear()
        assert await first.check() == "ada"
        assert await second.check() == "ada"
        assert api.granted == 2


@pytest.mark.parametrize("way", ["jwt", "app"])
async def test_what_is_no_key_is_refused_before_anything_is_asked(way: str) -> None:
    api = Api(way)
    with pytest.raises(OptionInvalid, match=r"secret private_key of server .* is not an RSA private key"):
        async with opened(api, "no key at all"):
            pytest.fail("it was opened")
    assert api.sent == []


async def test_a_pool_sends_each_token_down_to_its_reserve_and_no_further() -> None:
    api = Api("pool", left={SECRET: 3, "second": 2})
    async with opened(api, f"{SECRET} second gone") as (connection,):
        for _ in range(3):
            await connection.check()
        with pytest.raises(RateLimited, match='tokens of server "safe" are used up'):
            await connection.check()
        api.now_s += 61
        assert await connection.check() == "ada"
    assert api.left[SECRET] + api.left["second"] == 1
    assert api.sent.count("gone") == 1
