"""Literals of a text that may be others without the text meaning anything else: their places and values. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLiteral:
    """A literal of a text: `mark` stands for it in the text's shape, `value` is what it says (a number as written)."""

    mark: str
    value: str
    is_string: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A text with marks in the place of literals, and what belongs there.

    `ends` are the bytes at which the marks end in the shape, in order; `shifts` say how many bytes further on a place
    after them is in the text itself.
    """

    text: str
    literals: tuple[TextLiteral, ...]
    ends: tuple[int, ...]
    shifts: tuple[int, ...]

    def place(self, position: int) -> int:
        """Return where in the text a byte is that stands at a position of the shape, outside any mark."""
        before = bisect_left(self.ends, position + 1)
        return position + self.shifts[before - 1] if before else position
