"""Going on with a listing that failed on the way, at the page that failed.

Only for access paths that declare `resumes`: the cursor is kept by the source, or is the place of a row in an order
that rows keep. What came before the failure is then as a slow reading would have found it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from hashlib import blake2b
from itertools import islice

import msgspec

from connectors.sdk.request import Request

KEY_BYTES = 12


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Where a listing can be gone on with.

    `listing` tells its first request from others, `cursor` leads to the page after the first `pages`; `keys` are
    digests of the primary keys of the rows on those, one after the other.
    """

    listing: str
    cursor: str
    pages: int
    keys: bytes


class Resumption:
    """The way of one reading: whether it went on from a mark, and how far it came."""

    def __init__(self, start: Mark | None = None) -> None:
        self._start = start
        self._listing = ""
        self._reached: tuple[str, int, int] | None = None
        self._seen: Mapping[Hashable, None] = {}
        self.resumed_at = 0
        """The page that it went on with, counted from 1; 0 where it began at the first."""

    def begin(self, request: Request) -> str | None:
        """Begin a listing, and return the cursor to go on with, None to begin at its first page.

        The first listing of a reading is the one that counts; what is listed within it is passed over.
        """
        if self._listing:
            return None
        self._listing = listing_of(request)
        if self._start is None or self._start.listing != self._listing:
            return None
        self.resumed_at = self._start.pages + 1
        self._reached = (self._start.cursor, self._start.pages, len(self._start.keys) // KEY_BYTES)
        return self._start.cursor

    def known(self) -> dict[Hashable, None]:
        """Return what stands for the rows on the pages before, to which the reading adds those that it gives."""
        keys = self._start.keys if self._start is not None and self.resumed_at else b""
        found: dict[Hashable, None] = {keys[at : at + KEY_BYTES]: None for at in range(0, len(keys), KEY_BYTES)}
        self._seen = found
        return found

    def reach(self, request: Request, cursor: str) -> None:
        """Note that all rows before a cursor of a listing were given."""
        if listing_of(request) == self._listing:
            pages = 0 if self._reached is None else self._reached[1]
            self._reached = (cursor, pages + 1, len(self._seen))

    @property
    def mark(self) -> Mark | None:
        """Return where the listing can be gone on with, None where that is its beginning."""
        if self._reached is None:
            return None
        cursor, pages, count = self._reached
        if self._start is not None and self.resumed_at == pages + 1:
            return self._start
        keys = b"".join(key for key in islice(self._seen, count) if isinstance(key, bytes))
        return Mark(listing=self._listing, cursor=cursor, pages=pages, keys=keys)


def key_digest(key: Hashable) -> bytes:
    """Return what stands for a primary key."""
    return blake2b(repr(key).encode(), digest_size=KEY_BYTES).digest()


def listing_of(request: Request) -> str:
    """Return what tells a listing's first request from others."""
    facts = repr((request.method, request.path, request.url, request.parameters, request.body))
    return blake2b(facts.encode(), digest_size=16).hexdigest()
