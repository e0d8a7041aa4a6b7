"""Clients behind a load balancer that speaks PROXY protocol v2: who they are, and what is let in."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from proxy_headers import LOCAL, PROXY, TCP4, UNIX, UNSPECIFIED, extension, header, proxied
from raw_client import RawClient, connect, error_of, rows_of
from structlog.testing import capture_logs
from world import PASSWORD, MakeWorld, World, eventually

from omnisql_server.listener.tls import TlsIdentity, load_identity, make_self_signed
from wire.frontend import Query
from wire.proxy_protocol import SIGNATURE
from wire.startup import encode_cancel_request, encode_ssl_request, encode_startup

HERE = "127.0.0.0/8"
ELSEWHERE = "10.0.0.0/8, 2001:db8::/32"
CLIENT = "192.0.2.7"


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> TlsIdentity:
    now = datetime.datetime.now(datetime.UTC)
    files: tuple[Path, Path] = make_self_signed(tmp_path_factory.mktemp("tls"), ["127.0.0.1"], now=now)
    return load_identity(*files)


@asynccontextmanager
async def balancing(world: World, source: str) -> AsyncIterator[str]:
    """Run a load balancer of one server that says all clients come from `source`; yield where it listens."""

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", world.listener.port)
        there_writer.write(proxied(source, extensions=extension(0x04, b"\0" * 7), checksum=True))
        async with asyncio.TaskGroup() as group:
            group.create_task(copy(reader, there_writer))
            group.create_task(copy(there_reader, writer))

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(attend, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield world.dsn.replace(f"port={world.listener.port}", f"port={port}")
        await eventually(lambda: gone(world))


async def gone(world: World) -> bool:
    await asyncio.sleep(0)
    return world.listener.connection_count == 0


async def log_in(world: World, head: bytes) -> RawClient:
    client = await connect(world.listener.port)
    client.send(head)
    await client.log_in(PASSWORD, user="ana", database="acme")
    return client


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
@pytest.mark.parametrize("source", [CLIENT, "2001:db8::7"])
async def test_a_client_behind_a_balancer_logs_in_encrypted_and_is_known_by_its_own_address(
    make_world: MakeWorld, identity: TlsIdentity, negotiation: str, source: str
) -> None:
    world = await make_world(tls=identity, proxy_protocol_from=HERE)
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        async with balancing(world, source) as dsn:
            connection = await psycopg.AsyncConnection.connect(
                f"{dsn} sslmode=require channel_binding=require sslnegotiation={negotiation}"
            )
            async with connection:
                assert connection.pgconn.ssl_in_use
                row = await (await connection.execute("SELECT max(number) FROM api_issues")).fetchone()
                assert row == (100,)
    opened = [line for line in logs if line["event"] in {"session_opened", "session_closed"}]
    assert [(line["client_address"], line["principal"]) for line in opened] == [(source, "ana")] * 2


async def test_the_header_may_come_byte_by_byte(make_world: MakeWorld) -> None:
    world = await make_world(proxy_protocol_from=HERE, is_trusted=lambda _host: True)
    client = await connect(world.listener.port)
    for byte in proxied(CLIENT, extensions=extension(0x04, b"\0\0")) + encode_ssl_request():
        client.send(bytes([byte]))
        await client.writer.drain()
        await asyncio.sleep(0)
    assert await client.reader.readexactly(1) == b"N"
    await client.log_in(PASSWORD, user="ana", database="acme")
    client.send(Query(text=b"SELECT 1"))
    assert rows_of(await client.ready()) == [(b"1",)]
    await client.close()


async def test_nothing_behind_the_header_is_taken_for_encrypted(make_world: MakeWorld, identity: TlsIdentity) -> None:
    world = await make_world(tls=identity, proxy_protocol_from=HERE)
    client = await connect(world.listener.port)
    client.send(proxied(CLIENT) + encode_ssl_request() + encode_startup({"user": "ana"}))
    assert await client.rest() == []


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (encode_ssl_request(), "a header of PROXY protocol v2 is missing"),
        (encode_startup({"user": "ana", "database": "acme"}), "a header of PROXY protocol v2 is missing"),
        (b"\x16\x03\x01", "a header of PROXY protocol v2 is missing"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 4 5\r\n", "a header of PROXY protocol v2 is missing"),
        (header(PROXY, TCP4, b"\0" * 600), "the PROXY header is too long"),
        (header(0x11, TCP4, b"\0" * 12), "the PROXY header has an unknown version or command"),
        (header(PROXY, TCP4, b"\0" * 4), "insufficient data left in message"),
        (header(PROXY, UNIX, b"\0" * 216), "the PROXY header names no client that came by TCP"),
        (header(PROXY, UNSPECIFIED), "the PROXY header names no client that came by TCP"),
        (proxied(CLIENT, checksum=True)[:-1] + b"\0", "the PROXY header is damaged"),
    ],
)
async def test_a_balancer_that_sends_no_proper_header_is_closed_without_a_word(
    make_world: MakeWorld, head: bytes, reason: str
) -> None:
    world = await make_world(proxy_protocol_from=HERE)
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        client = await connect(world.listener.port)
        client.send(head)
        assert await client.rest() == []
        await client.close()
    (line,) = [line for line in logs if line["event"] == "proxy_header_refused"]
    assert (line["reason"], line["client_address"]) == (reason, "127.0.0.1")


async def test_a_balancer_may_look_whether_the_port_is_open(make_world: MakeWorld) -> None:
    world = await make_world(proxy_protocol_from=HERE)
    with capture_logs() as logs:
        for head in (b"", SIGNATURE, header(LOCAL, UNSPECIFIED)):
            client = await connect(world.listener.port)
            client.send(head)
            client.writer.write_eof()
            assert await client.rest() == []
            await client.close()
    assert [line["reason"] for line in logs if line["event"] == "proxy_header_refused"] == [
        "the connection ended within the PROXY header"
    ]


async def test_a_header_from_anybody_else_is_a_violation(make_world: MakeWorld) -> None:
    for networks in (None, ELSEWHERE):
        world = await make_world(proxy_protocol_from=networks)
        client = await connect(world.listener.port)
        client.send(proxied(CLIENT) + encode_startup({"user": "ana", "database": "acme"}))
        assert error_of(await client.rest())["C"] == "08P01"
        direct = await world.raw()
        await direct.close()


async def test_a_client_is_not_trusted_because_its_balancer_is(make_world: MakeWorld) -> None:
    startup = encode_startup({"user": "ana", "database": "acme"})
    local: dict[str, Any] = {"proxy_protocol_from": HERE}
    remote: dict[str, Any] = {"proxy_protocol_from": HERE, "is_trusted": lambda host: host != "127.0.0.1"}
    for options, head in ((local, proxied(CLIENT)), (local, proxied("::ffff:192.0.2.7")), (remote, proxied(CLIENT))):
        world = await make_world(**options)
        client = await connect(world.listener.port)
        client.send(head + startup)
        error = error_of(await client.rest())
        assert (error["C"], error["M"]) == ("28000", "connections without TLS are not accepted from this address")


async def test_loopback_at_both_ends_and_the_balancer_itself_are_trusted(make_world: MakeWorld) -> None:
    world = await make_world(proxy_protocol_from=HERE)
    for head in (proxied("127.0.0.1"), proxied("::1"), header(LOCAL, UNSPECIFIED), header(LOCAL, UNIX, b"x" * 9)):
        client = await log_in(world, head)
        await client.close()


async def test_cancel_requests_come_with_a_header_too(make_world: MakeWorld, runner: Any) -> None:
    world = await make_world(proxy_protocol_from=HERE)
    client = await log_in(world, proxied("127.0.0.1"))
    client.send(Query(text=b"SELECT number FROM api_slow"))
    await runner.started.wait()
    canceling = await connect(world.listener.port)
    canceling.send(proxied(CLIENT) + encode_cancel_request(*client.key))
    assert error_of(await client.ready())["C"] == "57014"
    await canceling.close()
    await client.close()


async def test_time_for_the_start_up_counts_from_the_first_byte_of_the_header(make_world: MakeWorld) -> None:
    world = await make_world(proxy_protocol_from=HERE, startup_timeout_s=0.1)
    for head in (b"", proxied(CLIENT)[:20], proxied(CLIENT)):
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            client = await connect(world.listener.port)
            client.send(head)
            assert await client.rest() == []
            await client.close()
        (line,) = [line for line in logs if line["event"] == "startup_timed_out"]
        assert line["client_address"] == (CLIENT if head == proxied(CLIENT) else "127.0.0.1")
