"""The raw connection to a session's PostgreSQL backend: messages go out in order, every answer finds its `Reply`.

A protocol, not a task: what arrives is dispatched at once, so that a deep pipeline never waits for its own answers.
While the client's writer is full, reading pauses. PostgreSQL 18, chapters 54.2 and 54.7.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence

from catalog.clusters import ClusterAddress
from omnisql_server.errors import BackendError, BackendLost, OmniSQLError
from omnisql_server.session.cancel import CancelsSent
from omnisql_server.session.client import ClientConnection
from omnisql_server.session.connection import TERMINATE, BackendConnection
from omnisql_server.session.dial import said_before_loss
from omnisql_server.session.ending import close_transport, lost_session
from omnisql_server.session.expected import Expected
from omnisql_server.session.link_events import LinkEvents
from omnisql_server.session.passing import NOTED_TAGS, READY_BYTES, Answers
from omnisql_server.session.replies import COPY_END, Reply, SyncReply, is_fatal, is_refusal
from wire.backend_decode import decode_report
from wire.errors import WireError
from wire.framing import Frame, FrameBuffer

FLUSH = b"H\0\0\0\x04"
SYNC = b"S\0\0\0\x04"
BATCH_BYTES = 65_536
BACKEND_MESSAGE_BYTES_MAX = 1 << 30
_ASYNCHRONOUS = b"NSA"
_ABORTED = BackendError({"S": "ERROR", "V": "ERROR", "C": "25P02", "M": "current transaction is aborted"})
_OPENING_TAGS, _FORGETTING_TAGS = NOTED_TAGS[:2], NOTED_TAGS[2:]


class BackendLink(asyncio.Protocol):
    """One connection at a time; `status` is the last ReadyForQuery's, `pending` are the replies expected, in order.

    `parameters` are the ParameterStatus messages that the client has seen, by name. `timed_out`: the next cancellation
    is a timeout's; `retell`: an error as it is told; `skipping`: PostgreSQL ignores all up to the next Sync, after an
    error; `copying_in`: it waits for COPY data; `executed_privately`: the pipeline executed something since the last
    Ready; `resting`: what came last answered a Sync; `pressed`: the writer is full. Same `touches`: same settings.
    `answer_bytes` came since the last Ready; that they are more than `answer_bytes_max` is told. `tells_next`: that the
    next answer is over is told, even if it is like the last one and the client is calm.
    """

    def __init__(self, client: ClientConnection) -> None:
        self._client = client
        self._address: ClusterAddress | None = None
        self._frames = FrameBuffer(BACKEND_MESSAGE_BYTES_MAX, from_backend=True)
        self.pending, self._answers = Expected(), Answers()
        # What was sent by `send_alone`, as long as nothing of its answer has come and nothing was sent since.
        self._alone: Sequence[Reply] | None = None
        self._out, self._out_bytes, self._flush_needed = list[bytes](), 0, False
        self._settled: asyncio.Future[None] | None = None
        self._cancels = CancelsSent()
        self.pressed = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._skip_error: OmniSQLError = _ABORTED
        self._ready_is_private = self._block_opened = False
        self.events: LinkEvents | None = None
        self.retell: Callable[[Frame, bool], Frame] = lambda frame, _timed_out: frame
        self.status, self.secret_key = "I", b""
        self.skipping = self.copying_in = self.fatal_shown = self.timed_out = self.executed_privately = False
        self.tells_next, self.resting, self.head_since_s, self.process_id, self.touches = True, False, 0.0, 0, 0
        self.parameters: dict[bytes, bytes] = {}
        self.answer_bytes, self.answer_bytes_max = 0, sys.maxsize

    @property
    def lost(self) -> bool:
        """Say whether the connection is gone."""
        return self._closed.is_set()

    @property
    def parked(self) -> bool:
        """Say whether there is no connection, because it was given away."""
        return self._transport is None and not self.lost

    @property
    def is_settled(self) -> bool:
        """Say whether the connection can be given away: nothing is on its way in either direction."""
        resting = self._transport is not None and self.status == "I" and not (self.lost or self.is_held)
        return resting and not (self.pressed or self.pending or self._out or self.skipping or self.copying_in)

    @property
    def busy(self) -> bool:
        """Say whether an answer is outstanding."""
        return bool(self.pending)

    @property
    def is_held(self) -> bool:
        """Say whether `drain` would wait."""
        return self._cancels.under_way or not self._writable.is_set()

    @property
    def is_free(self) -> bool:
        """Say whether a message would be the only one under way, is not held back, and is not ignored."""
        if self.pending or self._out or self.skipping or self.copying_in or self.executed_privately:
            return False
        gone = self._transport is None or self._closed.is_set()
        return not gone and self._writable.is_set() and not self._cancels.under_way

    @property
    def in_block(self) -> bool:
        """Say whether a transaction block is open, as far as answers so far tell."""
        return self.status != "I" or self._block_opened

    def send(self, data: bytes, reply: Reply, *replies: Reply) -> None:
        """Queue a message, or several up to Sync; nothing is sent while PostgreSQL would ignore it."""
        if self.skipping:
            if not isinstance(reply, SyncReply):
                reply.drop(self._skip_error)
                return
            self.skipping = False
        if not self.pending:
            self.head_since_s = time.monotonic()
        self.resting, self._alone = False, None
        self.pending.append(reply)
        self.touches += reply.touches
        self._flush_needed = reply.ends != b"Z" and not replies
        self.pending += replies
        self.send_raw(data)

    def send_alone(self, data: bytes, replies: Sequence[Reply]) -> None:
        """Hand a message, or several up to Sync, to the socket; the link is free."""
        self.pending.extend(replies)
        self._alone = replies
        self.touches += 1
        self.resting = self._flush_needed = False
        self.head_since_s = time.monotonic()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def send_raw(self, data: bytes) -> None:
        """Queue bytes that have no answer of their own."""
        self._client.calm = None
        self._out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes >= BATCH_BYTES:
            self.flush()

    def send_copy_end(self, data: bytes) -> None:
        """Queue the CopyDone or CopyFail of a COPY from the client."""
        if self.copying_in:
            self.copying_in = False
        elif self.pending:
            self._alone = None
            self.pending.append(COPY_END)
        self._flush_needed = True
        self.send_raw(data)

    def send_flush(self) -> None:
        """Hand everything queued to the socket, and make PostgreSQL answer all of it now."""
        if self._flush_needed and self.pending:
            self.send_raw(FLUSH)
            self._flush_needed = False
        self.flush()

    def flush(self) -> None:
        """Hand everything queued to the socket."""
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
        self._out, self._out_bytes = [], 0

    async def drain(self) -> None:
        """Wait while the backend takes nothing more, or a cancel is on its way that must not hit what comes next."""
        while self.is_held:
            await self._writable.wait()
            await self._cancels.over()
        self._check()

    async def settle(self) -> None:
        """Wait until every answer has arrived, or the backend waits for COPY data.

        Raises:
            SessionEnd: the connection is gone.
        """
        self.send_flush()
        while self.pending and not self.copying_in and not self.lost:
            if self._settled is None:
                self._settled = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._settled)
        self._check()

    def attach(self, connection: BackendConnection) -> None:
        """Take a connection that has logged in, and tell the client which parameters are different on it."""
        self._address, self.touches = connection.address, self.touches + 1
        self.process_id, self.secret_key = connection.process_id, connection.secret_key
        news = [message for name, message in connection.parameters.items() if self.parameters.get(name) != message]
        self.parameters = connection.parameters
        self._client.put(b"".join((*connection.notices, *news)))
        self.resume_writing()
        if not connection.is_open:
            self.connection_lost(None)
            return
        self._transport = connection.transport
        self._transport.set_protocol(self)
        if self.pressed:
            self.set_pressure(True)
        self.head_since_s = time.monotonic()

    def detach(self) -> BackendConnection | None:
        """Give the connection away; None when it is not settled."""
        transport, address = self._transport, self._address
        if transport is None or address is None or not self.is_settled:
            return None
        self._transport = None
        return BackendConnection.taken_over(transport, address, self.process_id, self.secret_key, self.parameters)

    async def cancel(self) -> None:
        """Cancel what the backend is doing, and return when the request can hit nothing later any more."""
        self._client.calm = None
        if self._address is not None:
            await self._cancels.send(self._address, self.process_id, self.secret_key)

    async def terminate(self, timeout_s: float) -> None:
        """Say goodbye and close."""
        if self._transport is None:
            return
        self.flush()
        if not self._transport.is_closing():
            self._transport.write(TERMINATE)
        await close_transport(self._transport, self._closed, timeout_s)

    def set_pressure(self, blocked: bool) -> None:
        """Stop or go on reading, as the client's writer is full or not; an answer of ours is read even then."""
        self.pressed = blocked
        if self._transport is None or self._transport.is_closing():
            return
        if blocked and not (self.pending and self.pending[0].is_private):
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Dispatch whole messages; what is for the client leaves in one write."""
        calm = self._client.calm
        again = calm is not None and calm.holds and not self.tells_next and len(data) <= self.answer_bytes_max
        if again and self._answers.are_again(data, self._alone):
            self._alone, self.head_since_s = None, time.monotonic()
            self.pending.clear()
            self._client.write(data)
            return
        self.answer_bytes += len(data)
        if self.answer_bytes > self.answer_bytes_max and self.events is not None:
            self.events.on_long_answer()
        if not self._frames.pending_bytes and (count := self._answers.count(data, self.pending, self._alone)):
            self._pass_on(data, count)
            return
        self._frames.feed(data)
        self._alone, self._client.calm = None, None
        out: list[bytes] = []
        try:
            for frame in self._frames.frames():
                self._dispatch(frame, out)
        except WireError as error:
            self._break(error.message)
        if out:
            self._client.write(b"".join(out))
        self._notice_settled()

    def _pass_on(self, data: bytes, count: int) -> None:
        """Hand the client whole answers, the last of which is over with ReadyForQuery."""
        self._alone, self.tells_next = None, False
        for _ in range(count - 1):
            self.pending.popleft()
        head, told = self.pending[0], data
        if not head.passes_ready():
            out: list[bytes] = []
            head.take(Frame(b"Z", data[-READY_BYTES:]), out)
            told = b"".join((data[:-READY_BYTES], *out))
        self._finish_head()
        self._note_ready(data)
        self._client.write(told)
        if self._settled is not None:
            self._notice_settled()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell everybody who waits for an answer that none will come."""
        if error is not None and self._transport is not None and (said := said_before_loss(self._transport)):
            self.data_received(said)
        self._closed.set()
        self._writable.set()
        self.pending.drop(BackendLost(message="the connection to the tenant's PostgreSQL was lost"))
        self._notice_settled()
        if self.events is not None:
            self.events.on_lost()

    def pause_writing(self) -> None:
        """Hold back those who send."""
        self._client.calm = None
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let them send again."""
        self._writable.set()

    def _dispatch(self, frame: Frame, out: list[bytes]) -> None:
        kind = frame.kind
        head = self.pending[0] if self.pending else None
        if kind in _ASYNCHRONOUS:
            if kind == b"S":
                self.parameters[frame.payload.partition(b"\0")[0]] = frame.data
                self.touches += 1
            if kind == b"N" and head is not None and head.is_private:
                head.notice()
            else:
                out.append(frame.data)
        elif kind == b"E":
            self._dispatch_error(frame, head, out)
        elif head is None:
            self._dispatch_unasked(frame, out)
        else:
            if kind == b"Z" and head.ends != b"Z":
                self._break("an answer of the tenant's PostgreSQL came out of order")
                return
            head.take(frame, out)
            if kind in head.ends:
                self._finish_head()
            if kind in b"CGZ":
                self._note(frame)

    def _dispatch_error(self, frame: Frame, head: Reply | None, out: list[bytes]) -> None:
        self.copying_in = False
        if is_fatal(frame):
            self.fatal_shown = True
            out.append(frame.data)
            if head is not None:
                head.drop(BackendLost(message=decode_report(frame.payload).get("M", "the backend ended")))
            return
        frame, self.timed_out = self.retell(frame, self.timed_out), False
        if self.events is not None and is_refusal(frame):
            self.events.on_refusal()
        if head is None:
            error = BackendError(decode_report(frame.payload))
            if self.events is not None and self.events.on_idle_error(error):
                self._ready_is_private = True
            else:
                out.append(frame.data)
            return
        head.fail(frame, out)
        if head.ends != b"Z":
            self._skip_error = BackendError(decode_report(frame.payload))
            self.pending.skip(self._skip_error)
            self.skipping = not self.pending

    def _dispatch_unasked(self, frame: Frame, out: list[bytes]) -> None:
        if frame.kind != b"Z":
            self._break("the tenant's PostgreSQL answered what was not asked")
            return
        if not self._ready_is_private:
            out.append(frame.data)
        self._ready_is_private = False
        self._note(frame)

    def _finish_head(self) -> None:
        self.resting = isinstance(self.pending.finish(), SyncReply)
        self.head_since_s = time.monotonic()

    def _note(self, frame: Frame) -> None:
        """Learn what the session must know: transaction status, COPY from the client, statements forgotten."""
        if frame.kind == b"Z":
            self._note_ready(frame.data)
        elif frame.kind == b"G" and not self.pending[0].is_private:
            self.copying_in = self.pending.begin_copy_in() or self.copying_in
        elif frame.data.startswith(_OPENING_TAGS, 5):
            self._block_opened = True
        elif frame.data.startswith(_FORGETTING_TAGS, 5) and self.events is not None:
            self.events.on_forgotten(everything=frame.data.startswith(_FORGETTING_TAGS[0], 5))

    def _note_ready(self, data: bytes) -> None:
        """Learn the transaction status from bytes that end with ReadyForQuery."""
        self.status = chr(data[-1])
        self._block_opened = self.timed_out = self.executed_privately = False
        self.answer_bytes = 0
        if self.events is not None:
            self.events.on_ready(self.status)

    def _notice_settled(self) -> None:
        if self._settled is not None and (not self.pending or self.copying_in or self.lost):
            self._settled.set_result(None)
            self._settled = None
        elif self._settled is not None and self._flush_needed:
            # Queued since the Flush that is being waited for: nobody else would have it answered.
            self.send_flush()

    def _check(self) -> None:
        if self.lost:
            raise lost_session(told=self.fatal_shown)

    def _break(self, message: str) -> None:
        """Give up a connection whose answers cannot be told apart any more."""
        if self._transport is not None:
            self._transport.abort()
        self.pending.drop(BackendLost(message=message))
