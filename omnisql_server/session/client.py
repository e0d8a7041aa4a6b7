"""The client's end of a session: received bytes become a bounded queue of messages, sent bytes meet back-pressure.

A protocol rather than a stream: what happens to the socket is noticed while a statement runs, without a task of its
own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import cast

from omnisql_server.model.plain_texts import PlainTexts
from omnisql_server.session.ending import SessionEnd, close_transport
from wire.errors import WireError
from wire.framing import Frame, FrameBuffer

LOGIN_MESSAGE_BYTES_MAX = 65_535
HELD_BYTES_MAX = 65_536
"""Above this nothing more joins what is to be sent together."""


class ClientConnection(asyncio.Protocol):
    """Queue of the client's messages, and its writer.

    `on_bytes` is offered what arrives while `next_frame` waits and nothing else does, and says whether it took it all.

    At most `buffer_bytes_max` bytes wait in each direction beyond one message or one chunk; reading pauses above it,
    and `drain` waits above it. `on_frames` is called when messages arrive for which `next_frame` waits, and may take
    them before it does. `on_gone` is called once when the client went away or broke the protocol, `on_pressure`
    whenever writing becomes blocked (True) or free again (False).
    """

    def __init__(self, *, message_bytes_max: int, buffer_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max
        self._buffer_bytes_max = buffer_bytes_max
        # Nobody who has not logged in may make us hold a long message.
        self._frames = FrameBuffer(min(LOGIN_MESSAGE_BYTES_MAX, message_bytes_max))
        self._inbox: deque[Frame] = deque()
        self._inbox_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._woken = False
        self._end: SessionEnd | None = None
        self._reading = True
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._held, self._held_bytes = list[bytes | memoryview](), 0
        self.calm: PlainTexts | None = None
        self.on_bytes: Callable[[bytes], bool] = _refuse
        self.on_frames: Callable[[], None] = _nothing
        self.on_gone: Callable[[], None] = _nothing
        self.on_pressure: Callable[[bool], None] = _ignore

    @property
    def transport(self) -> asyncio.Transport:
        """Return the transport; the connection has been made."""
        if self._transport is None:
            raise SessionEnd
        return self._transport

    @property
    def gone(self) -> bool:
        """Say whether nothing more will come from the client."""
        return self._end is not None

    @property
    def is_empty(self) -> bool:
        """Say whether nothing has come that waits, be it a part of a message."""
        return self._end is None and not (self._inbox or self._frames.pending_bytes)

    @property
    def has_frames(self) -> bool:
        """Say whether a message waits."""
        return bool(self._inbox)

    @property
    def first_frame(self) -> Frame | None:
        """Return the first message that waits without taking it."""
        return self._inbox[0] if self._inbox else None

    def frames_to(self, kind: bytes, count_max: int) -> tuple[Frame, ...]:
        """Return the messages that wait up to and with the first of a kind, not taken; none if that is not soon."""
        frames = tuple(islice(self._inbox, count_max))
        for count, frame in enumerate(frames, start=1):
            if frame.kind == kind:
                return frames[:count]
        return ()

    def allow_long_messages(self) -> None:
        """Lift the limit that holds until log-in."""
        rest = self._frames.take_rest()
        self._frames = FrameBuffer(self._message_bytes_max)
        self._receive(rest)

    async def next_frame(self) -> Frame | None:
        """Wait for the next message; None when `wake` was called instead.

        Raises:
            SessionEnd: the client is gone or broke the protocol, and all messages before that were taken.
        """
        while not self._inbox:
            if self._woken:
                self._woken = False
                return None
            if self._end is not None:
                raise self._end
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
                self.calm = None
        return self.take_frame()

    def take_frame(self) -> Frame:
        """Take the first message that waits; there is one."""
        frame = self._inbox.popleft()
        self._inbox_bytes -= len(frame.data)
        if not self._reading and self._inbox_bytes <= self._buffer_bytes_max // 2 and not self.transport.is_closing():
            self._reading = True
            self.transport.resume_reading()
        return frame

    def wake(self) -> None:
        """Make a waiting `next_frame` return None, so that the session looks at what else is to be done."""
        self._woken = True
        self._wake_waiter()

    def write(self, data: bytes | memoryview) -> None:
        """Send bytes, and what was held before them; a long answer awaits `drain` after every chunk."""
        if self._held:
            self._held.append(data)
            self.flush()
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def put(self, data: bytes | memoryview) -> None:
        """Send bytes together with all else that is sent before the event loop's next turn."""
        if self._held_bytes >= HELD_BYTES_MAX:
            self.flush()
        if not self._held:
            asyncio.get_running_loop().call_soon(self.flush)
        self._held.append(data)
        self._held_bytes += len(data)

    def flush(self) -> None:
        """Send what was put."""
        held, self._held, self._held_bytes = self._held, [], 0
        if held and self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(held)

    async def drain(self) -> None:
        """Send what was put, and wait until the client has taken enough.

        Raises:
            SessionEnd: it is gone.
        """
        self.flush()
        await self.room()

    async def room(self) -> None:
        """Wait until the client has taken enough of what was sent.

        Raises:
            SessionEnd: it is gone.
        """
        if not self._writable.is_set():
            await self._writable.wait()
        if self._closed.is_set():
            raise SessionEnd

    async def close(self, timeout_s: float) -> None:
        """Send what is left and close; what the client does not take in time is thrown away."""
        if self._transport is None or self._closed.is_set():
            return
        self.flush()
        await close_transport(self._transport, self._closed, timeout_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport and bound its buffer."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._buffer_bytes_max)

    def data_received(self, data: bytes) -> None:
        """Cut bytes into messages, unless somebody takes them whole."""
        waits = self._waiter is not None and not self._waiter.done() and len(data) <= self._message_bytes_max
        if waits and self.on_bytes(data):
            return
        self.calm = None
        self._receive(data)
        if self._inbox and self._waiter is not None and not self._waiter.done():
            self.on_frames()
            if self._inbox:
                self._wake_waiter()

    def eof_received(self) -> bool:
        """Note that the client is gone; keep writing where the transport can, for answers already on their way."""
        self._finish(SessionEnd())
        return self._transport is not None and self._transport.get_extra_info("sslcontext") is None

    def connection_lost(self, _error: Exception | None) -> None:
        """Note that the connection is gone and free everybody who waits for it."""
        self._closed.set()
        self._writable.set()
        self._finish(SessionEnd())
        self.on_pressure(False)

    def pause_writing(self) -> None:
        """Hold back those who write."""
        self._writable.clear()
        self.on_pressure(True)

    def resume_writing(self) -> None:
        """Let them write again."""
        self._writable.set()
        self.on_pressure(False)

    def _receive(self, data: bytes) -> None:
        if self._end is not None:
            return
        self._frames.feed(data)
        try:
            while frames := self._frames.frames():
                self._inbox += frames
                for frame in frames:
                    self._inbox_bytes += len(frame.data)
                if not self._frames.pending_bytes:
                    break
        except WireError as error:
            self._finish(SessionEnd(error))
        full = self._inbox_bytes > self._buffer_bytes_max
        if full and self._reading and not self.transport.is_closing():
            self._reading = False
            self.transport.pause_reading()

    def _finish(self, end: SessionEnd) -> None:
        if self._end is None:
            self._end = end
            self._wake_waiter()
            self.on_gone()

    def _wake_waiter(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _refuse(_data: bytes) -> bool:
    """Stand in until a session listens."""
    return False


def _nothing() -> None:
    """Stand in until a session listens."""


def _ignore(_blocked: bool) -> None:
    """Stand in until a session listens."""
