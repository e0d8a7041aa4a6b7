"""What a session may do while its tenant's cluster takes more room on disk than it may: read, and give room back.

Wraps a session's runner. All transactions of the cluster begin read-only then (`disk_quota.py`): what would end that
mode is refused here, and a statement that frees room is given a transaction that may write.
"""

from __future__ import annotations

from dataclasses import dataclass

from omnisql_server.errors import BackendError, RelayInstead
from omnisql_server.model.backend import Ask
from omnisql_server.model.plain_texts import PlainTexts
from omnisql_server.model.room import Room
from omnisql_server.model.run import (
    BoundParameters,
    Description,
    ForwardingRunner,
    RunResult,
    SessionView,
    StatementRunner,
)
from omnisql_server.model.statement import Part, Statement, StatementKind, to_run_as_one
from omnisql_server.parse.frees_room import frees_room
from omnisql_server.parse.read_only import leaves_read_only

MAY_WRITE = "SET transaction_read_only = 'off'"
READ_ONLY_TRANSACTION, SETTLED = "25006", "25001"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomlessRunner(ForwardingRunner[StatementRunner]):
    """A runner that looks at statements while there is no room, and else passes all on."""

    room: Room

    def route(self, text: bytes, overlay: frozenset[str]) -> tuple[Part, ...] | None:
        """Split a message into parts; one that needs to be looked at is a single part to run."""
        if self.room.refusal is None:
            return self.runner.route(text, overlay)
        if leaves_read_only(text):
            return to_run_as_one(text)
        parts = self.runner.route(text, overlay)
        return to_run_as_one(text) if parts is None and frees_room(text) else parts

    @property
    def plain(self) -> PlainTexts | None:
        """Return the texts that are plain as things are: without room, each is looked at."""
        return self.runner.plain if self.room.refusal is None else None

    async def describe(
        self, statement: Statement, type_oids: tuple[int, ...], view: SessionView, *, twin: str
    ) -> Description:
        """Describe a statement.

        Raises:
            DiskQuotaExceeded: 53100, there is no room and it might end the read-only mode. RelayInstead: it frees room.
        """
        self._check(statement)
        if _is_ours(statement):
            raise RelayInstead(watched=True)
        return await self.runner.describe(statement, type_oids, view, twin=twin)

    async def run(
        self, statement: Statement, parameters: BoundParameters, view: SessionView, *, twin: str | None = None
    ) -> RunResult:
        """Run a statement up to its first rows.

        Raises:
            DiskQuotaExceeded: 53100, there is no room and it needs some. RelayInstead: it frees room.
        """
        self._check(statement)
        await self._let(statement, view)
        if _is_ours(statement):
            raise RelayInstead(watched=True)
        try:
            return await self.runner.run(statement, parameters, view, twin=twin)
        except BackendError as error:
            refusal = self.room.refusal
            if refusal is not None and error.sqlstate == READ_ONLY_TRANSACTION:
                raise refusal from error
            raise

    async def watch(self, statement: Statement, view: SessionView) -> None:
        """Note what a statement reads, and let one write that frees room, before it is relayed."""
        await self._let(statement, view)
        if not _is_ours(statement):
            await self.runner.watch(statement, view)

    def _check(self, statement: Statement) -> None:
        refusal = self.room.refusal
        if refusal is not None and leaves_read_only(statement.text.encode()):
            raise refusal

    async def _let(self, statement: Statement, view: SessionView) -> None:
        """Have the transaction of a statement that frees room, and of it alone, write.

        Raises:
            DiskQuotaExceeded: 53100, the client has asked for something before in the same transaction.
        """
        refusal = self.room.refusal
        if refusal is None or view.backend.in_transaction_block or not frees_room(statement.text.encode()):
            return
        # Parse may have taken a snapshot in the implicit transaction, after which its mode is settled.
        await view.backend.leave()
        try:
            await view.backend.ask(Ask(sql=MAY_WRITE))
        except BackendError as error:
            if error.sqlstate == SETTLED:
                raise refusal from error
            raise


def _is_ours(statement: Statement) -> bool:
    """Say whether a statement is one that `route` has made, for PostgreSQL to carry out."""
    return statement.kind is StatementKind.SELECT and frees_room(statement.text.encode())
