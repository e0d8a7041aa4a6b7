"""How a run statement is carried out in a session, whichever protocol asked for it: run, deliver, stop, fail.

A run statement that fails takes the backend's transaction with it: the transaction's status is always PostgreSQL's.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import structlog

from omnisql_server.errors import NotSupported, OmniSQLError, RelayInstead, error_fields
from omnisql_server.live_settings import PresentSettings
from omnisql_server.model.backend import Ask, Rows
from omnisql_server.model.run import Repeatable, RunResult, SessionView, StatementRunner, command_result
from omnisql_server.model.statement import CHANGING_KINDS, Movement, Part
from omnisql_server.observability.metrics import INSTRUMENTS
from omnisql_server.parse.router import UNSEEN
from omnisql_server.session.backend import SessionBackend
from omnisql_server.session.client import ClientConnection
from omnisql_server.session.ending import SessionEnd, lost_session
from omnisql_server.session.footprint import Footprint
from omnisql_server.session.interrupts import Interrupts
from omnisql_server.session.link import BackendLink
from omnisql_server.session.moving import FETCHED_BYTES_MAX, answer_too_large, message_ends, steps, too_much_fetched
from omnisql_server.session.portals import Portal
from omnisql_server.session.presence import Presence
from omnisql_server.session.refusals import explained
from omnisql_server.session.replies import CheckReply
from wire.backend import (
    COPY_DONE,
    PORTAL_SUSPENDED,
    READY_IDLE,
    command_complete,
    copy_out_response,
    error_response,
    parameter_status,
    row_description,
)
from wire.backend_decode import decode_data_row
from wire.framing import HEADER_BYTES
from wire.rows import EncodedRows
from wire.sqlstate import QUERY_CANCELED

_UTF8 = parameter_status("client_encoding", "UTF8")
ENCODING = "SELECT pg_catalog.current_setting('client_encoding'::pg_catalog.text)"
"""What PostgreSQL will report with the next ReadyForQuery."""

_log = structlog.get_logger(__name__)


class FailedTransaction(OmniSQLError):
    """The transaction block has failed before."""

    sqlstate = "25P02"


class NoTransactionBlock(OmniSQLError):
    """The statement needs a transaction block and there is none."""

    sqlstate = "25P01"


class PortalFinished(OmniSQLError):
    """The portal's command has run and cannot run again."""

    sqlstate = "55000"


