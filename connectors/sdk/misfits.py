"""Values of an answer that do not fit their column's type, where a table says that such a value is null. Pure.

They are counted on the whole way from an answer to its reader, and never shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """How many values of a column were made null because they did not fit; `example` is where the first one was."""

    column: str
    count: int
    example: str


Misfits = tuple[Misfit, ...]


def added(*several: Iterable[Misfit]) -> Misfits:
    """Add up misfits by column; of each the first example stays."""
    found: dict[str, Misfit] = {}
    for misfits in several:
        for each in misfits:
            known = found.get(each.column)
            found[each.column] = each if known is None else replace(known, count=known.count + each.count)
    return tuple(found.values())


def of_columns(misfits: Iterable[Misfit], columns: Iterable[str]) -> Misfits:
    """Return the misfits of some columns."""
    wanted = set(columns)
    return tuple(each for each in misfits if each.column in wanted)
