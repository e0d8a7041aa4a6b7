"""What a session asks about the room that its tenant has on disk."""

from __future__ import annotations

from typing import Protocol

from omnisql_server.errors import OmniSQLError


class DiskQuotaExceeded(OmniSQLError):
    """The tenant's cluster takes more room on disk than it may."""

    sqlstate = "53100"


class Room(Protocol):
    """The room of one tenant."""

    @property
    def refusal(self) -> DiskQuotaExceeded | None:
        """Give the error of what would need room; None while there is some."""

    @property
    def is_settled(self) -> bool:
        """Say whether each backend that begins a statement now has heard that there is no room."""

    def has_stopped(self, process_id: int) -> bool:
        """Say, once, whether the backend's statement was canceled for lack of room."""
