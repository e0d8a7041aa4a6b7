"""CALL omnisql.refresh('schema.table') and omnisql.invalidate(..): what is kept of an API table, for its reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from catalog.procedures import CHECK_SOURCE, INVALIDATE, PROCEDURES_SCHEMA, REFRESH, Procedure
from omnisql_server.errors import InsufficientPrivilege, InternalError, NotSupported
from omnisql_server.manage.errors import ApiTableUnknown
from omnisql_server.manage.facts import options_of
from omnisql_server.manage.managed import Manage
from omnisql_server.model.backend import Ask, Rows
from omnisql_server.model.definition import CallDefinition
from omnisql_server.model.run import SessionView
from omnisql_server.model.statement import Statement

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
    """Carries out calls of one of the two procedures; implements `manage.managed.Manage`."""

    def __init__(self, procedure: Procedure, rows: KeptRows) -> None:
        self._procedure = procedure
        self._rows = rows

    async def claims(self, statement: Statement, view: SessionView) -> bool:
        """Claim calls with one plain string; where the procedure does not exist, PostgreSQL says so.

        Raises:
            NotSupported: 0A000, the argument is not written as a plain string.
        """
        arguments = call_of(statement).arguments
        if len(arguments) != 1:
            return False
        if arguments[0] is None:
            raise NotSupported(message="the table must be written as a string", hint=self._procedure.call)
        return await _may_call(self._procedure, view) is not None

    async def run(self, statement: Statement, view: SessionView) -> str:
        """Forget or read again.

        Raises:
            InsufficientPrivilege: 42501. ApiTableUnknown: HV00R. ConnectorError: a source failed.
        """
        if not await _may_call(self._procedure, view):
            raise InsufficientPrivilege(message=f"permission denied for procedure {self._procedure.name}")
        table = await _table(call_of(statement).arguments[0] or "", view)
        if self._procedure is INVALIDATE:
            await self._rows.invalidate(table, view)
            return "CALL"
        answers, requests = await self._rows.renew(table, view)
        message = f"{answers} answers of {table.schema}.{table.name} were read again with {requests} requests"
        view.notice({"S": "NOTICE", "V": "NOTICE", "C": "00000", "M": message})
        return "CALL"


class ManageCalls:
    """Carries out calls of the procedures of schema `omnisql`, each by its own; implements `manage.managed.Manage`."""

    def __init__(self, check: Manage, rows: KeptRows) -> None:
        self._managers: Mapping[str, Manage] = {
            CHECK_SOURCE.name: check,
            REFRESH.name: ManageKept(REFRESH, rows),
            INVALIDATE.name: ManageKept(INVALIDATE, rows),
        }

    async def claims(self, statement: Statement, view: SessionView) -> bool:
        """Claim calls by a procedure's whole name."""
        call = call_of(statement)
        manager = self._managers.get(call.name) if call.schema == PROCEDURES_SCHEMA else None
        return manager is not None and await manager.claims(statement, view)

    async def run(self, statement: Statement, view: SessionView) -> str:
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
