"""The client's messages since its last Sync, kept so that a refused statement can be handled once more.

Pure, but for the replies at the end, which tell whoever asked of a refusal instead of the client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from omnisql_server.session.refusals import is_final
from omnisql_server.session.replies import BIND_ENDS, EXECUTE_ENDS, Reply, SyncReply, is_refusal, with_hint
from wire.backend_decode import decode_report
from wire.framing import Frame, FrameBuffer

JOURNAL_BYTES_MAX = 65_536
"""Longest implicit transaction that is kept; a longer one is not handled again."""

Refuse = Callable[[Frame, Reply], bool]


class Journal:
    """Keeps the messages of the implicit transaction that the client sends now, up to and with its Sync."""

    __slots__ = ("_bytes", "_ended", "_frames", "_unit", "_whole")

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        # In the place of frames, not taken apart unless somebody asks.
        self._unit = b""
        self._bytes = 0
        self._ended = False
        self._whole = True

    @property
    def is_begun(self) -> bool:
        """Say whether anything came since the last Sync."""
        return not self._ended and (bool(self._frames) or not self._whole)

    def note(self, frame: Frame) -> None:
        """Keep a message; the first one after a Sync begins anew."""
        if self._ended:
            self.clear()
        self._bytes += len(frame.data)
        if self._bytes <= JOURNAL_BYTES_MAX:
            self._frames.append(frame)
        else:
            self.spoil()
        self._ended = frame.kind == b"S"

    def note_unit(self, data: bytes) -> None:
        """Keep the messages of a whole implicit transaction; none is begun."""
        self._whole = len(data) <= JOURNAL_BYTES_MAX
        self._unit = data if self._whole else b""
        self._frames = []
        self._ended = True

    def spoil(self) -> None:
        """Learn that what was sent since the last Sync cannot be handled again."""
        self._whole = False
        self._frames, self._unit = [], b""

    def clear(self) -> None:
        """Forget everything, because it is over."""
        self._frames, self._unit, self._bytes, self._ended, self._whole = [], b"", 0, False, True

    def forget_answered(self) -> None:
        """Forget an implicit transaction whose Sync was answered, with nothing sent since."""
        if self._ended:
            self.clear()

    def since_bind(self, refused: Reply, pending: Sequence[Reply]) -> tuple[list[Frame], list[Frame]] | None:
        """Return the messages before the Bind of the refused statement, and from it on.

        None if anything else was bound before, or it cannot be told. `pending` are the replies still expected,
        `refused` the first of them.
        """
        ends = [reply for reply in pending if reply.ends == b"Z"]
        alone = not ends or (len(ends) == 1 and ends[0] is pending[-1] and isinstance(ends[0], RefusedSync))
        frames = self._frames or list(_frames_of(self._unit))
        kinds = [frame.kind for frame in frames]
        waiting = [type(reply) for reply in pending]
        bound = kinds.count(b"B") - waiting.count(BindReply)
        executed = kinds.count(b"E") - waiting.count(ExecuteReply)
        first = (bound, executed) == ((1, 0) if isinstance(refused, ExecuteReply) else (0, 0))
        if not (self._whole and alone and first and b"B" in kinds):
            return None
        place = kinds.index(b"B")
        return frames[:place], frames[place:]


def _frames_of(unit: bytes) -> FrameBuffer:
    buffer = FrameBuffer(JOURNAL_BYTES_MAX)
    buffer.feed(unit)
    return buffer


class BindReply(Reply):
    """The answer to a relayed Bind; `refuse` is told of a refusal and says whether it keeps it from the client."""

    __slots__ = ("_refuse",)

    def __init__(self, refuse: Refuse, ends: bytes = BIND_ENDS) -> None:
        super().__init__(ends)
        self._refuse = refuse

    def fail(self, frame: Frame, out: list[bytes]) -> None:
        """Hold back the one error that may be mended."""
        mendable = is_refusal(frame) and not is_final(decode_report(frame.payload))
        if not mendable or not self._refuse(frame, self):
            out.append(with_hint(frame))


class ExecuteReply(BindReply):
    """The answer to a relayed Execute, where PostgreSQL plans what is not a plain query."""

    __slots__ = ()

    def __init__(self, refuse: Refuse) -> None:
        super().__init__(refuse, EXECUTE_ENDS)


class RefusedSync(SyncReply):
    """The answer to the client's Sync, kept from it while `held` says that a refusal is: its transaction goes on."""

    __slots__ = ("_held", "_passed")

    def __init__(self, held: Callable[[], bool], passed: Callable[[], None]) -> None:
        super().__init__()
        self._held = held
        self._passed = passed

    def take(self, frame: Frame, out: list[bytes]) -> None:
        """Pass ReadyForQuery on unless the statement before it is to be handled again."""
        if self.passes_ready():
            out.append(frame.data)

    def passes_ready(self) -> bool:
        """Say whether the statement before it is not to be handled again."""
        if self._held():
            return False
        self._passed()
        return True
