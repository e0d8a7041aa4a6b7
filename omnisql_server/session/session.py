"""One client's session from its first ReadyForQuery to its end: takes each message and relays or runs it.

While a session is idle its backend may be given away (`parking`). A session has no task but the one that serves it.
What happens meanwhile (answers, a lost peer, a cancel, a drain) arrives as callbacks, which leave word here or
interrupt the run statement.
"""

from __future__ import annotations

import asyncio

from omnisql_server.errors import BackendError, NotSupported, error_fields
from omnisql_server.live_settings import PresentSettings
from omnisql_server.model.principal import Principal
from omnisql_server.model.room import Room
from omnisql_server.model.run import SessionView, StatementRunner
from omnisql_server.session.backend import SessionBackend
from omnisql_server.session.client import ClientConnection
from omnisql_server.session.ending import SessionEnd, admin_shutdown, lost_session
from omnisql_server.session.extended import ExtendedProtocol
from omnisql_server.session.footprint import CLOSE_UNNAMED
from omnisql_server.session.interrupts import Interrupts, statement_timeout, user_request
from omnisql_server.session.link import BackendLink
from omnisql_server.session.login import READ_ONLY
from omnisql_server.session.onlookers import Onlooker
from omnisql_server.session.parking import Home, Parking
from omnisql_server.session.portals import Portal
from omnisql_server.session.presence import Presence
from omnisql_server.session.proven import Proven
from omnisql_server.session.relaying import Relaying
from omnisql_server.session.replies import QUERY_SYNC, RELAYED_FUNCTION_CALL, CopyEnd, QueryReply
from omnisql_server.session.room import SessionRoom
from omnisql_server.session.running import Running
from omnisql_server.session.simple import SimpleProtocol
from wire.backend import error_response, notice_response, parameter_status
from wire.framing import Frame

FRAMES_PER_TURN = 256
_IS_READ_ONLY = parameter_status(READ_ONLY, "on")


