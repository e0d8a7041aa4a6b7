"""What a session expects of its backend: one `Reply` per message sent, kept in order, that says where the answer goes.

A reply is over at the first message whose kind is in `ends`. An error ends everything up to the next Sync (PostgreSQL
18, chapter 54.2.3), except replies that end with ReadyForQuery, which follows all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from omnisql_server.errors import BackendError, OmniSQLError
from omnisql_server.session.refusals import explained, is_final, is_refusal_report
from wire.backend import error_response
from wire.backend_decode import decode_report
from wire.framing import Frame

_REFUSAL_SQLSTATE = b"C55000\0"

PARSE_ENDS, BIND_ENDS, CLOSE_ENDS, READY_ENDS = b"1", b"2", b"3", b"Z"
DESCRIBE_ENDS, EXECUTE_ENDS = b"Tn", b"CsI"


class Reply:
    """An answer that goes to the client as it is.

    `passes` says that `take` does nothing with messages before the last but hand them on, `touches` that what was sent
    may have changed a setting of the backend, or made what names mean something else.
    """

    __slots__ = ("ends",)
    passes = True
    touches = True

    def __init__(self, ends: bytes) -> None:
        self.ends = ends

    @property
    def is_private(self) -> bool:
        """Say whether the client knows nothing of the message."""
        return False

    def take(self, frame: Frame, out: list[bytes]) -> None:
        """Take one message of the answer; what is for the client goes to `out`."""
        out.append(frame.data)

    def passes_ready(self) -> bool:
        """Take the ReadyForQuery of an answer that came whole if it is for the client as it is, and say whether so."""
        return True

    def fail(self, frame: Frame, out: list[bytes]) -> None:
        """Take the error that ends the answer."""
        out.append(with_hint(frame))

    def drop(self, _error: OmniSQLError) -> None:
        """Learn that there will be no answer because of an earlier error."""

    def notice(self) -> None:
        """Learn of a notice that the client does not get, because the answer is private."""


class SyncReply(Reply):
    """The answer to a Sync: the only message that ends the skipping after an error."""

    __slots__ = ()
    touches = False

    def __init__(self) -> None:
        super().__init__(READY_ENDS)


class PrivateSyncReply(SyncReply):
    """The answer to a Sync, or a simple query, of our own between two statements of the client.

    `done` is set at its ReadyForQuery, or to the error that came before.
    """

    __slots__ = ("_error", "done")
    passes = False
    touches = True

    def __init__(self) -> None:
        super().__init__()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._error: OmniSQLError | None = None

    @property
    def is_private(self) -> bool:
        """The client sent nothing."""
        return True

    def take(self, frame: Frame, _out: list[bytes]) -> None:
        """Keep everything from the client."""
        if frame.kind in self.ends:
            self._finish()

    def fail(self, frame: Frame, _out: list[bytes]) -> None:
        """Keep the error until ReadyForQuery, which follows."""
        self._error = BackendError(decode_report(frame.payload))

    def drop(self, error: OmniSQLError) -> None:
        """Raise the error where the answer is waited for."""
        self._error = error
        self._finish()

    def _finish(self) -> None:
        if self.done.done():
            return
        if self._error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(self._error)
            # Mark it as seen: whoever waited may have been stopped.
            self.done.exception()


class CopyEnd(Reply):
    """The place of a CopyDone or CopyFail among the messages sent; it has no answer of its own."""

    __slots__ = ()
    passes = False

    def __init__(self) -> None:
        super().__init__(b"")


class QueryReply(Reply):
    """The answer to a simple query.

    An error that says that an API table was met is held back while `retryable` and nothing was sent before it;
    if the backend is then idle, `refused` gets it in the client's place.
    """

    __slots__ = ("_held", "_refused", "_retryable", "_started")

    def __init__(self, refused: Callable[[Frame], None], *, retryable: bool) -> None:
        self.ends = READY_ENDS
        self._refused = refused
        self._retryable = retryable
        self._held: Frame | None = None
        self._started = False

    def expect(self) -> None:
        """Begin anew: the answer before is over, and the same is expected again."""
        self._held = None
        self._started = False

    def take(self, frame: Frame, out: list[bytes]) -> None:
        """Pass a message on, unless it is the end of an answer that was held back."""
        self._started = True
        if self._held is None:
            out.append(frame.data)
        elif frame.data[5:] == b"I":
            self._refused(self._held)
        else:
            out.append(with_hint(self._held))
            out.append(frame.data)

    def passes_ready(self) -> bool:
        """Say whether nothing was held back."""
        return self._held is None

    def fail(self, frame: Frame, out: list[bytes]) -> None:
        """Hold back the one error that may be mended."""
        if self._retryable and not self._started and is_refusal(frame) and not is_final(decode_report(frame.payload)):
            self._held = frame
        else:
            out.append(with_hint(frame))


class PartReply(Reply):
    """The answer to one statement of a mixed simple query, run by extended messages that the client did not send."""

    __slots__ = ("_shift", "_shown")
    passes = False

    def __init__(self, ends: bytes, *, shown: bytes = b"", shift: int = 0) -> None:
        super().__init__(ends)
        self._shown = shown
        self._shift = shift

    def take(self, frame: Frame, out: list[bytes]) -> None:
        """Pass on what a simple query would have been answered."""
        if frame.kind in self._shown:
            out.append(frame.data)

    def fail(self, frame: Frame, out: list[bytes]) -> None:
        """Pass the error on; its position counts from the beginning of the client's whole text."""
        out.append(with_hint(frame, self._shift))


