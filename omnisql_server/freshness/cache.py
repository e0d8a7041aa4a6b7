"""What is kept of a tenant's sources: finds what answers a scan, fetches the rest once for all who wait, keeps it.

A shelf holds the entries of one API table under one credential. Its name is made of all that decides what the source
would give: with another credential, address, option, version or shape of the table it is another shelf.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from uuid import UUID

import structlog

from connectors.sdk.conditional import SharedBodies
from connectors.sdk.connector import Source
from connectors.sdk.table import Table
from omnisql_server.freshness.asked import Asked
from omnisql_server.freshness.bodies import Place, ScanBodies
from omnisql_server.freshness.changes import changes_of
from omnisql_server.freshness.entries import Entry, Seal, Spoiled, described, seal_of
from omnisql_server.freshness.flight import Flights
from omnisql_server.freshness.index import Index
from omnisql_server.freshness.reading import ShelfReading, Unkept
from omnisql_server.freshness.refreshes import OnRecord, Refreshes
from omnisql_server.freshness.shelf import Shelf
from omnisql_server.freshness.store import Store
from omnisql_server.freshness.tier import Tier
from omnisql_server.limits.valkey import VALKEY_ERRORS, Valkey
from omnisql_server.model.freshness import Reading, Staleness
from omnisql_server.observability.metrics import INSTRUMENTS
from omnisql_server.settings_freshness import FreshnessSettings

_VERSION = version("omnisql")
"""Read once: it is parsed out of a file each time."""
GIVEN_UP_FOR_S = 1.0
"""How long Valkey is not asked again after it did not answer."""
SHELVES_MAX = 1024
"""Shelves of a tenant whose descriptions this process remembers; others are read again."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all tenants of this process share."""

    store: Store
    tier: Tier
    flights: Flights
    entry_bytes_max: int
    refreshes: Refreshes = field(default_factory=Refreshes)

    async def close(self) -> None:
        """Stop reading, for whomever it was."""
        await self.refreshes.close()
        await self.flights.close()


def shared_cache(client: Valkey, settings: FreshnessSettings) -> Shared:
    """Make what all tenants of a process share."""
    store = Store(client, bytes_max=settings.shared_bytes_max, kept_us=int(settings.kept_s * 1_000_000))
    return Shared(
        store=store,
        tier=Tier(settings.local_bytes_max),
        flights=Flights(store=store),
        entry_bytes_max=settings.entry_bytes_max,
    )


