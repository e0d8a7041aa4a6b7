"""A client that sends exactly the bytes a test wants, and reads messages."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field

from scramp import ScramClient

from wire.backend_decode import decode_authentication, decode_backend_key_data, decode_data_row, decode_report
from wire.framing import Frame, FrameBuffer
from wire.payload import cstring, message
from wire.startup import encode_startup

READ_TIMEOUT_S = 10.0


@dataclass(slots=True)
class RawClient:
    """One connection; `key` is its BackendKeyData."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: FrameBuffer = field(default_factory=lambda: FrameBuffer(1 << 26, from_backend=True))
    waiting: list[Frame] = field(default_factory=list)
    greeting: list[Frame] = field(default_factory=list)
    key: tuple[int, bytes] = (0, b"")

    def send(self, *messages: object) -> None:
        """Send messages of wire.frontend, or bytes as they are."""
        data = b"".join(each if isinstance(each, bytes) else each.encode() for each in messages)  # type: ignore[attr-defined]
        self.writer.write(data)

    async def frame(self) -> Frame | None:
        """Read one message; None at the end of the stream."""
        while not self.waiting:
            try:
                async with asyncio.timeout(READ_TIMEOUT_S):
                    data = await self.reader.read(65_536)
            except ConnectionResetError:
                # How a socket ends whose last bytes were not read.
                return None
            if not data:
                return None
            self.frames.feed(data)
            self.waiting = self.frames.frames()
        return self.waiting.pop(0)

    async def until(self, kind: bytes) -> list[Frame]:
        """Read messages up to and with the first of a kind."""
        found: list[Frame] = []
        while True:
            frame = await self.frame()
            assert frame is not None, f"the stream ended after {kinds(found)}"
            found.append(frame)
            if frame.kind == kind:
                return found

    async def ready(self) -> list[Frame]:
        """Read up to ReadyForQuery."""
        return await self.until(b"Z")

    async def rest(self) -> list[Frame]:
        """Read up to the end of the stream."""
        found = []
        while (frame := await self.frame()) is not None:
            found.append(frame)
        return found

    async def close(self) -> None:
        """Close without a word."""
        self.writer.close()

    async def log_in(self, password: str, minor_version: int = 0, **parameters: str) -> None:
        """Start up and authenticate, up to ReadyForQuery."""
        self.writer.write(encode_startup(parameters, minor_version))
        self.greeting = await self.until(b"R")
        scram = ScramClient(["SCRAM-SHA-256"], parameters["user"], password)
        first = scram.get_client_first().encode()
        self.send(message(b"p", cstring(b"SCRAM-SHA-256") + struct.pack(">i", len(first)) + first))
        reply = decode_authentication((await self.until(b"R"))[-1].payload)
        scram.set_server_first(reply.data.decode())
        self.send(message(b"p", scram.get_client_final().encode()))
        last = await self.frame()
        assert last is not None
        if last.kind == b"E":
            self.waiting.insert(0, last)
            return
        scram.set_server_final(decode_authentication(last.payload).data.decode())
        self.greeting += await self.ready()
        self.key = next(decode_backend_key_data(each.payload) for each in self.greeting if each.kind == b"K")


async def connect(port: int) -> RawClient:
    """Open a connection and send nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    return RawClient(reader=reader, writer=writer)


def kinds(frames: list[Frame]) -> str:
    """Return the kinds of messages, one letter each."""
    return b"".join(frame.kind for frame in frames).decode()


def shape(frames: list[Frame]) -> str:
    """Return the kinds of messages with repeated data rows as one."""
    letters = kinds(frames)
    while "DD" in letters:
        letters = letters.replace("DD", "D")
    return letters


def error_of(frames: list[Frame]) -> dict[str, str]:
    """Return the fields of the first error."""
    return next(decode_report(frame.payload) for frame in frames if frame.kind == b"E")


def rows_of(frames: list[Frame]) -> list[tuple[bytes | None, ...]]:
    """Return the values of all data rows."""
    return [decode_data_row(frame.payload) for frame in frames if frame.kind == b"D"]


def tags_of(frames: list[Frame]) -> list[str]:
    """Return all command tags."""
    return [frame.payload[:-1].decode() for frame in frames if frame.kind == b"C"]


def status_of(frames: list[Frame]) -> str:
    """Return the transaction status of the last ReadyForQuery."""
    return next(frame.payload.decode() for frame in reversed(frames) if frame.kind == b"Z")
