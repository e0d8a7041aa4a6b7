"""Execute a query over pages of its rows, each its whole input for a while: by DuckDB, page after page.

The next page is evaluated while the rows of one go out. Where DuckDB fails on a page, PostgreSQL evaluates that page,
once its turn has come, and goes on or says what is wrong.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import structlog

from omnisql_server.execute.ahead import AHEAD_MAX, with_lookahead
from omnisql_server.execute.duckdb_query import duckdb_query
from omnisql_server.execute.instances import InstancePool
from omnisql_server.execute.run import (
    DUCKDB_FAILURES,
    FIRST_ROWS,
    Parameters,
    by_postgres,
    encode_batch,
    failed_late,
    row_formats,
)
from omnisql_server.execute.splice_tables import SpliceLimits
from omnisql_server.model.backend import Backend
from omnisql_server.model.query import BoundQuery
from wire.rows import EncodedRows

_log = structlog.get_logger(__name__)

_Page = Mapping[str, pa.Table]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A part of what DuckDB gives for a page, or that it failed; it may be the last of a page in either case."""

    page: _Page
    batch: pa.RecordBatch | None = None
    rows: EncodedRows | None = None
    failure: Exception | None = None


async def execute_pages(
    query: BoundQuery,
    pages: AsyncGenerator[_Page, None],
    parameters: Parameters,
    backend: Backend,
    pool: InstancePool,
    limits: SpliceLimits,
    *,
    in_turn: bool,
) -> AsyncGenerator[EncodedRows, None]:
    """Yield the encoded rows of a query over each of its pages, in order; with `in_turn` none is asked for ahead.

    Raises:
        BackendError: PostgreSQL's own error, its position in the user's text.
        LimitExceeded: too many rows for the splice. Else as the pages do.
    """
    encode = partial(_encoded, query, parameters)
    given: _Page | None = None
    left_to_postgres: _Page | None = None
    evaluated = with_lookahead(encode, _evaluated(query, pages, pool), ahead=0 if in_turn else AHEAD_MAX)
    async with aclosing(evaluated) as pieces:
        async for piece in pieces:
            if piece.page is left_to_postgres:
                continue
            if piece.failure is None:
                given = piece.page
                if piece.rows is not None:
                    yield piece.rows
                continue
            _log.info("duckdb_refused", error_type=type(piece.failure).__name__)
            if piece.page is given:
                await failed_late(query, piece.page, parameters, backend, limits, piece.failure)
            left_to_postgres = piece.page
            async with aclosing(by_postgres(query, piece.page, parameters, backend, limits)) as chunks:
                async for chunk in chunks:
                    yield chunk


async def _evaluated(
    query: BoundQuery, pages: AsyncGenerator[_Page, None], pool: InstancePool
) -> AsyncGenerator[_Piece, None]:
    """Yield what DuckDB gives for each page, the statement's first rows by themselves."""
    first_rows = FIRST_ROWS
    async with aclosing(pages):
        async for page in pages:
            try:
                asked = duckdb_query(query, page)
                batches = pool.query(asked.text, page, query.settings.time_zone, native=asked.native)
                async with aclosing(batches):  # type: ignore[type-var]
                    async for batch in batches:
                        for part in (batch.slice(0, first_rows), batch.slice(first_rows)):
                            if part.num_rows:
                                yield _Piece(page=page, batch=part)
                                first_rows = 0
            except DUCKDB_FAILURES as error:
                yield _Piece(page=page, failure=error)


def _encoded(query: BoundQuery, parameters: Parameters, piece: _Piece) -> _Piece:
    if piece.batch is None:
        return piece
    try:
        rows = encode_batch(query, row_formats(query, parameters), parameters.copy_format, piece.batch)
    except DUCKDB_FAILURES as error:
        return _Piece(page=piece.page, failure=error)
    return _Piece(page=piece.page, rows=rows)
