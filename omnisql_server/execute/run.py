"""Execute a query over its relations and yield encoded rows: DuckDB where proved, PostgreSQL by the splice otherwise.

DuckDB's errors never reach the client: when it fails before the first row, PostgreSQL executes the same statement and
says in its own words what is wrong, or answers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

import duckdb
import pyarrow as pa
import structlog
from sqlglot.errors import SqlglotError

from catalog.types import BY_OID
from omnisql_server.errors import BackendError, InternalError, LimitExceeded, NotSupported
from omnisql_server.execute.ahead import with_lookahead, with_rows
from omnisql_server.execute.allowed import refusal
from omnisql_server.execute.arrays import ArrayParameter
from omnisql_server.execute.by_form import written_form
from omnisql_server.execute.duckdb_query import duckdb_query
from omnisql_server.execute.instances import InstancePool
from omnisql_server.execute.splice import SplicedQuery, splice
from omnisql_server.execute.splice_tables import SplicedTable, SpliceLimits, drop_tables, put_into_tables
from omnisql_server.model.backend import Backend
from omnisql_server.model.query import BoundQuery, derive
from wire.backend import Field
from wire.copy import CopyFormat
from wire.copy_columns import encode_copy_columns
from wire.errors import ValueUnsupported
from wire.rows import SMALL_ROWS_END, EncodedRows, RowFormat, encode_rows

_log = structlog.get_logger(__name__)

FIRST_ROWS = 1_024
"""What is encoded at once, so that the first rows wait for no more."""

DUCKDB = "duckdb"
POSTGRES = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Which engine executes a query, and why not DuckDB when it is not."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """Why DuckDB may not execute a tree, None if it may."""

    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The client's parameters as it sent them, and the result formats it wants, one per column.

    `completed` is told PostgreSQL's command tag when PostgreSQL executes the statement. With `copy_format`, many rows
    that DuckDB makes are CopyData messages; few, and those of PostgreSQL, are still DataRow messages. `owned` are rows
    of our own making that follow the client's values: what is read as the owners of views, by `OwnerRead.key`.
    """

    type_oids: tuple[int, ...]
    values: tuple[bytes | None, ...]
    formats: tuple[int, ...]
    result_formats: tuple[int, ...]
    completed: Callable[[str], None] | None = None
    copy_format: CopyFormat | None = None
    owned: Mapping[object, ArrayParameter] = field(default_factory=dict)


def choose_engine(query: BoundQuery) -> Engine:
    """Choose the engine of a bound query, as far as `omnisql.engine` leaves a choice.

    Raises:
        NotSupported: the session insists on DuckDB and it may not execute this query.
    """
    if query.settings.engine == POSTGRES:
        return Engine(name=POSTGRES, reason="omnisql.engine is postgres")
    reason = reason_against(query)
    if reason is None:
        return Engine(name=DUCKDB, reason="every part of the statement is proved to mean the same")
    if query.settings.engine == DUCKDB:
        raise NotSupported(
            message="DuckDB may not execute this statement", detail=reason, hint="SET omnisql.engine = 'auto'"
        )
    return Engine(name=POSTGRES, reason=reason)


def reason_against(query: BoundQuery) -> str | None:
    """Say why DuckDB may not execute a query that gives its fields, whatever the session wants; None if it may."""
    form = written_form(query)
    if form is not None:
        reason = form.reason
    else:
        reason = derive(query, _Refusal, lambda: _Refusal(reason=refusal(query)), f"refusal {query.settings}").reason
    if query.settings.catalog_first:
        return reason
    return reason or "search_path has other schemas before pg_catalog: functions and operators may be theirs"


async def execute(
    query: BoundQuery,
    engine: Engine,
    relations: Mapping[str, pa.Table],
    parameters: Parameters,
    backend: Backend,
    pool: InstancePool,
    limits: SpliceLimits,
) -> AsyncGenerator[EncodedRows, None]:
    """Yield the encoded rows of a query, in chunks and in order.

    Raises:
        BackendError: PostgreSQL's own error, its position in the user's text.
        LimitExceeded: too many rows for the splice.
    """
    if engine.name == DUCKDB:
        encode = partial(encode_batch, query, row_formats(query, parameters), parameters.copy_format)
        batches: AsyncIterator[pa.RecordBatch] | None = None
        try:
            asked = duckdb_query(query, relations)
            batches = pool.query(asked.text, relations, query.settings.time_zone, native=asked.native)
            first = await anext(batches)
            rows = encode(first.slice(0, FIRST_ROWS))
        except DUCKDB_FAILURES as error:
            _log.info("duckdb_refused", error_type=type(error).__name__)
            if batches is not None:
                await batches.aclose()  # type: ignore[attr-defined]
        else:
            try:
                async with aclosing(_encoded(encode, rows, first.slice(FIRST_ROWS), batches)) as encoded:
                    async for chunk in encoded:
                        yield chunk
            except _LateFailure as error:
                await failed_late(query, relations, parameters, backend, limits, error.__cause__)
            return
    async with aclosing(by_postgres(query, relations, parameters, backend, limits)) as chunks:
        async for chunk in chunks:
            yield chunk


async def failed_late(
    query: BoundQuery,
    relations: Mapping[str, pa.Table],
    parameters: Parameters,
    backend: Backend,
    limits: SpliceLimits,
    cause: BaseException | None,
) -> NoReturn:
    """End a statement on which DuckDB failed after rows of it were handed out.

    Raises:
        BackendError: PostgreSQL fails as well, in its own words. Else InternalError.
    """
    async for _ in by_postgres(query, relations, parameters, backend, limits):
        continue
    raise InternalError(
        message="the statement failed after its first rows were sent",
        hint="SET omnisql.engine = 'postgres' and run it again",
    ) from cause


