"""What a request takes of a rate limit by the fields and rows that it asks for, as data. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, floor

_DIGITS = 6
"""Sums of tenths are rounded to these before they are rounded up: 0.1 is no number of a computer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complexity:
    """The points that a request takes of a rate limit, the sum rounded up.

    `always` are the fields that every request asks for, with the points of each, `fields` by column those that it is
    asked for. A field counts once, however many columns need it. With `sized` all of that counts for each row that a
    page may have, else once. A request may take `points_max`, None for any number.
    """

    limit: str
    always: Mapping[str, float]
    fields: Mapping[str, Mapping[str, float]]
    sized: bool = True
    points_max: int | None = None

    def points(self, columns: Iterable[str], rows: int) -> int:
        """Return the points of a request for some columns of a page of so many rows."""
        return ceil(round(self.row_points(columns) * (rows if self.sized else 1), _DIGITS))

    def row_points(self, columns: Iterable[str]) -> float:
        """Return the points of one row."""
        asked = dict(self.always)
        for name in columns:
            asked |= self.fields.get(name, {})
        return sum(asked.values())

    def rows_max(self, columns: Iterable[str]) -> int | None:
        """Return the largest page that a request for some columns may ask for, one row at least; None for any."""
        if self.points_max is None or not self.sized:
            return None
        each = self.row_points(columns)
        return None if each == 0 else max(1, floor(round(self.points_max / each, _DIGITS)))