class CheckReply(Reply):
    """The answer to a message of ours that only asks whether the client may go on: errors are the client's."""

    __slots__ = ("failed", "passed")
    passes = False
    touches = False

    def __init__(self, ends: bytes) -> None:
        super().__init__(ends)
        self.failed = False
        self.passed = False

    @property
    def is_private(self) -> bool:
        """The client sent something else."""
        return True

    def take(self, frame: Frame, _out: list[bytes]) -> None:
        """Keep the answer from the client."""
        self.passed = frame.kind in self.ends

    def fail(self, frame: Frame, out: list[bytes]) -> None:
        """Tell the client what PostgreSQL says."""
        self.failed = True
        out.append(frame.data)


class IgnoredReply(Reply):
    """The answer to a message of ours that nobody waits for."""

    __slots__ = ()
    passes = False
    touches = False

    @property
    def is_private(self) -> bool:
        """The client sent nothing."""
        return True

    def take(self, _frame: Frame, _out: list[bytes]) -> None:
        """Let it pass."""

    def fail(self, _frame: Frame, _out: list[bytes]) -> None:
        """Let it pass."""


RELAYED_PARSE = Reply(PARSE_ENDS)
RELAYED_BIND = Reply(BIND_ENDS)
RELAYED_DESCRIBE = Reply(DESCRIBE_ENDS)
RELAYED_EXECUTE = Reply(EXECUTE_ENDS)
RELAYED_CLOSE = Reply(CLOSE_ENDS)
RELAYED_FUNCTION_CALL = Reply(READY_ENDS)
RELAYED_SYNC = SyncReply()
QUERY_SYNC = SyncReply()
"""Ends a simple query that was run."""
COPY_END = CopyEnd()


def is_refusal(frame: Frame) -> bool:
    """Say whether an error is PostgreSQL's refusal to read a foreign table that has no handler."""
    return _REFUSAL_SQLSTATE in frame.data and is_refusal_report(decode_report(frame.payload))


def is_fatal(frame: Frame) -> bool:
    """Say whether an error ends the connection."""
    return b"VFATAL\0" in frame.data or b"VPANIC\0" in frame.data


def as_timeout(frame: Frame) -> Frame:
    """Return the error of a cancellation that was not the user's with a message that says so."""
    if b"C57014\0" not in frame.data:
        return frame
    fields = {**decode_report(frame.payload), "M": "canceling statement due to statement timeout"}
    return Frame(frame.kind, error_response(fields))


def with_hint(frame: Frame, shift: int = 0, *, final: bool = False) -> bytes:
    """Return an error for the client: explained if an API table was met, and with its position moved by `shift`.

    `final` says that the statement has been looked at again since.
    """
    refused = is_refusal(frame)
    if not refused and not shift:
        return frame.data
    fields = explained(decode_report(frame.payload), final=final)
    if shift and "P" in fields:
        fields["P"] = str(int(fields["P"]) + shift)
    return error_response(fields)
