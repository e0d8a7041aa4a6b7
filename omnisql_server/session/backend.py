"""What the pipeline may do with the session's backend: private exchanges between the client's own messages.

Everything runs in the transaction that the client's statement belongs to, ends with Flush and never with Sync. Names
of our own begin with `omnisql_`.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import numpy as np

from omnisql_server.errors import BackendLost
from omnisql_server.model.backend import (
    Answer,
    Ask,
    Command,
    DescribePrepared,
    Done,
    Prepare,
    Prepared,
    Question,
    Rows,
)
from omnisql_server.session.exchange import Exchange
from omnisql_server.session.link import SYNC, BackendLink
from omnisql_server.session.presence import Presence
from omnisql_server.session.replies import (
    BIND_ENDS,
    CLOSE_ENDS,
    DESCRIBE_ENDS,
    EXECUTE_ENDS,
    PARSE_ENDS,
    IgnoredReply,
    PrivateSyncReply,
)
from wire.backend import Field, copy_data
from wire.backend_decode import (
    decode_command_complete,
    decode_data_row,
    decode_parameter_description,
    decode_row_description,
)
from wire.framing import Frame
from wire.frontend import Bind, Close, CopyDone, CopyFail, Describe, Execute, Parse, Query
from wire.rows import EncodedRows

CONSTANTS_MAX = 256
REWRITTEN_ROWS = 256
STREAM_FIRST_ROWS = 256
STREAM_ROWS_MAX = 65_536
STREAM_CHUNK_BYTES = 262_144
REST = Ask(sql="SELECT")
"""Ends with a complete Execute, after which PostgreSQL's statement timer stands still until our next message."""

KEEP_SNAPSHOT = "SET transaction_isolation TO 'repeatable read'"
"""Without LOCAL, of which PostgreSQL warns outside blocks; it is gone with the transaction all the same."""

_COMMAND_NAME = b"omnisql_command"
_REWRITTEN_NAME = b"omnisql_rewritten"
_FAILURE_NAME = b"omnisql_failure"
_FAILURE_TEXT = b"omnisql_statement_failed"

_Read = Callable[[], Answer]


