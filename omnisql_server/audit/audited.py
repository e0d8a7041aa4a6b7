"""Runs a session's statements and puts each on record before its answer ends; implements `model.run.StatementRunner`.

A statement that asks no source, writes nothing and whose rows go out at once has one record, durable before the first
of them. Any other has two: the start is durable before the first request, write or row, the finish before the last rows
and the command's completion; a start without a finish shows that something was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace

import structlog

from omnisql_server.audit.account import SUCCEEDED, Account, Session, note_repeated
from omnisql_server.audit.errors import AuditUnavailable
from omnisql_server.audit.record import RELAYED
from omnisql_server.errors import RelayInstead
from omnisql_server.model.run import (
    BoundParameters,
    Description,
    ForwardingRunner,
    Repeatable,
    Repeated,
    RunResult,
    SessionView,
    StatementRunner,
)
from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.model.trail import TRAIL
from omnisql_server.observability.traces import statement_span
from wire.rows import EncodedRows
from wire.sqlstate import QUERY_CANCELED

ADMINISTRATIVE = frozenset(
    {
        StatementKind.CREDENTIAL,
        StatementKind.IMPORT,
        StatementKind.SERVER,
        StatementKind.FOREIGN_TABLE,
        StatementKind.CREDENTIAL_DROP,
        StatementKind.RIGHTS,
    }
)
"""Kinds that are put on record when PostgreSQL carries them out, too."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedRunner(ForwardingRunner[StatementRunner]):
    """One session's way to its tenant's pipeline."""

    session: Session

    async def describe(
        self, statement: Statement, type_oids: tuple[int, ...], view: SessionView, *, twin: str
    ) -> Description:
        """Describe a statement; only a refusal is put on record, for nothing is read.

        Raises:
            AuditUnavailable: 58030, the record cannot be written. Else as the pipeline does.
        """
        account = Account(self.session, statement)
        try:
            return await self.runner.describe(statement, type_oids, view, twin=twin)
        except Exception as error:
            await _fail(account, error)
            raise

    async def watch(self, statement: Statement, view: SessionView) -> None:
        """Put on record that a relayed statement is about to read what was derived from API tables.

        Raises:
            AuditUnavailable: 58030, the record cannot be written. InsufficientPrivilege: 42501, it may not read it.
        """
        account = Account(self.session, statement)
        token = TRAIL.set(account.trail)
        try:
            await self.runner.watch(statement, view)
        except Exception as error:
            await _fail(account, error)
            raise
        finally:
            TRAIL.reset(token)
        if account.trail.derived or statement.kind in ADMINISTRATIVE:
            await account.end(RELAYED)

    async def run(
        self, statement: Statement, parameters: BoundParameters, view: SessionView, *, twin: str | None = None
    ) -> RunResult:
        """Run a statement up to its first rows.

        Raises:
            AuditUnavailable: 58030, the record cannot be written. Else as the pipeline does.
        """
        account = Account(self.session, statement)
        token = TRAIL.set(account.trail)
        try:
            with statement_span() as trace_id:
                account.trace_id = trace_id
                result = await self.runner.run(statement, parameters, view, twin=twin)
        except asyncio.CancelledError:
            _cancel(account)
            raise
        except Exception as error:
            await _fail(account, error)
            raise
        finally:
            TRAIL.reset(token)
        rows = _recorded(account, result)

        async def close() -> None:
            await rows.aclose()
            try:
                await result.close()
            finally:
                if not account.trail.over:
                    # A portal that nobody reads to its end, or a statement that was stopped on the way.
                    await account.end(account.outcome, detail="closed before its end")

        return replace(result, rows=rows, close=close)

    async def repeat(self, repeatable: Repeatable, view: SessionView) -> Repeated | None:
        """Answer a statement again as it was answered before, once that is on record; None where it must be run.

        Raises:
            AuditUnavailable: 58030, the record cannot be written.
        """
        with statement_span() as trace_id:
            repeated = await self.runner.repeat(repeatable, view)
        if repeated is None:
            return None
        # Whoever stops waiting does not stop the record: it is written all the same.
        await note_repeated(self.session, repeated, trace_id)
        return repeated


async def _recorded(account: Account, result: RunResult) -> AsyncGenerator[EncodedRows, None]:
    """Pass rows on, one batch behind, so that the last goes out after the end is on record.

    Of what is streamed only one row is held back: the next batch may be long in coming.
    """
    held: EncodedRows | None = None
    rows: AsyncIterator[EncodedRows] = aiter(result.rows)
    try:
        async for batch in rows:
            if held is not None:
                await account.trail.begin()
                yield held
            held = batch
            account.trail.rows += batch.row_count
            if result.streamed and batch.row_count > 1:
                await account.trail.begin()
                first, held = _parted(batch)
                yield first
    except asyncio.CancelledError:
        account.outcome = QUERY_CANCELED
        raise
    except Exception as error:
        await _fail(account, error)
        raise
    await account.end(SUCCEEDED, detail=result.tag() if result.tag is not None else "")
    if held is not None:
        yield held


def _parted(batch: EncodedRows) -> tuple[EncodedRows, EncodedRows]:
    """Part a batch before its last row."""
    first_end = int(batch.ends[-2])
    first = EncodedRows(data=batch.data[:first_end], ends=batch.ends[:-1], copied=batch.copied)
    last = EncodedRows(data=batch.data[first_end:], ends=batch.ends[-1:] - first_end, copied=batch.copied)
    return first, last


async def _fail(account: Account, error: Exception) -> None:
    if isinstance(error, RelayInstead):
        if account.statement.kind in ADMINISTRATIVE or account.trail.derived:
            await account.end(RELAYED)
    elif not isinstance(error, AuditUnavailable):
        await account.end(str(getattr(error, "sqlstate", "XX000")))


def _cancel(account: Account) -> None:
    """Put a stopped statement on record without waiting: whoever stopped it is being answered."""
    try:
        account.end_soon(QUERY_CANCELED)
    except AuditUnavailable as error:
        _log.error("audit_not_written", records=1, reason=error.message)
