"""A provider's keys: fetched when they are needed, kept while it is away, and by no way round the fence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from connectors.sdk.addresses import Fence
from connectors.sdk.settings import Outbound, TransportSettings
from omnisql_server.identity.key_sets import KeySets
from omnisql_server.identity.public_keys import NoPublicKey, chosen, read_key
from omnisql_server.identity.rules import IdentityProvider, parse_rules
from omnisql_server.session.entrance import LogInRefused
from omnisql_server.settings_log_in import LogInSettings

LOOPBACK = TransportSettings(outbound=Outbound(fence=Fence(allowed_networks=(ip_network("127.0.0.0/8"),))))


def jwk(key_id: str | None, **more: str) -> dict[str, Any]:
    """Make a public key for ES256."""
    key = jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    return {**key, **({"kid": key_id} if key_id is not None else {}), **more}


@dataclass(slots=True)
class Web:
    """What a provider answers with, and how often it was asked; the time of the clock is the test's."""

    url: str = ""
    status: bytes = b"200 OK"
    body: bytes = b""
    asked: int = 0
    now_s: float = 0.0
    headers: bytes = b""
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)

    def publish(self, *key_ids: str) -> None:
        """Publish keys."""
        for key_id in key_ids:
            self.keys.setdefault(key_id, jwk(key_id))
        self.body = json.dumps({"keys": list(self.keys.values())}).encode()

    def provider(self, **more: Any) -> IdentityProvider:
        """Return rules that trust it."""
        document = {"issuer": self.url, "audience": ["omnisql"], "keys_url": f"{self.url}/keys", **more}
        provider = parse_rules({"identity_provider": document}).provider
        assert provider is not None
        return provider

    def key_sets(self, transport: TransportSettings = LOOPBACK) -> KeySets:
        """Return what keeps its keys."""
        settings = LogInSettings(keys_fresh_s=300, keys_wait_s=10, keys_kept_max_s=1000)
        return KeySets(lambda: settings, transport, clock=lambda: self.now_s)


@asynccontextmanager
async def answering() -> AsyncIterator[Web]:
    """Serve on loopback."""
    web = Web()

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        web.asked += 1
        length = str(len(web.body)).encode()
        writer.write(b"HTTP/1.1 %s\r\ncontent-length: %s\r\n%s\r\n" % (web.status, length, web.headers) + web.body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(attend, "127.0.0.1", 0)
    async with server:
        web.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield web


async def test_keys_are_asked_for_when_they_are_old() -> None:
    async with answering() as web:
        web.publish("one")
        keys, provider = web.key_sets(), web.provider()
        await asyncio.gather(*(keys.key(provider, "one", "ES256") for _ in range(5)))
        assert web.asked == 1
        web.now_s = 299
        await keys.key(provider, "one", "ES256")
        assert web.asked == 1
        web.now_s = 301
        await keys.key(provider, "one", "ES256")
        assert web.asked == 2


async def test_unknown_keys_are_asked_for_once_in_a_while() -> None:
    async with answering() as web:
        web.publish("one")
        keys, provider = web.key_sets(), web.provider()
        await keys.key(provider, "one", "ES256")
        for _ in range(5):
            with pytest.raises(LogInRefused):
                await keys.key(provider, "made-up", "ES256")
        assert web.asked == 1
        web.now_s = 11
        web.publish("two")
        await keys.key(provider, "two", "ES256")
        for _ in range(5):
            with pytest.raises(LogInRefused):
                await keys.key(provider, "made-up", "ES256")
        assert web.asked == 2


async def test_known_keys_count_for_a_while_without_the_provider() -> None:
    async with answering() as web:
        web.publish("one")
        keys, provider = web.key_sets(), web.provider()
        await keys.key(provider, "one", "ES256")
        web.status = b"503 Unavailable"
        web.now_s = 999
        await keys.key(provider, "one", "ES256")
        web.now_s = 1001
        with pytest.raises(LogInRefused, match="cannot be had"):
            await keys.key(provider, "one", "ES256")
        web.status = b"200 OK"
        web.now_s = 1012
        await keys.key(provider, "one", "ES256")


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (b"302 Found", b"", b"location: /keys2\r\n"),
        (b"200 OK", b"<html>", b""),
        (b"200 OK", b"[]", b""),
        (b"200 OK", b'{"keys": 1}', b""),
        (b"200 OK", b'{"keys": [1, null, {}]}', b""),
        (b"200 OK", b" " * (600 * 1024), b""),
    ],
)
async def test_other_answers_give_no_keys(status: bytes, body: bytes, headers: bytes) -> None:
    async with answering() as web:
        web.status, web.body, web.headers = status, body, headers
        with pytest.raises(LogInRefused):
            await web.key_sets().key(web.provider(), "one", "ES256")
        assert web.asked == 1


async def test_private_addresses_are_not_asked() -> None:
    async with answering() as web:
        web.publish("one")
        with pytest.raises(LogInRefused, match="cannot be had"):
            await web.key_sets(TransportSettings()).key(web.provider(), "one", "ES256")
        assert web.asked == 0


async def test_the_issuer_must_describe_itself() -> None:
    async with answering() as web:
        web.body = json.dumps({"issuer": "https://another.test", "jwks_uri": f"{web.url}/keys"}).encode()
        with pytest.raises(LogInRefused):
            await web.key_sets().key(web.provider(keys_url=None), "one", "ES256")
        web.body = json.dumps({"issuer": web.url, "jwks_uri": "http://elsewhere.test/keys"}).encode()
        with pytest.raises(LogInRefused):
            await web.key_sets().key(web.provider(keys_url=None), "one", "ES256")
        assert web.asked == 2


def test_a_key_is_for_its_algorithms_and_for_signatures() -> None:
    modulus = jwt.algorithms.RSAAlgorithm.to_jwk(
        rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(), as_dict=True
    )
    assert {"RS256", "PS512"} <= read_key(modulus).algorithms
    assert read_key({**modulus, "alg": "RS384"}).algorithms == {"RS384"}
    assert read_key(jwk("one")).algorithms == {"ES256"}
    for entry in ({**modulus, "use": "enc"}, {"kty": "oct", "k": "AAAA"}, {**jwk("one"), "d": "AAAA"}, {"kty": "?"}, 1):
        with pytest.raises(NoPublicKey):
            read_key(entry)


def test_a_token_without_a_name_of_its_key_needs_the_only_one() -> None:
    one, two = read_key(jwk(None)), read_key(jwk("two"))
    assert chosen([one], None, "ES256") is one
    assert chosen([one, two], None, "ES256") is None
    assert chosen([one, two], "two", "ES256") is two
    assert chosen([one, two], "two", "RS256") is None
