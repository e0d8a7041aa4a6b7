"""The fence where connections are made: nothing is connected to that is refused, whatever names lead to."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from local_network import LOCAL_SETTINGS, TO_LOOPBACK
from network_servers import Heard, answering
from structlog.testing import capture_logs
from yarl import URL

from connectors.sdk.addresses import Fence
from connectors.sdk.auth import TokenAuth
from connectors.sdk.connector import FetchContext
from connectors.sdk.errors import DestinationRefused, Fatal, Retryable
from connectors.sdk.names import LookUp, addresses_of
from connectors.sdk.outbound import Way
from connectors.sdk.pagination import Reader, link_pages
from connectors.sdk.request import Request
from connectors.sdk.settings import Outbound, Surroundings, TransportSettings
from connectors.sdk.transport import Transport, post_form
from connectors.sdk.verdicts import judge_by_status

THINGS = Request(template="/things", path="/things")
SECOND_ONLY = TransportSettings(outbound=Outbound(fence=Fence(allowed_networks=(ip_network("127.0.0.2/32"),))))
HINT = "network.allowed_networks"


class Names:
    """A look-up that answers in turn, then with the last answer again and again; it remembers who was asked for."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.left = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> tuple[str, ...]:
        self.asked.append(host)
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


@pytest.fixture
async def server() -> AsyncIterator[Heard]:
    async with answering() as heard:
        yield heard


@pytest.fixture
async def second(server: Heard) -> AsyncIterator[Heard]:
    """Another server at the same port of another address."""
    async with answering("127.0.0.2", server.port) as heard:
        yield heard


@pytest.fixture
async def open_transport(passing_time: Any) -> AsyncIterator[Callable[..., Transport]]:
    opened: list[Transport] = []

    def open_one(base_url: str, settings: TransportSettings | None = None, names: LookUp | None = None) -> Transport:
        surroundings = passing_time.surroundings()
        transport = Transport(
            connector="test",
            server="shop",
            base_url=base_url,
            authenticator=TokenAuth("tok_very_secret"),
            judge=judge_by_status,
            settings=settings,
            surroundings=surroundings if names is None else replace(surroundings, addresses_of=names),
        )
        opened.append(transport)
        return transport

    yield open_one
    for transport in opened:
        await transport.close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "2130706433", "127.1", "0x7f.1", "0", "127.0.0.1."]
)
async def test_by_default_this_machine_is_not_connected_to(
    server: Heard, open_transport: Any, context: FetchContext, passing_time: Any, host: str
) -> None:
    with pytest.raises(DestinationRefused) as raised:
        await open_transport(f"http://{host}:{server.port}").send(THINGS, context)
    error = raised.value
    assert error.message == 'server "shop" has no address that may be connected to'
    assert error.sqlstate == "HV00N"
    assert HINT in str(error.hint)
    assert server.connections == 0
    assert passing_time.slept_s == []


async def test_every_socket_is_checked_before_it_connects(server: Heard, passing_time: Any) -> None:
    url = URL(f"http://127.0.0.1:{server.port}")
    way = Way("shop", url, TransportSettings(), passing_time.surroundings())
    with pytest.raises(DestinationRefused):
        await way.session().get(url)
    await way.close()
    assert server.connections == 0


async def test_a_name_is_judged_by_its_addresses(server: Heard, open_transport: Any, context: FetchContext) -> None:
    url = f"http://api.example:{server.port}"
    with pytest.raises(DestinationRefused):
        await open_transport(url, None, Names(("127.0.0.1", "::1", "10.0.0.1"))).send(THINGS, context)
    assert server.connections == 0
    answer = await open_transport(url, LOCAL_SETTINGS, Names(("127.0.0.1",))).send(THINGS, context)
    assert answer.body == {"id": 1}
    assert "Host: api.example" in server.heads[0]


async def test_of_several_addresses_only_the_allowed_ones_are_used(
    server: Heard, second: Heard, open_transport: Any, context: FetchContext
) -> None:
    transport = open_transport(
        f"http://api.example:{server.port}", SECOND_ONLY, Names(("127.0.0.1", "10.0.0.1", "127.0.0.2"))
    )
    await transport.send(THINGS, context)
    assert (server.connections, second.connections) == (0, 1)