class SessionBackend:
    """Implements `model.backend.Backend` over a link.

    `alone`: nothing in the implicit transaction is the client's but the statement that is run, and no portal.
    """

    def __init__(self, link: BackendLink, presence: Presence) -> None:
        self._link = link
        self._presence = presence
        self._constants: dict[str, bytes] = {}
        self._numbers = itertools.count(1)
        self._streams_free: list[int] = []
        self._stream_numbers = itertools.count(1)
        self.alone = False

    @property
    def in_transaction_block(self) -> bool:
        """Say whether the client has an open transaction block."""
        return self._link.in_block

    def forget(self) -> None:
        """Learn that all prepared statements of the backend are gone."""
        self._constants.clear()

    async def ask(self, *questions: Question) -> list[Answer]:
        """Send all questions in one flush and return their answers in order.

        Raises:
            BackendError: PostgreSQL answered with an error; the transaction has failed.
            BackendLost: the connection is gone.
        """
        if not questions:
            return []
        await self._take()
        exchange = Exchange()
        parsed: dict[str, bytes] = {}
        reads = [self._send(question, exchange, parsed) for question in questions]
        if not isinstance(questions[-1], Ask):
            self._send(REST, exchange, parsed)
        await self._finish(exchange)
        return [read() for read in reads]

    async def stream(
        self,
        sql: str,
        *,
        type_oids: Sequence[int],
        parameters: Sequence[bytes | None],
        parameter_formats: Sequence[int],
        result_formats: Sequence[int],
        completed: Callable[[str], None] | None = None,
    ) -> AsyncIterator[EncodedRows]:
        """Run `sql` and return its DataRow messages unchanged, in chunks; `completed` is told the command tag.

        The portal is read by row limits that aim at chunks of equal bytes, so that other messages fit between chunks
        and nobody has to drain what nobody wants.

        Raises:
            BackendError: as `ask`.
        """
        number = self._streams_free.pop() if self._streams_free else next(self._stream_numbers)
        name = f"omnisql_stream_{number}".encode()
        try:
            await self._take()
            exchange = Exchange()
            frames: list[Frame] = []
            self._put_statement(name, Parse(statement=name, text=sql.encode(), type_oids=tuple(type_oids)), exchange)
            bind = Bind(
                portal=name,
                statement=name,
                parameter_formats=tuple(parameter_formats),
                parameters=tuple(parameters),
                result_formats=tuple(result_formats),
            )
            self._link.send(bind.encode(), exchange.expect(BIND_ENDS))
            rows_max = STREAM_FIRST_ROWS
            count = 0
            while True:
                execute = Execute(portal=name, rows_max=rows_max)
                self._link.send(execute.encode(), exchange.expect_command(frames))
                await self._finish(exchange)
                rows = [frame.data for frame in frames if frame.kind == b"D"]
                suspended = frames[-1].kind == b"s"
                if rows:
                    yield _encoded(rows)
                if not suspended:
                    if completed is not None and frames[-1].kind == b"C":
                        tag = decode_command_complete(frames[-1].payload)
                        # PostgreSQL counts the rows of the last Execute alone.
                        completed(f"{tag.rpartition(' ')[0]} {count + len(rows)}" if count else tag)
                    return
                count += len(rows)
                rows_max = _next_rows_max(rows_max, sum(map(len, rows)))
                await self._take()
                exchange, frames = Exchange(), []
        finally:
            self._send_ignored(Close(kind="P", name=name).encode(), CLOSE_ENDS)
            self._send_ignored(Close(kind="S", name=name).encode(), CLOSE_ENDS)
            self._streams_free.append(number)

    async def load(self, sql: str, data: AsyncIterator[bytes | memoryview]) -> int:
        """Run a COPY FROM STDIN with this data and return how many rows PostgreSQL took.

        Whatever ends the data early ends the COPY too: PostgreSQL is told, and the transaction fails.

        Raises:
            BackendError: as `ask`.
        """
        await self._take()
        exchange, frames = Exchange(), list[Frame]()
        text = (self._presence.prefix + sql).encode()
        self._put_statement(_COMMAND_NAME, Parse(statement=_COMMAND_NAME, text=text), exchange)
        self._link.send(Bind(portal=_COMMAND_NAME, statement=_COMMAND_NAME).encode(), exchange.expect(BIND_ENDS))
        copy = exchange.expect_copy_in(frames)
        self._link.send(Execute(portal=_COMMAND_NAME).encode(), copy)
        self._link.executed_privately = True
        self._link.send_flush()
        ended = CopyFail(message=b"the rows ended early").encode()
        try:
            await copy.begun
            async for piece in data:
                if exchange.done.done():
                    break
                self._link.send_raw(copy_data(piece))
                await self._link.drain()
            ended = CopyDone().encode()
        finally:
            # Where PostgreSQL has failed already, it ignores this, as it does all the rest up to the next Sync.
            self._link.send_raw(ended)
            self._send_ignored(Close(kind="P", name=_COMMAND_NAME).encode(), CLOSE_ENDS)
            self._send_ignored(Close(kind="S", name=_COMMAND_NAME).encode(), CLOSE_ENDS)
        await self._finish(exchange)
        return int(decode_command_complete(frames[-1].payload).removeprefix("COPY "))

    async def rewritten(
        self,
        rows: Sequence[Sequence[bytes | None]],
        fields: Sequence[Field],
        formats: Sequence[int],
        wanted: Sequence[int],
    ) -> bytes:
        """Have PostgreSQL write rows of values in other formats, and return them as DataRow messages.

        Raises:
            BackendError: as `ask`; it cannot read values of some type, such as rows without a name.
        """
        values = ", ".join(f"${number}" for number in range(1, len(fields) + 1))
        type_oids = tuple(field.type_oid for field in fields)
        parse = Parse(statement=_REWRITTEN_NAME, text=f"SELECT {values}".encode(), type_oids=type_oids)
        made: list[bytes] = []
        for start in range(0, len(rows), REWRITTEN_ROWS):
            await self._take()
            exchange, frames = Exchange(), list[Frame]()
            self._put_statement(_REWRITTEN_NAME, parse, exchange)
            for row in rows[start : start + REWRITTEN_ROWS]:
                bind = Bind(
                    portal=_REWRITTEN_NAME,
                    statement=_REWRITTEN_NAME,
                    parameter_formats=tuple(formats),
                    parameters=tuple(row),
                    result_formats=tuple(wanted),
                )
                self._link.send(bind.encode(), exchange.expect(BIND_ENDS))
                self._link.send(Execute(portal=_REWRITTEN_NAME).encode(), exchange.expect(EXECUTE_ENDS, frames))
                self._link.send(Close(kind="P", name=_REWRITTEN_NAME).encode(), exchange.expect(CLOSE_ENDS))
            await self._finish(exchange)
            made.extend(frame.data for frame in frames if frame.kind == b"D")
        return b"".join(made)

    def fail_transaction(self) -> None:
        """Send a statement that PostgreSQL refuses, so that the transaction fails with the run statement."""
        self._send_ignored(Parse(statement=_FAILURE_NAME, text=_FAILURE_TEXT).encode(), PARSE_ENDS)

    def close_statement(self, name: str) -> None:
        """Drop a private statement."""
        self._send_ignored(Close(kind="S", name=name.encode()).encode(), CLOSE_ENDS)

    def rest(self) -> None:
        """Let PostgreSQL's statement timer stand still while a statement is run; nobody waits for the answer."""
        self._send(REST, Exchange(), {})

    async def sync(self) -> None:
        """End an implicit transaction that is ours alone.

        Raises:
            BackendLost: the connection is gone.
        """
        await self._send_alone(SYNC)

    async def begin_again(self) -> bool:
        """Begin an implicit transaction again as REPEATABLE READ, before anything in it has a snapshot; say whether.

        Raises:
            BackendError: as `ask`.
        """
        if not self.alone:
            return False
        await self._take()
        await self.sync()
        await self.ask(Command(sql=KEEP_SNAPSHOT))
        return True

    async def leave(self) -> None:
        """End an implicit transaction that is ours alone, where the client's statement is to begin one itself.

        Raises:
            BackendLost: the connection is gone.
        """
        if self.alone:
            await self._take()
            await self.sync()

    async def discard_all(self) -> None:
        """Make the backend as new, between two statements of the client.

        Raises:
            BackendError: PostgreSQL refuses.
            BackendLost: the connection is gone.
        """
        await self._send_alone(Query(text=b"DISCARD ALL").encode())

    async def _send_alone(self, data: bytes) -> None:
        reply = PrivateSyncReply()
        self._link.send(data, reply)
        self._link.flush()
        if self._link.lost:
            raise BackendLost(message="the connection to the tenant's PostgreSQL was lost")
        await reply.done

    def _send(self, question: Question, exchange: Exchange, parsed: dict[str, bytes]) -> _Read:
        """Send one question's messages; the returned function reads the answer once all has arrived."""
        frames: list[Frame] = []
        match question:
            case Prepare():
                name = question.name.encode()
                parse = Parse(statement=name, text=question.sql.encode(), type_oids=question.type_oids)
                self._put_statement(name, parse, exchange)
                self._link.send(Describe(kind="S", name=name).encode(), exchange.expect(DESCRIBE_ENDS, frames))
                if not question.keep:
                    self._link.send(Close(kind="S", name=name).encode(), exchange.expect(CLOSE_ENDS))
                return lambda: _read_prepared(frames)
            case DescribePrepared():
                describe = Describe(kind="S", name=question.name.encode())
                self._link.send(describe.encode(), exchange.expect(DESCRIBE_ENDS, frames))
                return lambda: _read_prepared(frames)
            case Command():
                return self._send_command(question.sql, exchange)
            case Ask():
                name = self._put_constant(question.sql, exchange, parsed)
                values = tuple(None if value is None else value.encode() for value in question.parameters)
                bind = Bind(portal=name, statement=name, parameters=values)
                self._link.send(bind.encode(), exchange.expect(BIND_ENDS))
                self._link.send(Execute(portal=name).encode(), exchange.expect(EXECUTE_ENDS, frames))
                self._link.send(Close(kind="P", name=name).encode(), exchange.expect(CLOSE_ENDS))
                return lambda: _read_rows(frames)

    def _send_command(self, sql: str, exchange: Exchange) -> _Read:
        frames: list[Frame] = []
        self._put_statement(_COMMAND_NAME, Parse(statement=_COMMAND_NAME, text=sql.encode()), exchange)
        self._link.send(Bind(portal=_COMMAND_NAME, statement=_COMMAND_NAME).encode(), exchange.expect(BIND_ENDS))
        self._link.send(Execute(portal=_COMMAND_NAME).encode(), exchange.expect_command(frames))
        self._link.send(Close(kind="P", name=_COMMAND_NAME).encode(), exchange.expect(CLOSE_ENDS))
        self._link.send(Close(kind="S", name=_COMMAND_NAME).encode(), exchange.expect(CLOSE_ENDS))
        return lambda: Done(tag=decode_command_complete(frames[-1].payload))

    def _put_constant(self, sql: str, exchange: Exchange, parsed: dict[str, bytes]) -> bytes:
        """Prepare a constant query unless this backend already has it, and return its name."""
        known = self._constants.get(sql) or parsed.get(sql)
        if known is not None:
            return known
        if len(self._constants) >= CONSTANTS_MAX:
            self.close_statement(self._constants.pop(next(iter(self._constants))).decode())
        name = parsed[sql] = f"omnisql_constant_{next(self._numbers)}".encode()
        # Known only once PostgreSQL says so: an error earlier in the flush keeps it from being prepared.
        arrived = partial(self._constants.__setitem__, sql, name)
        parse = Parse(statement=name, text=sql.encode())
        self._link.send(parse.encode(), exchange.expect(PARSE_ENDS, arrived=arrived))
        return name

    def _put_statement(self, name: bytes, parse: Parse, exchange: Exchange) -> None:
        self._link.send(Close(kind="S", name=name).encode(), exchange.expect(CLOSE_ENDS))
        self._link.send(parse.encode(), exchange.expect(PARSE_ENDS))

    def _send_ignored(self, data: bytes, ends: bytes) -> None:
        self._link.send(data, IgnoredReply(ends))

    async def _take(self) -> None:
        """Have the backend to ourselves, awake and able to take messages."""
        await self._presence.leave()
        await self._link.drain()

    async def _finish(self, exchange: Exchange) -> None:
        self._link.executed_privately = True
        self._link.send_flush()
        if self._link.lost:
            raise BackendLost(message="the connection to the tenant's PostgreSQL was lost")
        await exchange.done
        self._presence.rest()


def _next_rows_max(rows_max: int, chunk_bytes: int) -> int:
    """Aim at chunks of equal bytes, growing at most eightfold a step."""
    aimed = rows_max * STREAM_CHUNK_BYTES // max(chunk_bytes, 1)
    return max(1, min(aimed, rows_max * 8, STREAM_ROWS_MAX))


def _encoded(rows: Sequence[bytes]) -> EncodedRows:
    ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
    return EncodedRows(data=memoryview(b"".join(rows)), ends=ends)


def _read_prepared(frames: Sequence[Frame]) -> Prepared:
    parameters, shape = frames
    return Prepared(
        parameter_oids=decode_parameter_description(parameters.payload),
        fields=decode_row_description(shape.payload) if shape.kind == b"T" else None,
    )


def _read_rows(frames: Sequence[Frame]) -> Rows:
    return Rows(
        rows=tuple(
            tuple(None if value is None else value.decode("utf-8", "surrogateescape") for value in values)
            for values in (decode_data_row(frame.payload) for frame in frames if frame.kind == b"D")
        )
    )
