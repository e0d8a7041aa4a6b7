"""SQL's EXECUTE of what SQL's PREPARE prepared: PostgreSQL keeps the statements, nothing of them is remembered here.

PREPARE is relayed: PostgreSQL parses and names it, and plans nothing yet. An EXECUTE of it is answered as the prepared
query would be, with the arguments that PostgreSQL has evaluated; PostgreSQL's own statement is described again, so that
it says when the query means other rows than it did.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace

from catalog.types import BY_OID
from omnisql_server.bind.questions import rows_of
from omnisql_server.errors import BackendError, InvalidStatementName, NotSupported, RelayInstead, WrongArguments
from omnisql_server.model.backend import Ask, Backend, Prepare
from omnisql_server.model.run import BoundParameters, RunResult
from omnisql_server.model.statement import Statement
from omnisql_server.parse.executing import WrittenOut, prepared_query, written_out
from wire.backend_decode import decode_data_row
from wire.framing import HEADER_BYTES
from wire.rows import EncodedRows

PREPARED = """
SELECT s.statement, s.from_sql, s.parameter_types::pg_catalog.oid[]::pg_catalog.text
  FROM pg_catalog.pg_prepared_statements AS s
 WHERE s.name OPERATOR(pg_catalog.=) $1
"""
"""What was prepared under a name: its text, whether by SQL, and the types of its parameters."""

ARGUMENTS_NAME = "omnisql_arguments"
_BINARY, _TEXT = 1, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """An EXECUTE with the prepared query in its place, and the types that its arguments must have."""

    name: str
    original: Statement
    written: WrittenOut
    type_oids: tuple[int, ...]

    @property
    def statement(self) -> Statement:
        """Return the statement to carry out."""
        return self.written.statement


async def look_up(statement: Statement, backend: Backend, *, relayable: bool) -> Executed:
    """Read what a statement executes.

    Raises:
        RelayInstead: there is no such prepared statement, which PostgreSQL says in its own words.
        InvalidStatementName: 26000, the same where it is too late for PostgreSQL to say so.
        NotSupported: several were prepared under that name in one message.
    """
    name = statement.executes or ""
    rows = rows_of((await backend.ask(Ask(sql=PREPARED, parameters=(name,))))[0])
    if not rows:
        # The parts of a message are relayed by their descriptions, and EXPLAIN has one whatever it explains.
        if relayable and statement.within is None:
            raise RelayInstead
        raise InvalidStatementName(message=f'prepared statement "{name}" does not exist')
    source, from_sql, types = rows[0]
    query = prepared_query(source or "", name, from_sql=from_sql == "t")
    if query is None:
        raise NotSupported(
            message="several statements of that name were prepared in one message",
            hint="send PREPARE in a message of its own",
        )
    type_oids = tuple(int(oid) for oid in (types or "{}").strip("{}").split(",") if oid)
    return Executed(name=name, original=statement, written=written_out(statement, query), type_oids=type_oids)


async def arguments(executed: Executed, backend: Backend, result_formats: tuple[int, ...]) -> BoundParameters:
    """Have PostgreSQL evaluate the arguments, once, and turn them into the types of the parameters.

    Raises:
        WrongArguments: 42601, there are too many or too few.
        BackendError: PostgreSQL refuses one, its position in the user's text.
    """
    wanted, written = executed.type_oids, executed.written
    if written.count != len(wanted):
        raise WrongArguments(
            message=f'wrong number of parameters for prepared statement "{executed.name}"',
            detail=f"Expected {len(wanted)} parameters but got {written.count}.",
        )
    formats = tuple(_BINARY if oid in BY_OID else _TEXT for oid in wanted)
    values: tuple[bytes | None, ...] = ()
    if wanted:
        numbers = ", ".join(f"${number}" for number in range(1, len(wanted) + 1))
        prepare = Prepare(name=ARGUMENTS_NAME, sql=f"SELECT {numbers}", type_oids=wanted, keep=True)
        text = f"EXECUTE {ARGUMENTS_NAME}{written.arguments}"
        try:
            await backend.ask(prepare)
            stream = backend.stream(text, type_oids=(), parameters=(), parameter_formats=(), result_formats=formats)
            (row,) = [chunk async for chunk in stream]
        except BackendError as error:
            raise _moved(error, executed) from error
        values = tuple(decode_data_row(bytes(row.data[HEADER_BYTES:])))
    return BoundParameters(type_oids=wanted, values=values, formats=formats, result_formats=result_formats)


def unplaced(result: RunResult) -> RunResult:
    """Keep positions in a prepared text out of the errors of a result: they are none in the client's statement."""
    rows = _unplaced(result.rows)

    async def close() -> None:
        await rows.aclose()
        await result.close()

    return replace(result, rows=rows, close=close)


async def _unplaced(rows: AsyncIterator[EncodedRows]) -> AsyncGenerator[EncodedRows, None]:
    try:
        async for chunk in rows:
            yield chunk
    except BackendError as error:
        raise error.without_position() from error


def _moved(error: BackendError, executed: Executed) -> BackendError:
    """Move a position from the text that evaluates the arguments to the client's."""
    if "P" not in error.fields:
        return error
    before = executed.original.text.encode()[: executed.written.arguments_position].decode()
    position = int(error.fields["P"]) - len(f"EXECUTE {ARGUMENTS_NAME}") + len(before)
    return BackendError({**error.fields, "P": str(position)})
