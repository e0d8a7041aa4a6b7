"""Administrative acts outside of sessions: the command line's, and what the server notices by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from msgspec import structs

from catalog.audit import SERVER_CHAIN
from omnisql_server.audit.account import SUCCEEDED
from omnisql_server.audit.record import RUNNING, VERSION, Record, new_id, new_salt, now

Write = Callable[[UUID, Record], Awaitable[None]]
"""Puts a record on a chain; it is durable on return. A journal's `write` is one."""
Note = Callable[[UUID, Record], object]
"""Has a record put on a chain without waiting for it. A journal's `note` is one."""


@asynccontextmanager
async def act(
    write: Write, chain: UUID, *, kind: str, tenant: str, actor: str, detail: str = ""
) -> AsyncIterator[None]:
    """Put an act on record before and after the block that does it.

    Raises:
        AuditUnavailable: 58030, the start cannot be written and the block is not entered, or the finish cannot.
    """
    identity = new_id()

    def record(phase: str, outcome: str) -> Record:
        return Record(
            version=VERSION,
            id=identity,
            phase=phase,
            at=now(),
            kind=kind,
            tenant=tenant,
            principal=actor,
            outcome=outcome,
            detail=detail,
            salt=new_salt(),
        )

    await write(chain, record("start", RUNNING))
    try:
        yield
    except BaseException as error:
        await write(chain, record("finish", str(getattr(error, "sqlstate", "XX000"))))
        raise
    await write(chain, record("finish", SUCCEEDED))


async def noticed(write: Write, chain: UUID, *, kind: str, tenant: str, detail: str) -> None:
    """Put on record what the server has noticed.

    Raises:
        AuditUnavailable: 58030.
    """
    await write(chain, _noticed(kind, tenant, detail))


def configured(note: Note, *, kind: str, detail: str, policy_revision: str) -> None:
    """Have it put on record by which configuration and policy the server goes on, on the server's own chain.

    Raises:
        AuditUnavailable: 58030, it will not be written.
    """
    note(SERVER_CHAIN, structs.replace(_noticed(kind, "", detail), policy_revision=policy_revision))


def _noticed(kind: str, tenant: str, detail: str) -> Record:
    return Record(
        version=VERSION,
        id=new_id(),
        phase="whole",
        at=now(),
        kind=kind,
        tenant=tenant,
        principal="",
        outcome=SUCCEEDED,
        detail=detail,
        salt=new_salt(),
    )
