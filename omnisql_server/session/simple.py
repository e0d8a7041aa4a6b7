"""The simple protocol: one Query message, relayed whole, run, or split when only some of its statements are run.

A split message is one implicit transaction, as PostgreSQL's own: its statements go as extended messages of ours
without a Sync between them, and what the client sees has the shape of the simple protocol (PostgreSQL 18, chapter
54.2.2).
"""

from __future__ import annotations

from collections.abc import Sequence

from omnisql_server.errors import NotSupported, RelayInstead, UndefinedParameter
from omnisql_server.model.statement import Movement, Part, StatementKind
from omnisql_server.session.ending import SessionEnd
from omnisql_server.session.extended import ExtendedProtocol
from omnisql_server.session.link import FLUSH, SYNC
from omnisql_server.session.moving import moved_portal
from omnisql_server.session.portals import Portal
from omnisql_server.session.proven import Proven
from omnisql_server.session.replies import (
    BIND_ENDS,
    CLOSE_ENDS,
    DESCRIBE_ENDS,
    EXECUTE_ENDS,
    PARSE_ENDS,
    QUERY_SYNC,
    IgnoredReply,
    PartReply,
    QueryReply,
    Reply,
    with_hint,
)
from omnisql_server.session.running import Running
from omnisql_server.session.statements import is_run
from wire.backend import READY_IDLE
from wire.framing import Frame
from wire.frontend import Bind, Close, Describe, Execute, Parse

_NAME = b"omnisql_part"
_SHOWN_OF_EXECUTE = b"DCIGHdc"


