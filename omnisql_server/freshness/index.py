"""The entries of one shelf, found by what a request asks for in a time that hardly depends on how many there are.

An entry is filed under the single values that it was asked for. A request looks under every choice of its own: an entry
whose values are not all among the request's cannot cover it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations

from omnisql_server.freshness.domains import Request, Typed
from omnisql_server.freshness.entries import Entry

PLACES_MAX = 8
"""Columns with listed values by which a request is looked up; by more it is simply not found."""
CANDIDATES_MAX = 100
"""Entries compared for one request, the youngest of every place first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """Since when, in microseconds of the shared clock, an entry must have been read.

    `full_us` is since when one must have been read in full into which changes were merged; None where none will do.
    """

    oldest_us: int
    full_us: int | None = None

    def suits(self, entry: Entry) -> bool:
        """Say whether an entry is of this age, as far as its changes are concerned."""
        return not entry.is_merged or (self.full_us is not None and entry.full_us >= self.full_us)


_Place = frozenset[tuple[str, Typed]]


class Index:
    """Entries by place, the youngest first."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._places: dict[_Place, list[Entry]] = {}

    def add(self, entry: Entry) -> None:
        """File an entry."""
        self.remove(entry.id)
        self.entries[entry.id] = entry
        for place in _places_of(entry.request):
            filed = self._places.setdefault(place, [])
            position = next((i for i, other in enumerate(filed) if other.fetched_us <= entry.fetched_us), len(filed))
            filed.insert(position, entry)

    def remove(self, entry_id: str) -> None:
        """Forget an entry."""
        entry = self.entries.pop(entry_id, None)
        if entry is None:
            return
        for place in _places_of(entry.request):
            left = [other for other in self._places[place] if other.id != entry_id]
            if left:
                self._places[place] = left
            else:
                del self._places[place]

    def clear(self) -> None:
        """Forget every entry."""
        self.entries.clear()
        self._places.clear()

    def find(self, request: Request, age: Age) -> Entry | None:
        """Return the youngest entry of an age that covers a request."""
        best: Entry | None = None
        compared = 0
        for filed in self._near(request):
            for entry in filed:
                if (
                    entry.fetched_us < (age.oldest_us if best is None else best.fetched_us)
                    or compared >= CANDIDATES_MAX
                ):
                    break
                compared += 1
                if age.suits(entry) and entry.tells(request):
                    best = entry
                    break
        return best

    def covering(self, request: Request) -> list[Entry]:
        """Return entries of any age that cover a request, the youngest of every place first."""
        near = [entry for filed in self._near(request) for entry in filed[:CANDIDATES_MAX]]
        return [entry for entry in near[:CANDIDATES_MAX] if entry.tells(request)]

    def superseded(self, entry: Entry) -> list[str]:
        """Name the entries that a younger one covers and that therefore serve nobody any more."""
        return [
            other.id
            for place in _places_of(entry.request)
            for other in self._places.get(place, ())[:CANDIDATES_MAX]
            if other.id != entry.id and other.fetched_us <= entry.fetched_us and entry.tells(other.request)
        ]

    def _near(self, request: Request) -> Iterator[list[Entry]]:
        listed = [(column, min(domain.values, key=repr)) for column, domain in request.domains.items() if domain.values]
        if len(listed) > PLACES_MAX:
            return
        choices = chain.from_iterable(combinations(listed, size) for size in range(len(listed) + 1))
        for choice in choices:
            filed = self._places.get(frozenset(choice))
            if filed is not None:
                yield filed


def _places_of(request: Request) -> list[_Place]:
    """Return where an entry is filed: under its single values, and under each of the first list that has several."""
    single: set[tuple[str, Typed]] = set()
    several: list[tuple[str, frozenset[Typed]]] = []
    for column, domain in sorted(request.domains.items()):
        if domain.values is None:
            continue
        if len(domain.values) == 1:
            single.add((column, next(iter(domain.values))))
        else:
            several.append((column, domain.values))
    if not several:
        return [frozenset(single)]
    column, values = several[0]
    return [frozenset({*single, (column, value)}) for value in sorted(values, key=repr)]
