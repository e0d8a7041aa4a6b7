"""Messages that were found to be relayed as they are, with nothing else to be done about them: Query and Parse.

They come in millions and differ in numbers alone, so that one is found by its shape wherever no digit matters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from catalog.name_pattern import DIGITS, shape
from omnisql_server.model.remembered import TEXT_BYTES_MAX, TEXTS_MAX
from wire.framing import HEADER_BYTES

_NUMBERED_CALL = re.compile(rb"[0-9][A-Za-z0-9_$\x80-\xff]*[ \t\n\r\f\v]*\(")
"""A digit in what may be the name of a function: with another digit it may be another function."""


class Named(Protocol):
    """What a tenant's catalog names."""

    @property
    def derived(self) -> Mapping[int, object]:
        """Return what was derived from API tables, by OID."""

    def digits_matter(self, text: bytes) -> bool:
        """Say whether texts that differ from this one in digits alone could name others."""


class PlainTexts:
    """Messages, each with whether it may leave state on its backend; they begin anew when they are too many.

    `digits_matter` says that other digits in a text may make it name another relation that reaches an API table,
    `derives` that there may be something that was derived from one. Once they do not hold any more, others are to be
    asked for.
    """

    __slots__ = ("_digits_matter", "_messages", "_shapes", "derives", "holds")

    def __init__(self, digits_matter: Callable[[bytes], bool], *, derives: bool = False) -> None:
        self._digits_matter = digits_matter
        self.derives = derives
        # With the header: the bytes of a length may be digits.
        self._shapes: dict[bytes, tuple[bytes, bool]] = {}
        # Apart, because a message may be the shape of another one.
        self._messages: dict[bytes, bool] = {}
        self.holds = True

    @classmethod
    def under(cls, snapshot: Named) -> PlainTexts:
        """Begin anew under what a tenant's catalog is now."""
        return cls(snapshot.digits_matter, derives=bool(snapshot.derived))

    def leaves_state(self, message: bytes) -> bool | None:
        """Say whether a message may leave state; None where it is not known to be plain, or not one whole message."""
        found = self._shapes.get(message.translate(DIGITS))
        if found is None:
            return self._messages.get(message)
        return found[1] if message.startswith(found[0]) else None

    def add(self, message: bytes, text: bytes, *, leaves_state: bool) -> None:
        """Remember a message with a text if it is short."""
        if len(message) > TEXT_BYTES_MAX:
            return
        if self._digits_matter(text) or _NUMBERED_CALL.search(text) is not None:
            _make_room(self._messages)
            self._messages[message] = leaves_state
        else:
            _make_room(self._shapes)
            self._shapes[shape(message)] = message[:HEADER_BYTES], leaves_state


def _make_room(known: dict[bytes, tuple[bytes, bool]] | dict[bytes, bool]) -> None:
    if len(known) >= TEXTS_MAX:
        known.clear()


NOTHING = PlainTexts(lambda _text: True, derives=True)
"""No message is known; asked for before each."""
NOTHING.holds = False
