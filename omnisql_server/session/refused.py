"""Relayed statements of the extended protocol that met an API table: kept from the client, to be handled once more.

Only the first statement of an implicit transaction is: what was done before another would have to be done twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from omnisql_server.model.backend import Ask, DescribePrepared, Prepared, Rows
from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.parse.executing import prepared_query
from omnisql_server.session.journal import BindReply, ExecuteReply, Journal, RefusedSync
from omnisql_server.session.replies import RELAYED_CLOSE, RELAYED_DESCRIBE, RELAYED_PARSE, Reply
from omnisql_server.session.running import Running
from omnisql_server.session.statements import is_run
from wire.framing import Frame
from wire.frontend import Bind, decode_frontend

PREPARED = """
SELECT p.statement, p.from_sql FROM pg_catalog.pg_prepared_statements AS p
 WHERE p.name OPERATOR(pg_catalog.=) $1::pg_catalog.text
"""
"""The text of one prepared statement, and whether the client has prepared it by SQL."""

Found = tuple[Statement, tuple[int, ...]]
"""A statement to run, and its parameters' types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refusal: the error, the client's messages from the Bind on, and whether it came with Execute, not with Bind.

    `text` is the statement's, None if PostgreSQL has to be asked for it.
    """

    error: Frame
    bind: Bind
    frames: list[Frame]
    executing: bool
    text: bytes | None

    @property
    def after_bind(self) -> list[Frame]:
        """Return the messages from the first Execute on; Bind and Describe before it have been answered."""
        return self.frames[[frame.kind for frame in self.frames].index(b"E") :]


class RefusedStatements:
    """Holds at most one refusal; `replies` are for relayed messages, by their kind. True while it holds one."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._refused: Refused | None = None
        self.journal = Journal()
        self.replies: dict[bytes, Reply] = {
            b"P": RELAYED_PARSE,
            b"B": BindReply(self._refuse),
            b"D": RELAYED_DESCRIBE,
            b"E": ExecuteReply(self._refuse),
            b"C": RELAYED_CLOSE,
            b"S": RefusedSync(self.__bool__, self._forget_answered),
        }

    def __bool__(self) -> bool:
        """Say whether a refusal is to be looked at."""
        return self._refused is not None

    async def take(self) -> Refused | None:
        """Return the refusal once PostgreSQL has ended the implicit transaction that it was in.

        Raises:
            SessionEnd: the connection is gone.
        """
        await self._running.link.settle()
        if self._running.link.skipping:
            await self._running.backend.sync()
        self._running.relayed = self._running.executed = False
        self.journal.clear()
        refused, self._refused = self._refused, None
        return refused

    async def statement_of(self, refused: Refused) -> Found | None:
        """Return the refused statement and its parameters' types; None if it is not one to run.

        Raises:
            BackendError: PostgreSQL has it no more.
        """
        name = refused.bind.statement
        text = refused.text if refused.text is not None else await self._text_of(name)
        statement = await self._run_of(text)
        if statement is None or (refused.executing and _is_planned_when_bound(statement)):
            return None
        return statement, await self._types_of(name)

    async def statement_named(self, name: bytes) -> Found | None:
        """Return a statement that SQL has prepared, and its parameters' types; None if it is not one to run.

        Raises:
            BackendError: PostgreSQL cannot describe it.
        """
        statement = await self._run_of(await self._text_of(name))
        return None if statement is None else (statement, await self._types_of(name))

    async def _run_of(self, text: bytes | None) -> Statement | None:
        parts = await self._running.route(text) if text is not None else None
        return parts[0].statement if parts is not None and len(parts) == 1 and is_run(parts[0]) else None

    async def _types_of(self, name: bytes) -> tuple[int, ...]:
        prepared = (await self._running.backend.ask(DescribePrepared(name=name.decode())))[0]
        return prepared.parameter_oids if isinstance(prepared, Prepared) else ()

    async def _text_of(self, name: bytes) -> bytes | None:
        """Ask for the text of a statement that the client has prepared under a name, None if there is none."""
        answer = (await self._running.backend.ask(Ask(sql=PREPARED, parameters=(name.decode(),))))[0]
        if not isinstance(answer, Rows) or not answer.rows:
            return None
        source, from_sql = answer.rows[0]
        query = prepared_query(source or "", name.decode(), from_sql=from_sql == "t")
        return query.encode() if query else None

    def _refuse(self, error: Frame, reply: Reply) -> bool:
        """Keep a refusal from the client if what was refused can be handled again; say whether it is kept."""
        running = self._running
        found = self.journal.since_bind(reply, running.link.pending)
        if found is None or running.link.in_block or not running.speaks_utf8:
            return False
        before, frames = found
        bind = decode_frontend(frames[0])
        text = self._unnamed_text(before, frames)
        if not isinstance(bind, Bind) or (text is None and not bind.statement):
            return False
        executing = isinstance(reply, ExecuteReply)
        known = None if bind.statement else text
        self._refused = Refused(error=error, bind=bind, frames=frames, executing=executing, text=known)
        running.client.wake()
        return True

    def _unnamed_text(self, before: list[Frame], after: list[Frame]) -> bytes | None:
        """Find the text of the unnamed statement at the Bind: PostgreSQL does not tell."""
        parsed = [text for frame in before if (text := _unnamed(frame)) is not None]
        if parsed:
            return parsed[-1]
        # A Parse that came later, and was ignored, is what the footprint knows of.
        return None if any(_unnamed(frame) is not None for frame in after) else self._running.footprint.unnamed_text

    def _forget_answered(self) -> None:
        if len(self._running.link.pending) == 1:
            self.journal.forget_answered()


def _is_planned_when_bound(statement: Statement) -> bool:
    """Say whether PostgreSQL plans a statement at Bind, so that what it met in Execute is not in its own text."""
    return statement.kind is StatementKind.SELECT or (statement.kind is StatementKind.WRITE and not statement.creates)


def _unnamed(frame: Frame) -> bytes | None:
    """Return the text of a message that is a Parse of the unnamed statement; it may be no message at all."""
    name, _, rest = frame.payload.partition(b"\0")
    return None if frame.kind != b"P" or name else rest.partition(b"\0")[0]
