"""The seam of managed statements: whether OmniSQL carries one out, and its answer, a command tag without rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from omnisql_server.errors import BackendError, RelayInstead
from omnisql_server.model.run import BoundParameters, Description, RunResult, SessionView, command_result
from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.model.trail import note_act

Run = Callable[[Statement, BoundParameters, SessionView], Awaitable[RunResult]]
"""Runs a statement up to its first rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    """A query that does what a managed statement asks for by being run; its rows go nowhere.

    `tag` is the statement's command tag, `tell` tells the client of the number of rows.
    """

    query: Statement
    tag: str
    tell: Callable[[int], None]


class Manage(Protocol):
    """Carries out one kind of statement in the client's transaction, through the session's own backend.

    PostgreSQL checks the rights and keeps the record: what is sent to it is a statement of the same effect.
    """

    async def claims(self, statement: Statement, view: SessionView) -> bool:
        """Say whether the statement is to be carried out here; otherwise it is relayed as it came."""

    async def run(self, statement: Statement, view: SessionView) -> str | Instead:
        """Carry the statement out and return its command tag, or return the query that does.

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
    managers: Mapping[StatementKind, Manage], statement: Statement, view: SessionView, run: Run
) -> RunResult:
    """Carry out a managed statement; `run` runs the query that does it, if there is one.

    Raises:
        RelayInstead: it is PostgreSQL's alone.
    """
    manager = await _manager_of(managers, statement, view)
    await note_act()
    done = await manager.run(statement, view)
    if isinstance(done, str):
        return command_result(done)
    try:
        done.tell(await _rows_of(await run(done.query, BoundParameters(), view)))
    except BackendError as error:
        # The query's text is not the client's.
        raise error.without_position() from error
    return command_result(done.tag)


async def _rows_of(result: RunResult) -> int:
    """Read a result to its end and count its rows."""
    try:
        return sum([len(chunk.ends) async for chunk in result.rows])
    finally:
        await result.close()


async def _manager_of(managers: Mapping[StatementKind, Manage], statement: Statement, view: SessionView) -> Manage:
    manager = managers.get(statement.kind)
    if manager is None or not await manager.claims(statement, view):
        raise RelayInstead
    return manager
