"""Readings that failed on the way: their rows so far, and the page to go on with for whoever wants the same in time.

They are sealed and bounded as entries are, stand on a shelf of their own, and never answer anything by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import pyarrow as pa

from connectors.sdk.errors import RateLimited, Retryable
from connectors.sdk.misfits import Misfits, added
from connectors.sdk.resumption import Mark
from connectors.sdk.scan import Scan
from omnisql_server.freshness.asked import name_of
from omnisql_server.freshness.domains import request_of
from omnisql_server.freshness.entries import Spoiled, joined, pack, unpack
from omnisql_server.freshness.shelf import Shelf
from omnisql_server.freshness.store import Sealed
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.model.freshness import Fetch, Fetched
from omnisql_server.observability.metrics import INSTRUMENTS


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    mark: Mark
    began_us: int
    requests: int
    asked_at: datetime | None
    misfits: Misfits = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A reading that failed: where to go on, what it gave until then, and the shared clock's time when it began."""

    mark: Mark
    batches: tuple[pa.RecordBatch, ...]
    began_us: int
    requests: int
    asked_at: datetime | None
    misfits: Misfits


@dataclass(frozen=True, slots=True, kw_only=True)
class Resuming:
    """Reads one scan of a shelf from where an earlier reading of it failed at `oldest_us` or later, if one did."""

    shelf: Shelf
    scan: Scan
    oldest_us: int
    now_us: int

    async def read(self, fetch: Fetch) -> tuple[Fetched, int]:
        """Ask the source for what is missing; return all there is of the scan, and when its reading began."""
        point = await self._found()
        if point is None:
            return await self._noted(await fetch(self.scan), self.now_us)
        fetched = await fetch(self.scan, point.mark)
        if not fetched.resumed_at:
            # It is listed otherwise now: this is a reading from the beginning.
            return await self._noted(fetched, self.now_us)
        if fetched.error is not None and not _may_pass(fetched.error):
            # The source does not know the place any more.
            await self._forget()
            return await self._noted(await fetch(self.scan), self.now_us)
        whole = replace(
            fetched,
            batches=(*point.batches, *fetched.batches),
            requests=point.requests + fetched.requests,
            # What came before is not confirmed by what came now.
            steps=(),
            asked_at=point.asked_at,
            misfits=added(point.misfits, fetched.misfits),
        )
        return await self._noted(whole, point.began_us, was_there=True)

    async def _noted(self, fetched: Fetched, began_us: int, *, was_there: bool = False) -> tuple[Fetched, int]:
        mark, error = fetched.mark, fetched.error
        if mark is not None and error is not None and _may_pass(error):
            facts = _Facts(
                mark=mark,
                began_us=began_us,
                requests=fetched.requests,
                asked_at=fetched.asked_at,
                misfits=fetched.misfits,
            )
            await self._put(facts, fetched.batches)
        elif was_there:
            await self._forget()
        return fetched, began_us

    async def _found(self) -> Checkpoint | None:
        shelf, place, name = self.shelf, self._place, self._name
        try:
            sealed = await shelf.shared.store.description(place, name)
            rows = None if sealed is None else await shelf.shared.store.rows(place, name)
        except VALKEY_ERRORS:
            INSTRUMENTS.cache_failed("checkpoint")
            return None
        if sealed is None or rows is None:
            return None
        try:
            facts = msgspec.json.decode(shelf.seal.open(sealed, place, name, "mark"), type=_Facts)
            batches = unpack(shelf.seal.open_large(rows, place, name, "rows"))
        except (Spoiled, msgspec.MsgspecError):
            INSTRUMENTS.cache_failed("spoiled")
            await self._forget()
            return None
        if facts.began_us < max(self.oldest_us, shelf.floor_us):
            return None
        return Checkpoint(
            mark=facts.mark,
            batches=batches,
            began_us=facts.began_us,
            requests=facts.requests,
            asked_at=facts.asked_at,
            misfits=facts.misfits,
        )

    async def _put(self, facts: _Facts, batches: tuple[pa.RecordBatch, ...]) -> None:
        shelf, place, name = self.shelf, self._place, self._name
        size_bytes = sum(batch.nbytes for batch in batches) + len(facts.mark.keys)
        if size_bytes > shelf.shared.entry_bytes_max:
            return
        sealed = Sealed(
            id=name,
            description=shelf.seal.close(msgspec.json.encode(facts), place, name, "mark"),
            rows=shelf.seal.close_large(pack(joined(batches)), place, name, "rows"),
            fetched_us=facts.began_us,
            cost=max(facts.requests, 1),
        )
        try:
            await shelf.shared.store.put(shelf.tenant, place, sealed, [name])
        except VALKEY_ERRORS:
            INSTRUMENTS.cache_failed("checkpoint")

    async def _forget(self) -> None:
        try:
            await self.shelf.shared.store.drop(self._place, self._name)
        except VALKEY_ERRORS:
            INSTRUMENTS.cache_failed("checkpoint")

    @property
    def _place(self) -> str:
        return f"{self.shelf.name}.failed"

    @property
    def _name(self) -> str:
        return name_of(self.shelf.seal, request_of(self.scan))


def _may_pass(error: Exception) -> bool:
    return isinstance(error, Retryable | RateLimited)
