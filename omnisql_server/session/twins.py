"""Twins of the client's run statements: parsed again on the backend when they are missing there."""

from __future__ import annotations

from omnisql_server.errors import RelayInstead
from omnisql_server.session.refused import Found, RefusedStatements
from omnisql_server.session.running import Running
from omnisql_server.session.statements import RunStatement, RunStatements


class Twins:
    """Makes twins; the name of one that may be on the backend for nothing goes to `strays`."""

    def __init__(self, running: Running, statements: RunStatements, strays: list[bytes]) -> None:
        self._running = running
        self._statements = statements
        self._strays = strays

    async def described(self, name: bytes, found: Found | None) -> RunStatement | None:
        """Make the twin of a statement that PostgreSQL has under a name; None if it is not one to run."""
        if found is None:
            return None
        running, twin = self._running, self._statements.new_twin()
        try:
            description = await running.runner.describe(*found, running.view, twin=twin)
        except RelayInstead:
            running.backend.close_statement(twin)
            return None
        except BaseException:
            self._strays.append(twin.encode())
            raise
        return RunStatement(name=name, statement=found[0], description=description, twin=twin)

    async def lend(self, name: bytes, refused: RefusedStatements, lent: list[RunStatement]) -> None:
        """Find a statement that SQL has prepared, if it is one to run, and make its twin."""
        if self._running.link.status == "E":
            return
        await self._running.check_may_run()
        statement = await self.described(name, await refused.statement_named(name))
        if statement is not None:
            self._statements.lend(statement)
            lent.append(statement)

    async def renewed(self, prepared: RunStatement) -> RunStatement:
        """Make sure that a statement's twin is on the backend: parse it again if it was dropped.

        Raises:
            NotSupported: 0A000, it means other rows now.
            OmniSQLError: it means nothing any more.
        """
        if self._statements.keeps(prepared.twin):
            return prepared
        twin = self._statements.new_twin()
        running, oids = self._running, prepared.description.parameter_oids
        try:
            description = await running.runner.describe(prepared.statement, oids, running.view, twin=twin)
        except BaseException:
            self._strays.append(twin.encode())
            raise
        return self._statements.renew(prepared, description, twin)
