"""Texts of messages that were found to be relayed as they are, with nothing else to be done about them.

They come in millions and differ in numbers alone, so that a text is found by its shape wherever no digit matters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from catalog.name_pattern import shape
from omnisql_server.model.remembered import TEXT_BYTES_MAX, TEXTS_MAX

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
    """Texts, each with whether it may leave state on its backend; they begin anew when they are too many.

    `digits_matter` says that other digits in a text may make it name another relation that reaches an API table,
    `derives` that there is anything that was derived from one.
    """

    __slots__ = ("_digits_matter", "_shapes", "_texts", "derives")

    def __init__(self, digits_matter: Callable[[bytes], bool], *, derives: bool = False) -> None:
        self._digits_matter = digits_matter
        self.derives = derives
        self._shapes: dict[bytes, bool] = {}
        # Apart, because a text may be the shape of another one.
        self._texts: dict[bytes, bool] = {}

    @classmethod
    def under(cls, snapshot: Named) -> PlainTexts:
        """Begin anew under what a tenant's catalog is now."""
        return cls(snapshot.digits_matter, derives=bool(snapshot.derived))

    def leaves_state(self, text: bytes) -> bool | None:
        """Say whether a text may leave state; None where it is not known to be plain."""
        found = self._shapes.get(shape(text))
        return self._texts.get(text) if found is None else found

    def add(self, text: bytes, *, leaves_state: bool) -> None:
        """Remember a text if it is short."""
        if len(text) > TEXT_BYTES_MAX:
            return
        exactly = self._digits_matter(text) or _NUMBERED_CALL.search(text) is not None
        known, key = (self._texts, text) if exactly else (self._shapes, shape(text))
        if len(known) >= TEXTS_MAX:
            known.clear()
        known[key] = leaves_state
