"""What is relayed as it arrives: bytes that are one Query, or one unit of the extended protocol, known by their text.

Most of what clients send is that. Nothing of it is taken apart: the lengths of a unit's Parse and Bind say where they
end, and what follows must be the only messages that may (PostgreSQL 18, chapters 54.2.3 and 54.7).
"""

from __future__ import annotations

import struct

from omnisql_server.model.plain_texts import NOTHING, PlainTexts
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
        self._client, self._footprint, self._journal = running.client, running.footprint, extended.journal
        self._bound, self._parsed = _units(extended, b"B"), _units(extended, b"PB")

    def relay(self, data: bytes) -> bool:
        """Relay bytes that came while the session waited for some, if nothing else is to be done; say whether so."""
        plain: PlainTexts | None = self._client.calm
        if (plain is None or self._link.pending or not plain.holds) and (plain := self._plain()) is None:
            return False
        kind = data[0]
        if kind != _QUERY:
            return len(data) > HEADER_BYTES and kind in (_PARSE, _BIND) and self._unit(data, kind, plain)
        leaves_state = plain.leaves_state(data)
        if leaves_state is None:
            return False
        self._footprint.unnamed = None
        if leaves_state:
            self._footprint.stateful = True
        self._simple.note_alone(data)
        self._link.send_alone(data, self._simple.alone)
        return True

    def learn(self, frame: Frame) -> None:
        """Remember a message that was just relayed at once, if others like it need nothing else either."""
        running, plain, message = self._running, self._running.runner.plain, frame.data
        if plain is None or len(message) > TEXT_BYTES_MAX or running.overlay or self._extended.has_ours:
            return
        text = message[HEADER_BYTES:-1] if frame.kind == b"Q" else _unnamed_text(message)
        if text is None or plain.leaves_state(message) is not None or not running.speaks_utf8:
            return
        if not names_others(text) and not may_change_roles(text):
            plain.add(message, text, leaves_state=leaves_state(text))

    def _plain(self) -> PlainTexts | None:
        """Return what is known to be plain if nothing is under way that concerns what comes; else None.

        Then it is so as long as the client is calm.
        """
        running = self._running
        if not (self._client.is_empty and self._link.is_free) or running.relayed or running.overlay:
            return None
        if running.snapshot_stale or self._parking.lacks_unnamed or self._onlooker.has_prepared:
            return None
        if self._extended.has_ours:
            return None
        self._simple.expect_alone()
        # Whoever is told of an answer may have to know of the first one since.
        self._link.tells_next = True
        plain = (running.runner.plain if running.speaks_utf8 else None) or NOTHING
        self._client.calm = None if self._journal.is_begun else plain
        return plain

    def _unit(self, data: bytes, kind: int, plain: PlainTexts) -> bool:
        """Relay the messages up to Sync that `data` is, if it is those and no other."""
        start, known, parse, leaves_state = 0, self._bound, b"", None
        if kind == _PARSE:
            start, known = 1 + _LENGTH.unpack_from(data, 1)[0], self._parsed
            parse = data[:start]
            leaves_state = plain.leaves_state(parse)
            if leaves_state is None or len(data) - start < HEADER_BYTES or data[start] != _BIND:
                return False
        elif plain.derives and self._extended.watched.may_concern(data):
            return False
        bind_bytes = _LENGTH.unpack_from(data, start + 1)[0]
        end, replies = known.get(len(data) - start - 1 - bind_bytes, _NO_UNIT)
        if bind_bytes < 4 or not end or not data.endswith(end) or self._link.status == "E":
            return False
        if self._client.calm is None:
            # What the session has begun is not over.
            return False
        if parse:
            self._footprint.unnamed = parse
        if leaves_state:
            self._footprint.stateful = True
        self._simple.may_leave_portal = False
        self._journal.note_unit(data)
        self._link.send_alone(data, replies)
        return True


_NO_UNIT: _Unit = (b"", ())


def _units(extended: ExtendedProtocol, begin: bytes) -> dict[int, _Unit]:
    """Return what may follow a Bind, with the replies to the whole unit, by how many bytes it is."""
    return {
        len(end): (end, tuple(extended.replies[bytes((kind,))] for kind in begin + kinds))
        for kinds, end in _ENDS.items()
    }


def _unnamed_text(parse: bytes) -> bytes | None:
    """Find the text in a Parse of the unnamed statement; None if it is another, or malformed."""
    name, text = named_text(parse) or (b"", None)
    return None if name else text
