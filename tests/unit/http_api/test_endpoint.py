"""The door of statements by HTTP, before any session: who is heard, how much, and as whom he is announced."""

from __future__ import annotations

import asyncio
import datetime
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from http_caller import HttpAnswer, HttpCaller

from omnisql_server.errors import TooManyConnections
from omnisql_server.http_api.answering import status_of
from omnisql_server.http_api.endpoint import Endpoint, https_context, listening
from omnisql_server.listener.tls import load_identity, make_self_signed
from omnisql_server.settings_http import HttpSettings

BODY = b'{"tenant": "acme", "user": "ana", "sql": "SELECT 1"}'


class Door:
    """Announces nobody to a listener, and remembers who came; `balancers` name others."""

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


@pytest_asyncio.fixture
async def caller(door: Door, tmp_path: Path) -> AsyncIterator[HttpCaller]:
    certificate, key = make_self_signed(tmp_path, ["127.0.0.1"], now=datetime.datetime.now(datetime.UTC))
    identity = load_identity(certificate, key)
    endpoint = Endpoint(
        HttpSettings(body_bytes_max=1024),
        admit=door.admit,
        is_balancer=lambda peer: peer in door.balancers,
        message_bytes_max=65_536,
    )
    async with listening(endpoint, "127.0.0.1", 0, https_context(lambda: identity.context)) as port:
        yield HttpCaller(port=port, certificate=certificate, token="secret")


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


def test_a_refusal_is_the_callers_at_log_in_and_the_sources_later() -> None:
    assert status_of("28P01", logging_in=True) == 401
    assert status_of("28000", logging_in=True) == 401
    assert status_of("28000", logging_in=False) == 502
    codes = ("42501", "08006", "08P01", "HV000", "HV00L", "53400", "53300", "57014", "57P03", "40001", "XX000", "22012")
    statuses = [403, 502, 400, 502, 400, 429, 503, 504, 503, 409, 500, 400]
    assert [status_of(code, logging_in=False) for code in codes] == statuses
