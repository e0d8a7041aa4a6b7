"""CALL omnisql.refresh('schema.table') and omnisql.invalidate(..): what is kept of an API table, for its reader.

A refresh of the rows that meet a condition is the SELECT of them, run as any other, but for its rows, which are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from catalog.procedures import CHECK_SOURCE, INVALIDATE, PROCEDURES_SCHEMA, REFRESH, REFRESH_WHERE, Procedure
from omnisql_server.errors import InsufficientPrivilege, InternalError, NotSupported
from omnisql_server.manage.errors import ApiTableUnknown
from omnisql_server.manage.facts import options_of
from omnisql_server.manage.managed import Instead, Manage
from omnisql_server.model.backend import Ask, Rows
from omnisql_server.model.definition import CallDefinition
from omnisql_server.model.run import SessionView
from omnisql_server.model.statement import Statement
from omnisql_server.parse.condition import query_with
from omnisql_server.session_reports import last_reports

KEPT_TABLE = """
SELECT n.nspname, c.relname, s.srvname, w.fdwname, pg_catalog.array_to_json(t.ftoptions),
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  JOIN pg_catalog.pg_foreign_table AS t ON t.ftrelid OPERATOR(pg_catalog.=) c.oid
  JOIN pg_catalog.pg_foreign_server AS s ON s.oid OPERATOR(pg_catalog.=) t.ftserver
  JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw
 WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid
"""
"""A foreign table by its name as one would write it, and whether the current user may read any of it."""

MAY_CALL = """
SELECT pg_catalog.has_function_privilege(p.oid, 'EXECUTE') AND pg_catalog.has_schema_privilege(p.pronamespace, 'USAGE')
  FROM pg_catalog.pg_proc AS p
 WHERE p.oid OPERATOR(pg_catalog.=) pg_catalog.to_regprocedure($1)::pg_catalog.oid
"""
"""Whether the current user may call a procedure; no row where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTable:
    """A foreign table whose rows may be kept."""

    schema: str
    name: str
    server: str
    wrapper: str
    api_table: str


class KeptRows(Protocol):
    """What is kept for a tenant."""

    async def invalidate(self, table: KeptTable, view: SessionView) -> None:
        """Forget what is kept of a table under the credential of a session's user."""

    async def renew(self, table: KeptTable, view: SessionView) -> tuple[int, int]:
        """Read again what is kept so, and return how many answers that were and how many requests it took."""


class ManageKept:
    """Carries out calls of some procedures that differ in their arguments; implements `manage.managed.Manage`."""

    def __init__(self, rows: KeptRows, *procedures: Procedure) -> None:
        self._rows = rows
        self._by_arguments = {len(procedure.arguments): procedure for procedure in procedures}

    async def claims(self, statement: Statement, view: SessionView) -> bool:
        """Claim calls with plain strings; where the procedure does not exist, PostgreSQL says so.

        Raises:
            NotSupported: 0A000, an argument is not written as a plain string.
        """
        arguments = call_of(statement).arguments
        procedure = self._by_arguments.get(len(arguments))
        if procedure is None:
            return False
        for name, argument in zip(procedure.arguments, arguments, strict=True):
            if argument is None:
                raise NotSupported(message=f"the {name} must be written as a string", hint=procedure.call)
        return await _may_call(procedure, view) is not None

    async def run(self, statement: Statement, view: SessionView) -> str | Instead:
        """Forget, or read again.

        Raises:
            InsufficientPrivilege: 42501. ApiTableUnknown: HV00R. ConnectorError: a source failed.
            ConditionInvalid: 42601, and others of `parse.condition`.
        """
        written = [argument or "" for argument in call_of(statement).arguments]
        # Who may not call the shorter one, by which all is read again, may not call the longer one.
        for procedure in self._by_arguments.values():
            if len(procedure.arguments) <= len(written) and not await _may_call(procedure, view):
                raise InsufficientPrivilege(message=f"permission denied for procedure {procedure.name}")
        table = await _table(written[0], view)
        if len(written) > 1:
            return _reading(table, written[1], view)
        if INVALIDATE in self._by_arguments.values():
            await self._rows.invalidate(table, view)
            return "CALL"
        answers, requests = await self._rows.renew(table, view)
        _tell(f"{answers} answers of {table.schema}.{table.name} were read again with {requests} requests", view)
        return "CALL"


def _reading(table: KeptTable, condition: str, view: SessionView) -> Instead:
    def tell(rows: int) -> None:
        requests = sum(report.requests for report in last_reports(view))
        _tell(f"{rows} rows of {table.schema}.{table.name} were read again with {requests} requests", view)

    return Instead(query=query_with(table.schema, table.name, condition), tag="CALL", tell=tell)


def _tell(message: str, view: SessionView) -> None:
    view.notice({"S": "NOTICE", "V": "NOTICE", "C": "00000", "M": message})


class ManageCalls:
    """Carries out calls of the procedures of schema `omnisql`, each by its own; implements `manage.managed.Manage`."""

    def __init__(self, check: Manage, rows: KeptRows) -> None:
        self._managers: Mapping[str, Manage] = {
            CHECK_SOURCE.name: check,
            REFRESH.name: ManageKept(rows, REFRESH, REFRESH_WHERE),
            INVALIDATE.name: ManageKept(rows, INVALIDATE),
        }

    async def claims(self, statement: Statement, view: SessionView) -> bool:
        """Claim calls by a procedure's whole name."""
        call = call_of(statement)
        manager = self._managers.get(call.name) if call.schema == PROCEDURES_SCHEMA else None
        return manager is not None and await manager.claims(statement, view)

    async def run(self, statement: Statement, view: SessionView) -> str | Instead:
        """Carry a call out."""
        return await self._managers[call_of(statement).name].run(statement, view)


def call_of(statement: Statement) -> CallDefinition:
    """Return what a call's statement asks for."""
    if not isinstance(statement.definition, CallDefinition):
        raise InternalError(message="a statement is not the call it was taken for")
    return statement.definition


async def _may_call(procedure: Procedure, view: SessionView) -> bool | None:
    (answer,) = await view.backend.ask(Ask(sql=MAY_CALL, parameters=(procedure.signature,)))
    rows = answer.rows if isinstance(answer, Rows) else ()
    return rows[0][0] == "t" if rows else None


async def _table(written: str, view: SessionView) -> KeptTable:
    (answer,) = await view.backend.ask(Ask(sql=KEPT_TABLE, parameters=(written,)))
    rows = answer.rows if isinstance(answer, Rows) else ()
    if not rows:
        raise ApiTableUnknown(message=f'"{written}" is no API table', hint="Write it as 'schema.table'.")
    schema, name, server, wrapper, options, readable = rows[0]
    if readable != "t":
        raise InsufficientPrivilege(message=f"permission denied for foreign table {name}")
    return KeptTable(
        schema=schema or "",
        name=name or "",
        server=server or "",
        wrapper=wrapper or "",
        api_table=options_of(options).get("table", name or ""),
    )
