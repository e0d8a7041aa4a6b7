"""Sessions that look at others: what runs is shown to them before they look, so that they see and can stop it.

A statement that is run is shown in PostgreSQL only after a moment (`presence`). Whoever is about to read
pg_stat_activity, or to cancel a backend, would miss it in that moment. So a message that may do so waits until the
tenant's run statements are seen. A function that hides the words is not noticed.
"""

from __future__ import annotations

import asyncio

from omnisql_server.session.pool import BackendPool
from wire.framing import Frame

_ACTIVITY, _CANCEL = b"_activity", b"_cancel_backend"
_SEEN_WITHIN_S = 0.1
"""How long at most a look waits for statements whose backends are busy: those PostgreSQL shows and stops itself."""


def names_others(data: bytes) -> bool:
    """Say whether bytes name what tells of other sessions, or stops them."""
    lowered = data.lower()
    return _ACTIVITY in lowered or _CANCEL in lowered


class Onlooker:
    """One session as one that may look; `pool` knows the others of the tenant.

    `has_prepared` says that it has prepared a text that looks.
    """

    def __init__(self, pool: BackendPool) -> None:
        self._pool = pool
        self.has_prepared = False

    def looks(self, frame: Frame) -> bool:
        """Say whether a message of the client's may look at other sessions.

        One that has prepared such a text, under a name or by SQL, may do so with every Execute and Query from then on.
        """
        kind = frame.kind
        if kind not in b"QP":
            return self.has_prepared and kind == b"E"
        found = names_others(frame.data)
        if found and (kind == b"P" or b"prepare" in frame.data.lower()):
            self.has_prepared = True
        return kind == b"Q" and (found or self.has_prepared)

    async def show_others(self) -> None:
        """Have what runs in the tenant's other sessions seen, before this one looks."""
        if shown := self._pool.show():
            await asyncio.wait(shown, timeout=_SEEN_WITHIN_S)
