"""The door of statements by HTTP, before any session: who is heard, how much, and as whom he is announced."""

from __future__ import annotations

import asyncio
import datetime
import http.client
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from http_caller import HttpAnswer, HttpCaller

from omnisql_server.errors import TooManyConnections
from omnisql_server.http_api.answering import status_of
from omnisql_server.http_api.endpoint import Endpoint, https_context, listening
from omnisql_server.listener.tls import TlsIdentity, load_identity, make_self_signed
from omnisql_server.settings_http import HttpSettings

TIMEOUT_S = 20.0
BODY = b'{"tenant": "acme", "user": "ana", "sql": "SELECT 1"}'


class Door:
    """Announces nobody to a listener, and remembers who came; `balancers` name others, `identity` may be replaced."""

    identity: TlsIdentity

    def __init__(self) -> None:
        self.came: list[str] = []
        self.balancers: set[str] = set()
        self.failure: Exception | None = TooManyConnections(message="sorry, too many clients already")

    def admit(self, connection: socket.socket, host: str) -> None:
        self.came.append(host)
        if self.failure is not None:
            raise self.failure
        connection.close()


@pytest.fixture
def door() -> Door:
    return Door()


@asynccontextmanager
async def served(door: Door, tmp_path: Path, **bounds: float) -> AsyncIterator[HttpCaller]:
    """Serve the door, for 2 connections at a time."""
    certificate, key = make_self_signed(tmp_path, ["127.0.0.1"], now=datetime.datetime.now(datetime.UTC))
    door.identity = load_identity(certificate, key)
    endpoint = Endpoint(
        HttpSettings(body_bytes_max=1024),
        admit=door.admit,
        is_balancer=lambda peer: peer in door.balancers,
        message_bytes_max=65_536,
    )
    context = https_context(lambda: door.identity.context)
    async with listening(endpoint, "127.0.0.1", 0, context, connections_max=2, **bounds) as port:
        yield HttpCaller(port=port, certificate=certificate, token="secret")


@pytest_asyncio.fixture
async def caller(door: Door, tmp_path: Path) -> AsyncIterator[HttpCaller]:
    async with served(door, tmp_path) as caller:
        yield caller


async def connected(caller: HttpCaller) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect by TLS, and say nothing."""
    context = ssl.create_default_context(cafile=str(caller.certificate))
    return await asyncio.open_connection("127.0.0.1", caller.port, ssl=context)


async def asked(caller: HttpCaller, content: bytes = BODY, headers: dict[str, str] | None = None) -> HttpAnswer:
    """Ask from a thread."""
    return await asyncio.to_thread(caller.ask_bytes, content, **(headers or {}))


async def test_who_is_too_many_is_told(caller: HttpCaller, door: Door) -> None:
    answer = await asked(caller)
    assert answer.error == (503, "53300", "sorry, too many clients already")
    assert door.came == ["127.0.0.1"]


async def test_a_session_that_ends_at_once_is_an_error(caller: HttpCaller, door: Door) -> None:
    door.failure = None
    assert (await asked(caller)).error == (503, "57P01", "the session ended before the answer did")


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer", "Bearer ", "Bearer \t", "Bearer ä"])
async def test_who_shows_no_token_is_asked_for_one(caller: HttpCaller, door: Door, header: str) -> None:
    nobody = HttpCaller(port=caller.port, certificate=caller.certificate, token=None)
    answer = await asked(nobody, b"x" * 4096, {"Authorization": header} if header else None)
    assert answer.error[:2] == (401, "28000")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert door.came == []


async def test_a_body_that_is_too_large_or_no_question_opens_nothing(caller: HttpCaller, door: Door) -> None:
    large = await asked(caller, b" " * 1024 + BODY)
    assert large.error[:2] == (413, "54000")
    assert "1024 bytes" in large.body["error"]["hint"]
    assert (await asked(caller, b"SELECT 1")).error[:2] == (400, "22023")
    assert door.came == []


async def test_a_balancer_names_the_caller_and_nobody_else_does(caller: HttpCaller, door: Door) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}
    await asked(caller, headers=forged)
    door.balancers.add("127.0.0.1")
    await asked(caller, headers=forged)
    assert door.came == ["127.0.0.1", "198.51.100.7"]
    for wrong in (None, {"X-Forwarded-For": "somebody"}):
        answer = await asked(caller, headers=wrong)
        assert answer.error[:2] == (400, "22023")
    assert len(door.came) == 2


async def test_other_paths_and_methods_are_none(caller: HttpCaller) -> None:
    def status(method: str, path: str) -> int:
        connection = caller.connection()
        connection.request(method, path)
        answered = connection.getresponse().status
        connection.close()
        return answered

    assert await asyncio.to_thread(status, "GET", "/v1/query") == 405
    assert await asyncio.to_thread(status, "POST", "/") == 404


async def test_without_tls_nothing_is_heard(caller: HttpCaller, door: Door) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", caller.port)
    writer.write(b"POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\nContent-Length: 0\r\n\r\n")
    try:
        said = await reader.read()
    except ConnectionResetError:
        said = b""
    writer.close()
    assert not said.startswith(b"HTTP")
    assert door.came == []


async def test_a_certificate_that_is_replaced_counts_for_the_next_connection(door: Door, tmp_path: Path) -> None:
    async with served(door, tmp_path) as caller:
        assert (await asked(caller)).status == 503
        second = tmp_path / "second"
        certificate, key = make_self_signed(second, ["127.0.0.1"], now=datetime.datetime.now(datetime.UTC))
        door.identity = load_identity(certificate, key)
        assert (await asked(replace(caller, certificate=certificate))).status == 503
        with pytest.raises(ssl.SSLCertVerificationError):
            await asked(caller)


async def test_who_is_one_connection_too_many_is_hung_up_on(caller: HttpCaller, door: Door) -> None:
    writers = [(await connected(caller))[1] for _ in range(2)]
    with pytest.raises((ConnectionError, http.client.HTTPException, OSError)):
        await asked(caller)
    assert door.came == []
    for writer in writers:
        writer.close()
        await writer.wait_closed()


async def test_who_asks_nothing_in_time_is_let_go(door: Door, tmp_path: Path) -> None:
    async with served(door, tmp_path, idle_timeout_s=0.1) as caller:
        reader, writer = await connected(caller)
        writer.write(b"POST /v1/query HTTP/1.1\r\nHost: x\r\n")
        # How it ends is the kernel's business; that it ends is ours.
        with suppress(ConnectionError):
            async with asyncio.timeout(TIMEOUT_S):
                assert await reader.read() == b""
        writer.close()


def test_a_refusal_is_the_callers_at_log_in_and_the_sources_later() -> None:
    assert status_of("28P01", logging_in=True) == 401
    assert status_of("28000", logging_in=True) == 401
    assert status_of("28000", logging_in=False) == 502
    codes = ("42501", "08006", "08P01", "HV000", "HV00L", "53400", "53300", "57014", "57P03", "40001", "XX000", "22012")
    statuses = [403, 502, 400, 502, 400, 429, 503, 504, 503, 409, 500, 400]
    assert [status_of(code, logging_in=False) for code in codes] == statuses
