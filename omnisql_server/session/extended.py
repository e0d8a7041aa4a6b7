"""The extended protocol: each message is relayed or run by the statement or portal that it names.

Before anything of ours is answered, the answers to what was relayed are brought in (Flush), so that the client sees one
order. After an error everything up to Sync is ignored (PostgreSQL 18, chapter 54.2.3). A relayed statement that meets
an API table is handled once more if nothing of its implicit transaction was done before it (`refused`).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from dataclasses import replace

from omnisql_server.errors import OmniSQLError, RelayInstead
from omnisql_server.model.statement import SECRET_KINDS, Statement
from omnisql_server.session.describing import Describing
from omnisql_server.session.link import FLUSH, SYNC
from omnisql_server.session.moving import Movements, may_move
from omnisql_server.session.placeholders import open_placeholder
from omnisql_server.session.portals import Portal, Portals, bound_portal, sync_says_nothing
from omnisql_server.session.proven import Proven
from omnisql_server.session.refused import Refused, RefusedStatements
from omnisql_server.session.replies import (
    CLOSE_ENDS,
    DESCRIBE_ENDS,
    PARSE_ENDS,
    READY_ENDS,
    CheckReply,
    IgnoredReply,
    with_hint,
)
from omnisql_server.session.running import Running
from omnisql_server.session.statements import (
    RunStatement,
    RunStatements,
    bound_parameters,
    is_run,
    may_hold_secret,
    named_text,
)
from omnisql_server.session.twins import Twins
from omnisql_server.session.units import Units
from omnisql_server.session.watched import WatchedStatements
from wire.backend import PARSE_COMPLETE, READY_IN_TRANSACTION
from wire.errors import WireError
from wire.framing import Frame
from wire.frontend import Bind, Close, Describe, Execute, Parse, decode_frontend

_NAMING = re.compile(rb"execute|fetch|move", re.IGNORECASE)
"""Key words of statements that name a prepared statement or a portal."""
_SEVERAL = b"SELECT; SELECT"
"""Two statements in one Parse: PostgreSQL has its own words for that."""


class ExtendedProtocol:
    """Handles Parse, Bind, Describe, Execute, Close, Flush and Sync.

    `discarding` says that a run statement failed and everything up to Sync is ignored.
    """

    def __init__(self, running: Running, proven: Proven) -> None:
        self._running = running
        self._link = running.link
        self.statements = RunStatements(running.live, running.backend.close_statement)
        self.portals = Portals(running.live)
        self.discarding = False
        self._strays: list[bytes] = []
        self.units = Units(running, proven, self.statements)
        self._describing = Describing(running, self.statements, self.portals)
        self._movements = Movements(self.statements, self.portals)
        self._twins = Twins(running, self.statements, self._strays)
        self.watched = WatchedStatements(running)
        self._by_name = (self.statements.by_name, self.portals.by_name, self.watched.by_name)
        self._refused = RefusedStatements(running)
        self.journal, self.replies = self._refused.journal, self._refused.replies

    @property
    def holds_open(self) -> bool:
        """Say whether a portal is open, an error is being slept out, or something waits for the next Sync."""
        return self.discarding or bool(self.portals) or bool(self._strays) or bool(self._refused)

    @property
    def has_refused(self) -> bool:
        """Say whether a relayed statement met an API table and is to be handled once more, before anything else is."""
        return bool(self._refused)

    @property
    def has_ours(self) -> bool:
        """Say whether a message might concern anything that is run, or is to be ignored."""
        statements, portals, watched = self._by_name
        return bool(statements or portals or watched or self.discarding or self._strays)

    async def repeated(self, frame: Frame) -> bool:
        """Answer the unit that begins with a message as it was answered before, and say whether that could be done."""
        link, running = self._link, self._running
        busy = link.busy or link.in_block or link.skipping or link.copying_in
        alone = not (busy or running.relayed or running.executed or self.holds_open)
        return await self.units.answered(frame, alone=alone)

    def own_names(self, text: bytes) -> frozenset[str]:
        """Return the names of what this session prepared or opened over API tables, if a text may name one of them."""
        if not (self.statements or self.portals) or _NAMING.search(text) is None:
            return frozenset()
        return self.statements.names | self.portals.names

    async def drop_unnamed(self) -> None:
        """Forget the unnamed statement, as PostgreSQL does when it reads a Query or another such Parse."""
        if b"" in self.statements and await self._settled():
            self.statements.forget(b"")

    async def handle(self, frame: Frame) -> None:
        """Handle one message."""
        self.journal.note(frame)
        self.units.inside = frame.kind != b"S"
        if frame.kind == b"S":
            await self._sync()
        elif frame.kind == b"H":
            self._link.send_raw(FLUSH)
            self._link.flush()
        elif frame.kind in (b"P", b"B") or self.has_ours or self._running.overlay:
            await self._handle_named(frame)
        else:
            self._relay(frame)

    def relay_at_once(self, frame: Frame) -> bool:
        """Relay a message that cannot concern anything run, and say whether it was one: the common case, made short."""
        reply = self.replies.get(frame.kind)
        if reply is None or self.has_ours:
            return False
        if frame.kind == b"B" and (self._running.overlay or self.watched.may_concern(frame.data)):
            return False
        if frame.kind == b"P":
            found = named_text(frame.data)
            if found is None or not self._running.is_relayed(found[1]) or (found[0] and may_move(found[1])):
                return False
            self._running.footprint.parse(frame.data, *found)
            self.watched.parsed(found[0])
        self.journal.note(frame)
        self._link.send(frame.data, reply)
        self._running.relayed = frame.kind != b"S"
        self._running.executed = self._running.relayed and (self._running.executed or frame.kind == b"E")
        return True

    async def retry(self) -> None:
        """Handle a refused statement once more, as one that is run, and what came after it; else the refusal stands.

        What the client was told already (that a statement is parsed, a portal bound) it is not told again.
        """
        refused = await self._refused.take()
        if refused is None:
            return
        if not await self._running.attempt(self._adopt(refused)):
            self.discarding = True
        if refused.executing and not self.discarding:
            await self._bind(refused.frames[0], refused.bind, told=True)
        for frame in refused.after_bind if refused.executing else refused.frames:
            if frame.kind == b"S" or not self.discarding:
                await self.handle(frame)

    async def _adopt(self, refused: Refused) -> None:
        """Make a statement that PostgreSQL has under the client's name one that is run; else the refusal stands."""
        found = await self._refused.statement_of(refused)
        if found is not None:
            self.statements.check_room(refused.bind.statement)
        statement = await self._twins.described(refused.bind.statement, found)
        if statement is not None:
            self.statements.put(statement)
            return
        self._running.client.write(with_hint(refused.error, final=True))
        self.discarding = True

    async def _handle_named(self, frame: Frame) -> None:
        try:
            message = decode_frontend(frame)
        except WireError:
            # PostgreSQL has its own words for what is wrong with the message.
            self._relay(frame)
            return
        match message:
            case Parse():
                await self._parse(frame, message)
            case Bind():
                await self._bind(frame, message)
            case Describe() if self._describing.concerns(message):
                await self._describing.describe(message)
            case Execute(portal=name) if name in self.portals:
                await self._execute(message)
            case Close():
                await self._close(frame, message)
            case _:
                self._relay(frame)

    async def _parse(self, frame: Frame, message: Parse) -> None:
        self._running.footprint.parse(frame.data, message.statement, message.text)
        if not self._running.speaks_utf8 and not await self._settled():
            self._relay(frame)
            return
        parts = await self._running.route(message.text)
        if parts is not None and len(parts) > 1 and any(may_hold_secret(part) for part in parts):
            # PostgreSQL refuses more than one statement, but not before showing the text in its activity.
            self._relay(Frame(kind=frame.kind, data=replace(message, text=_SEVERAL).encode()))
            return
        if parts is None or len(parts) != 1 or not is_run(parts[0]) or parts[0].statement is None:
            if not message.statement:
                await self.drop_unnamed()
            self._relay(frame)
            self.watched.parsed(message.statement)
            moving = self._movements.read(message, parts)
            if (moving is not None or message.statement in self.statements) and await self._settled():
                self.statements.forget(message.statement)
                if moving is not None:
                    await self._succeeds(self._movements.keep(moving))
            return
        if await self._ready(frame):
            await self._prepare(frame, message, parts[0].statement, parts[0].offset)

    async def _prepare(self, frame: Frame, message: Parse, statement: Statement, shift: int) -> None:
        """Parse a run statement: under the client's name, where PostgreSQL judges it, and as the pipeline's twin."""
        name = message.statement
        check = CheckReply(PARSE_ENDS)

        twin = self.statements.new_twin()

        async def prepare() -> None:
            await self._running.check_may_run()
            self.statements.check_room(name)
            secret = statement.kind in SECRET_KINDS
            self._link.send(Parse(statement=name, text=b"").encode() if secret else frame.data, check)
            view = self._running.view
            try:
                description = await self._running.runner.describe(statement, message.type_oids, view, twin=twin)
            except RelayInstead as relayed:
                self._running.backend.close_statement(twin)
                self.statements.forget(name)
                self.watched.parsed(name)
                if relayed.watched:
                    self.watched.put(name, statement)
                if secret:
                    self._link.send(Close(kind="S", name=name).encode(), IgnoredReply(CLOSE_ENDS))
                    self._relay(frame)
                elif await self._settled():
                    # PostgreSQL has the statement under the client's name already.
                    self._running.client.write(PARSE_COMPLETE)
                return
            if await self._settled():
                prepared = RunStatement(name=name, statement=statement, description=description, twin=twin)
                self.statements.put(prepared)
                self._running.client.write(PARSE_COMPLETE)

        succeeded = await self._running.attempt(prepare(), shift=shift, told=check)
        if not succeeded:
            self.discarding = True
            # A privilege may have been missing after PostgreSQL had parsed it.
            self._strays.append(twin.encode())
            if check.passed or not name:
                # PostgreSQL has taken what the client is told it does not have, or it was not asked at all: a Parse
                # drops the unnamed statement whether it succeeds or not.
                self._strays.append(name)
                self.statements.forget(name)

    async def _bind(self, frame: Frame, message: Bind, *, told: bool = False) -> None:
        """Bind a statement; `told` says that the client knows that it is bound."""
        statement, source = self.statements.get(message.statement), None
        if statement is not None:
            statement, source = self._movements.bound(statement)
        elif message.statement.decode(errors="replace") in self._running.overlay:
            lent: list[RunStatement] = []
            lend = self._twins.lend(message.statement, self._refused, lent)
            if not await self._ready(frame) or not await self._succeeds(lend):
                return
            statement = lent[0] if lent else None
        if statement is None:
            if self.watched.concerns(message.statement):
                self.journal.spoil()
                if not (await self._ready(frame) and await self._succeeds(self.watched.note(message.statement))):
                    return
            self._relay(frame)
            if message.portal in self.portals and await self._settled():
                await self._drop_portal(message.portal)
            return
        self.journal.spoil()
        if any(reply.ends == READY_ENDS for reply in self._link.pending):
            # The ReadyForQuery of an earlier Sync ends earlier portals, not this one.
            await self._link.settle()
        try:
            self.portals.check_room(message.portal)
            parameters = bound_parameters(statement, message)
        except (OmniSQLError, WireError) as error:
            if await self._ready(frame):
                self.discarding = True
                await self._running.fail(error)
            return
        portal = bound_portal(message.portal, statement, parameters, source)
        kept = self.statements.keeps(statement.twin) and not statement.description.needs_snapshot
        if kept or (await self._ready(frame) and await self._succeeds(self.renew(portal))):
            await self._open_portal(message, portal, told=told)

    async def _succeeds(self, work: Awaitable[None]) -> bool:
        """Do a statement's work; if it fails, the client is told, and everything up to Sync is ignored."""
        self.discarding = not await self._running.attempt(work)
        return not self.discarding

    async def renew(self, portal: Portal) -> None:
        """Make sure that a portal that is to be run has its twin.

        Raises:
            OmniSQLError: it cannot.
        """
        if portal.source is not None:
            self._movements.check(portal.source)
            await self.renew(portal.source)
        elif portal.prepared is not None and portal.result is None and not portal.complete:
            await self._running.check_may_run()
            portal.prepared = await self._twins.renewed(portal.prepared)
            if portal.prepared.description.needs_snapshot and not self.portals:
                await self._running.begin_again()

    async def _open_portal(self, message: Bind, portal: Portal, *, told: bool) -> None:
        """Open a portal, and a placeholder of its name in PostgreSQL."""
        open_placeholder(self._link, message, portal, told=told)
        name = message.portal
        if name in self.portals:
            if not await self._settled():
                return
            await self._drop_portal(name)
        self.portals.put(name, portal)

    async def _execute(self, message: Execute) -> None:
        self.journal.spoil()
        portal = self.portals.get(message.portal)
        in_open_block = self._link.status == "T" and not self._link.pending
        if portal is None or not (in_open_block and self.portals.have_at_hand(portal, message.rows_max)):
            self._link.send(Describe(kind="P", name=message.portal).encode(), CheckReply(DESCRIBE_ENDS))
            self._running.backend.rest()
            if not await self._settled() or portal is None:
                return
            self.portals.doubtful = False
        portal.among_others = self._running.executed
        self._running.executed = True
        succeeded = await self._succeeds(self._deliver(portal, max(message.rows_max, 0)))
        if portal.complete or not succeeded:
            if succeeded:
                self.units.executed(portal)
            await self._running.release(portal)

    async def _deliver(self, portal: Portal, rows_max: int) -> None:
        # Dropped since its Bind: by many others, or by a statement of the same name.
        await self.renew(portal)
        await self._running.deliver(portal, rows_max, describe=False)

    async def _close(self, frame: Frame, message: Close) -> None:
        self._relay(frame)
        if message.kind == "S":
            self.watched.forget(message.name)
        known = message.name in (self.statements if message.kind == "S" else self.portals)
        if not known or not await self._settled():
            return
        if message.kind == "S":
            self.statements.forget(message.name)
        else:
            await self._drop_portal(message.name)

    async def _sync(self) -> None:
        if self.portals and not (self.discarding or self._strays) and sync_says_nothing(self._link):
            self._running.relayed = self._running.executed = False
            self._running.client.write(READY_IN_TRANSACTION)
            await self._running.client.drain()
            return
        self._link.send(SYNC, self.replies[b"S"])
        self._running.relayed = self._running.executed = False
        self.discarding = False
        for name in self._strays:
            self._link.send(Close(kind="S", name=name).encode(), IgnoredReply(CLOSE_ENDS))
        self._strays.clear()
        if self.portals:
            # Which portals outlive it is known when ReadyForQuery arrives, and must be known before the next Bind.
            await self._link.settle()

    def _relay(self, frame: Frame) -> None:
        self._link.send(frame.data, self.replies[frame.kind])
        self._running.relayed = self.portals.doubtful = True
        self._running.executed = self._running.executed or frame.kind == b"E"

    async def _settled(self) -> bool:
        """Bring in all answers; say whether PostgreSQL goes on."""
        await self._link.settle()
        return not self._link.skipping and not self._link.copying_in

    async def _ready(self, frame: Frame) -> bool:
        """Bring in all answers before a message that is not relayed; say whether it is to be handled."""
        settled = await self._settled()
        if self._link.copying_in:
            # Not a message that may come now: PostgreSQL, which waits for COPY data, says so.
            self._link.send_raw(frame.data)
        return settled

    async def _drop_portal(self, name: bytes) -> None:
        portal = self.portals.take(name)
        if portal is not None:
            await self._running.release(portal)
