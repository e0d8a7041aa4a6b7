"""The seam of managed statements: whether OmniSQL carries one out, and its answer, a command tag without rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from omnisql_server.errors import RelayInstead
from omnisql_server.model.run import Description, RunResult, SessionView, command_result
from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.model.trail import note_act


class Manage(Protocol):
    """Carries out one kind of statement in the client's transaction, through the session's own backend.

    PostgreSQL checks the rights and keeps the record: what is sent to it is a statement of the same effect.
    """

    async def claims(self, statement: Statement, view: SessionView) -> bool:
        """Say whether the statement is to be carried out here; otherwise it is relayed as it came."""

    async def run(self, statement: Statement, view: SessionView) -> str:
        """Carry the statement out and return its command tag.

        Raises:
            OmniSQLError, CatalogError, ConnectorError: it cannot be done; nothing of it remains.
        """


async def managed_description(
    managers: Mapping[StatementKind, Manage], statement: Statement, view: SessionView
) -> Description:
    """Describe a managed statement: it takes no parameters and gives no rows.

    Raises:
        RelayInstead: it is PostgreSQL's alone.
    """
    await _manager_of(managers, statement, view)
    return Description(parameter_oids=(), fields=None)


async def managed_result(
    managers: Mapping[StatementKind, Manage], statement: Statement, view: SessionView
) -> RunResult:
    """Carry out a managed statement.

    Raises:
        RelayInstead: it is PostgreSQL's alone.
    """
    manager = await _manager_of(managers, statement, view)
    await note_act()
    return command_result(await manager.run(statement, view))


async def _manager_of(managers: Mapping[StatementKind, Manage], statement: Statement, view: SessionView) -> Manage:
    manager = managers.get(statement.kind)
    if manager is None or not await manager.claims(statement, view):
        raise RelayInstead
    return manager
