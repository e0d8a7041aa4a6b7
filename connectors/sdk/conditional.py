"""Bodies kept with their ETag, for conditional requests (RFC 9110, section 13.1.2). Bounded by bytes, oldest use first.

One store belongs to one connection, thus to one credential: an ETag and a body never answer another user's request.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

Key = tuple[str, str, str]
"""Method, URL and Accept header: what an answer may vary by, besides the credential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBody:
    """A body that the source may confirm, with the headers it came with (its Link header above all)."""

    etag: str
    content: bytes = field(repr=False)
    headers: Mapping[str, str]


class SharedBodies(Protocol):
    """Bodies that other processes have had under the same credential, beside those of this connection."""

    async def newer(self, key: Key, etag: str) -> KeptBody | None:
        """Return the body kept under a key, unless it has this very tag."""

    async def put(self, key: Key, kept: KeptBody) -> None:
        """Keep a body for others."""


class BodyStore:
    """Kept bodies up to `capacity_bytes`; a body larger than a quarter of that is not kept."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._kept: OrderedDict[Key, KeptBody] = OrderedDict()
        self.used_bytes = 0

    def get(self, key: Key) -> KeptBody | None:
        """Return the body kept under a key and mark it as used."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def put(self, key: Key, kept: KeptBody) -> None:
        """Keep a body, dropping the least recently used ones to make room."""
        self.drop(key)
        size_bytes = len(kept.content)
        if size_bytes > self._capacity_bytes // 4:
            return
        while self._kept and self.used_bytes + size_bytes > self._capacity_bytes:
            self.drop(next(iter(self._kept)))
        self._kept[key] = kept
        self.used_bytes += size_bytes

    def drop(self, key: Key) -> None:
        """Forget what is kept under a key, if anything."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.used_bytes -= len(kept.content)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self.used_bytes = 0
