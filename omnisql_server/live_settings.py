"""The settings that hold at this moment: replaced as a whole when the configuration is read again."""

from __future__ import annotations

from typing import Protocol

from omnisql_server.settings import Settings


class PresentSettings(Protocol):
    """Whom to ask for the settings that hold now, for the whole server or for a tenant."""

    @property
    def current(self) -> Settings:
        """Return the present tree."""


class LiveSettings:
    """Holds the present tree; who needs a value that may change asks here each time."""

    __slots__ = ("current",)

    def __init__(self, settings: Settings) -> None:
        self.current = settings
