"""Texts about which the same was found before, so that it need not be found again: the relayed ones come in millions.

Most of them differ in numbers alone. Their shape makes them equal; who uses it sees to it that no digit matters.
"""

from __future__ import annotations

TEXT_BYTES_MAX = 1_024
TEXTS_MAX = 4_096


class Remembered:
    """A set of short texts that begins anew when it is full, so that it is bounded."""

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: set[object] = set()

    def __contains__(self, text: object) -> bool:
        """Say whether a text, or the pair of a text and what it was found under, was added."""
        return text in self._texts

    def add(self, text: bytes, under: object = None) -> None:
        """Remember a text if it is short; with `under`, the pair of both."""
        if len(text) > TEXT_BYTES_MAX:
            return
        if len(self._texts) >= TEXTS_MAX:
            self._texts.clear()
        self._texts.add(text if under is None else (text, under))
