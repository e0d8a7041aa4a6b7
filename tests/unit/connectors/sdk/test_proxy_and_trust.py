"""The proxy that requests leave by, what is refused behind it, and whose certificates are believed."""

from __future__ import annotations

import base64
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from local_network import LOOPBACK
from network_servers import Heard, answering, proxying

from connectors.sdk.auth import TokenAuth
from connectors.sdk.connector import FetchContext
from connectors.sdk.errors import DestinationRefused, Retryable
from connectors.sdk.names import LookUp
from connectors.sdk.request import Request, Response
from connectors.sdk.retry import RetryPolicy
from connectors.sdk.settings import Outbound, Surroundings, TransportSettings
from connectors.sdk.transport import Transport, post_form
from connectors.sdk.verdicts import judge_by_status
from omnisql_server.listener.tls import make_self_signed

TOKEN = "tok_very_secret"
THINGS = Request(template="/things", path="/things")
CREDENTIALS = base64.b64encode(b"gate:hunter2").decode()
ONCE = RetryPolicy(attempts_max=1)

Ask = Callable[..., Awaitable[Response]]


@pytest.fixture
def ask(context: FetchContext, passing_time: Any) -> Ask:
    """Make one request and close."""

    async def one(base_url: str, outbound: Outbound, *found: str) -> Response:
        transport = Transport(
            connector="test",
            server="shop",
            base_url=base_url,
            authenticator=TokenAuth(TOKEN),
            judge=judge_by_status,
            settings=TransportSettings(outbound=outbound, retry=ONCE),
            surroundings=replace(passing_time.surroundings(), addresses_of=names(*found)),
        )
        try:
            return await transport.send(THINGS, context)
        finally:
            await transport.close()

    return one


def names(*found: str) -> LookUp:
    """Answer every look-up alike; without an answer there must be no look-up."""

    async def look_up(host: str, _port: int) -> tuple[str, ...]:
        assert found, f"{host} was looked up"
        return found

    return look_up


def through(proxy: Heard, **more: Any) -> Outbound:
    return Outbound(proxy_url=f"http://gate:hunter2@127.0.0.1:{proxy.port}", **more)


@pytest.fixture
async def proxy() -> AsyncIterator[Heard]:
    async with proxying(credentials=CREDENTIALS) as heard:
        yield heard


@pytest.fixture
async def server() -> AsyncIterator[Heard]:
    async with answering() as heard:
        yield heard


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("ca")
    return make_self_signed(folder, ["api.example", "127.0.0.1"], now=datetime.datetime.now(datetime.UTC))


@pytest.fixture
async def secure_server(certificate: tuple[Path, Path]) -> AsyncIterator[Heard]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    async with answering(tls=context) as heard:
        yield heard


