"""The graceful end of all sessions."""

from __future__ import annotations

import asyncio

from omnisql_server.listener.drain import OpenSessions


class SessionDouble:
    """A session that ends when it is idle, or when it must."""

    def __init__(self, sessions: OpenSessions, *, idle: bool) -> None:
        self._sessions = sessions
        self._idle = idle
        self.ended = ""

    def drain(self) -> None:
        """End if idle."""
        if self._idle:
            self._end("drained")

    def stop(self) -> None:
        """End."""
        self._end("stopped")

    def is_overdue(self, now_s: float) -> bool:
        """Never be late."""
        return False

    async def cancel_overdue(self) -> None:
        """Do nothing."""

    def consider_parking(self, now_s: float) -> None:
        """Keep the backend."""

    def _end(self, how: str) -> None:
        self.ended = how
        self._sessions.remove(self)


async def test_idle_sessions_end_first_and_busy_ones_at_the_limit() -> None:
    sessions = OpenSessions()
    idle, busy = SessionDouble(sessions, idle=True), SessionDouble(sessions, idle=False)
    sessions.add(idle)
    sessions.add(busy)
    draining = asyncio.create_task(sessions.drain(0.01))
    await asyncio.wait({draining}, timeout=0)
    assert (idle.ended, busy.ended) == ("drained", "")
    await draining
    assert busy.ended == "stopped"
    assert len(sessions) == 0


async def test_a_session_that_comes_late_is_drained_too() -> None:
    sessions = OpenSessions()
    await sessions.drain(1)
    late = SessionDouble(sessions, idle=True)
    sessions.add(late)
    assert late.ended == "drained"
