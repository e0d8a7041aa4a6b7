"""The settings that hold at this moment: replaced as a whole when the configuration is read again."""

from __future__ import annotations

from omnisql_server.settings import Settings


class LiveSettings:
    """Holds the present tree; who needs a value that may change asks here each time."""

    __slots__ = ("current",)

    def __init__(self, settings: Settings) -> None:
        self.current = settings
