"""Load the rows of a statement that writes: DuckDB makes them, COPY in binary form puts them into the table.

For new tables, PostgreSQL's own CREATE TABLE AS makes the table without rows first, so that names, types and errors are
its own; for INSERT the table must do nothing on its own with what is inserted. All else is spliced. Everything happens
in the transaction of the client's statement.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa

from catalog.quoting import identifier, qualified
from omnisql_server.errors import BackendError, InternalError
from omnisql_server.execute.ahead import with_lookahead, with_rows
from omnisql_server.execute.duckdb_query import duckdb_query
from omnisql_server.execute.instances import InstancePool
from omnisql_server.execute.run import DUCKDB_FAILURES, POSTGRES, Parameters, as_fields, reason_against
from omnisql_server.model.backend import Ask, Backend, Prepare, Prepared, Rows
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.statement import Load
from wire.backend import Field
from wire.copy import COPY_SIGNATURE, COPY_TRAILER
from wire.copy_columns import encode_copy_tuples
from wire.rows import EncodedRows, RowFormat

ROWS_MIN = 256
"""Fewer fetched rows are spliced: that takes one exchange with PostgreSQL where loading takes four."""
AHEAD_BYTES_MAX = 64 * 1024 * 1024
"""Rows, in Arrow, made before the table is touched; if DuckDB fails among them, PostgreSQL has the last word."""

PIECE_BYTES = 256 * 1024
_PRIVATE_NAME = "omnisql_load"

CREATION_SCHEMA = "SELECT pg_catalog.current_schema()"
"""The schema in which a name without one would be made."""

TARGET = """
SELECT n.nspname, a.attname, a.atttypid, a.atttypmod,
       a.atthasdef OR a.attidentity OPERATOR(pg_catalog.<>) ''::pg_catalog."char"
                   OR t.typtype OPERATOR(pg_catalog.<>) 'b'::pg_catalog."char"
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
  JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
 WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(
           COALESCE(pg_catalog.quote_ident($1::pg_catalog.text) OPERATOR(pg_catalog.||) '.'::pg_catalog.text,
                    ''::pg_catalog.text) OPERATOR(pg_catalog.||) pg_catalog.quote_ident($2::pg_catalog.text))
   AND c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char"
   AND NOT (c.relhastriggers OR c.relhasrules OR c.relrowsecurity)
   AND (c.relpersistence OPERATOR(pg_catalog.=) 't'::pg_catalog."char"
        OR pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'off'::pg_catalog.text)
   AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
 ORDER BY a.attnum
"""
"""The columns of an ordinary table that may be written to and does nothing on its own with what is inserted; whether
each has a will of its own (a default, an identity, a type that is not a plain base type). No rows for another relation.
"""

_TEXT, _VARCHAR = 25, 1043
_WIDENED = {(21, 23), (21, 20), (23, 20), (_VARCHAR, _TEXT), (_TEXT, _VARCHAR)}
"""Pairs of types whose values INSERT converts without changing them, the second without a modifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Where the rows go: the COPY that takes them, and their columns' types there."""

    copy: str
    fields: tuple[Field, ...]


async def load(
    wanted: Load,
    query: BoundQuery,
    relations: Mapping[str, pa.Table],
    parameters: Parameters,
    backend: Backend,
    pool: InstancePool,
    otherwise: AsyncGenerator[EncodedRows, None],
) -> AsyncGenerator[EncodedRows, None]:
    """Write the rows and tell `parameters.completed` the command tag; where they cannot be loaded, do `otherwise`.

    Raises:
        BackendError: PostgreSQL's own error, its position in the user's text.
        InternalError: DuckDB failed beyond what is made ahead.
    """
    async with aclosing(otherwise):
        many = sum(rows.num_rows for rows in relations.values()) >= ROWS_MIN
        target = await _target(wanted, query, backend) if many and _may_run(query) else None
        if target is not None and (reason_against(replace(query, fields=target.fields)) is None):
            batches = _batches(query, relations, pool)
            async with aclosing(batches):
                ahead = await _ahead(batches)
                if ahead is not None:
                    count = await _written(wanted, target, query, _chained(ahead, batches), parameters, backend)
                    if parameters.completed is not None:
                        parameters.completed(f"{'INSERT 0' if wanted.creation is None else 'SELECT'} {count}")
                    return
        async for chunk in otherwise:
            yield chunk


def _may_run(query: BoundQuery) -> bool:
    return query.tree is not None and query.settings.engine != POSTGRES


