"""What is relayed as it arrives: bytes that are one Query, or one unit of the extended protocol, known by their text.

Most of what clients send is that. Nothing of it is taken apart: the lengths of a unit's Parse and Bind say where they
end, and what follows must be the only messages that may (PostgreSQL 18, chapters 54.2.3 and 54.7).
"""

from __future__ import annotations

import struct

from omnisql_server.model.remembered import TEXT_BYTES_MAX
from omnisql_server.parse.router import may_change_roles
from omnisql_server.session.extended import ExtendedProtocol
from omnisql_server.session.footprint import leaves_state
from omnisql_server.session.link import SYNC
from omnisql_server.session.onlookers import Onlooker, names_others
from omnisql_server.session.parking import Parking
from omnisql_server.session.replies import Reply
from omnisql_server.session.running import Running
from omnisql_server.session.simple import SimpleProtocol
from omnisql_server.session.statements import named_text
from wire.framing import HEADER_BYTES, Frame
from wire.frontend import Describe, Execute

_LENGTH = struct.Struct(">i")
_QUERY, _PARSE, _BIND = b"QPB"
_READ = Execute(portal=b"", rows_max=0).encode() + SYNC
_ENDS = {b"ES": _READ, b"DES": Describe(kind="P", name=b"").encode() + _READ}
"""What may follow a Bind, by the kinds of the messages: the unnamed portal is described or not, and read to its end."""

_Unit = tuple[bytes, tuple[Reply, ...]]


class Relaying:
    """Relays for one session while nothing is under way in it and nothing of ours has a name that could be meant."""

    def __init__(
        self,
        running: Running,
        simple: SimpleProtocol,
        extended: ExtendedProtocol,
        parking: Parking,
        onlooker: Onlooker,
    ) -> None:
        self._running = running
        self._link = running.link
        self._simple = simple
        self._extended = extended
        self._parking = parking
        self._onlooker = onlooker
        self._bound, self._parsed = _units(extended, b"B"), _units(extended, b"PB")

    def relay(self, data: bytes) -> bool:
        """Relay bytes that came while the session waited for some, if nothing else is to be done; say whether so."""
        running = self._running
        if not self._link.is_free or running.relayed or running.overlay or running.snapshot_stale:
            return False
        if self._parking.lacks_unnamed or self._onlooker.has_prepared or self._extended.has_ours:
            return False
        kind = data[0] if len(data) > HEADER_BYTES else 0
        if kind == _QUERY:
            return self._query(data)
        return kind in (_PARSE, _BIND) and self._unit(data, kind)

    def learn(self, frame: Frame) -> None:
        """Remember the text of a message that was just relayed at once, if others like it need nothing else either."""
        running, plain = self._running, self._running.runner.plain
        if plain is None or len(frame.data) > TEXT_BYTES_MAX or running.overlay or self._extended.has_ours:
            return
        text = frame.data[HEADER_BYTES:-1] if frame.kind == b"Q" else (named_text(frame.data) or (b"", None))[1]
        if text is None or plain.leaves_state(text) is not None or not running.speaks_utf8:
            return
        if not names_others(text) and not may_change_roles(text):
            plain.add(text, leaves_state=leaves_state(text))

    def _query(self, data: bytes) -> bool:
        if _LENGTH.unpack_from(data, 1)[0] != len(data) - 1:
            return False
        text = data[HEADER_BYTES:-1]
        leaves_state = self._leaves_state(text)
        if leaves_state is None:
            return False
        self._running.footprint.note_query(leaves_state=leaves_state)
        self._link.send_alone(data, self._simple.replies_alone(data))
        return True

    def _unit(self, data: bytes, kind: int) -> bool:
        """Relay the messages up to Sync that `data` is, if it is those and no other."""
        start, known = 0, self._bound
        if kind == _PARSE:
            start, known = 1 + _LENGTH.unpack_from(data, 1)[0], self._parsed
            if not HEADER_BYTES <= start < len(data) - HEADER_BYTES or data[start] != _BIND:
                return False
        elif self._extended.watched.may_concern(data):
            return False
        bind_bytes = _LENGTH.unpack_from(data, start + 1)[0]
        end, replies = known.get(len(data) - start - 1 - bind_bytes, _NO_UNIT)
        if bind_bytes < 4 or not end or not data.endswith(end) or self._link.status == "E":
            return False
        if self._extended.journal.is_begun or (start and not self._parse(data[:start])):
            return False
        self._simple.may_leave_portal = False
        self._extended.journal.note_unit(data)
        self._link.send_alone(data, replies)
        return True

    def _parse(self, message: bytes) -> bool:
        """Note a Parse of the unnamed statement, if that is all there is to be done about it; say whether it is."""
        end = message.find(b"\0", HEADER_BYTES + 1)
        leaves_state = self._leaves_state(message[HEADER_BYTES + 1 : end]) if end > 0 else None
        if message[HEADER_BYTES : HEADER_BYTES + 1] != b"\0" or leaves_state is None:
            return False
        return self._running.footprint.note_parse(message, leaves_state=leaves_state)

    def _leaves_state(self, text: bytes) -> bool | None:
        """Say whether a text may leave state on the backend; None where it is not known to be plain."""
        running = self._running
        plain = running.runner.plain
        return plain.leaves_state(text) if plain is not None and running.speaks_utf8 else None


_NO_UNIT: _Unit = (b"", ())


def _units(extended: ExtendedProtocol, begin: bytes) -> dict[int, _Unit]:
    """Return what may follow a Bind, with the replies to the whole unit, by how many bytes it is."""
    return {
        len(end): (end, tuple(extended.replies[bytes((kind,))] for kind in begin + kinds))
        for kinds, end in _ENDS.items()
    }