def trusting(ca_file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


async def test_requests_leave_by_the_proxy(ask: Ask, proxy: Heard, server: Heard) -> None:
    answer = await ask(f"http://api.example:{server.port}", through(proxy), "8.8.8.8")
    assert answer.body == {"id": 1}
    assert proxy.heads[0].startswith(f"GET http://api.example:{server.port}/things HTTP/1.1\r\n")
    assert f"Authorization: Bearer {TOKEN}" in server.heads[0]


async def test_encrypted_requests_leave_through_a_tunnel_that_sees_no_credential(
    ask: Ask, proxy: Heard, secure_server: Heard, certificate: tuple[Path, Path]
) -> None:
    outbound = through(proxy, tls=trusting(certificate[0]))
    answer = await ask(f"https://api.example:{secure_server.port}", outbound, "8.8.8.8")
    assert answer.body == {"id": 1}
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT api.example:{secure_server.port} HTTP/1.1\r\n")
    assert TOKEN not in head
    assert "hunter2" not in secure_server.heads[0]
    assert CREDENTIALS not in secure_server.heads[0]


async def test_a_token_endpoint_is_reached_by_the_proxy(proxy: Heard, server: Heard) -> None:
    post = partial(post_form, server="shop", settings=TransportSettings(outbound=through(proxy)))
    url = f"http://id.example:{server.port}/token"
    answer = await post(url, {"a": "b"}, surroundings=Surroundings(addresses_of=names("8.8.8.8")))
    assert answer.body == {"id": 1}
    assert proxy.heads[0].startswith(f"POST {url} ")


@pytest.mark.parametrize("found", [("10.0.0.1",), ("8.8.8.8", "10.0.0.1"), ("::ffff:127.0.0.1",)])
async def test_a_name_that_leads_inside_is_not_handed_to_the_proxy(
    ask: Ask, proxy: Heard, found: tuple[str, ...]
) -> None:
    with pytest.raises(DestinationRefused):
        await ask("http://api.example", through(proxy), *found)
    assert proxy.connections == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "169.254.169.254", "[fd00:ec2::254]", "localhost", "127.1", "2852039166"]
)
@pytest.mark.parametrize("proxy_resolves", [False, True])
async def test_an_address_inside_is_not_handed_to_the_proxy(
    ask: Ask, proxy: Heard, host: str, proxy_resolves: bool
) -> None:
    with pytest.raises(DestinationRefused):
        await ask(f"http://{host}", through(proxy, proxy_resolves=proxy_resolves))
    assert proxy.connections == 0


async def test_a_proxy_may_be_left_to_look_up_names(ask: Ask, proxy: Heard, server: Heard) -> None:
    await ask(f"http://api.example:{server.port}", through(proxy, proxy_resolves=True))
    assert (proxy.connections, server.connections) == (1, 1)


@pytest.mark.parametrize("known", ["api.example", ".example"])
async def test_hosts_can_be_kept_from_the_proxy_and_stay_behind_the_fence(
    ask: Ask, proxy: Heard, server: Heard, known: str
) -> None:
    url = f"http://API.example:{server.port}"
    with pytest.raises(DestinationRefused):
        await ask(url, through(proxy, no_proxy=(known,)), "127.0.0.1")
    await ask(url, through(proxy, no_proxy=(known,), fence=LOOPBACK), "127.0.0.1")
    assert (proxy.connections, server.connections) == (0, 1)


def test_a_dot_stands_for_what_is_below_and_nothing_else() -> None:
    outbound = Outbound(proxy_url="http://p", no_proxy=(".example", "10.0.0.1"))
    assert not outbound.is_proxied("a.example.")
    assert not outbound.is_proxied("10.0.0.1")
    assert outbound.is_proxied("example")
    assert outbound.is_proxied("badexample")
    assert outbound.is_proxied("a.example.com")


async def test_a_proxy_that_refuses_or_is_away_is_named(ask: Ask, proxy: Heard) -> None:
    for url in (f"http://gate:wrong@127.0.0.1:{proxy.port}", "http://gate:hunter2@127.0.0.1:1"):
        with pytest.raises(Retryable) as raised:
            await ask("https://api.example", Outbound(proxy_url=url), "8.8.8.8")
        assert "the proxy does not connect to it" in str(raised.value.detail)
        shown = str(vars(raised.value))
        assert "hunter2" not in shown
        assert "wrong" not in shown


async def test_certificates_are_believed_only_from_known_authorities(
    ask: Ask, secure_server: Heard, certificate: tuple[Path, Path]
) -> None:
    url = f"https://api.example:{secure_server.port}"
    with pytest.raises(Retryable) as raised:
        await ask(url, Outbound(fence=LOOPBACK), "127.0.0.1")
    assert "its certificate is not trusted" in str(raised.value.detail)
    assert secure_server.heads == []
    outbound = Outbound(fence=LOOPBACK, tls=trusting(certificate[0]))
    assert (await ask(url, outbound, "127.0.0.1")).status == 200
    with pytest.raises(Retryable):
        await ask(f"https://other.example:{secure_server.port}", outbound, "127.0.0.1")
