"""Batches of our own messages to a session's backend, and the replies that bring their answers where they are awaited.

What the client did not ask for it does not see: not the answers, not the errors, and notices only of what is done in
its own statement's place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from omnisql_server.errors import BackendError, OmniSQLError
from omnisql_server.session.replies import EXECUTE_ENDS, Reply
from wire.backend_decode import decode_report
from wire.framing import Frame


class Exchange:
    """A batch of our own messages; `done` is set when all answers have arrived, or to the error that ended them."""

    __slots__ = ("_left", "done")

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = 0

    def expect(
        self,
        ends: bytes,
        frames: list[Frame] | None = None,
        arrived: Callable[[], None] | None = None,
        noticed: Callable[[], None] | None = None,
    ) -> PrivateReply:
        """Make the reply for one more message; its answer goes to `frames`.

        `arrived` is called when the answer is complete, `noticed` for every notice before.
        """
        self._left += 1
        return PrivateReply(ends, self, frames, arrived, noticed)

    def expect_command(self, frames: list[Frame]) -> PrivateReply:
        """Make the reply for the execution of a statement that the client asked for in other words."""
        self._left += 1
        return CommandReply(EXECUTE_ENDS, self, frames)

    def expect_copy_in(self, frames: list[Frame]) -> CopyInReply:
        """Make the reply for the execution of a COPY FROM STDIN."""
        self._left += 1
        return CopyInReply(self, frames)

    def finish_one(self) -> None:
        """Count one complete answer."""
        self._left -= 1
        if self._left == 0 and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: OmniSQLError) -> None:
        """Hand the error to whoever waits; after a cancellation nobody does."""
        if not self.done.done():
            self.done.set_exception(error)
            # Mark it as seen: nobody waits for an exchange whose statement was stopped.
            self.done.exception()


class PrivateReply(Reply):
    """One answer of an exchange."""

    __slots__ = ("_arrived", "_exchange", "_frames", "_noticed")
    passes = False
    touches = False

    def __init__(
        self,
        ends: bytes,
        exchange: Exchange,
        frames: list[Frame] | None,
        arrived: Callable[[], None] | None = None,
        noticed: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(ends)
        self._exchange = exchange
        self._frames = frames
        self._arrived = arrived
        self._noticed = noticed

    @property
    def is_private(self) -> bool:
        """The client sent nothing."""
        return True

    def take(self, frame: Frame, _out: list[bytes]) -> None:
        """Collect a message."""
        if self._frames is not None:
            self._frames.append(frame)
        if frame.kind in self.ends:
            if self._arrived is not None:
                self._arrived()
            self._exchange.finish_one()

    def notice(self) -> None:
        """Tell who asked for it."""
        if self._noticed is not None:
            self._noticed()

    def fail(self, frame: Frame, _out: list[bytes]) -> None:
        """Raise PostgreSQL's error where the exchange was asked for."""
        self._exchange.fail(BackendError(decode_report(frame.payload)))

    def drop(self, error: OmniSQLError) -> None:
        """Raise the error that came earlier."""
        self._exchange.fail(error)


class CommandReply(PrivateReply):
    """One answer of an exchange whose notices are for the client: what is done here is what it asked for."""

    __slots__ = ()
    touches = True

    @property
    def is_private(self) -> bool:
        """The client sent a statement of the same effect."""
        return False


class CopyInReply(PrivateReply):
    """The answer to a COPY FROM STDIN of our own; `begun` is set once PostgreSQL wants the data, or never will."""

    __slots__ = ("begun",)
    touches = True

    def __init__(self, exchange: Exchange, frames: list[Frame]) -> None:
        super().__init__(EXECUTE_ENDS, exchange, frames)
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, frame: Frame, out: list[bytes]) -> None:
        """Learn that the data may come."""
        self._begin()
        super().take(frame, out)

    def fail(self, frame: Frame, out: list[bytes]) -> None:
        """Learn that it may not, or no longer."""
        super().fail(frame, out)
        self._begin()

    def drop(self, error: OmniSQLError) -> None:
        """Learn that it may not."""
        super().drop(error)
        self._begin()

    def _begin(self) -> None:
        if not self.begun.done():
            self.begun.set_result(None)
