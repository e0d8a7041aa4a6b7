"""The rows that a statement needs of a page or of a table, computed by DuckDB before more is asked for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa
import structlog
from sqlglot import exp

from omnisql_server.execute.duckdb_query import duckdb_query
from omnisql_server.execute.duckdb_text import duckdb_text
from omnisql_server.execute.instances import InstancePool
from omnisql_server.execute.run import DUCKDB_FAILURES, reason_against
from omnisql_server.model.plan import Reduction
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.relation import ROW_NUMBER

_PAGE = "page"
_log = structlog.get_logger(__name__)


async def meeting(rows: pa.Table, conditions: Sequence[exp.Expr], pool: InstancePool, time_zone: str) -> list[int]:
    """Return the numbers of the rows, by their column of that name, for which all conditions are true.

    All numbers where DuckDB cannot tell: the statement itself is evaluated later, and may well fail as it does here.
    """
    numbers: list[int] = rows.column(ROW_NUMBER).to_pylist()
    if not conditions or not numbers:
        return numbers
    names = {column.name for condition in conditions for column in condition.find_all(exp.Column)}
    select = exp.Select(
        expressions=[exp.column(ROW_NUMBER, table=_PAGE, quoted=True)],
        from_=exp.From(this=exp.to_table(_PAGE)),
        where=exp.Where(this=exp.and_(*(exp.paren(one, copy=True) for one in conditions), copy=False)),
    )
    page = rows.select([*sorted(names), ROW_NUMBER])
    try:
        found = [batch async for batch in pool.query(duckdb_text(select), {_PAGE: page}, time_zone)]
    except duckdb.Error as error:
        _log.debug("survivors_not_told", reason=type(error).__name__)
        return numbers
    return sorted(number for batch in found for number in batch.column(0).to_pylist())


def may_execute(query: BoundQuery) -> bool:
    """Say whether DuckDB is proved to evaluate a query as PostgreSQL does, whichever engine the session wants."""
    return reason_against(query) is None


async def rows_named(reduction: Reduction, relations: Mapping[str, pa.Table], pool: InstancePool) -> list[int]:
    """Return the numbers of the rows of a scan that a reduction names, in their order; `relations` are by scan name.

    All numbers where DuckDB cannot tell: the statement itself is evaluated later, and may well fail as it does here.
    """
    read = {one.scan_name: relations[one.scan_name] for one in reduction.query.occurrences}
    try:
        asked = duckdb_query(reduction.query, read)
        rows = pool.query(asked.text, read, reduction.query.settings.time_zone, native=asked.native)
        found = [batch async for batch in rows]
    except DUCKDB_FAILURES as error:
        _log.info("rows_not_told", reason=type(error).__name__)
        numbers: list[int] = relations[reduction.scan_name].column(ROW_NUMBER).to_pylist()
        return numbers
    return sorted({number for batch in found for number in batch.column(0).to_pylist()})