async def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_checked(
    server: Heard, second: Heard, open_transport: Any, context: FetchContext
) -> None:
    names = Names(("127.0.0.2",), ("127.0.0.1",))
    url = f"http://api.example:{server.port}"
    transport = open_transport(url, SECOND_ONLY, names)
    await transport.send(THINGS, context)
    await transport.send(THINGS, context)
    assert names.asked == ["api.example"]
    assert (server.connections, second.connections) == (0, 1)
    with pytest.raises(DestinationRefused):
        await open_transport(url, SECOND_ONLY, names).send(THINGS, context)
    assert names.asked == ["api.example"] * 2
    assert server.connections == 0


async def test_a_name_that_leads_nowhere_is_told_like_one_that_leads_inside(
    open_transport: Any, context: FetchContext
) -> None:
    told = []
    for found in ((), ("10.0.0.7",)):
        with capture_logs() as logs, pytest.raises(DestinationRefused) as raised:
            await open_transport("https://payroll.internal", None, Names(found)).send(THINGS, context)
        error = raised.value
        told.append((error.sqlstate, error.message, error.detail, error.hint))
        assert "10.0.0.7" not in str(told)
        (line,) = logs
        assert (line["event"], line["server"], line["host"]) == ("destination_refused", "shop", "payroll.internal")
        assert line["addresses"] == found
    assert told[0] == told[1]


async def test_a_look_up_that_fails_is_tried_again(
    open_transport: Any, context: FetchContext, passing_time: Any
) -> None:
    async def names(_host: str, _port: int) -> tuple[str, ...]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with pytest.raises(Retryable, match='SOURCE_UNAVAILABLE: server "shop"'):
        await open_transport("https://api.example", None, names).send(THINGS, context)
    assert len(passing_time.slept_s) == 3


async def test_the_systems_look_up_knows_this_machine_and_no_nonsense() -> None:
    assert await addresses_of("127.0.0.1", 80) == ("127.0.0.1",)
    assert await addresses_of("a" * 64 + ".example", 80) == ()
    assert await addresses_of("a..b", 80) == ()


async def test_a_token_endpoint_stands_behind_the_same_fence(server: Heard) -> None:
    url = f"http://127.0.0.1:{server.port}/token"
    with pytest.raises(DestinationRefused):
        await post_form(url, {"client_secret": "s"}, server="shop")
    named = Surroundings(addresses_of=Names(("127.0.0.1",)))
    with pytest.raises(DestinationRefused):
        await post_form(f"http://id.example:{server.port}/token", {}, server="shop", surroundings=named)
    assert server.connections == 0
    answer = await post_form(url, {"client_secret": "s"}, server="shop", settings=LOCAL_SETTINGS)
    assert (answer.status, answer.body) == (200, {"id": 1})


async def test_a_token_endpoint_that_is_away_is_unavailable() -> None:
    with pytest.raises(Retryable, match='the token endpoint of server "shop" cannot be reached'):
        await post_form("http://127.0.0.1:1/token", {}, server="shop", settings=LOCAL_SETTINGS)


async def test_a_next_link_elsewhere_gets_no_credentials(
    api: Any, server: Heard, open_transport: Any, context: FetchContext
) -> None:
    from aiohttp import web

    port = api.base_url.rpartition(":")[2]
    for target in (
        f"http://127.0.0.1:{server.port}/things?page=2",
        f"http://127.0.0.1:{port}@127.0.0.1:{server.port}/things?page=2",
        f"http://user@127.0.0.1:{port}/things?page=2",
        f"http://127.0.0.1:{port}\\@127.0.0.1:{server.port}/things?page=2",
        f"https://127.0.0.1:{port}/things?page=2",
        f"//127.0.0.1:{server.port}/things?page=2",
        "http://[::1/things?page=2",
        "file:///etc/passwd?page=2",
    ):

        async def handler(_request: web.Request, target: str = target) -> web.Response:
            return web.json_response([1], headers={"Link": f'<{target}>; rel="next", <{target}0>; rel="last"'})

        api.answer(handler)
        api.requests.clear()
        for concurrency in (1, 4):
            transport = open_transport(api.base_url, TransportSettings(outbound=TO_LOOPBACK))
            reader = Reader(
                transport=transport, context=context, table="things", deadline_s=1e12, concurrency=concurrency
            )
            with pytest.raises(Fatal, match="points to another host"):
                async for _ in link_pages(reader, THINGS):
                    pass
        assert len(api.requests) == 2
    assert server.connections == 0
