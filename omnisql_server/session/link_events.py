"""What a session learns from its backend's connection while answers arrive."""

from __future__ import annotations

from typing import Protocol

from omnisql_server.errors import BackendError


class LinkEvents(Protocol):
    """Implemented by the session."""

    def on_ready(self, status: str) -> None:
        """A ReadyForQuery came."""

    def on_forgotten(self, *, everything: bool) -> None:
        """All prepared statements of the backend are gone; with DISCARD ALL, `everything` else, too."""

    def on_refusal(self) -> None:
        """A relayed statement met an API table."""

    def on_idle_error(self, error: BackendError) -> bool:
        """An error came that no message asked for; say whether it is dealt with, so that the client need not see it."""

    def on_long_answer(self) -> None:
        """More bytes than are allowed came since the last ReadyForQuery, and are about to be looked at."""

    def on_lost(self) -> None:
        """The connection is gone."""
