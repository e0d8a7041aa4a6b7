"""Keeps a session of a read-only token reading: what would end PostgreSQL's read-only mode is refused before.

Wraps a session's runner. A message that might end the mode becomes one statement to run, and running it is the refusal,
so that the client and its transaction see an error as any other.
"""

from __future__ import annotations

from dataclasses import dataclass

from omnisql_server.errors import OmniSQLError
from omnisql_server.model.run import (
    BoundParameters,
    Description,
    ForwardingRunner,
    RunResult,
    SessionView,
    StatementRunner,
)
from omnisql_server.model.statement import Part, Statement, to_run_as_one
from omnisql_server.parse.read_only import leaves_read_only


class ReadOnlySession(OmniSQLError):
    """The session was opened for reading alone."""

    sqlstate = "25006"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOnlyRunner(ForwardingRunner[StatementRunner]):
    """A runner whose session may not leave the read-only mode that its transactions begin in."""

    def route(self, text: bytes, overlay: frozenset[str]) -> tuple[Part, ...] | None:
        """Split a message into parts; one that might end the mode is a single part to run."""
        if not leaves_read_only(text):
            return self.runner.route(text, overlay)
        return to_run_as_one(text)

    @property
    def plain(self) -> None:
        """Take no text for plain: each is looked at."""
        return None

    async def describe(
        self, statement: Statement, type_oids: tuple[int, ...], view: SessionView, *, twin: str
    ) -> Description:
        """Describe a statement.

        Raises:
            ReadOnlySession: 25006, it might end the mode. Else as the runner does.
        """
        _check(statement)
        return await self.runner.describe(statement, type_oids, view, twin=twin)

    async def run(
        self, statement: Statement, parameters: BoundParameters, view: SessionView, *, twin: str | None = None
    ) -> RunResult:
        """Run a statement up to its first rows.

        Raises:
            ReadOnlySession: 25006, it might end the mode. Else as the runner does.
        """
        _check(statement)
        return await self.runner.run(statement, parameters, view, twin=twin)

    async def watch(self, statement: Statement, view: SessionView) -> None:
        """Note what a statement reads that was derived, before it is relayed."""
        await self.runner.watch(statement, view)


def _check(statement: Statement) -> None:
    if leaves_read_only(statement.text.encode()):
        raise ReadOnlySession(
            message="this session is for reading only",
            detail="The API token that opened it is, and the statement might end PostgreSQL's read-only mode.",
            hint="Leave the statement out, or log in with a token that may write.",
        )
