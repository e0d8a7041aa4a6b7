"""Blocking raw connections: to the server through its TCP port, and to the tenant's PostgreSQL by its Unix socket."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scramp import ScramClient

from wire.backend_decode import (
    decode_authentication,
    decode_data_row,
    decode_report,
    decode_row_description,
)
from wire.framing import Frame, FrameBuffer
from wire.payload import cstring, message
from wire.startup import encode_startup

Essence = tuple[object, ...]
READ_TIMEOUT_S = 60.0
MESSAGE_BYTES_MAX = 1 << 26
USER_TYPE_OID = 16_384
"""From here on OIDs are those of types that users made, such as the tables' own row types."""

COMPARED = b"TtDCEZ123nsIGHWcd"
"""Kinds that two servers must send alike; notices, parameter reports and keys are their own."""


@dataclass(slots=True, kw_only=True)
class RawSession:
    """One connection to either server."""

    socket: socket.socket
    frames: FrameBuffer = field(default_factory=lambda: FrameBuffer(MESSAGE_BYTES_MAX, from_backend=True))
    waiting: list[Frame] = field(default_factory=list)

    def frame(self) -> Frame | None:
        """Read one message; None at the end of the stream."""
        while not self.waiting:
            try:
                data = self.socket.recv(65_536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.frames.feed(data)
            self.waiting = self.frames.frames()
        return self.waiting.pop(0)

    def until_ready(self, count: int) -> list[Frame]:
        """Read up to the ReadyForQuery of that number, or to the end of the stream."""
        found: list[Frame] = []
        while count and (frame := self.frame()) is not None:
            found.append(frame)
            count -= frame.kind == b"Z"
        return found

    def rest(self) -> list[Frame]:
        """Say that nothing more comes, and read to the end of the stream."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        found = []
        while (frame := self.frame()) is not None:
            found.append(frame)
        return found

    def send(self, data: bytes) -> None:
        """Send bytes; a server that has closed the connection does not want them."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def run(self, text: str) -> list[Frame]:
        """Run one simple query."""
        self.send(message(b"Q", cstring(text.encode())))
        return self.until_ready(1)

    def close(self) -> None:
        """Close without a word."""
        self.socket.close()


def through_server(port: int, user: str, password: str, database: str) -> RawSession:
    """Log in to the server by SCRAM."""
    session = RawSession(socket=socket.create_connection(("127.0.0.1", port), READ_TIMEOUT_S))
    session.send(encode_startup({"user": user, "database": database}, 0))
    assert _authentication(session) == b"SCRAM-SHA-256"
    scram = ScramClient(["SCRAM-SHA-256"], user, password)
    first = scram.get_client_first().encode()
    session.send(message(b"p", cstring(b"SCRAM-SHA-256") + len(first).to_bytes(4, "big") + first))
    scram.set_server_first(_authentication(session).decode())
    session.send(message(b"p", scram.get_client_final().encode()))
    scram.set_server_final(_authentication(session).decode())
    assert session.until_ready(1)[-1].kind == b"Z"
    return session


def to_postgres(socket_directory: Path, port: int, user: str, database: str) -> RawSession:
    """Log in to PostgreSQL itself by its socket, which asks for no password."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(READ_TIMEOUT_S)
    connection.connect(str(socket_directory / f".s.PGSQL.{port}"))
    session = RawSession(socket=connection)
    session.send(encode_startup({"user": user, "database": database}, 0))
    assert session.until_ready(1)[-1].kind == b"Z"
    return session


def kinds(frames: Sequence[Frame]) -> str:
    """Return the kinds of messages, one letter each."""
    return b"".join(frame.kind for frame in frames).decode()


def compared(frames: Sequence[Frame]) -> list[Essence]:
    """Return what two servers must agree on: kinds, columns, rows, tags, SQLSTATEs with positions, and statuses."""
    return [_essence(frame) for frame in frames if frame.kind in COMPARED]


def errors(frames: Sequence[Frame]) -> list[dict[str, str]]:
    """Return the fields of all errors."""
    return [decode_report(frame.payload) for frame in frames if frame.kind == b"E"]


def _essence(frame: Frame) -> Essence:
    if frame.kind == b"E":
        report = decode_report(frame.payload)
        return "E", report["S"], report["C"], report.get("P")
    if frame.kind == b"T":
        # A column's table is the foreign table here and its copy there.
        columns = decode_row_description(frame.payload)
        return "T", [
            (each.name, min(each.type_oid, USER_TYPE_OID), each.type_length, each.type_modifier, each.format)
            for each in columns
        ]
    if frame.kind == b"D":
        return "D", decode_data_row(frame.payload)
    return frame.kind.decode(), frame.payload


def _authentication(session: RawSession) -> bytes:
    frame = session.frame()
    assert frame is not None
    assert frame.kind == b"R"
    request = decode_authentication(frame.payload)
    return request.mechanisms[-1].encode() if request.kind == "sasl" else request.data
