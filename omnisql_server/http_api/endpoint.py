"""POST /v1/query over HTTPS: a bearer token, a JSON body, and a session of our own listener for the time of the answer.

Nothing is decided here about who may do what: the token, the caller's address and the statement go where those of a
PostgreSQL client go.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from ipaddress import ip_address

import structlog
from aiohttp import web

from omnisql_server.errors import OmniSQLError, error_fields
from omnisql_server.http_api.answering import answered, refusal, status_of
from omnisql_server.http_api.question import Question, RequestInvalid, read_question
from omnisql_server.http_api.wire_client import WireClient
from omnisql_server.settings_http import HttpSettings

READING_MAX = 64
"""Bodies that are read at a time: who sends them has proved nothing yet."""
READ_TIMEOUT_S = 30.0
KEEP_ALIVE_S = 30.0
JSON = "application/json"

Admit = Callable[[socket.socket, str], None]
"""Has the listener attend to a client at the other end of a socket, who came over TLS from an address."""

_log = structlog.get_logger(__name__)


class Endpoint:
    """Answers statements; `is_balancer` says which peers name the caller's address by X-Forwarded-For."""

    def __init__(
        self, settings: HttpSettings, *, admit: Admit, is_balancer: Callable[[str], bool], message_bytes_max: int
    ) -> None:
        self._settings = settings
        self._admit = admit
        self._is_balancer = is_balancer
        self._message_bytes_max = message_bytes_max
        self._reading = asyncio.Semaphore(READING_MAX)
        self.application = web.Application(client_max_size=settings.body_bytes_max)
        self.application.router.add_post("/v1/query", self._query)

    async def _query(self, request: web.Request) -> web.StreamResponse:
        token = _bearer_token(request)
        if token is None:
            return _refused(401, "28000", "a bearer token is wanted", "Send the header Authorization: Bearer TOKEN.")
        try:
            address = self._address(request)
            async with self._reading, asyncio.timeout(READ_TIMEOUT_S):
                content = await request.read()
            question = read_question(content)
        except web.HTTPRequestEntityTooLarge:
            allowed = f"It may have {self._settings.body_bytes_max} bytes (http.body_bytes_max)."
            return _refused(413, "54000", "the request is too large", allowed)
        except TimeoutError:
            return _refused(408, "08P01", "the request did not come in time")
        except RequestInvalid as error:
            return _answer(400, error_fields(error))
        return await _Answer(request, self._settings.held_bytes_max).of(self._connected(address), question, token)

    @asynccontextmanager
    async def _connected(self, address: str) -> AsyncIterator[WireClient]:
        """Open a session's socket; it is closed however the block ends, which cancels what the session does."""
        ours, theirs = socket.socketpair()
        try:
            self._admit(theirs, address)
        except OmniSQLError:
            ours.close()
            theirs.close()
            raise
        client = await WireClient.over(ours, self._message_bytes_max)
        try:
            yield client
        finally:
            client.leave()

    def _address(self, request: web.Request) -> str:
        """Return the caller's address: the peer's, unless that is a balancer, which names it.

        Raises:
            RequestInvalid: 22023, the balancer does not.
        """
        peer = request.remote or ""
        if not self._is_balancer(peer):
            return peer
        named = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        try:
            return str(ip_address(named))
        except ValueError as error:
            raise RequestInvalid(message="the load balancer does not name the caller in X-Forwarded-For") from error


class _Answer:
    """One answer: held back until it is whole or longer than `held_bytes_max`, then sent as it comes."""

    def __init__(self, request: web.Request, held_bytes_max: int) -> None:
        self._request = request
        self._held_bytes_max = held_bytes_max
        self._held: list[bytes] = []
        self._response: web.StreamResponse | None = None

    async def of(
        self, session: AbstractAsyncContextManager[WireClient], question: Question, token: str
    ) -> web.StreamResponse:
        """Log in, run the statement and answer it."""
        logging_in = True
        try:
            async with session as client:
                await client.log_in(question.startup, token)
                logging_in = False
                async with aclosing(answered(client, question)) as pieces:
                    async for piece in pieces:
                        await self._give(piece)
        except ConnectionError:
            # Nobody is there to be told.
            return self._response or web.Response(status=499)
        except Exception as error:  # noqa: BLE001  the one place where a failed statement becomes an answer
            fields = error_fields(error)
            if self._response is None:
                return _answer(status_of(fields["C"], logging_in=logging_in), fields)
            return await self._broken_off(self._response, fields)
        if self._response is None:
            return web.Response(body=b"".join(self._held), content_type=JSON)
        await self._response.write_eof()
        return self._response

    async def _give(self, piece: bytes) -> None:
        """Send a piece, or hold it back; waits for a caller who does not take what was sent."""
        if self._response is None:
            self._held.append(piece)
            if sum(map(len, self._held)) <= self._held_bytes_max:
                return
            self._response = web.StreamResponse(headers={"Content-Type": JSON})
            await self._response.prepare(self._request)
            piece, self._held = b"".join(self._held), []
        await self._response.write(piece)

    async def _broken_off(self, response: web.StreamResponse, fields: Mapping[str, str]) -> web.StreamResponse:
        """Say why, and end the connection within the answer: neither HTTP nor JSON lets it be taken for whole."""
        with suppress(ConnectionError):
            await response.write(b"\n" + refusal(fields))
        if self._request.transport is not None:
            self._request.transport.close()
        return response


def _bearer_token(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token.isascii() and token.isprintable() and token else None


def _refused(status: int, sqlstate: str, message: str, hint: str = "") -> web.Response:
    fields = {"C": sqlstate, "V": "ERROR", "M": message, **({"H": hint} if hint else {})}
    return _answer(status, fields)


def _answer(status: int, fields: Mapping[str, str]) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return web.Response(status=status, body=refusal(fields), content_type=JSON, headers=headers)


def https_context(current: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Make a context whose connections take the certificate that `current` has when they begin."""
    front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    front.minimum_version = ssl.TLSVersion.TLSv1_2

    def chosen(opening: ssl.SSLObject, _name: str | None, _front: ssl.SSLContext) -> None:
        opening.context = current()

    front.sni_callback = chosen
    return front


@asynccontextmanager
async def listening(endpoint: Endpoint, host: str, port: int, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """Answer statements for the time of the block, and give the port."""
    runner = web.AppRunner(
        endpoint.application,
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=KEEP_ALIVE_S,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
        bound = int(runner.addresses[0][1])
        _log.info("http_ready", host=host, port=bound)
        yield bound
    finally:
        await runner.cleanup()