class Session:
    """Serves one client over one backend at a time.

    Implements `link_events.LinkEvents`, `cancel.Cancelable`, `listener.drain.Drainable` and `pool.Holder`.
    """

    def __init__(
        self,
        *,
        client: ClientConnection,
        link: BackendLink,
        home: Home,
        runner: StatementRunner,
        principal: Principal,
        live: PresentSettings,
        room: Room | None = None,
    ) -> None:
        self._client = client
        self._link = link
        self._live = live
        self._interrupts = Interrupts()
        presence = Presence(link, self._interrupts)
        self._backend = SessionBackend(link, presence)
        view = SessionView(
            principal=principal,
            backend=self._backend,
            notice=lambda fields: client.write(notice_response(fields)),
            remember=self._remember,
        )
        self._running = Running(
            client=client,
            link=link,
            backend=self._backend,
            runner=runner,
            view=view,
            interrupts=self._interrupts,
            presence=presence,
            live=live,
        )
        self._parking = Parking(
            link=link, backend=self._backend, footprint=self._running.footprint, home=home, live=live
        )
        self._park_wanted = False
        proven = Proven(link)
        self._extended = ExtendedProtocol(self._running, proven)
        self._simple = SimpleProtocol(self._running, self._extended, proven)
        self._running.own_names = self._extended.own_names
        self._onlooker = Onlooker(home.pool)
        self._relaying = Relaying(self._running, self._simple, self._extended, self._parking, self._onlooker)
        self._doomed: list[Portal] = []
        self._discarded = False
        self._handling = False
        self._draining = False
        self._stopping: SessionEnd | None = None
        self._terminated = False
        self._task: asyncio.Task[object] | None = None
        self._room = SessionRoom(room, link, live)
        self._stopping_answer: asyncio.Task[None] | None = None
        link.events = self
        client.on_bytes, client.on_frames = self._relaying.relay, self._on_frames
        client.on_gone = self._on_client_gone
        client.on_pressure = link.set_pressure

    async def serve(self) -> None:
        """Handle messages until the client, the backend or the server ends the session; close both connections."""
        self._task = asyncio.current_task()
        self._parking.enter(self)
        try:
            if self._room.must_ask():
                # By its role, or by what the client wants from the start, it might write.
                await self._backend.sync()
            await self._handle_all()
        except SessionEnd as end:
            self._say(end)
        except asyncio.CancelledError:
            if self._stopping is None or self._task is None:
                raise
            self._task.uncancel()
            self._say(self._stopping)
        finally:
            await self._close()

    async def cancel(self) -> None:
        """Stop what runs now: the run statement, or what the backend does for the client; nothing if nothing runs."""
        # What the backend does for us alone, to be given away, is nothing of the client's.
        if not self._interrupts.interrupt(user_request()) and not self._parking.active:
            self._interrupts.interrupt_next(user_request())
            if self._link.busy:
                await self._link.cancel()

    async def cancel_overdue(self) -> None:
        """Stop a relayed statement that `is_overdue`."""
        self._link.timed_out = True
        await self._link.cancel()

    def is_overdue(self, now_s: float) -> bool:
        """Say whether a relayed statement has run for longer than any may; run statements watch themselves."""
        limit_s = self._live.current.listener.statement_timeout_max_s
        waits = (
            self._link.busy and not self._link.copying_in and not self._link.timed_out and not self._interrupts.armed
        )
        return waits and now_s - self._link.head_since_s > limit_s

    def consider_parking(self, now_s: float) -> None:
        """Give the backend away if it has not been needed for long enough."""
        if self._parking.is_due(now_s) and self._is_idle():
            self.give_way()

    def idle_since_s(self) -> float | None:
        """Say since when the backend has been idle and free to go; None when it cannot go."""
        return self._link.head_since_s if self._parking.may_go and self._is_idle() else None

    def give_way(self) -> None:
        """Give the backend away now, if it still can go."""
        self._park_wanted = True
        self._client.wake()

    def show(self) -> asyncio.Future[None] | None:
        """Have the statement that is run seen in PostgreSQL; None where there is none, or it is seen already."""
        presence = self._running.presence
        return None if presence.is_seen else presence.show()

    def drain(self) -> None:
        """End the session as soon as it is idle, outside any transaction."""
        self._draining = True
        self._client.wake()

    def stop(self) -> None:
        """End the session now, whatever it does."""
        self._stopping = admin_shutdown()
        if not self._interrupts.interrupt(self._stopping) and self._task is not None:
            self._task.cancel()

    def on_ready(self, status: str) -> None:
        """Doom the portals that ended with the transaction; believe in DISCARD ALL once nothing else is on its way."""
        if self._discarded:
            self._discarded = False
            if not self._link.busy and not self._handling:
                self._running.footprint.clear()
        if self._running.view.principal.read_only and self._link.parameters.get(READ_ONLY.encode()) != _IS_READ_ONLY:
            # A function of the user's own did what no statement may.
            self.stop()
        self._room.at_ready()
        if self._room.is_left():
            self.stop()
        if status == "I":
            self._running.on_transaction_ended()
        if status != "T" and self._extended.portals:
            self._doomed.extend(self._extended.portals.take_all())
        if self._doomed or self._draining:
            self._client.wake()

    def on_forgotten(self, *, everything: bool) -> None:
        """Forget what the backend has forgotten, unless it did so for another session's sake."""
        if self._parking.active:
            return
        self._backend.forget()
        self._extended.statements.clear()
        self._extended.watched.clear()
        self._discarded = everything

    def on_refusal(self) -> None:
        """Have the catalog read again before the next statement is routed."""
        self._running.snapshot_stale = True

    def on_idle_error(self, error: BackendError) -> bool:
        """Stop the run statement in the middle of which PostgreSQL gave up, as its own timeouts make it do."""
        timed_out = error.sqlstate == "57014"
        return self._interrupts.interrupt(statement_timeout() if timed_out else error)

    def on_long_answer(self) -> None:
        """Cancel a relayed statement whose answer is too long."""
        if self._room.refuses_answer():
            # What PostgreSQL sends until it is canceled stays where it is.
            self._link.set_pressure(True)
            self._stopping_answer = asyncio.get_running_loop().create_task(self._stop_answer())

    async def _stop_answer(self) -> None:
        try:
            await self._link.cancel()
        finally:
            self._link.set_pressure(False)

    def on_lost(self) -> None:
        """Stop the run statement and have the loop notice."""
        self._interrupts.interrupt(lost_session(told=self._link.fatal_shown))
        self._client.wake()

    def _remember(self, names: frozenset[str]) -> None:
        self._running.remember(names)

    def _on_client_gone(self) -> None:
        self._interrupts.interrupt(SessionEnd())

    async def _handle_all(self) -> None:
        handled = 0
        while True:
            if self._has_chores():
                await self._do_chores()
            frame = await self._next_frame()
            if frame is None:
                continue
            if self._link.parked and frame.kind != b"X":
                await self._parking.restore()
            if self._link.is_held:
                await self._link.drain()
            if self._extended.has_refused:
                await self._do_chores()
            if frame.kind not in b"dcfHX" and self._awaits_query():
                # The next message may be run, or the query may have to be tried again: one after the other.
                await self._link.settle()
                await self._do_chores()
            if frame.kind in b"PB" and await self._repeated(frame):
                continue
            if self._parking.lacks_unnamed:
                self._parking.prepare_unnamed(frame)
            if self._onlooker.looks(frame):
                await self._onlooker.show_others()
            if not self._relay_at_once(frame):
                self._handling = True
                with self._interrupts.expecting():
                    await self._handle(frame)
                self._handling = False
            handled += 1
            if handled % FRAMES_PER_TURN == 0:
                # A client that sends without end must not keep other sessions waiting.
                await asyncio.sleep(0)

    async def _repeated(self, frame: Frame) -> bool:
        """Answer all up to Sync as it was answered before, and say whether that could be done."""
        if not await self._extended.repeated(frame):
            return False
        self._parking.lacks_unnamed |= self._extended.units.takes_unnamed()
        return True

    def _on_frames(self) -> None:
        """Relay what has just arrived without a turn of the session's task, as long as nothing else is to be done."""
        if self._parking.lacks_unnamed or self._link.parked or self._link.is_held or self._has_chores():
            return
        for _ in range(FRAMES_PER_TURN):
            frame = self._client.first_frame
            if frame is None or self._onlooker.looks(frame) or not self._relay_at_once(frame):
                break
            if frame.kind in b"QP":
                self._relaying.learn(frame)
            self._client.take_frame()
        self._link.flush()

    def _relay_at_once(self, frame: Frame) -> bool:
        """Relay a message that nothing has to be done or waited for before, and say whether it was one."""
        if self._link.copying_in or self._awaits_query():
            return False
        if frame.data == CLOSE_UNNAMED and not (self._extended.discarding or self._link.skipping):
            self._running.footprint.unnamed = None
        if frame.kind != b"Q":
            self._simple.drop_failed_portal()
            return self._extended.relay_at_once(frame)
        ignored = self._extended.discarding or b"" in self._extended.statements
        return not ignored and self._simple.relay_at_once(frame)

    def _awaits_query(self) -> bool:
        """Say whether the answer to a simple query is outstanding; what is ours may be before it."""
        pending = self._link.pending
        if not pending:
            return False
        last = pending[-1]
        return isinstance(pending[0], QueryReply) or last is QUERY_SYNC or isinstance(last, QueryReply | CopyEnd)

    async def _next_frame(self) -> Frame | None:
        if not self._client.has_frames:
            self._link.flush()
        return await self._client.next_frame()

    def _has_chores(self) -> bool:
        waiting = self._draining or self._park_wanted or self._simple.has_refused or self._extended.has_refused
        return self._link.lost or waiting or bool(self._doomed)

    def _is_idle(self) -> bool:
        """Say whether the client has nothing under way, as far as this side knows."""
        waiting = self._client.has_frames or self._simple.has_refused or self._draining or bool(self._doomed)
        return not (waiting or self._running.relayed or self._extended.holds_open)

    async def _do_chores(self) -> None:
        if self._link.lost:
            raise lost_session(told=self._link.fatal_shown)
        if self._simple.has_refused:
            await self._simple.retry()
        if self._extended.has_refused:
            await self._extended.retry()
        while self._doomed:
            await self._running.release(self._doomed.pop())
        idle = not self._link.busy and self._link.status == "I" and not self._client.has_frames
        if self._draining and idle and not self._running.relayed:
            raise admin_shutdown()
        if self._park_wanted:
            self._park_wanted = False
            if self._is_idle() and self._parking.may_go and await self._parking.park():
                self._extended.statements.lose_twins()
                self._simple.forget_last()
                self._extended.journal.forget_answered()

    async def _handle(self, frame: Frame) -> None:
        kind = frame.kind
        if kind == b"X":
            self._terminated = True
            raise SessionEnd
        if self._extended.discarding and kind != b"S":
            return
        if kind in b"dcf":
            self._handle_copy(frame)
        elif self._link.copying_in:
            if kind not in b"HS":
                # PostgreSQL, which waits for COPY data, says what it thinks of it.
                self._link.send_raw(frame.data)
        elif kind == b"Q":
            await self._extended.drop_unnamed()
            await self._simple.query(frame)
        elif kind == b"F" and self._running.view.principal.read_only:
            # A function by its number may be any, one that ends the read-only mode as well.
            raise SessionEnd(NotSupported(message="function calls are not supported in a session for reading only"))
        elif kind == b"F":
            self._running.footprint.stateful = True
            self._link.send(frame.data, RELAYED_FUNCTION_CALL)
        elif kind == b"p":
            self._link.send_raw(frame.data)
        else:
            await self._extended.handle(frame)

    def _handle_copy(self, frame: Frame) -> None:
        if self._link.skipping:
            return
        if frame.kind == b"d":
            self._link.send_raw(frame.data)
        else:
            self._link.send_copy_end(frame.data)

    def _say(self, end: SessionEnd) -> None:
        if end.error is not None:
            self._client.write(error_response(error_fields(end.error, severity="FATAL")))

    async def _close(self) -> None:
        """Release everything; what the backend still does for a client that is gone is canceled."""
        for portal in (*self._doomed, *self._extended.portals.take_all()):
            await self._running.release(portal)
        if self._link.busy and not self._link.lost and not self._terminated:
            await self._link.cancel()
        self._parking.leave()
        await self._link.terminate(self._live.current.sessions.backend_timeout_s)
        await self._client.close(self._live.current.sessions.close_timeout_s)