async def forget_tenant(client: Valkey, tenant: UUID) -> None:
    """Take everything out of Valkey that is kept of a deleted tenant's rows; what servers hold of it they never give.

    Raises one of `VALKEY_ERRORS` when Valkey does not answer: nothing may be forgotten then, and what is left ends
    after `freshness.kept_s`. To call it again is harmless.
    """
    await Store(client, bytes_max=0, kept_us=0).leave(tenant.hex)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One entry for people: what `omnisql.cache` shows."""

    entry: Entry
    age_us: int
    hits: int


class TenantCache:
    """What is kept for one tenant; `data_key` gives its key, `on_record` puts what it reads by itself on record."""

    def __init__(
        self,
        shared: Shared,
        *,
        tenant: str,
        data_key: Callable[[], Awaitable[bytes]],
        on_record: OnRecord = lambda _: nullcontext(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.shared = shared
        self._tenant = tenant
        self._data_key = data_key
        self._on_record = on_record
        self._clock = clock
        self._key = b""
        self._seal: Seal | None = None
        self._shelves: dict[str, Shelf] = {}
        self._given_up_until_s = 0.0

    def of(self, source: Source) -> SourceCache:
        """Return what is kept of one source under one credential."""
        return SourceCache(tenant_cache=self, source=source)

    async def shelf(self, source: Source, table: Table) -> Shelf:
        """Return the shelf of a table."""
        seal = await self._current_seal()
        name = f"{self._tenant}/{seal.name(*_identity(source, table))}"
        shelf = self._shelves.get(name)
        if shelf is None:
            if len(self._shelves) >= SHELVES_MAX:
                self._shelves.pop(next(iter(self._shelves)))
            shelf = self._shelves[name] = Shelf(
                name=name,
                tenant=self._tenant,
                seal=seal,
                index=Index(),
                asked=Asked(shelf=name, seal=seal),
                changes=changes_of(self._tenant, seal, source),
                on_record=self._on_record,
                shared=self.shared,
            )
        return shelf

    async def _current_seal(self) -> Seal:
        # Asked for each time: when a key may be held no longer, or is destroyed, its rows are not read any more.
        key = await self._data_key()
        if self._seal is None or key != self._key:
            self._key, self._seal = key, seal_of(key)
        return self._seal

    async def bodies(self, source: Source) -> Place | None:
        """Return where the bodies of a source are kept, None while Valkey is not asked."""
        if self._clock() < self._given_up_until_s:
            return None
        seal = await self._current_seal()
        return Place(shelf=f"{self._tenant}/{seal.name('bodies', *_account(source))}", tenant=self._tenant, seal=seal)

    def failed(self, operation: str, error: BaseException) -> None:
        """Note that Valkey does not answer, and do not ask it for a while."""
        self._given_up_until_s = self._clock() + GIVEN_UP_FOR_S
        INSTRUMENTS.cache_failed(operation)
        _log.warning("cache_unavailable", tenant=self._tenant, error=type(error).__name__)

    async def may_read(self, shelf: Shelf) -> bool:
        """Say whether the tenant's key is still that of a shelf, as is asked for each reading."""
        return await self._data_key() == self._key and shelf.seal is self._seal

    async def begin(self, source: Source, table: Table, staleness: Staleness) -> Reading:
        """Begin to read a table; without Valkey everything is fetched."""
        # Nobody who neither takes nor keeps anything needs to be told.
        instead = Unkept(reason="Valkey does not answer" if staleness.is_used else None)
        if self._clock() < self._given_up_until_s:
            return instead
        try:
            shelf = await self.shelf(source, table)
            now_us = await shelf.look()
        except VALKEY_ERRORS as error:
            self.failed("look", error)
            return instead
        return ShelfReading(shelf=shelf, table=table, staleness=staleness, now_us=now_us)

    async def entries(self, source: Source, table: Table) -> list[Kept]:
        """List what is kept of a table under a credential; nothing where Valkey does not answer."""
        try:
            shelf = await self.shelf(source, table)
            now_us, found = await self.shared.store.list(shelf.name)
        except VALKEY_ERRORS:
            return []
        kept = []
        for entry_id, sealed, hits in found:
            try:
                entry = described(entry_id, shelf.seal.open(sealed, shelf.name, entry_id, "description"))
            except Spoiled:
                continue
            # Those of this process that Valkey has not been told of yet count, too.
            kept.append(Kept(entry=entry, age_us=now_us - entry.fetched_us, hits=hits + shelf.hits.get(entry_id, 0)))
        return kept

    def close(self) -> None:
        """Forget what this process holds decoded."""
        for shelf in self._shelves.values():
            shelf.let_go()
        self._shelves.clear()

    async def drop(self, source: Source, table: Table) -> None:
        """Forget what is kept of a table under a credential, and whatever was fetched until now."""
        shelf = await self.shelf(source, table)
        await self.shared.store.drop(shelf.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCache:
    """Implements `model.freshness.ScanCache`."""

    tenant_cache: TenantCache
    source: Source = field(repr=False)

    async def begin(self, table: Table, staleness: Staleness) -> Reading:
        """Begin to read a table of the source."""
        return await self.tenant_cache.begin(self.source, table, staleness)

    def bodies(self, *, kept: bool) -> SharedBodies:
        """Return the answers of the source that replicas share; those of this scan join them if they are `kept`."""
        shared = self.tenant_cache.shared
        return ScanBodies(
            store=shared.store,
            find=partial(self.tenant_cache.bodies, self.source),
            failed=self.tenant_cache.failed,
            kept=kept,
            body_bytes_max=shared.entry_bytes_max,
        )


def _account(source: Source) -> tuple[object, ...]:
    """Return all that decides what a source answers, the secrets too: what a replaced one got is never found."""
    return (
        _VERSION,
        source.connector,
        source.server,
        source.credential_id,
        source.version,
        sorted(source.options.items()),
        sorted(source.secrets.items()),
    )


def _identity(source: Source, table: Table) -> tuple[object, ...]:
    """Return all that decides what a source gives for a table."""
    return (
        *_account(source),
        table.name,
        table.primary_key,
        [(column.name, column.type_name, column.path, column.hydrate) for column in table.columns],
        [(path.name, path.request, path.keys, path.batch) for path in table.access_paths],
    )
