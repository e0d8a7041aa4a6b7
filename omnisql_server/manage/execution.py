"""Runs statements of OmniSQL's making on a session's backend, in the transaction of the client's statement."""

from __future__ import annotations

from collections.abc import Sequence

from omnisql_server.errors import InternalError
from omnisql_server.model.backend import Backend, Command, Done

STATEMENTS_PER_FLUSH = 100


async def execute(backend: Backend, statement: str) -> str:
    """Run one statement and return its command tag.

    Raises:
        BackendError: PostgreSQL refuses it.
    """
    (done,) = await backend.ask(Command(sql=statement))
    if not isinstance(done, Done):
        raise InternalError(message="the backend answered out of order")
    return done.tag


async def execute_all(backend: Backend, statements: Sequence[str]) -> None:
    """Run statements in order, many in one flush.

    Raises:
        BackendError: PostgreSQL refuses one; the transaction has failed.
    """
    for start in range(0, len(statements), STATEMENTS_PER_FLUSH):
        await backend.ask(*(Command(sql=statement) for statement in statements[start : start + STATEMENTS_PER_FLUSH]))
