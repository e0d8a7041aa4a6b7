"""A journal tells when nothing is being written."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from catalog.audit_groups import Again
from catalog.connection import OwnConnection
from omnisql_server.audit.errors import AuditUnavailable
from omnisql_server.audit.journal import Journal


async def test_a_journal_is_quiet_while_it_writes_nothing() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def connect() -> OwnConnection:
        begun.set()
        await go_on.wait()
        raise ConnectionRefusedError

    async with asyncio.timeout(30), Journal(connect, timeout_s=10).running() as journal:
        await journal.quiet()
        given: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        journal.note_again(UUID(int=1), Again('"kind":"SELECT"', "::1", "", 0), given, "answer")
        await begun.wait()
        quiet = asyncio.ensure_future(journal.quiet())
        await asyncio.sleep(0)
        assert [quiet.done(), given.done()] == [False, False]
        go_on.set()
        await quiet
        with pytest.raises(AuditUnavailable):
            await given
