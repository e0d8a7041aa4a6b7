"""A client of our own listener: logs in with a token, runs one statement, and hands out messages as they come.

The other end of its socket is a session like any other; nothing is read before it is asked for, so that who does not
take rows holds the session back as a slow PostgreSQL client does.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress

from omnisql_server.errors import BackendError, BackendLost
from wire.backend_decode import decode_authentication, decode_data_row, decode_report
from wire.errors import ProtocolViolation
from wire.framing import Frame, FrameBuffer
from wire.frontend import Bind, Describe, Execute, Parse, Password, Query, Sync
from wire.payload import cstring
from wire.startup import encode_startup

READ_BYTES = 65_536
NOTICES_MAX = 100
"""Notices told of one statement; what comes after them is left out."""
_STATEMENT = b"http"

Row = tuple[bytes | None, ...]


class WireClient:
    """One session; `notices` are the fields of what it was told beside its answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message_bytes_max: int) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = FrameBuffer(message_bytes_max, from_backend=True)
        self._waiting: deque[Frame] = deque()
        self.notices: list[dict[str, str]] = []

    @classmethod
    async def over(cls, connection: socket.socket, message_bytes_max: int) -> WireClient:
        """Speak over a connected socket, which is owned from now on."""
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=READ_BYTES)
        return cls(reader, writer, message_bytes_max)

    async def log_in(self, startup: Mapping[str, str], token: str) -> None:
        """Log in with a token in place of a password.

        Raises:
            BackendError: the server's own words; BackendLost: 57P01, it went away.
        """
        self._writer.write(encode_startup(startup))
        while (frame := await self._next()).kind != b"Z":
            if frame.kind == b"R" and (kind := decode_authentication(frame.payload).kind) != "ok":
                if kind != "cleartext":
                    raise ProtocolViolation(message=f"the log-in asks for {kind} where a token was offered")
                self._writer.write(Password(payload=cstring(token.encode())).encode())

    async def prepare(self, sql: bytes) -> Frame | None:
        """Prepare the statement, and return its RowDescription, None where it gives no rows.

        Raises:
            BackendError: the statement's error.
        """
        self._send(Parse(statement=_STATEMENT, text=sql), Describe(kind="S", name=_STATEMENT), Sync())
        described: Frame | None = None
        async for frame in self._answer():
            described = frame if frame.kind == b"T" else described
        return described

    async def execute(self, parameters: tuple[bytes | None, ...]) -> AsyncGenerator[Frame, None]:
        """Run what was prepared; give its DataRow, CommandComplete, EmptyQueryResponse and COPY messages.

        Raises:
            BackendError: the statement's error, which may come after rows.
        """
        self._send(Bind(portal=b"", statement=_STATEMENT, parameters=parameters), Execute(portal=b""), Sync())
        async for frame in self._answer():
            yield frame

    async def ask(self, sql: str) -> tuple[Frame | None, list[Row]]:
        """Run a small statement of our own, and return its RowDescription and rows.

        Raises:
            BackendError: its error.
        """
        self._send(Query(text=sql.encode()))
        described: Frame | None = None
        rows: list[Row] = []
        async for frame in self._answer():
            if frame.kind == b"T":
                described = frame
            elif frame.kind == b"D":
                rows.append(decode_data_row(frame.payload))
        return described, rows

    def leave(self) -> None:
        """End the session at once, whatever it does."""
        self._writer.transport.abort()

    def _send(self, *messages: Parse | Describe | Bind | Execute | Query | Sync) -> None:
        self._writer.write(b"".join(each.encode() for each in messages))

    async def _answer(self) -> AsyncIterator[Frame]:
        """Give messages up to ReadyForQuery; an error is raised once the session is ready again."""
        failure: BackendError | None = None
        while True:
            try:
                frame = await self._next()
            except BackendError as error:
                if error.fields.get("V") != "ERROR":
                    raise
                failure = failure or error
                continue
            if frame.kind == b"Z":
                break
            yield frame
        if failure is not None:
            raise failure

    async def _next(self) -> Frame:
        """Return the next message that is neither a notice nor a parameter's status."""
        while True:
            while not self._waiting:
                data = b""
                with suppress(ConnectionError):
                    data = await self._reader.read(READ_BYTES)
                if not data:
                    raise BackendLost(message="the session ended before the answer did")
                self._frames.feed(data)
                self._waiting.extend(self._frames.frames())
            frame = self._waiting.popleft()
            if frame.kind == b"E":
                raise BackendError(decode_report(frame.payload))
            if frame.kind == b"N":
                if len(self.notices) < NOTICES_MAX:
                    self.notices.append(decode_report(frame.payload))
            elif frame.kind != b"S":
                return frame
