"""Answers of a source as they came, sealed and shared, so that any replica can have them confirmed by their tags.

Nothing here answers a statement: a body is used only where the source says at that moment that it still stands.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from connectors.sdk.conditional import KeptBody, Key
from omnisql_server.freshness.entries import Seal, Spoiled
from omnisql_server.freshness.store import Sealed, Store
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.observability.metrics import INSTRUMENTS

BYTES_FOR_A_THREAD = 64 * 1024
COMPRESSION_LEVEL = 1
_OF_THE_ANSWER_ALONE = frozenset({"set-cookie", "date"})

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the bodies of one source under one credential are kept, and under which seal."""

    shelf: str
    tenant: str
    seal: Seal


@dataclass(slots=True, kw_only=True)
class ScanBodies:
    """The bodies of one source for one scan; implements the SDK's `SharedBodies`.

    Those that are `kept` are put there for others; else only those that stand there already are replaced. `find` gives
    the place, or None while Valkey is not asked; `failed` is told when it does not answer.
    """

    store: Store
    find: Callable[[], Awaitable[Place | None]]
    failed: Callable[[str, BaseException], None]
    kept: bool
    body_bytes_max: int
    _known: set[Key] = field(default_factory=set)

    async def newer(self, key: Key, etag: str) -> KeptBody | None:
        """Return the body kept under a key, unless it has this very tag; None where there is none or it is spoiled."""
        try:
            place = await self.find()
            if place is None:
                return None
            name = _name(place, key)
            sealed = await self.store.description(place.shelf, name)
            if sealed is None:
                return None
            self._known.add(key)
            headers = json.loads(place.seal.open(sealed, place.shelf, name, "headers"))
            if headers["etag"] == etag:
                return None
            body = await self.store.rows(place.shelf, name)
            if body is None:
                return None
            content = await _worked(len(body), _opened, place, name, body)
        except Spoiled:
            INSTRUMENTS.cache_failed("spoiled")
            return None
        except VALKEY_ERRORS as error:
            self.failed("body", error)
            return None
        return KeptBody(etag=headers["etag"], content=content, headers=headers)

    async def put(self, key: Key, kept: KeptBody) -> None:
        """Keep a body for others, unless it is too large."""
        if len(kept.content) > self.body_bytes_max or not (self.kept or key in self._known):
            return
        try:
            place = await self.find()
            if place is not None:
                name = _name(place, key)
                sealed = await _worked(len(kept.content), _sealed, place, name, kept)
                await self.store.put(place.tenant, place.shelf, sealed, [name])
        except VALKEY_ERRORS as error:
            self.failed("body", error)


def _name(place: Place, key: Key) -> str:
    return place.seal.name("body", *key)


def _sealed(place: Place, name: str, kept: KeptBody) -> Sealed:
    headers = {header: text for header, text in kept.headers.items() if header not in _OF_THE_ANSWER_ALONE}
    content = zlib.compress(kept.content, COMPRESSION_LEVEL)
    return Sealed(
        id=name,
        description=place.seal.close(json.dumps({**headers, "etag": kept.etag}).encode(), place.shelf, name, "headers"),
        rows=place.seal.close_large(content, place.shelf, name, "body"),
        fetched_us=0,
        cost=1,
    )


def _opened(place: Place, name: str, sealed: bytes) -> bytes:
    try:
        return zlib.decompress(place.seal.open_large(sealed, place.shelf, name, "body"))
    except zlib.error as error:
        raise Spoiled from error


async def _worked(size_bytes: int, work: Callable[..., Result], *arguments: object) -> Result:
    if size_bytes > BYTES_FOR_A_THREAD:
        return await asyncio.to_thread(work, *arguments)
    return work(*arguments)
