"""How connections open, and how they are refused."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import struct
from pathlib import Path

import asyncpg
import psycopg
import pytest
from log_ins_double import LogInsDouble
from raw_client import RawClient, connect, error_of, kinds, rows_of
from runner_double import RunnerDouble
from world import PASSWORD, MakeWorld, World

from omnisql_server.listener.greeting import NEGOTIATIONS_MAX
from omnisql_server.listener.tls import TlsIdentity, load_identity, make_self_signed
from wire.backend_decode import decode_authentication
from wire.frontend import Query
from wire.startup import STARTUP_PACKET_BYTES_MAX, encode_cancel_request, encode_ssl_request, encode_startup

GSSENC_REQUEST = struct.pack(">II", 8, 80877104)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    now = datetime.datetime.now(datetime.UTC)
    return make_self_signed(tmp_path_factory.mktemp("tls"), ["localhost", "127.0.0.1"], now=now)


@pytest.fixture(scope="module")
def identity(certificate: tuple[Path, Path]) -> TlsIdentity:
    return load_identity(*certificate)


async def refusal(client: RawClient) -> dict[str, str]:
    """Read the error that ends a connection."""
    frames = await client.rest()
    assert error_of(frames)["S"] == "FATAL"
    return error_of(frames)


async def test_the_greeting_is_postgresqls(world: World) -> None:
    client = await world.raw()
    assert kinds(client.greeting) == "RR" + "S" * (len(client.greeting) - 4) + "KZ"
    names = {frame.payload.split(b"\0")[0] for frame in client.greeting if frame.kind == b"S"}
    assert {b"server_version", b"client_encoding", b"DateStyle", b"TimeZone", b"integer_datetimes"} <= names
    assert len(client.key[1]) == 4
    await client.close()


async def test_newer_protocols_are_negotiated(world: World) -> None:
    client = await world.raw(9999, **{"_pq_.test_protocol_negotiation": ""})
    assert client.greeting[0].kind == b"v"
    assert client.greeting[0].payload == struct.pack(">HHi", 3, 2, 1) + b"_pq_.test_protocol_negotiation\0"
    assert len(client.key[1]) == 32
    client.send(Query(text=b"SELECT 1"))
    assert rows_of(await client.ready()) == [(b"1",)]
    await client.close()


@pytest.mark.parametrize(
    ("user", "database", "password"),
    [("ana", "acme", "wrong"), ("nobody", "acme", PASSWORD), ("ana", "nowhere", PASSWORD)],
)
async def test_strangers_learn_nothing(world: World, user: str, database: str, password: str) -> None:
    client = await connect(world.listener.port)
    await client.log_in(password, user=user, database=database)
    error = await refusal(client)
    assert (error["C"], error["M"]) == ("28P01", f'password authentication failed for user "{user}"')


async def test_the_packet_decides(world: World) -> None:
    for packet, code in (
        (encode_startup({"database": "acme"}), "28000"),
        (encode_startup({"user": "ana", "replication": "database"}), "0A000"),
        (struct.pack(">II", 8, 2 << 16), "0A000"),
        (b"GET / HTTP/1.1\r\n\r\n", "08P01"),
        (GSSENC_REQUEST + encode_startup({"user": "ana", "replication": "1"}), "0A000"),
    ):
        client = await connect(world.listener.port)
        client.send(packet)
        for _ in range(packet[:32].count(GSSENC_REQUEST)):
            assert await client.reader.readexactly(1) == b"N"
        assert (await refusal(client))["C"] == code


async def test_a_packet_is_bounded_before_it_is_read(make_world: MakeWorld) -> None:
    world = await make_world(startup_timeout_s=1.0)
    client = await connect(world.listener.port)
    client.send(struct.pack(">I", 4 + STARTUP_PACKET_BYTES_MAX + 1))
    assert (await refusal(client))["C"] == "08P01"


async def test_requests_for_encryption_are_bounded(world: World) -> None:
    client = await connect(world.listener.port)
    client.send(GSSENC_REQUEST * NEGOTIATIONS_MAX + encode_startup({"user": "ana", "database": "acme"}))
    assert await client.reader.readexactly(NEGOTIATIONS_MAX) == b"N" * NEGOTIATIONS_MAX
    assert (await refusal(client))["C"] == "08P01"


async def test_tls_is_refused_when_there_is_none(world: World) -> None:
    client = await connect(world.listener.port)
    client.send(encode_ssl_request())
    assert await client.reader.readexactly(1) == b"N"
    await client.close()
    with pytest.raises(psycopg.OperationalError, match="SSL"):
        await psycopg.AsyncConnection.connect(world.dsn, sslmode="require")


async def test_tls_binds_the_channel(
    make_world: MakeWorld, identity: TlsIdentity, certificate: tuple[Path, Path]
) -> None:
    world = await make_world(tls=identity)
    dsn = world.dsn.replace("127.0.0.1", "localhost") + f" sslmode=verify-full sslrootcert={certificate[0]}"
    for negotiation in ("postgres", "direct"):
        async with await psycopg.AsyncConnection.connect(
            f"{dsn} channel_binding=require sslnegotiation={negotiation}"
        ) as connection:
            assert connection.pgconn.ssl_in_use
            row = await (await connection.execute("SELECT max(number), repeat('x', 100000) FROM api_issues")).fetchone()
            assert row == (100, "x" * 100_000)
            await connection.cancel_safe()
    context = ssl.create_default_context(cafile=str(certificate[0]))
    direct = await asyncpg.connect(**world.arguments, ssl=context)
    assert await direct.fetchval("SELECT 1") == 1
    await direct.close()


async def test_what_fails_behind_the_scenes_ends_no_session(
    make_world: MakeWorld, identity: TlsIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def fail(_: LogInsDouble) -> frozenset[bytes]:
        asked.set()
        raise RuntimeError

    monkeypatch.setattr(LogInsDouble, "authorities", fail)
    world = await make_world(tls=identity)
    client = await world.raw()
    async with asyncio.timeout(5):
        await asked.wait()
    client.send(Query(text=b"SELECT 1"))
    assert rows_of(await client.ready()) == [(b"1",)]
    await client.close()


async def test_a_new_certificate_is_for_new_connections(
    make_world: MakeWorld, identity: TlsIdentity, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    world = await make_world(tls=identity)
    dsn = world.dsn.replace("127.0.0.1", "localhost") + " sslmode=verify-full channel_binding=require sslrootcert="
    renewed = make_self_signed(tmp_path, ["localhost"], now=datetime.datetime.now(datetime.UTC))
    async with await psycopg.AsyncConnection.connect(f"{dsn}{certificate[0]}") as before:
        world.listener.tls = load_identity(*renewed)
        async with await psycopg.AsyncConnection.connect(f"{dsn}{renewed[0]}") as after:
            assert await (await after.execute("SELECT 1")).fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="certificate"):
            await psycopg.AsyncConnection.connect(f"{dsn}{certificate[0]}")
        assert await (await before.execute("SELECT 1")).fetchone() == (1,)


async def test_tls_is_asked_of_all_but_loopback(make_world: MakeWorld, identity: TlsIdentity) -> None:
    world = await make_world(tls=identity, is_trusted=lambda _: False)
    client = await connect(world.listener.port)
    client.send(encode_startup({"user": "ana", "database": "acme"}))
    error = await refusal(client)
    assert (error["C"], error["H"]) == ("28000", "Connect with sslmode=require.")
    async with await psycopg.AsyncConnection.connect(world.dsn, sslmode="require") as connection:
        assert connection.pgconn.ssl_in_use


async def test_bytes_behind_the_request_for_tls_end_the_connection(
    make_world: MakeWorld, identity: TlsIdentity
) -> None:
    world = await make_world(tls=identity)
    client = await connect(world.listener.port)
    client.send(encode_ssl_request() + encode_startup({"user": "ana"}))
    # What it sent is never read, so the connection is reset.
    with pytest.raises(ConnectionResetError):
        await client.reader.read()


async def test_direct_tls_needs_its_protocol_name(make_world: MakeWorld, identity: TlsIdentity) -> None:
    world = await make_world(tls=identity)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", world.listener.port, ssl=context)
    writer.write(encode_startup({"user": "ana", "database": "acme"}))
    assert await RawClient(reader=reader, writer=writer).rest() == []
    writer.close()
    context.set_alpn_protocols(["postgresql"])
    reader, writer = await asyncio.open_connection("127.0.0.1", world.listener.port, ssl=context)
    client = RawClient(reader=reader, writer=writer)
    client.send(encode_startup({"user": "ana", "database": "acme"}))
    offered = decode_authentication((await client.until(b"R"))[0].payload)
    assert offered.mechanisms == ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", world.listener.port, ssl=context)
    writer.write(encode_startup({"database": "acme"}))
    assert (await refusal(RawClient(reader=reader, writer=writer)))["C"] == "28000"


async def test_a_start_up_that_takes_too_long_ends(make_world: MakeWorld) -> None:
    world = await make_world(startup_timeout_s=0.1)
    silent = await connect(world.listener.port)
    assert await silent.rest() == []
    slow = await connect(world.listener.port)
    slow.send(encode_startup({"user": "ana", "database": "acme"}))
    await slow.until(b"R")
    assert (await refusal(slow))["C"] == "57014"
    client = await world.raw()
    for _ in range(20):
        client.send(Query(text=b"SELECT pg_sleep(0.01)"))
        await client.ready()
    await client.close()


async def test_connections_are_bounded(make_world: MakeWorld, runner: RunnerDouble) -> None:
    world = await make_world(connections_max=2)
    first, second = await world.raw(), await world.raw()
    third = await connect(world.listener.port)
    third.send(encode_startup({"user": "ana", "database": "acme"}))
    assert (await refusal(third))["C"] == "53300"
    second.send(Query(text=b"SELECT number FROM api_slow"))
    await runner.started.wait()
    canceling = await connect(world.listener.port)
    canceling.send(encode_cancel_request(*second.key))
    assert error_of(await second.ready())["C"] == "57014"
    await first.close()
    await second.close()
    await canceling.close()


async def test_messages_before_log_in_are_short(world: World) -> None:
    client = await connect(world.listener.port)
    client.send(encode_startup({"user": "ana", "database": "acme"}))
    await client.until(b"R")
    client.send(b"Q" + struct.pack(">i", 1_000_000))
    assert (await refusal(client))["C"] == "08P01"


@pytest.mark.parametrize(
    "data",
    [b"Q" + struct.pack(">i", 100_000), b"Q\0\0\0\x01", b"z\0\0\0\x04", b"X\xff\xff\xff\xff"],
    ids=["oversized", "short", "unknown", "negative"],
)
async def test_broken_messages_end_the_session(make_world: MakeWorld, data: bytes) -> None:
    world = await make_world(message_bytes_max=65_536)
    client = await world.raw()
    client.send(Query(text=b"SELECT 1"))
    await client.ready()
    client.send(data)
    assert (await refusal(client))["C"] == "08P01"


async def test_malformed_bodies_are_postgresqls_to_judge(world: World) -> None:
    client = await world.raw()
    client.send(b"B\0\0\0\x06a\0", b"S\0\0\0\x04")
    frames = await client.ready()
    assert (kinds(frames), error_of(frames)["C"]) == ("EZ", "08P01")
    client.send(b"p\0\0\0\x05\0")
    assert (await refusal(client))["C"] == "08P01"
