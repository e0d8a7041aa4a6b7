"""Relayed prepared statements that read what was derived from API tables: each Bind of one is put on record first."""

from __future__ import annotations

from omnisql_server.errors import LimitExceeded
from omnisql_server.model.statement import Statement
from omnisql_server.session.running import Running

WATCHED_MAX = 10_000


class WatchedStatements:
    """Holds them by the client's names; PostgreSQL has the statements themselves."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.by_name: dict[bytes, Statement] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.by_name)

    def __contains__(self, name: object) -> bool:
        """Say whether the statement of a name is watched."""
        return name in self.by_name

    def put(self, name: bytes, statement: Statement) -> None:
        """Watch a statement.

        Raises:
            LimitExceeded: 54000, too many are watched already.
        """
        if name not in self.by_name and len(self.by_name) >= WATCHED_MAX:
            raise LimitExceeded(
                message=f"more than {WATCHED_MAX} prepared statements read what was derived from API tables",
                hint="DEALLOCATE those that are not needed any more",
            )
        self.by_name[name] = statement

    def forget(self, name: bytes) -> None:
        """Forget a statement that was closed or replaced."""
        self.by_name.pop(name, None)

    def clear(self) -> None:
        """Forget all, because the backend has."""
        self.by_name.clear()

    async def note(self, name: bytes) -> None:
        """Put the Bind of a statement on record.

        Raises:
            OmniSQLError: it may not go on.
        """
        running = self._running
        running.backend.alone = not (running.link.in_block or running.relayed or running.executed)
        try:
            await running.runner.watch(self.by_name[name], running.view)
        finally:
            running.backend.alone = False
