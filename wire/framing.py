"""Cut a byte stream into typed messages (PostgreSQL 18, chapter 54.1), with a bound on what one message may hold.

Used on the relay path in both directions: a chunk that holds whole messages is sliced, never copied together.
"""

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from wire.errors import MessageTooLarge, ProtocolViolation

HEADER_BYTES = 5
SMALL_MESSAGE_BYTES_MAX = 10_000
"""What PostgreSQL's own backend accepts for messages that carry only names and numbers."""
PASSWORD_MESSAGE_BYTES_MAX = 65_535

_LARGE_KINDS = b"QPBdF"
_SMALL_KINDS = b"DECHSXcf"
_HEADER = struct.Struct(">ci")


class Frame(NamedTuple):
    """One message as it stood on the wire; a named tuple because millions of them are made while relaying."""

    kind: bytes
    data: bytes

    @property
    def payload(self) -> bytes:
        """Return what follows kind and length."""
        return self.data[HEADER_BYTES:]


class FrameBuffer:
    """Collect received bytes and hand out whole messages.

    `message_bytes_max` bounds the length word of any message. Unless `from_backend`, kinds a client cannot send are
    refused and messages that carry only names are bounded as PostgreSQL bounds them. `pending_bytes` are received and
    not handed out yet.
    """

    __slots__ = ("_chunks", "_limits", "_needed_bytes", "pending_bytes")

    def __init__(self, message_bytes_max: int, *, from_backend: bool = False) -> None:
        self._limits = _backend_limits(message_bytes_max) if from_backend else _frontend_limits(message_bytes_max)
        self._chunks: list[bytes] = []
        self.pending_bytes = 0
        self._needed_bytes = HEADER_BYTES

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Append received bytes."""
        if data:
            self._chunks.append(bytes(data))
            self.pending_bytes += len(data)

    def frames(self) -> list[Frame]:
        """Return all whole messages received, in order.

        Messages before a bad one are returned first; the call after that raises.

        Raises:
            ProtocolViolation: 08P01, a length below 4 or a kind no client sends.
            MessageTooLarge: 08P01, a length beyond the limit of its kind, as soon as the header has arrived.
        """
        frames: list[Frame] = []
        if self.pending_bytes < self._needed_bytes:
            return frames
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        size = len(data)
        start = 0
        needed = HEADER_BYTES
        while size - start >= HEADER_BYTES:
            kind, length = _HEADER.unpack_from(data, start)
            if not 4 <= length <= self._limits[kind[0]]:
                if frames:
                    break
                raise self._refusal(kind, length)
            end = start + length + 1
            if end > size:
                needed = length + 1
                break
            frames.append(Frame(kind, data[start:end]))
            start = end
        self._chunks = [data[start:]] if start < size else []
        self.pending_bytes = size - start
        self._needed_bytes = needed
        return frames

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the whole messages received so far."""
        return iter(self.frames())

    def take_rest(self) -> bytes:
        """Return and forget the bytes that make no whole message yet."""
        rest = b"".join(self._chunks)
        self._chunks = []
        self.pending_bytes = 0
        self._needed_bytes = HEADER_BYTES
        return rest

    def _refusal(self, kind: bytes, length: int) -> ProtocolViolation:
        limit = self._limits[kind[0]]
        if limit == 0:
            return ProtocolViolation(message=f"invalid frontend message type {kind[0]}")
        if length < 4:
            return ProtocolViolation(message="invalid message length")
        return MessageTooLarge(
            message="message is too large", detail=f"The message announces {length} bytes; the limit is {limit}."
        )


@lru_cache(maxsize=16)
def _backend_limits(message_bytes_max: int) -> tuple[int, ...]:
    return (message_bytes_max,) * 256


@lru_cache(maxsize=16)
def _frontend_limits(message_bytes_max: int) -> tuple[int, ...]:
    limits = [0] * 256
    for kind in _LARGE_KINDS:
        limits[kind] = message_bytes_max
    for kind in _SMALL_KINDS:
        limits[kind] = min(SMALL_MESSAGE_BYTES_MAX, message_bytes_max)
    limits[ord("p")] = min(PASSWORD_MESSAGE_BYTES_MAX, message_bytes_max)
    return tuple(limits)
