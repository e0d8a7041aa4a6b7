"""A connection to a tenant's PostgreSQL while no session uses it: from its log-in to a session, and in the pool.

It keeps what PostgreSQL reports of its settings, so that a session that takes the connection can tell its client what
is different now. PostgreSQL 18, chapters 54.2.1 and 54.2.7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Self, cast

from catalog.clusters import ClusterAddress
from omnisql_server.errors import BackendError, BackendLost, OmniSQLError
from omnisql_server.session.dial import dial
from wire.backend_decode import decode_authentication, decode_backend_key_data, decode_report
from wire.errors import WireError
from wire.framing import Frame, FrameBuffer
from wire.startup import encode_startup

MESSAGE_BYTES_MAX = 1 << 20
NOTICES_MAX = 16
TERMINATE = b"X\0\0\0\x04"


class ClusterRefused(OmniSQLError):
    """The tenant's PostgreSQL cannot be reached or does not let us in."""

    sqlstate = "57P03"
    severity = "FATAL"


class BackendConnection(asyncio.Protocol):
    """Owns a transport between two sessions; `parameters` are whole ParameterStatus messages by name.

    `on_lost` is called once when the connection is gone or no longer fit for use.
    """

    def __init__(self, address: ClusterAddress) -> None:
        self.address = address
        self.process_id = 0
        self.secret_key = b""
        self.parameters: dict[bytes, bytes] = {}
        self.notices: list[bytes] = []
        self.on_lost: Callable[[], None] = _nothing
        self._frames = FrameBuffer(MESSAGE_BYTES_MAX, from_backend=True)
        self._transport: asyncio.Transport | None = None
        self._error: OmniSQLError | None = None
        self._ready: asyncio.Future[None] | None = None
        self._gone = asyncio.Event()

    @classmethod
    def taken_over(
        cls,
        transport: asyncio.Transport,
        address: ClusterAddress,
        process_id: int,
        secret_key: bytes,
        parameters: dict[bytes, bytes],
    ) -> Self:
        """Take the transport of a session that leaves its backend; nothing is outstanding on it."""
        connection = cls(address)
        connection.process_id, connection.secret_key = process_id, secret_key
        # The session goes on telling its client from its own copy.
        connection.parameters = dict(parameters)
        connection.connection_made(transport)
        transport.set_protocol(connection)
        return connection

    @property
    def transport(self) -> asyncio.Transport:
        """Return the transport.

        Raises:
            BackendLost: 57P01, there is none.
        """
        if self._transport is None:
            raise self._error or BackendLost(message="the connection to the tenant's PostgreSQL was lost")
        return self._transport

    @property
    def is_open(self) -> bool:
        """Say whether a session may take the connection."""
        return self._error is None and self._transport is not None and not self._transport.is_closing()

    async def start_up(self, parameters: Mapping[str, str]) -> None:
        """Log in; returns at the first ReadyForQuery.

        Raises:
            BackendError: PostgreSQL refused, in its own words.
            ClusterRefused: 57P03, it asks for a password or goes away.
        """
        self._ready = asyncio.get_running_loop().create_future()
        self.transport.write(encode_startup(parameters))
        await self._ready

    def terminate(self) -> None:
        """Say goodbye; the connection closes by itself."""
        self._error = self._error or BackendLost(message="the connection was closed")
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(TERMINATE)
            self._transport.close()

    def leave(self) -> None:
        """Close a connection on which nothing was said."""
        self._error = self._error or BackendLost(message="the connection was closed")
        if self._transport is not None:
            self._transport.close()

    async def end(self, timeout_s: float) -> None:
        """Say goodbye and wait until PostgreSQL has ended the process, which frees its place for another."""
        if self.is_open:
            self.transport.write(TERMINATE)
        self._error = self._error or BackendLost(message="the connection was closed")
        try:
            async with asyncio.timeout(timeout_s):
                await self._gone.wait()
        except TimeoutError:
            if self._transport is not None:
                self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take log-in messages; later, what PostgreSQL says without being asked."""
        self._frames.feed(data)
        try:
            for frame in self._frames.frames():
                self._take(frame)
        except WireError as error:
            self._fail(BackendLost(message=error.message))

    def connection_lost(self, _error: Exception | None) -> None:
        """Note that the connection is gone."""
        self._gone.set()
        self._fail(ClusterRefused(message="the tenant's PostgreSQL ended the connection"))

    def _take(self, frame: Frame) -> None:
        kind = frame.kind
        logging_in = self._ready is not None and not self._ready.done()
        if kind == b"S":
            self.parameters[frame.payload.partition(b"\0")[0]] = frame.data
        elif kind == b"N":
            if logging_in and len(self.notices) < NOTICES_MAX:
                self.notices.append(frame.data)
        elif kind == b"E":
            self._fail(BackendError(decode_report(frame.payload)))
        elif not logging_in or self._ready is None:
            self._fail(BackendLost(message="the tenant's PostgreSQL answered what was not asked"))
        elif kind == b"K":
            self.process_id, self.secret_key = decode_backend_key_data(frame.payload)
        elif kind == b"R" and decode_authentication(frame.payload).kind != "ok":
            self._fail(ClusterRefused(message="the tenant's PostgreSQL asks for a password"))
        elif kind == b"Z":
            self._ready.set_result(None)

    def _fail(self, error: OmniSQLError) -> None:
        """Give the connection up: an error is the last word of PostgreSQL to somebody who has asked nothing."""
        if self._error is not None:
            return
        self._error = error
        if self._transport is not None:
            self._transport.abort()
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(error)
        self.on_lost()


async def log_in(
    address: ClusterAddress, parameters: Mapping[str, str], timeout_s: float, spare: BackendConnection | None = None
) -> BackendConnection:
    """Log in with the parameters of a start-up packet, on a `spare` connection or a new one.

    Raises:
        BackendError: PostgreSQL refused, in its own words.
        ClusterRefused: 57P03, it cannot be reached or asks for a password.
    """
    connection = spare or BackendConnection(address)
    logged_in = False
    try:
        async with asyncio.timeout(timeout_s):
            if spare is None:
                await dial(address, lambda: connection)
            await connection.start_up(parameters)
            logged_in = True
    except (OSError, TimeoutError) as error:
        raise ClusterRefused(message="the tenant's PostgreSQL cannot be reached") from error
    finally:
        if not logged_in:
            connection.terminate()
    return connection


def _nothing() -> None:
    """Stand in until the pool listens."""