class SimpleProtocol:
    """Handles Query messages; `may_leave_portal` says that the last one may have left an unnamed portal."""

    def __init__(self, running: Running, extended: ExtendedProtocol, proven: Proven) -> None:
        self._running = running
        self._proven = proven
        self._extended = extended
        self._last: bytes | None = None
        self._query_alone = QueryReply(self._refuse, retryable=True)
        self.alone: Sequence[Reply] = (self._query_alone,)
        self.may_leave_portal = False
        self._refused: tuple[Frame, Frame] | None = None

    @property
    def has_refused(self) -> bool:
        """Say whether a relayed query met an API table and is to be tried once more."""
        return self._refused is not None

    def forget_last(self) -> None:
        """Let go of the last query's text, which is kept to be tried again; the session is idle."""
        self._last = None

    def drop_failed_portal(self) -> None:
        """Close the unnamed portal that a query has left which failed in a transaction block.

        PostgreSQL 18 forgets its statement before the portal, so that an Execute of it ends the cluster's backends.
        """
        if self.may_leave_portal:
            self.may_leave_portal = False
            if self._running.link.status == "E":
                self._running.link.send(Close(kind="P", name=b"").encode(), IgnoredReply(CLOSE_ENDS))

    def expect_alone(self) -> None:
        """Make sure that nothing is left in `alone` of an answer before."""
        self._query_alone.expect()

    def note_alone(self, data: bytes) -> None:
        """Note a query that is relayed while nothing else is under way, or was before; `alone` is expected of it."""
        self._last = data
        self.may_leave_portal = self._extended.portals.doubtful = True

    def relay_at_once(self, frame: Frame) -> bool:
        """Relay a query that nothing has to be done for before, and say whether it was one: the common case."""
        running, text = self._running, frame.data[5:-1]
        if self._proven.find(text) is not None:
            return False
        ended = running.executed or not running.link.executed_privately
        if not (ended and running.speaks_utf8 and running.is_relayed(text)):
            return False
        running.footprint.query(text)
        self._relay(frame)
        return True

    async def query(self, frame: Frame) -> None:
        """Handle one Query message."""
        text = frame.data[5:-1]
        if await self._repeated(text):
            return
        self._running.footprint.query(text)
        if not self._running.speaks_utf8:
            # What is under way may change the encoding.
            await self._running.link.settle()
        parts = await self._running.route(text)
        # A statement with a parameter fails before PostgreSQL plans it, and by its own words.
        hopeless = parts is not None and len(parts) == 1 and parts[0].parameter is not None
        if parts is not None and self._running.link.status == "E" and all(self._is_of_rights(part) for part in parts):
            # A failed block is ended by PostgreSQL, in whatever statement of the message.
            if not await self._noted(parts):
                return
        elif parts is not None and any(self._is_ours(part) for part in parts) and not hopeless:
            await self._run(frame, parts)
            return
        if self._running.link.executed_privately and not self._running.executed:
            await self._end_ours()
        self._relay(frame)

    async def _repeated(self, text: bytes) -> bool:
        """Answer a text as it was answered before, and say whether that could be done."""
        running, link = self._running, self._running.link
        if link.busy or link.in_block or link.skipping or running.relayed or running.executed:
            return False
        repeatable = self._proven.find(text) if running.footprint.unnamed is None else None
        return repeatable is not None and await running.repeat(repeatable)

    def _is_ours(self, part: Part) -> bool:
        return is_run(part) or moved_portal(part, self._extended.portals) is not None

    async def _noted(self, parts: Sequence[Part]) -> bool:
        """Put statements about rights on record that are relayed as they are; else the client has been told."""
        running = self._running
        for statement in (part.statement for part in parts if part.statement is not None and is_run(part)):
            if not await running.attempt(running.runner.watch(statement, running.view)):
                running.link.send(SYNC, QUERY_SYNC)
                return False
        return True

    def _is_of_rights(self, part: Part) -> bool:
        """Say whether a part is relayed, or about rights and roles."""
        return not self._is_ours(part) or (part.statement is not None and part.statement.kind is StatementKind.RIGHTS)

    def _relay(self, frame: Frame) -> None:
        self._last = frame.data
        self.may_leave_portal = self._extended.portals.doubtful = True
        # Trying again would hide that the refusal undid what the client sent before in the same implicit transaction.
        reply = QueryReply(self._refuse, retryable=not self._running.relayed)
        self._running.link.send(frame.data, reply)
        self._running.relayed = self._running.executed = False

    async def _end_ours(self) -> None:
        """End an implicit transaction that only we executed in: PostgreSQL would not commit it by a Query."""
        link = self._running.link
        await link.settle()
        if not link.skipping and not link.copying_in and link.executed_privately:
            await self._running.backend.sync()

    async def retry(self) -> None:
        """Try the refused query once more with a fresh snapshot; if it is still to be relayed, the refusal stands."""
        if self._refused is None:
            return
        (frame, error), self._refused = self._refused, None
        parts = await self._running.route(frame.data[5:-1])
        if parts is not None and any(is_run(part) for part in parts):
            await self._run(frame, parts)
        else:
            self._running.client.write(with_hint(error, final=True) + READY_IDLE)

    def _refuse(self, error: Frame) -> None:
        if self._last is not None:
            self._refused = (Frame(b"Q", self._last), error)
            self._running.client.wake()

    async def _run(self, frame: Frame, parts: Sequence[Part]) -> None:
        """Run or relay each part in order up to the first error; one ReadyForQuery ends it all."""
        link = self._running.link
        self._extended.portals.doubtful = True
        await link.settle()
        if link.copying_in:
            # PostgreSQL, which waits for COPY data, says what it thinks of it.
            link.send_raw(frame.data)
        if link.skipping or link.copying_in:
            return
        # PostgreSQL's own Query would drop the unnamed statement and replace the unnamed portal.
        for kind in "S" if link.status == "E" else "PS":
            link.send(Close(kind=kind, name=b"").encode(), IgnoredReply(CLOSE_ENDS))
        # A message of any kind stops PostgreSQL's timer for idle transactions while the statement works.
        link.send_raw(FLUSH)
        link.flush()
        alone = len(parts) == 1 and not (link.in_block or self._running.relayed or self._running.executed)
        text = frame.data[5:-1] if alone else None
        try:
            for part in parts if self._running.speaks_utf8 else self._only_run(parts):
                if not await self._part(part, among_others=len(parts) > 1, text=text):
                    break
        except RelayInstead:
            # Only a Query leaves the parameters of EXPLAIN (GENERIC_PLAN) unknown.
            await self._end_ours()
            self._relay(frame)
            return
        link.send(SYNC, QUERY_SYNC)
        self._running.relayed = self._running.executed = False

    def _only_run(self, parts: Sequence[Part]) -> Sequence[Part]:
        """Leave the first part to be run, and so to be refused: the others' texts are not in the client's encoding."""
        return [part for part in parts if is_run(part)][:1]

    async def _part(self, part: Part, *, among_others: bool, text: bytes | None) -> bool:
        if part.parameter is not None:
            return await self._running.attempt(self._refuse_parameter(part.text, *part.parameter), shift=part.offset)
        if is_run(part):
            return await self._run_part(part, among_others=among_others, text=text)
        portal = moved_portal(part, self._extended.portals)
        if portal is not None and part.statement is not None and part.statement.movement is not None:
            return await self._running.attempt(self._move(portal, part.statement.movement))
        return await self._relay_part(part)

    async def _move(self, portal: Portal, movement: Movement) -> None:
        await self._extended.renew(portal)
        await self._running.move(portal, movement)

    async def _refuse_parameter(self, text: str, position: int, number: int) -> None:
        """Refuse a parameter, as PostgreSQL does: a Query message brings no values."""
        await self._running.check_may_run()
        characters = len(text.encode()[:position].decode())
        raise UndefinedParameter(message=f"there is no parameter ${number}", position=characters + 1)

    async def _run_part(self, part: Part, *, among_others: bool, text: bytes | None) -> bool:
        """Run a statement; `text` is that of its message if it is run alone, for the next time."""
        if part.statement is None:
            return True
        touches = self._running.link.touches
        portal = Portal(statement=part.statement, among_others=among_others, alone=text is not None)
        try:
            done = await self._running.attempt(self._running.deliver(portal, 0, describe=True), shift=part.offset)
            if done and text is not None and portal.result is not None and portal.result.repeatable is not None:
                self._proven.learn(text, portal.result.repeatable(), touches)
            return done
        except RelayInstead:
            if part.statement.unvalued_count and not among_others:
                raise
            return await self._relay_part(part)
        finally:
            await self._running.release(portal)

    async def _relay_part(self, part: Part) -> bool:
        link = self._running.link
        if part.statement is not None and part.statement.unvalued_count:
            return await self._running.attempt(_not_among_others())
        self._running.relayed = True
        for message, ends, shown in (
            (Close(kind="S", name=_NAME), CLOSE_ENDS, b""),
            # One whose execution failed in a block is still there.
            (Close(kind="P", name=_NAME), CLOSE_ENDS, b""),
            (Parse(statement=_NAME, text=part.text.encode()), PARSE_ENDS, b""),
            (Bind(portal=_NAME, statement=_NAME), BIND_ENDS, b""),
            (Describe(kind="P", name=_NAME), DESCRIBE_ENDS, b"T"),
            (Execute(portal=_NAME), EXECUTE_ENDS, _SHOWN_OF_EXECUTE),
        ):
            link.send(message.encode(), PartReply(ends, shown=shown, shift=part.offset))
        await link.settle()
        while link.copying_in:
            await self._pass_copy_data()
        # Not earlier: while PostgreSQL waits for COPY data, any other message breaks the connection.
        link.send(Close(kind="P", name=_NAME).encode(), PartReply(CLOSE_ENDS))
        return not link.skipping

    async def _pass_copy_data(self) -> None:
        """Pass one message of the client's COPY data on, while the rest of the query waits."""
        link = self._running.link
        link.flush()
        frame = await self._running.client.next_frame()
        if frame is None or frame.kind in b"HS":
            return
        if frame.kind == b"X":
            raise SessionEnd
        if frame.kind in b"cf":
            link.send_copy_end(frame.data)
        else:
            link.send_raw(frame.data)
        await link.drain()
        if not link.copying_in:
            await link.settle()


async def _not_among_others() -> None:
    """Refuse what only a Query can ask PostgreSQL for, beside statements that are run within the same transaction."""
    raise NotSupported(
        message="EXPLAIN (GENERIC_PLAN) with parameters is not available among other statements",
        hint="send it in a message of its own",
    )
