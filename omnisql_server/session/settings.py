"""Bounds of one session; the listener's settings hold one of these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """What one session may use.

    `statement_timeout_max_s` bounds every statement, relayed or run, whatever the client's settings say (0: no bound).
    `statements_max` and `portals_max` bound prepared statements and portals over API tables. `backend_timeout_s` bounds
    log-in to the backend and every clean-up. `close_timeout_s` bounds how long a closed client may take its last bytes.
    """

    statement_timeout_max_s: float = 3600.0
    statements_max: int = 1000
    portals_max: int = 100
    backend_timeout_s: float = 10.0
    close_timeout_s: float = 5.0
