"""Units of the extended protocol that are relayed whole: Parse or Bind up to Sync, sent on as one message would be."""

from __future__ import annotations

from collections.abc import Sequence

from omnisql_server.session.refused import RefusedStatements
from omnisql_server.session.running import Running
from omnisql_server.session.statements import named_text
from omnisql_server.session.units import UNIT_SHAPES
from wire.framing import Frame


class RelayedUnits:
    """Relays for a session that has nothing of ours by a name that a unit could use, and nothing under way."""

    def __init__(self, running: Running, refused: RefusedStatements) -> None:
        self._running = running
        self._journal = refused.journal
        self._replies = {shape: tuple(refused.replies[bytes((kind,))] for kind in shape) for shape in UNIT_SHAPES}

    def relay(self, unit: Sequence[Frame]) -> bool:
        """Relay the messages if they are a whole unit over no API table, and say whether they are."""
        running, first = self._running, unit[0]
        replies = self._replies.get(b"".join([frame.kind for frame in unit]))
        if replies is None or running.overlay or (first.kind == b"P" and not self.is_relayed(first.data)):
            return False
        if not self._journal.note_unit(unit):
            return False
        running.link.send(b"".join([frame.data for frame in unit]), *replies)
        running.relayed = running.executed = False
        return True

    def is_relayed(self, parse: bytes) -> bool:
        """Say whether a Parse message is certainly to be relayed; if so, it is noted as sent."""
        found = named_text(parse)
        if found is None or not self._running.is_relayed(found[1]):
            return False
        self._running.footprint.parse(parse, *found)
        return True
