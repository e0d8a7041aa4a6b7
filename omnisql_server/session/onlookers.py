"""Sessions that look at others: what runs is shown to them before they look, so that they see and can stop it.

A statement that is run is shown in PostgreSQL only after a moment (`presence`). Whoever is about to read
pg_stat_activity, or to cancel a backend, would miss it in that moment. So a message that may do so waits until the
tenant's run statements are seen. A function that hides the words is not noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from omnisql_server.session.pool import BackendPool
from wire.framing import Frame

_ACTIVITY, _CANCEL = b"_activity", b"_cancel_backend"
_SEEN_WITHIN_S = 0.1
"""How long at most a look waits for statements whose backends are busy: those PostgreSQL shows and stops itself."""


class Onlooker:
    """One session as one that may look; `pool` knows the others of the tenant."""

    def __init__(self, pool: BackendPool) -> None:
        self._pool = pool
        self._has_prepared = False

    def looks(self, frame: Frame) -> bool:
        """Say whether a message of the client's may look at other sessions.

        One that has prepared such a text, under a name or by SQL, may do so with every Execute and Query from then on.
        """
        kind = frame.kind
        if kind not in b"QP":
            return self._has_prepared and kind == b"E"
        lowered = frame.data.lower()
        found = _ACTIVITY in lowered or _CANCEL in lowered
        if found and (kind == b"P" or b"prepare" in lowered):
            self._has_prepared = True
        return kind == b"Q" and (found or self._has_prepared)

    def looks_in(self, unit: Sequence[Frame]) -> bool:
        """Say whether messages of the extended protocol, of which only the first may be a Parse, may look."""
        return self.looks(unit[0]) or self._has_prepared

    async def show_others(self) -> None:
        """Have what runs in the tenant's other sessions seen, before this one looks."""
        if shown := self._pool.show():
            await asyncio.wait(shown, timeout=_SEEN_WITHIN_S)
