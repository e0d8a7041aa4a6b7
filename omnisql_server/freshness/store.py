"""The shelves in Valkey, as one script changes them; rows and descriptions are sealed before they come here.

Every method raises one of `VALKEY_ERRORS` when Valkey does not answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, cast

from omnisql_server.limits.valkey import Valkey

TAG = "omnisql:{fresh}:"
CALL_TIMEOUT_S = 2.0
GONE_MS = 24 * 3_600_000
"""How long nothing is kept for a tenant that is gone; no fetch takes longer, and its identity does not come again."""
LISTED_MS = 600_000
"""How long pages of a fetch are there for other processes, counted from the last one."""
WANTED_MS = 5_000
"""How long they are wanted after somebody has looked for more, which he does several times a second."""
LAST_MS = 10_000
"""How long they are there after the last of all; who wants them looks much more often."""
_SCRIPT = files("omnisql_server.freshness").joinpath("cache.lua").read_text(encoding="utf-8")
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A request that was asked for at `asked_us`, or a change that was noted then; its description is sealed."""

    name: str
    asked_us: int
    description: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """How much a process knows of a shelf: which filling of it, and the numbers of what it was told last."""

    generation: str = ""
    number: str = "0"
    telling: str = "0"
    change: str = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What is new on a shelf: sealed descriptions by entry, what was asked for, and what has changed at the source.

    `now_us` is Valkey's time; nothing that was fetched before `floor_us` is kept, because the shelf was emptied then.
    """

    now_us: int
    known: Known
    floor_us: int
    found: Mapping[str, bytes]
    told: Sequence[Told]
    changes: Sequence[Told]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """An entry to be put on a shelf."""

    id: str
    description: bytes
    rows: bytes | memoryview
    fetched_us: int
    cost: int
    steps: bytes = b""


class Store:
    """All shelves of one Valkey; `ahead_us` is how far a test's clock is ahead of Valkey's."""

    def __init__(
        self, client: Valkey, *, bytes_max: int, kept_us: int, ahead_us: Callable[[], int] = lambda: 0
    ) -> None:
        self._client = client
        self._bytes_max = bytes_max
        self._kept_us = kept_us
        self._ahead_us = ahead_us
        self._script = client.register_script(_SCRIPT)
        self._renew = client.register_script(_RENEW)
        self._release = client.register_script(_RELEASE)

    async def look(
        self, shelf: str, changes: str, known: Known, hits: Mapping[str, int], told: Sequence[Told]
    ) -> Looked:
        """Ask what is new on a shelf and has changed at its source, count hits, and tell what was asked for."""
        counted = [str(part) for pair in hits.items() for part in pair]
        tellings = [part for each in told for part in (each.name, each.asked_us, each.description)]
        now, generation, number, floor, telling, found, asked, change, changed = await self._run(
            "look",
            shelf,
            known.generation,
            known.number,
            known.telling,
            self._kept_us // 1000,
            changes,
            known.change,
            len(hits),
            *counted,
            *tellings,
        )
        pairs = zip(found[::2], found[1::2], strict=True)
        return Looked(
            now_us=int(now),
            known=Known(
                generation=generation.decode(),
                number=number.decode(),
                telling=telling.decode(),
                change=change.decode(),
            ),
            floor_us=int(floor),
            found={entry.decode(): description for entry, description in pairs if description is not None},
            told=_told(asked),
            changes=_told(changed),
        )

    async def rows(self, shelf: str, entry: str) -> bytes | None:
        """Return an entry's sealed rows, None when it is gone."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return cast("bytes | None", await self._client.get(f"{TAG}rows:{shelf}/{entry}"))

    async def description(self, shelf: str, entry: str) -> bytes | None:
        """Return an entry's sealed description, None when it is gone."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            found: Any = self._client.hget(f"{TAG}entries:{shelf}", entry)
            return cast("bytes | None", await found)

    async def steps(self, shelf: str, entry: str) -> bytes | None:
        """Return the sealed steps that confirm an entry, None when there are none or it is gone."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return cast("bytes | None", await self._client.get(f"{TAG}steps:{shelf}/{entry}"))

    async def confirm(self, shelf: str, entry: str, description: bytes, fetched_us: int) -> bool:
        """Give an entry a new description, because its source confirmed it; say whether it was still there."""
        return bool(await self._run("confirm", shelf, entry, description, fetched_us, self._kept_us))

    async def put(self, tenant: str, shelf: str, sealed: Sealed, superseded: Iterable[str]) -> bool:
        """Put an entry on a shelf, in the place of some; say whether it is there now."""
        size = len(sealed.description) + len(sealed.rows) + len(sealed.steps)
        bounds = (size, self._kept_us, self._bytes_max, tenant)
        answer = await self._run(
            "put",
            shelf,
            sealed.id,
            sealed.description,
            sealed.rows,
            sealed.fetched_us,
            sealed.cost,
            *bounds,
            sealed.steps,
            *superseded,
        )
        return bool(answer)

    async def mark(self, tenant: str, place: str, name: str, change: bytes, delivery: str) -> bool:
        """Mark a change at a source, unless the same delivery has done so."""
        return bool(await self._run("mark", place, name, change, self._kept_us // 1000, tenant, delivery))

    async def list(self, shelf: str) -> tuple[int, list[tuple[str, bytes, int]]]:
        """Return Valkey's time and all entries of a shelf: name, sealed description, hits."""
        now, found = await self._run("list", shelf)
        triples = zip(found[::3], found[1::3], found[2::3], strict=True)
        return int(now), [(entry.decode(), description, int(hits)) for entry, description, hits in triples]

    async def drop(self, shelf: str, *entries: str) -> None:
        """Take some entries off a shelf; without any, all, and whatever was fetched until now stays off."""
        await self._run("drop", shelf, *entries)

    async def leave(self, tenant: str) -> None:
        """Take off everything that is a tenant's, and whatever is still being fetched for it."""
        await self._run("leave", tenant, GONE_MS)

    async def lock(self, name: str, token: str, lease_ms: int) -> bool:
        """Take a lock for the time of a lease, unless another holds it."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return bool(await self._client.set(f"{TAG}lock:{name}", token, nx=True, px=lease_ms))

    async def renew(self, name: str, token: str, lease_ms: int) -> bool:
        """Keep a lock that one still holds."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return bool(await self._renew(keys=[f"{TAG}lock:{name}"], args=[token, lease_ms]))

    async def release(self, name: str, token: str) -> None:
        """Give a lock back."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await self._release(keys=[f"{TAG}lock:{name}"], args=[token])

    async def holder(self, name: str) -> str | None:
        """Return what the holder of a lock took it with, None when nobody holds it."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            found = cast("bytes | None", await self._client.get(f"{TAG}lock:{name}"))
            return None if found is None else found.decode()

    async def want(self, name: str, token: str) -> None:
        """Ask the holder of a lock for the pages that it reads."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await self._client.set(f"{TAG}wanted:{name}/{token}", 1, px=WANTED_MS)

    async def is_wanted(self, name: str, token: str) -> bool:
        """Say whether somebody asks for the pages that are read under a lock."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return bool(await self._client.exists(f"{TAG}wanted:{name}/{token}"))

    async def list_pages(self, name: str, token: str, sealed: Sequence[bytes], *, last: bool = False) -> None:
        """Add to the list of what was read under a lock; after the `last` it is there for a moment."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            place = f"{TAG}pages:{name}/{token}"
            pipe = self._client.pipeline(transaction=True)
            pipe.rpush(place, *sealed)
            pipe.pexpire(place, LAST_MS if last else LISTED_MS)
            await pipe.execute()

    async def listed_pages(self, name: str, token: str, start: int) -> Sequence[bytes]:
        """Return what was read under a lock, from a place in its list on."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            found: Any = self._client.lrange(f"{TAG}pages:{name}/{token}", start, -1)
            return cast("Sequence[bytes]", await found)

    async def _run(self, operation: str, shelf: str, *arguments: str | bytes | memoryview | int) -> Any:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return await self._script(keys=[TAG], args=[operation, shelf, self._ahead_us(), *arguments])


def _told(found: Sequence[bytes]) -> list[Told]:
    triples = zip(found[::3], found[1::3], found[2::3], strict=True)
    return [Told(name=name.decode(), asked_us=int(when), description=what) for name, when, what in triples]
