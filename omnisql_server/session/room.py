"""Bounds of a session that PostgreSQL does not know of: the room its tenant has on disk, and how long an answer may be.

What PostgreSQL says of them is told as what it means, and read-only mode is not left while there is no room.
"""

from __future__ import annotations

import sys

from omnisql_server.errors import error_fields
from omnisql_server.live_settings import PresentSettings
from omnisql_server.model.room import Room
from omnisql_server.session.link import BackendLink
from omnisql_server.session.login import READ_ONLY
from omnisql_server.session.moving import answer_too_large
from omnisql_server.session.replies import as_timeout
from wire.backend import error_response, parameter_status
from wire.framing import Frame

_IS_READ_ONLY = parameter_status(READ_ONLY, "on")
_READ_ONLY_REFUSAL, _CANCELED = b"C25006\0", b"C57014\0"


FIRST_LOOK_BYTES = 16_384
"""How much of an answer is passed on before its bound is asked for: most answers are shorter, and cost nothing."""


class SessionRoom:
    """Looks at one session's answers; `room` is None where the disk is not bounded."""

    def __init__(self, room: Room | None, link: BackendLink, live: PresentSettings) -> None:
        self._room = room
        self._link = link
        self._has_left = self._is_too_long = False
        self._live = live
        link.retell = self.retold
        self.at_ready()

    def refuses_answer(self) -> bool:
        """Say, once, that an answer is too long if it is a relayed one. Rows of ours are counted elsewhere."""
        if self._is_too_long or self._link.pending.is_private:
            return False
        if self._link.answer_bytes <= self._bytes_max:
            self._link.answer_bytes_max = min(self._bytes_max, 2 * self._link.answer_bytes)
            return False
        self._is_too_long = True
        return True

    @property
    def _bytes_max(self) -> int:
        return self._live.current.sessions.answer_bytes_max or sys.maxsize

    def at_ready(self) -> None:
        """Learn that an answer is over. The next is looked at as it grows, since its bound may change until then."""
        self._is_too_long = False
        self._link.answer_bytes_max = min(self._bytes_max, FIRST_LOOK_BYTES)

    def retold(self, frame: Frame, timed_out: bool) -> Frame:
        """Return an error of the backend as the client is to be told it."""
        if timed_out:
            return as_timeout(frame)
        if self._is_too_long and _CANCELED in frame.data:
            too_large = answer_too_large(self._bytes_max)
            return Frame(frame.kind, error_response(error_fields(too_large)))
        refusal = self._room.refusal if self._room is not None else None
        if self._room is None or refusal is None:
            return frame
        canceled = _CANCELED in frame.data and self._room.has_stopped(self._link.process_id)
        if not canceled and _READ_ONLY_REFUSAL not in frame.data:
            return frame
        return Frame(frame.kind, error_response(error_fields(refusal)))

    def must_ask(self) -> bool:
        """Say whether a session that begins must have its backend report its settings, and does so only if they fit."""
        self._has_left = self._room is not None and self._room.is_settled
        return self._has_left

    def is_left(self) -> bool:
        """Say, at each ReadyForQuery, whether the session has its transactions write though there is no room.

        A backend reads a changed configuration before its next command: what it says after that is the session's own
        doing, or that of a setting of its role.
        """
        if self._room is None or not self._room.is_settled:
            self._has_left = False
            return False
        before = self._has_left
        self._has_left = self._link.parameters.get(READ_ONLY.encode()) != _IS_READ_ONLY
        return before and self._has_left
