"""The one way in which a run statement is stopped: by a client's cancel, a timeout, a disconnect or a drain.

`interrupt` hands an exception to the scope that is open, which raises it in the statement's place. Without a scope
nothing happens, so that nothing ever hits the next statement. `interrupt_next` is for a message whose statement has not
begun: the scope that the message opens is stopped as it opens, and no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from omnisql_server.errors import StatementCanceled


class Interrupts:
    """Holds a session's open scope, if there is one."""

    def __init__(self) -> None:
        self._scope: InterruptScope | None = None
        self._expecting = False
        self._next: Exception | None = None

    @property
    def armed(self) -> bool:
        """Say whether a run statement can be stopped now."""
        return self._scope is not None

    def interrupt(self, error: Exception) -> bool:
        """Stop the run statement with `error`; say whether there was one. Only the first call has an effect."""
        if self._scope is None:
            return False
        scope, self._scope = self._scope, None
        scope.stop(error)
        return True

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Handle one message inside: what comes before its statement has begun counts for that, and then no more."""
        self._expecting = True
        try:
            yield
        finally:
            self._expecting, self._next = False, None

    def interrupt_next(self, error: Exception) -> None:
        """Stop the run statement of the message that is being handled as soon as it begins."""
        if self._expecting and self._next is None:
            self._next = error

    def scope(self, limit_s: float) -> InterruptScope:
        """Open a scope around a run statement's work; above `limit_s` seconds (0: none) it is stopped as timed out."""
        return InterruptScope(self, limit_s)

    def arm(self, scope: InterruptScope | None) -> None:
        """Set the open scope; for the scope itself."""
        self._scope = scope
        if scope is not None and self._next is not None:
            error, self._next = self._next, None
            self.interrupt(error)


class InterruptScope:
    """Works as asyncio.timeout does: cancels the task it is entered in, and turns that cancellation into its error."""

    def __init__(self, interrupts: Interrupts, limit_s: float) -> None:
        self._interrupts = interrupts
        self._limit_s = limit_s
        self._task: asyncio.Task[object] | None = None
        self._earlier_cancels = 0
        self._error: Exception | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        """Start to listen for interrupts."""
        self._task = asyncio.current_task()
        self._earlier_cancels = self._task.cancelling() if self._task else 0
        self._interrupts.arm(self)
        if self._limit_s:
            self._timer = asyncio.get_running_loop().call_later(self._limit_s, self._time_out)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop listening; raise the interrupt's error if that is what ended the work."""
        if self._timer is not None:
            self._timer.cancel()
        if self._error is None:
            self._interrupts.arm(None)
            return
        cancels = self._task.uncancel() if self._task else 0
        if kind is not None and issubclass(kind, asyncio.CancelledError) and cancels <= self._earlier_cancels:
            raise self._error

    def _time_out(self) -> None:
        self._interrupts.interrupt(statement_timeout())

    def stop(self, error: Exception) -> None:
        """Cancel the work; called once, by `Interrupts.interrupt`."""
        self._error = error
        if self._task is not None:
            self._task.cancel()


def user_request() -> StatementCanceled:
    """Build the error of a canceled statement."""
    return StatementCanceled(message="canceling statement due to user request")


def statement_timeout() -> StatementCanceled:
    """Build the error of a statement that took too long."""
    return StatementCanceled(message="canceling statement due to statement timeout")