async def by_postgres(
    query: BoundQuery,
    relations: Mapping[str, pa.Table],
    parameters: Parameters,
    backend: Backend,
    limits: SpliceLimits,
) -> AsyncGenerator[EncodedRows, None]:
    """Yield the encoded rows of a query that PostgreSQL executes over given rows.

    Raises:
        BackendError: PostgreSQL's own error, its position in the user's text.
        LimitExceeded: too many rows for the splice.
    """
    if query.shields and query.settings.tells:
        raise NotSupported(
            message=f"a view reads with its owner's rights while {query.settings.tells} is set",
            detail="PostgreSQL would tell the client of rows that the view does not show",
            hint=f"RESET {query.settings.tells}",
        )
    tables: Mapping[str, SplicedTable] = {}
    tags: list[str] = []
    spliced = _as_parameters(query, relations, parameters, limits)
    if spliced is None:
        tables = await put_into_tables(query, relations, backend, limits)
        bytes_max = limits.inline_bytes_max if tables else limits.message_bytes_max
        spliced = splice(query, relations, bytes_max, tables, parameters.owned)
    stream = backend.stream(
        spliced.text,
        type_oids=(*query.parameter_oids, *(array.type_oid for array in spliced.arrays)),
        parameters=(*parameters.values, *(array.value for array in spliced.arrays)),
        parameter_formats=(*parameters.formats, *(array.format for array in spliced.arrays)),
        result_formats=parameters.result_formats,
        completed=tags.append,
    )
    try:
        # Closed here and now: what ends a stream on the backend must not come in the middle of the next exchange.
        async with aclosing(stream) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk
    except BackendError as error:
        raise _positioned(error, spliced) from error
    if tables and tags[-1:] != [_DECLARED]:
        await drop_tables(tables, backend)
    if parameters.completed is not None and tags:
        parameters.completed(tags[-1])


def _as_parameters(
    query: BoundQuery, relations: Mapping[str, pa.Table], parameters: Parameters, limits: SpliceLimits
) -> SplicedQuery | None:
    """Splice with all rows as parameters; None where they are too many."""
    if sum(rows.nbytes for rows in relations.values()) > limits.inline_bytes_max:
        return None
    try:
        return splice(query, relations, limits.inline_bytes_max, owned=parameters.owned)
    except LimitExceeded:
        return None


_DECLARED = "DECLARE CURSOR"
"""The tag of a statement whose cursor goes on reading the tables: they go with the transaction."""

DUCKDB_FAILURES = (duckdb.Error, SqlglotError, pa.ArrowException, ValueUnsupported, ArithmeticError, ValueError)
"""What DuckDB, Arrow and the encoder say of values that they cannot hold or show; PostgreSQL then has the last word."""


class _LateFailure(Exception):
    """DuckDB failed after its first rows were handed out."""


def row_formats(query: BoundQuery, parameters: Parameters) -> list[RowFormat]:
    """Return the form of each column for the client."""
    return [
        RowFormat(type_oid=field.type_oid, type_modifier=field.type_modifier, format=result_format)
        for field, result_format in zip(query.fields, parameters.result_formats, strict=True)
    ]


async def _encoded(
    encode: Callable[[pa.RecordBatch], EncodedRows],
    rows: EncodedRows,
    rest: pa.RecordBatch,
    batches: AsyncIterator[pa.RecordBatch],
) -> AsyncGenerator[EncodedRows, None]:
    """Yield the first rows at once, then the rest of their batch and all others, encoded while DuckDB goes on."""
    yield rows
    try:
        async with aclosing(with_lookahead(encode, with_rows(rest, batches))) as encoded:
            async for chunk in encoded:
                yield chunk
    except DUCKDB_FAILURES as error:
        raise _LateFailure from error


def encode_batch(
    query: BoundQuery, formats: Sequence[RowFormat], copy_format: CopyFormat | None, batch: pa.RecordBatch
) -> EncodedRows:
    """Encode a batch of DuckDB's as what the client is to get.

    Raises:
        DUCKDB_FAILURES: a value has no form as what was announced.
    """
    plain, time_zone = as_fields(batch, query.fields), query.settings.time_zone
    if copy_format is None or batch.num_rows < SMALL_ROWS_END:
        return encode_rows(plain, formats, time_zone=time_zone)
    column_names = [field.name for field in query.fields]
    return encode_copy_columns(plain, formats, copy_format, column_names, time_zone=time_zone)


def as_fields(batch: pa.RecordBatch, fields: Sequence[Field]) -> pa.RecordBatch:
    """Give DuckDB's columns the Arrow types of what is announced, and names of their own."""
    columns = [
        column if field.type_oid not in BY_OID else _as(column, BY_OID[field.type_oid].arrow)
        for column, field in zip(batch.columns, fields, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=[str(index) for index in range(len(columns))])


def _as(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    if column.type.equals(wanted) or (pa.types.is_decimal(column.type) and pa.types.is_string(wanted)):
        return column
    return column.cast(wanted)


def _positioned(error: BackendError, spliced: SplicedQuery) -> BackendError:
    """Move an error's position from the spliced text to the user's; drop it where it lies in what was spliced in."""
    fields = dict(error.fields)
    if "P" in fields:
        position = spliced.original_position(int(fields.pop("P")))
        if position is not None:
            fields["P"] = str(position)
    return BackendError(fields)