async def _target(wanted: Load, query: BoundQuery, backend: Backend) -> _Target | None:
    """Look at what the query gives and at the table; None when the rows cannot be loaded into it as they are."""
    where = Ask(sql=CREATION_SCHEMA) if wanted.creation else Ask(sql=TARGET, parameters=(wanted.schema, wanted.name))
    described, found = await backend.ask(
        Prepare(name=_PRIVATE_NAME, sql=wanted.query, type_oids=query.parameter_oids), where
    )
    fields = described.fields if isinstance(described, Prepared) else None
    rows = found.rows if isinstance(found, Rows) else ()
    if not fields or not rows:
        return None
    if wanted.creation is not None:
        schema = "pg_temp" if wanted.temporary else wanted.schema or rows[0][0]
        return _Target(copy=_copy(schema, wanted.name, ()), fields=fields) if schema else None
    columns = {row[1] or "": row for row in rows}
    names = wanted.columns or tuple(columns)[: len(fields)]
    others = [row for name, row in columns.items() if name not in names]
    known = len(names) == len(fields) and set(names) <= set(columns)
    if not known or any(row[4] == "t" for row in others):
        return None
    taken = [_as_column(field, columns[name]) for field, name in zip(fields, names, strict=True)]
    if any(field is None for field in taken):
        return None
    return _Target(
        copy=_copy(rows[0][0] or "", wanted.name, names), fields=tuple(field for field in taken if field is not None)
    )


def _as_column(field: Field, column: tuple[str | None, ...]) -> Field | None:
    """Return a field as a table's column takes it; None where INSERT would convert its values."""
    type_oid, type_modifier = int(column[2] or 0), int(column[3] or -1)
    if type_oid == field.type_oid and type_modifier in (-1, field.type_modifier):
        return field
    if (field.type_oid, type_oid) in _WIDENED and type_modifier == -1:
        return replace(field, type_oid=type_oid, type_modifier=-1)
    return None


def _copy(schema: str, name: str, columns: Sequence[str]) -> str:
    named = f" ({', '.join(identifier(column) for column in columns)})" if columns else ""
    return f"COPY {qualified(schema, name)}{named} FROM STDIN (FORMAT binary)"


async def _batches(
    query: BoundQuery, relations: Mapping[str, pa.Table], pool: InstancePool
) -> AsyncGenerator[pa.RecordBatch, None]:
    asked = duckdb_query(query, relations)
    rows = pool.query(asked.text, relations, query.settings.time_zone, native=asked.native)
    async with aclosing(rows) as found:  # type: ignore[type-var]
        async for batch in found:
            yield batch


async def _ahead(batches: AsyncIterator[pa.RecordBatch]) -> list[pa.RecordBatch] | None:
    """Make the first rows, all of them if they are not too many; None when DuckDB cannot."""
    made, size = [], 0
    try:
        async for batch in batches:
            made.append(batch)
            size += batch.nbytes
            if size > AHEAD_BYTES_MAX:
                break
    except DUCKDB_FAILURES:
        return None
    return made


async def _chained(
    ahead: list[pa.RecordBatch], batches: AsyncIterator[pa.RecordBatch]
) -> AsyncGenerator[pa.RecordBatch, None]:
    for batch in ahead:
        yield batch
    async for batch in batches:
        yield batch


async def _written(
    wanted: Load,
    target: _Target,
    query: BoundQuery,
    batches: AsyncGenerator[pa.RecordBatch, None],
    parameters: Parameters,
    backend: Backend,
) -> int:
    try:
        if wanted.creation is not None:
            await _create(wanted.creation, query, parameters, backend)
        async with aclosing(_data(target.fields, batches)) as data:
            return await backend.load(target.copy, data)
    except BackendError as error:
        raise _as_the_clients(error, moved=wanted.moved) from error


async def _create(text: str, query: BoundQuery, parameters: Parameters, backend: Backend) -> None:
    chunks = backend.stream(
        text,
        type_oids=query.parameter_oids,
        parameters=parameters.values,
        parameter_formats=parameters.formats,
        result_formats=(),
    )
    async for _ in chunks:
        continue


async def _data(
    fields: Sequence[Field], batches: AsyncGenerator[pa.RecordBatch, None]
) -> AsyncGenerator[bytes | memoryview, None]:
    yield COPY_SIGNATURE
    try:
        first = await anext(batches)
        async with aclosing(with_lookahead(partial(_tuples, fields), with_rows(first, batches))) as encoded:
            async for piece in encoded:
                for start in range(0, len(piece), PIECE_BYTES):
                    yield piece[start : start + PIECE_BYTES]
    except DUCKDB_FAILURES as error:
        raise InternalError(
            message="the statement failed after its first rows were written",
            hint="SET omnisql.engine = 'postgres' and run it again",
        ) from error
    yield COPY_TRAILER


def _tuples(fields: Sequence[Field], batch: pa.RecordBatch) -> memoryview:
    formats = [RowFormat(type_oid=field.type_oid, type_modifier=field.type_modifier, format=1) for field in fields]
    return encode_copy_tuples(as_fields(batch, fields), formats)


def _as_the_clients(error: BackendError, *, moved: bool) -> BackendError:
    """Leave out what speaks of a COPY, or of a text, that the client did not send."""
    fields = dict(error.fields)
    if moved:
        fields.pop("P", None)
    if fields.get("W", "").startswith("COPY "):
        fields.pop("W")
    return BackendError(fields)