@dataclass(slots=True, kw_only=True)
class Running:
    """What both protocols share.

    `overlay` are names that this session made reach API tables, `own_names` gives those of its statements and portals
    that a text might name.
    `relayed` says that the client's own work since the last ReadyForQuery is part of the open implicit transaction,
    `executed` that an Execute message of the client's is.
    """

    client: ClientConnection
    link: BackendLink
    backend: SessionBackend
    runner: StatementRunner
    view: SessionView
    interrupts: Interrupts
    presence: Presence
    live: PresentSettings
    footprint: Footprint = field(default_factory=Footprint)
    own_names: Callable[[bytes], frozenset[str]] = lambda _text: frozenset()
    overlay: frozenset[str] = frozenset()
    relayed: bool = False
    executed: bool = False
    snapshot_stale: bool = False
    _defines: bool = False
    _passed_bytes: int = 0

    @property
    def speaks_utf8(self) -> bool:
        """Say whether the client's encoding, as PostgreSQL reported it last, is UTF8."""
        return self.link.parameters.get(b"client_encoding") == _UTF8

    async def route(self, text: bytes) -> tuple[Part, ...] | None:
        """Decide about a text, after a fresh look at the catalog if the last decision was wrong.

        In another encoding than UTF8 the parts only serve to be refused: their texts are not the client's.
        """
        if self.snapshot_stale or self.runner.outdated:
            refresh = self.runner.refresh_snapshot if self.snapshot_stale else self.runner.catch_up
            self.snapshot_stale = False
            try:
                await refresh()
            except Exception as error:  # noqa: BLE001  the snapshot is a hint: with an old one PostgreSQL still refuses
                _log.warning("snapshot_refresh_failed", exc_info=error)
        parts = self.runner.route(self._readable(text), self.overlay | self.own_names(text))
        for part in parts or ():
            if part.statement is not None and part.statement.creates:
                self.overlay |= part.statement.creates
                self._defines = True
        return parts

    def remember(self, names: frozenset[str]) -> None:
        """Learn that relations of these names reach API tables, or hold rows of some, by this session's doing."""
        self._defines = self._defines or not names <= self.overlay
        self.overlay |= names

    def is_relayed(self, text: bytes) -> bool:
        """Say whether all of a text is certainly to be relayed as it is."""
        if self.snapshot_stale or self.runner.outdated:
            return False
        names = self.own_names(text)
        return self.runner.route(self._readable(text), self.overlay | names if names else self.overlay) is None

    def on_transaction_ended(self) -> None:
        """Tell other routers what this transaction may have defined, before its end is known to anyone."""
        self.overlay -= {UNSEEN}
        if self._defines:
            self._defines = False
            self.runner.defined()

    def _readable(self, text: bytes) -> bytes:
        """Return a text in UTF8: in other encodings every byte as one character, which keeps ASCII names legible."""
        return text if self.speaks_utf8 else text.decode("latin-1").encode()

    async def attempt(self, work: Awaitable[None], *, shift: int = 0, told: CheckReply | None = None) -> bool:
        """Do a run statement's work; when it fails, tell the client, fail the transaction and return False.

        `shift` is added to the position of an error. The client is told nothing when `told` has done so.
        Raises SessionEnd when there is no session left, RelayInstead when the statement is PostgreSQL's after all.
        """
        started_s = time.perf_counter()
        outcome = "error"
        with structlog.contextvars.bound_contextvars(query_id=uuid.uuid4().hex):
            try:
                async with self.interrupts.scope(self.live.current.listener.statement_timeout_max_s):
                    await work
            except (SessionEnd, RelayInstead):
                raise
            except Exception as error:  # noqa: BLE001  the client's to read, not the session's end
                if getattr(error, "sqlstate", None) == QUERY_CANCELED:
                    outcome = "canceled"
                await self.fail(error, shift=shift, told=told)
                return False
            else:
                outcome = "ok"
                return True
            finally:
                INSTRUMENTS.statement_finished(way="run", outcome=outcome, duration_s=time.perf_counter() - started_s)

    async def repeat(self, repeatable: Repeatable, *, before: bytes | None = None) -> bool:
        """Answer a statement as it was answered before, up to ReadyForQuery; say whether the client has been answered.

        `before` is what it is told before the rows; None is the row description of the simple protocol.
        Raises SessionEnd when there is no session left.
        """
        started_s, outcome = time.perf_counter(), "ok"
        try:
            async with self.interrupts.scope(self.live.current.listener.statement_timeout_max_s):
                repeated = await self.runner.repeat(repeatable, self.view)
            if repeated is None:
                return False
            messages = repeated.messages
            self._check_size(len(messages))
            if before is not None:
                # The first message describes the rows.
                messages = before + messages[1 + int.from_bytes(messages[1:HEADER_BYTES]) :]
            self.client.write(messages + READY_IDLE)
            self.link.head_since_s = time.monotonic()
        except SessionEnd:
            raise
        except Exception as error:  # noqa: BLE001  the client's to read, not the session's end
            outcome = "canceled" if getattr(error, "sqlstate", None) == QUERY_CANCELED else "error"
            self.client.write(before or b"")
            await self.fail(error)
            self.client.write(READY_IDLE)
        INSTRUMENTS.statement_finished(way="run", outcome=outcome, duration_s=time.perf_counter() - started_s)
        await self.client.drain()
        return True

    async def fail(self, error: Exception, *, shift: int = 0, told: CheckReply | None = None) -> None:
        """Report a failed run statement and bring the backend's transaction to the same state."""
        await self.stop_exchange()
        if told is None or not told.failed:
            fields = explained(error_fields(error), final=True)
            if shift and "P" in fields:
                fields["P"] = str(int(fields["P"]) + shift)
            self.client.write(error_response(fields))
            INSTRUMENTS.error_sent(fields.get("C", ""))
            _log.info("statement_failed", sqlstate=fields.get("C"))
        if not self.link.skipping and self.link.status != "E" and (self.relayed or self.link.in_block):
            self.backend.fail_transaction()
            await self.link.settle()

    async def stop_exchange(self) -> None:
        """End what a stopped statement left running on the backend."""
        try:
            async with asyncio.timeout(self.live.current.sessions.backend_timeout_s):
                await self.presence.end()
                if self.link.pending.is_private:
                    await self.link.cancel()
                await self.link.settle()
        except TimeoutError:
            raise lost_session(told=self.link.fatal_shown) from None

    async def check_may_run(self) -> None:
        """Refuse to run anything in a failed transaction block, as PostgreSQL does, or for a client without UTF8.

        Single-byte encodings could be transcoded here; no client in use needs it, because all can speak UTF8.

        Raises:
            FailedTransaction: 25P02.
            NotSupported: 0A000.
        """
        if self.link.status == "E":
            raise FailedTransaction(
                message="current transaction is aborted, commands ignored until end of transaction block"
            )
        utf8 = self.speaks_utf8
        if self.relayed and not self.link.skipping:
            # Something before in the same implicit transaction may have changed it.
            answer = (await self.backend.ask(Ask(sql=ENCODING)))[0]
            utf8 = isinstance(answer, Rows) and answer.rows == (("UTF8",),)
        if not utf8:
            raise NotSupported(
                message="statements over API tables need the client encoding UTF8",
                hint="SET client_encoding TO 'UTF8'",
            )

    async def deliver(self, portal: Portal, rows_max: int, *, describe: bool) -> None:
        """Run a portal up to `rows_max` rows (0: all) and send what PostgreSQL would send, up to the completion."""
        await self.check_may_run()
        if portal.statement.needs_block and not (self.link.in_block or portal.among_others):
            raise NoTransactionBlock(message="DECLARE CURSOR can only be used in transaction blocks")
        # If it fails after PostgreSQL has done a part of it, that part must be undone.
        self.relayed = self.relayed or portal.statement.kind in CHANGING_KINDS
        self.backend.alone, defines = portal.alone, self._defines
        try:
            self._passed_bytes = 0
            async with self.presence.of(portal.statement):
                if portal.result is not None:
                    # What it goes on with may have to come from its source first.
                    self.presence.rest()
                await self._send(portal, rows_max, describe=describe)
        finally:
            self.backend.alone = False
            # What the statement defines has not been told if its transaction has been begun again.
            self._defines = self._defines or defines

    async def _send(self, portal: Portal, rows_max: int, *, describe: bool) -> None:
        await self.start(portal, describe=describe)
        # What it wrote must be undone if a later statement of the same implicit transaction fails.
        self.relayed = self.relayed or portal.own_tag is not None
        sent = await self._read(portal, None if portal.copies else rows_max or None, self._pass)
        if portal.copies:
            self.client.put(COPY_DONE)
        self.client.put(command_complete(portal.tag(sent)) if portal.complete else PORTAL_SUSPENDED)

    async def move(self, portal: Portal, movement: Movement) -> None:
        """Carry out a FETCH or MOVE of a portal, and send what PostgreSQL would send in the simple protocol."""
        await self.check_may_run()
        fields = [replace(field, format=0) for field in portal.fields or ()]
        self._passed_bytes = 0
        async with self.presence.of(portal.statement):
            passed, given, told = steps(movement, portal)
            await self.start(portal, describe=False)
            await self._read(portal, passed)
            if movement.shows:
                self.client.write(row_description(fields))
                formats = (0,) * len(fields)
                count = await self._read(portal, given, lambda data: self._show(data, portal, formats))
            else:
                count = await self._read(portal, given)
        command = "FETCH" if movement.shows else "MOVE"
        self.client.write(command_complete(f"{command} {count if told is None else told}"))

    async def _moved(self, portal: Portal, source: Portal, movement: Movement) -> RunResult:
        """Carry out a FETCH or MOVE that is a portal itself; its rows are those that it has fetched."""
        passed, given, told = steps(movement, source)
        await self.start(source, describe=False)
        await self._read(source, passed)
        if not movement.shows:
            count = await self._read(source, given)
            return command_result(f"MOVE {count if told is None else told}")
        fetched, size_bytes = list[bytes](), 0

        async def take(data: memoryview | bytes) -> None:
            nonlocal size_bytes
            size_bytes += len(data)
            if size_bytes > FETCHED_BYTES_MAX:
                raise too_much_fetched()
            fetched.append(await self._in_formats(data, source, portal.parameters.result_formats))

        await self._read(source, given, take)
        data = b"".join(fetched)

        async def rows() -> AsyncGenerator[EncodedRows, None]:
            if data:
                yield EncodedRows(data=memoryview(data), ends=message_ends(data))

        made = rows()
        return RunResult(fields=portal.fields, rows=made, command="FETCH", close=made.aclose)

    async def _show(self, data: memoryview | bytes, portal: Portal, formats: tuple[int, ...]) -> None:
        await self._pass(await self._in_formats(data, portal, formats))

    async def _in_formats(self, data: memoryview | bytes, source: Portal, formats: tuple[int, ...]) -> bytes:
        """Return rows of a portal in other formats than its own, which PostgreSQL writes them in."""
        if formats == source.parameters.result_formats:
            return bytes(data)
        ends = [0, *message_ends(data).tolist()]
        rows = [decode_data_row(bytes(data[start + HEADER_BYTES : end])) for start, end in pairwise(ends)]
        return await self.backend.rewritten(rows, source.fields or (), source.parameters.result_formats, formats)

    async def _read(
        self,
        portal: Portal,
        rows_max: int | None,
        take: Callable[[memoryview | bytes], Awaitable[None]] | None = None,
    ) -> int:
        """Read so many rows of a portal (None: all), hand them on, and return how many there were."""
        count = 0
        while rows_max is None or count < rows_max:
            chunk = await portal.read(0 if rows_max is None else rows_max - count)
            if chunk is None:
                break
            count += chunk[1]
            if take is not None:
                await take(chunk[0])
        return count

    async def _pass(self, data: memoryview | bytes) -> None:
        """Send rows, together with what comes before and after them at once."""
        self._passed_bytes += len(data)
        self._check_size(self._passed_bytes)
        self.client.put(data)
        await self.client.room()

    def _check_size(self, answer_bytes: int) -> None:
        limit = self.live.current.sessions.answer_bytes_max
        if limit and answer_bytes > limit:
            raise answer_too_large(limit)

    async def begin_again(self) -> None:
        """Begin an implicit transaction, in which the client has no portal, as one that keeps its first snapshot."""
        self.backend.alone = not (self.link.in_block or self.relayed or self.executed)
        try:
            await self.backend.begin_again()
        finally:
            self.backend.alone = False

    async def start(self, portal: Portal, *, describe: bool) -> None:
        """Run a portal's statement unless it already runs, and send what comes before its rows."""
        if portal.complete and portal.fields is None:
            raise PortalFinished(message=f'portal "{portal.name.decode(errors="replace")}" cannot be run')
        if portal.result is not None or portal.complete:
            return
        twin = portal.prepared.twin if portal.prepared is not None else None
        movement = portal.statement.movement
        if portal.source is not None and movement is not None:
            result = await self._moved(portal, portal.source, movement)
        else:
            result = await self.runner.run(portal.statement, portal.parameters, self.view, twin=twin)
        portal.open(result)
        if result.copy_formats is not None:
            binary = any(result.copy_formats)
            self.client.put(copy_out_response(result.copy_formats, binary=binary))
        elif describe and result.fields is not None:
            self.client.put(row_description([replace(field, format=0) for field in result.fields]))

    async def release(self, portal: Portal) -> None:
        """Close a portal's result; a failure to do so is logged, because the statement's outcome is settled."""
        try:
            async with asyncio.timeout(self.live.current.sessions.backend_timeout_s):
                await portal.close()
        except Exception as error:  # noqa: BLE001  the statement is over; only the log can still be told
            _log.error("result_close_failed", exc_info=error)
