"""Rows that are too many for parameters: a temporary table on the session's own backend for each relation.

They are made in the transaction of the client's statement, filled by COPY, ANALYZEd so that PostgreSQL plans with what
is in them, and dropped when the statement is over; an error, a cancel or a rollback takes them along. The rows are what
parameters would carry: filtered, masked, and only the columns that the statement names.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import pyarrow as pa

from catalog.quoting import identifier
from catalog.types import BY_OID
from omnisql_server.errors import LimitExceeded
from omnisql_server.execute.arrays import copy_lines
from omnisql_server.model.backend import Ask, Backend, Command, Rows
from omnisql_server.model.query import BoundQuery, Occurrence
from omnisql_server.model.relation import ROW_NUMBER

ROWS_A_PIECE = 20_000
PIECE_BYTES = 256 * 1024
MESSAGE_BYTES_MAX = 1_000_000_000
"""Bytes of all parameters together: PostgreSQL 18 takes no message of 1 GiB (`PQ_LARGE_MESSAGE_LIMIT`)."""

POSSIBLE = """
SELECT pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'off'
   AND pg_catalog.has_database_privilege(pg_catalog.current_database()::pg_catalog.text, 'TEMPORARY')
"""
"""Whether the transaction is not read-only and the current user may make temporary tables."""

_TEXT, _INT8 = 25, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SpliceLimits:
    """Bytes of fetched rows that PostgreSQL is given as parameters, and at all: beyond the first, in tables."""

    inline_bytes_max: int
    table_bytes_max: int

    @property
    def message_bytes_max(self) -> int:
        """Bytes of parameters where no table may be made: all that is allowed, and that a message holds."""
        return min(self.table_bytes_max, MESSAGE_BYTES_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplicedTable:
    """A temporary table with the rows of a scan, and the columns of it as the statement names them."""

    name: str
    outputs: tuple[str, ...]

    @property
    def sql(self) -> str:
        """Write the table as the derived relation that takes the place of the scan."""
        return f"(SELECT {', '.join(self.outputs)} FROM {_qualified(self.name)} AS u)"


async def put_into_tables(
    query: BoundQuery, relations: Mapping[str, pa.Table], backend: Backend, limits: SpliceLimits
) -> dict[str, SplicedTable]:
    """Put every large relation into a table of its own and return the tables by scan; small ones stay parameters.

    There are none where none may be made: the transaction is read-only, the user may not, or the statement shields rows
    from its user, whose functions can read every table of the session.

    Raises:
        LimitExceeded: the rows are more than `table_bytes_max` bytes (54000).
        BackendError: PostgreSQL's own error.
    """
    size = sum(rows.nbytes for rows in relations.values())
    if size > limits.table_bytes_max:
        raise LimitExceeded(
            message=f"the statement needs {size} bytes of rows in PostgreSQL, {limits.table_bytes_max} are allowed",
            detail="it has to be executed by PostgreSQL because DuckDB may not evaluate all of it",
            hint="add conditions that reduce the rows, or raise engine.splice_table_bytes_max",
        )
    if query.shields or not await _is_possible(backend):
        return {}
    made: dict[str, SplicedTable] = {}
    small = limits.inline_bytes_max // (4 * max(len(relations), 1))
    for occurrence in query.occurrences:
        rows = relations.get(occurrence.scan_name)
        if rows is not None and occurrence.scan_name not in made and rows.nbytes > small:
            made[occurrence.scan_name] = await _filled(occurrence, rows, backend)
    return made


async def drop_tables(tables: Mapping[str, SplicedTable], backend: Backend) -> None:
    """Drop the tables of a statement that is over, and let the transaction go on without them."""
    if tables and backend.in_transaction_block:
        await backend.ask(*(Command(sql=f"DROP TABLE {_qualified(table.name)}") for table in tables.values()))


async def _is_possible(backend: Backend) -> bool:
    (found,) = await backend.ask(Ask(sql=POSSIBLE))
    return isinstance(found, Rows) and found.rows == (("t",),)


async def _filled(occurrence: Occurrence, rows: pa.Table, backend: Backend) -> SplicedTable:
    name = f"omnisql_{secrets.token_hex(8)}"
    columns, outputs, used = [], [], []
    for index, column in enumerate(occurrence.columns or (ROW_NUMBER,)):
        attribute = occurrence.relation.attribute(column)
        known = BY_OID.get(attribute.type_oid if attribute is not None else _INT8)
        columns.append(f"c{index} {(known or BY_OID[_TEXT]).sql_name}")
        used.append(column)
        if attribute is not None:
            cast = f"::{attribute.type_sql}" if known is None or known.name == "bpchar" else ""
            outputs.append(f"u.c{index}{cast} AS {identifier(column)}")
    table = SplicedTable(name=name, outputs=tuple(outputs))
    where = _qualified(name)
    await backend.ask(Command(sql=f"CREATE TEMPORARY TABLE {where} ({', '.join(columns)}) ON COMMIT DROP"))
    async with aclosing(_lines(rows.select(used))) as lines:
        await backend.load(f"COPY {where} FROM STDIN (FORMAT text, ENCODING 'UTF8')", lines)
    await backend.ask(Command(sql=f"ANALYZE {where}"))
    return table


async def _lines(rows: pa.Table) -> AsyncGenerator[bytes | memoryview, None]:
    for batch in rows.to_batches(max_chunksize=ROWS_A_PIECE):
        data = await asyncio.to_thread(copy_lines, batch)
        for start in range(0, len(data), PIECE_BYTES):
            yield memoryview(data)[start : start + PIECE_BYTES]


def _qualified(name: str) -> str:
    return f"pg_temp.{identifier(name)}"
