"""Decoded rows of entries in this process's memory, bounded by bytes: what saves least per byte makes room."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

Place = tuple[str, str]
"""A shelf and an entry on it."""


@dataclass(slots=True, kw_only=True)
class _Kept:
    batches: tuple[pa.RecordBatch, ...]
    size_bytes: int
    cost: int
    hits: int
    rank: float


class Tier:
    """Rows of entries of all tenants; whether an entry still stands is asked of Valkey before it is looked up here."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._kept: dict[Place, _Kept] = {}
        self._inflation = 0.0
        self.used_bytes = 0

    def get(self, place: Place) -> tuple[pa.RecordBatch, ...] | None:
        """Return an entry's rows."""
        kept = self._kept.get(place)
        if kept is None:
            return None
        kept.hits += 1
        kept.rank = self._inflation + kept.cost * (kept.hits + 1) / max(kept.size_bytes, 1)
        return kept.batches

    def put(self, place: Place, batches: tuple[pa.RecordBatch, ...], cost: int) -> None:
        """Keep an entry's rows, unless they alone are more than a quarter of what there is room for."""
        self.drop(place)
        size_bytes = sum(batch.nbytes for batch in batches) + 1024
        if size_bytes > self._bytes_max // 4:
            return
        while self._kept and self.used_bytes + size_bytes > self._bytes_max:
            least = min(self._kept, key=lambda each: self._kept[each].rank)
            self._inflation = self._kept[least].rank
            self.drop(least)
        rank = self._inflation + cost / size_bytes
        self._kept[place] = _Kept(batches=batches, size_bytes=size_bytes, cost=cost, hits=0, rank=rank)
        self.used_bytes += size_bytes

    def drop_shelf(self, shelf: str) -> None:
        """Forget the rows of all entries of a shelf."""
        for place in [place for place in self._kept if place[0] == shelf]:
            self.drop(place)

    def drop(self, place: Place) -> None:
        """Forget an entry's rows."""
        kept = self._kept.pop(place, None)
        if kept is not None:
            self.used_bytes -= kept.size_bytes
