"""Relayed prepared statements that read what was derived from API tables: each Bind of one is put on record first.

A statement may come to read such relations after it was prepared: what it names is written to, or made anew. So all
are looked at again once the catalog has changed, by the texts that PostgreSQL and the session have of them.
"""

from __future__ import annotations

from omnisql_server.bind.questions import rows_of
from omnisql_server.errors import LimitExceeded
from omnisql_server.model.backend import Ask
from omnisql_server.model.plain_texts import PlainTexts
from omnisql_server.model.statement import Statement
from omnisql_server.session.running import Running
from omnisql_server.session.statements import is_run
from wire.framing import HEADER_BYTES

WATCHED_MAX = 10_000
PREPARED = "SELECT s.name, s.statement FROM pg_catalog.pg_prepared_statements AS s WHERE NOT s.from_sql"
"""What was prepared by Parse messages, under other names than none."""


class WatchedStatements:
    """Holds them by the client's names; PostgreSQL has the statements themselves."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.by_name: dict[bytes, Statement] = {}
        self._seen: dict[bytes, PlainTexts | None] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.by_name)

    def __contains__(self, name: object) -> bool:
        """Say whether the statement of a name is watched."""
        return name in self.by_name

    def concerns(self, name: bytes) -> bool:
        """Say whether a Bind of a statement is to be noted, or the statement to be looked at before that is known."""
        if name in self.by_name:
            return True
        plain, link = self._running.runner.plain, self._running.link
        if link.status == "E" and not link.pending:
            # All that a failed transaction carries out is to end it.
            return False
        if plain is None or not plain.derives:
            return plain is None
        if name:
            return self._seen.get(name) is not plain
        text = self._running.footprint.unnamed_text
        return text is not None and not self._running.is_relayed(text)

    def may_concern(self, bind: bytes) -> bool:
        """Say the same of the statement that a Bind message names."""
        start = bind.find(b"\0", HEADER_BYTES) + 1
        return self.concerns(bind[start : bind.find(b"\0", start)])

    def parsed(self, name: bytes) -> None:
        """Learn that a statement was parsed which reads nothing derived, as the catalog is now."""
        self.forget(name)
        if len(self._seen) >= WATCHED_MAX:
            self._seen.clear()
        self._seen[name] = self._running.runner.plain

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
        self._seen.clear()

    async def note(self, name: bytes) -> None:
        """Put the Bind of a statement on record.

        Raises:
            OmniSQLError: it may not go on.
        """
        running = self._running
        if running.link.status == "E":
            # PostgreSQL says what is wrong, and carries out nothing.
            return
        running.backend.alone = not (running.link.in_block or running.relayed or running.executed)
        try:
            if name not in self.by_name:
                await self._look(name)
            if name in self.by_name:
                await running.runner.watch(self.by_name[name], running.view)
        finally:
            running.backend.alone = False

    async def _look(self, name: bytes) -> None:
        """Look at a statement as the catalog is now; at all but the unnamed one, where it has one."""
        running = self._running
        if not name:
            self._watch(name, running.footprint.unnamed_text or b"")
            return
        await running.route(b"")
        plain = running.runner.plain
        rows = rows_of((await running.backend.ask(Ask(sql=PREPARED)))[0])
        for known, text in rows:
            self._watch((known or "").encode(), (text or "").encode())
        self._seen = {(known or "").encode(): plain for known, _ in rows}

    def _watch(self, name: bytes, text: bytes) -> None:
        parts = self._running.runner.route(text, self._running.overlay) or ()
        if len(parts) == 1 and is_run(parts[0]) and parts[0].statement is not None:
            self.put(name, parts[0].statement)
