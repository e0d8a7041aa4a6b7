"""An idle session gives its backend away and gets one again with its next message, so that its client sees no change.

A backend may go only when two witnesses agree that the session holds no state on it: the gateway's own view of what was
sent (`footprint`), and the backend's answer to one constant query.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from omnisql_server.errors import BackendError, BackendLost, OmniSQLError
from omnisql_server.live_settings import PresentSettings
from omnisql_server.model.backend import Ask, Rows
from omnisql_server.session.backend import SessionBackend
from omnisql_server.session.ending import SessionEnd, lost_session
from omnisql_server.session.footprint import CLOSE_UNNAMED, Footprint
from omnisql_server.session.link import BackendLink
from omnisql_server.session.pool import BackendKey, BackendPool, Holder
from omnisql_server.session.replies import PARSE_ENDS, CheckReply
from wire.framing import Frame

EVIDENCE = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_statements AS p
                WHERE NOT pg_catalog.starts_with(p.name, 'omnisql_'::pg_catalog.text)),
       EXISTS (SELECT FROM pg_catalog.pg_cursors AS c
                WHERE NOT pg_catalog.starts_with(c.name, 'omnisql_'::pg_catalog.text)),
       EXISTS (SELECT FROM pg_catalog.pg_listening_channels() AS l),
       EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
                  AND d.refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()),
       EXISTS (SELECT FROM pg_catalog.pg_locks AS k
                WHERE k.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
                  AND k.locktype OPERATOR(pg_catalog.=) 'advisory'::pg_catalog.text),
       EXISTS (SELECT FROM pg_catalog.pg_settings AS s
                WHERE s.source OPERATOR(pg_catalog.=) 'session'::pg_catalog.text
                  AND (s.setting OPERATOR(pg_catalog.=) s.reset_val) IS NOT TRUE),
       current_user OPERATOR(pg_catalog.<>) session_user,
       pg_catalog.current_setting('idle_session_timeout'::pg_catalog.text)
         OPERATOR(pg_catalog.<>) '0'::pg_catalog.text
"""
"""Eight kinds of state, each true where the backend has it: prepared statements, cursors, channels listened to,
temporary objects, advisory locks, settings, another role, and a timer that is to end idle sessions."""

_IDLE_TIMER = 7
"""The place of the timer among them."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where a session's backends come from and go to."""

    pool: BackendPool
    key: BackendKey


class Parking:
    """Gives one session's backend away and gets one again.

    `active` says that the backend works for this alone, `lacks_unnamed` that it does not have the client's unnamed
    statement.
    """

    def __init__(
        self, *, link: BackendLink, backend: SessionBackend, footprint: Footprint, home: Home, live: PresentSettings
    ) -> None:
        self._link = link
        self._backend = backend
        self._footprint = footprint
        self._home = home
        self._live = live
        self._asked_at_s = 0.0
        self._never = False
        self._holder: Holder | None = None
        self.active = False
        self.lacks_unnamed = False

    @property
    def may_go(self) -> bool:
        """Say whether the backend could go, as far as can be told without asking it."""
        settled = self._link.is_settled and not self._never and not self._footprint.holds
        # What the backend has denied once it denies until the client has sent something.
        return settled and self._link.head_since_s > self._asked_at_s

    def is_due(self, now_s: float) -> bool:
        """Say whether the session has been idle for long enough; `now_s` is of the monotonic clock."""
        park_after_s = self._live.current.sessions.park_after_s
        return bool(park_after_s) and self.may_go and now_s - self._link.head_since_s >= park_after_s

    def enter(self, holder: Holder) -> None:
        """Tell the pool that the session has a backend."""
        self._holder = holder
        self._home.pool.enter(holder)

    def leave(self) -> None:
        """Tell the pool that the session has none any more."""
        if self._holder is not None:
            self._home.pool.leave(self._holder)

    async def park(self) -> bool:
        """Give the backend away if it agrees that it holds nothing; say whether it is gone.

        Raises:
            SessionEnd: it does not answer in time.
        """
        self.active = True
        try:
            async with asyncio.timeout(self._live.current.sessions.backend_timeout_s):
                if await self._holds_state():
                    return False
                wanted = self._home.pool.wants
                if wanted:
                    await self._backend.discard_all()
        except TimeoutError:
            raise lost_session(told=self._link.fatal_shown) from None
        except BackendLost:
            return False
        except BackendError as error:
            _log.info("backend_not_parked", sqlstate=error.sqlstate)
            return False
        finally:
            self._asked_at_s = self._link.head_since_s
            self.active = False
        connection = self._link.detach()
        if connection is None:
            return False
        self._backend.forget()
        self.leave()
        if wanted:
            self._home.pool.put(self._home.key, connection)
        else:
            connection.terminate()
        _log.debug("backend_parked", kept=wanted)
        return True

    async def restore(self) -> None:
        """Get a backend again for the session's next message, and tell the client what is different there.

        Raises:
            SessionEnd: there is none; the client is told why.
        """
        try:
            connection = await self._home.pool.acquire(self._home.key, self._live.current.sessions.backend_timeout_s)
        except OmniSQLError as error:
            raise SessionEnd(error) from error
        self._link.attach(connection)
        if self._holder is not None:
            self.enter(self._holder)
        self.lacks_unnamed = self._footprint.unnamed is not None

    def prepare_unnamed(self, frame: Frame) -> None:
        """Send the last Parse of the unnamed statement again if a message needs it; called while `lacks_unnamed`.

        If it cannot be parsed any more, the client is told as PostgreSQL would.
        """
        kind, body = frame.kind, frame.payload
        needs = kind in b"BD" and (body.split(b"\0", 2)[1:2] == [b""] if kind == b"B" else body == b"S\0")
        if needs and self._footprint.unnamed is not None:
            self._link.send(self._footprint.unnamed, CheckReply(PARSE_ENDS))
        if needs or kind == b"Q" or (kind == b"P" and body.startswith(b"\0")) or frame.data == CLOSE_UNNAMED:
            self.lacks_unnamed = False

    async def _holds_state(self) -> bool:
        """Ask the backend."""
        try:
            answer = (await self._backend.ask(Ask(sql=EVIDENCE)))[0]
        except BackendError:
            await self._backend.sync()
            raise
        await self._backend.sync()
        held = [value != "f" for value in answer.rows[0]] if isinstance(answer, Rows) else [True]
        self._never = len(held) > _IDLE_TIMER and held[_IDLE_TIMER]
        return any(held)
