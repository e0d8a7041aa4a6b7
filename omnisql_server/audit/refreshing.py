"""Readings that the server makes by itself: its start is on record before the first request, its end with its calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from omnisql_server.audit.account import SUCCEEDED
from omnisql_server.audit.acts import Write
from omnisql_server.audit.record import RUNNING, VERSION, Record, new_id, new_salt, now
from omnisql_server.model.trail import TRAIL, Trail

KIND = "refresh"


@asynccontextmanager
async def refresh_on_record(write: Write, chain: UUID, tenant: str, what: str) -> AsyncIterator[None]:
    """Put the requests of the block on record as nobody's but the server's; without any there is no record.

    Raises:
        AuditUnavailable: 58030, a record cannot be written; no request is made then.
    """
    identity = new_id()
    begun = False

    def record(phase: str, outcome: str, calls: int) -> Record:
        return Record(
            version=VERSION,
            id=identity,
            phase=phase,
            at=now(),
            kind=KIND,
            tenant=tenant,
            principal="",
            outcome=outcome,
            calls=calls,
            detail=what,
            salt=new_salt(),
        )

    async def begin() -> None:
        nonlocal begun
        if not begun:
            await write(chain, record("start", RUNNING, 0))
            begun = True

    trail = Trail(begin=begin)
    token = TRAIL.set(trail)
    try:
        yield
    except BaseException as error:
        if begun:
            await write(chain, record("finish", str(getattr(error, "sqlstate", "XX000")), trail.calls))
        raise
    finally:
        TRAIL.reset(token)
    if begun:
        await write(chain, record("finish", SUCCEEDED, trail.calls))
