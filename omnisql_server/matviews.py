"""Materialized views over API tables: PostgreSQL's own, over a staging table that OmniSQL fills (`catalog.matviews`).

PostgreSQL cannot fill one that reads a foreign table. So the rows are fetched into a staging table, the view is made
over that, and the user's query is kept as a hidden view, which follows renames and goes with what it reads. All of it
happens in the client's transaction, by the client's own role; what is fetched is fetched before anything is locked.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from catalog.matviews import DATA_SCHEMA, QUERY_SUFFIX, STAGING_PREFIX
from catalog.quoting import identifier, qualified
from omnisql_server.answers import done_alone, explain_result, explained_by_postgres, own_position
from omnisql_server.bind.questions import ask_resolve, rows_of
from omnisql_server.errors import BackendError, InsufficientPrivilege, NotSupported
from omnisql_server.explain_options import check_options, explain_fields
from omnisql_server.model.backend import Ask, Backend, Command, Prepare
from omnisql_server.model.run import RunResult
from omnisql_server.model.statement import Statement
from omnisql_server.parse.grammar import parse_statements
from omnisql_server.parse.within import query_within
from wire.rows import EncodedRows

ADOPT = "SELECT omnisql_catalog.adopt_staging($1::pg_catalog.regclass, $2::pg_catalog.regclass)"
"""Take a staging table and its query into their schema, without anybody's rights but the owner's."""

STAGING = """
SELECT s.relname, pg_catalog.pg_has_role(m.relowner, 'USAGE')
  FROM pg_catalog.pg_class AS m
  JOIN pg_catalog.pg_rewrite AS w ON w.ev_class OPERATOR(pg_catalog.=) m.oid
  JOIN pg_catalog.pg_depend AS d
    ON d.objid OPERATOR(pg_catalog.=) w.oid
   AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
   AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
  JOIN pg_catalog.pg_class AS s
    ON s.oid OPERATOR(pg_catalog.=) d.refobjid AND s.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char"
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) s.relnamespace
 WHERE m.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND m.relkind OPERATOR(pg_catalog.=) 'm'::pg_catalog."char"
   AND n.nspname OPERATOR(pg_catalog.=) 'omnisql_data'::pg_catalog.name
 LIMIT 1
"""
"""The staging table of a materialized view, if it has one, and whether the current role has its owner's rights."""

_PRIVATE_NAME = "omnisql_q"
Run = Callable[[Statement], Awaitable[RunResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """The staging table of a materialized view; `may_refresh` says that the current role has its owner's rights."""

    name: str
    may_refresh: bool


async def staging_of(statement: Statement, backend: Backend) -> Staging | None:
    """Find the staging table of the materialized view that a REFRESH names; None when it reads no API table."""
    reference = statement.references[0]
    ((oid,),) = rows_of((await backend.ask(ask_resolve(((reference.schema, reference.name),))))[0])
    rows = rows_of((await backend.ask(Ask(sql=STAGING, parameters=(oid,))))[0]) if oid is not None else ()
    return Staging(name=rows[0][0] or "", may_refresh=rows[0][1] == "t") if rows else None


async def create_explained(statement: Statement, backend: Backend, run: Run) -> RunResult:
    """Make the materialized view that EXPLAIN ANALYZE is of, as PostgreSQL does, and tell how it was filled.

    Raises:
        BackendError, NotSupported: as `create`.
    """
    explain = statement.text.encode()[: statement.query_position].decode()
    told: list[EncodedRows] = []
    with own_position(statement):
        await backend.ask(Prepare(name=_PRIVATE_NAME, sql=statement.query))
    await check_options(statement, backend)
    with own_position(statement):
        made = await create(_parsed(statement.query), backend, run, explain=explain, told=told)
    return explain_result(statement, told) if told else replace(made, fields=explain_fields(statement))


async def create(
    statement: Statement, backend: Backend, run: Run, *, explain: str = "", told: list[EncodedRows] | None = None
) -> RunResult:
    """Make a materialized view over API tables; `run` runs a statement that writes, up to its first rows.

    What fills it begins with `explain`, and its rows go to `told`.

    Raises:
        BackendError: PostgreSQL refuses it.
        NotSupported: its query cannot be told apart.
    """
    made = statement.makes
    query, position = query_within(statement)
    if made is None or not query:
        raise NotSupported(message="the query of this materialized view cannot be told apart from the rest")
    # What PostgreSQL refuses about the statement as such, it refuses now, by the user's own text.
    await backend.ask(Prepare(name=_PRIVATE_NAME, sql=statement.text))
    name = f"{STAGING_PREFIX}{secrets.token_hex(8)}"
    where = f"{identifier(made.schema)}." if made.schema is not None else ""
    staging, hidden = where + identifier(name), where + identifier(name + QUERY_SUFFIX)
    columns = f" ({', '.join(map(identifier, made.columns))})" if made.columns else ""
    head = f"CREATE TABLE {staging}{columns} AS "
    try:
        if made.with_data:
            await _drained(await run(_parsed(explain + head + query)), told)
        else:
            await backend.ask(Command(sql=f"{head}{query} WITH NO DATA"))
        await backend.ask(Command(sql=f"CREATE VIEW {hidden}{columns} AS {query}"))
    except BackendError as error:
        raise error.without_position() from error
    await backend.ask(Ask(sql=ADOPT, parameters=(staging, hidden)))
    body = statement.text.encode()
    rest = body[position + len(query.encode()) :].decode()
    over = f"SELECT * FROM {qualified(DATA_SCHEMA, name)}"
    text = f"{body[:position].decode()}{over} {rest}"
    if made.with_data or not explain:
        return await done_alone(text, backend)
    return await explained_by_postgres(replace(statement, text=explain + text), backend)


async def refresh(statement: Statement, staging: Staging, backend: Backend, run: Run) -> RunResult:
    """Fill the staging table anew, and then have PostgreSQL refresh the materialized view from it.

    Raises:
        InsufficientPrivilege: 42501, the view belongs to somebody else.
        BackendError: PostgreSQL refuses it.
    """
    if not staging.may_refresh:
        raise InsufficientPrivilege(
            message=f"permission denied for materialized view {statement.references[0].name}",
            detail="A materialized view over API tables is refreshed by its owner, with what the owner may read.",
        )
    table = qualified(DATA_SCHEMA, staging.name)
    empty = Command(sql=f"TRUNCATE {table}")
    if not statement.with_data:
        await backend.ask(empty)
        return await done_alone(statement.text, backend)
    hidden = qualified(DATA_SCHEMA, staging.name + QUERY_SUFFIX)
    filled = await run(_parsed(f"INSERT INTO {table} SELECT * FROM {hidden}"))
    await backend.ask(empty)
    await _drained(filled)
    return await done_alone(statement.text, backend)


async def _drained(result: RunResult, told: list[EncodedRows] | None = None) -> None:
    try:
        async for chunk in result.rows:
            if told is not None:
                told.append(chunk)
    finally:
        await result.close()


def _parsed(text: str) -> Statement:
    (statement,) = parse_statements(text)
    return statement
