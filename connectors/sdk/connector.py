"""The seam between the server and a connector: connect to a source, fetch a scan, disconnect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import pyarrow as pa

from connectors.sdk.conditional import SharedBodies
from connectors.sdk.request import Charge
from connectors.sdk.resumption import Resumption
from connectors.sdk.scan import Page, Scan
from connectors.sdk.table import Table
from connectors.sdk.trail import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a source.

    `secret` options belong to a user mapping and never reach PostgreSQL; `audience` options decide where secrets go.
    `leads_to` gives what of such an option's value decides it, for a server of a name, or raises `OptionInvalid`;
    without it the value is a URL, whose scheme, host and port do.
    """

    name: str
    description: str
    required: bool = False
    secret: bool = False
    audience: bool = False
    default: str | None = None
    leads_to: Callable[[str, str], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A configured account: `options` are plain, `secrets` are unsealed values that must not be logged or shown.

    `version` is that of its server, empty where none was given.
    """

    tenant: str
    server: str
    connector: str
    options: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    credential_id: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One API request as it happened. `template` is the path without values; `bytes_received` counts the body.

    `charges` are the points that it took, by rate limit; none where the source has no limits.
    """

    method: str
    template: str
    status: int
    duration_ms: float
    bytes_received: int
    attempt: int
    revalidated: bool
    charges: tuple[Charge, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaObserved:
    """What a response said of a rate limit: `reset_s` counts seconds from now."""

    bucket: str
    limit: int | None
    remaining: int | None
    reset_s: float | None


class Meter(Protocol):
    """Where a fetch reports what it did; one per scan."""

    def request(self, record: RequestRecord) -> None:
        """Count one request."""

    def page(self, row_count: int) -> None:
        """Count one page."""


class Limiter(Protocol):
    """The rate limits of one source; shared by every session and replica of its tenant."""

    async def acquire(self, bucket: str, cost: float = 1.0) -> None:
        """Wait for, or be refused, `cost` units of a bucket.

        Raises:
            RateLimited: waiting would take longer than the statement may.
        """

    async def charge(self, bucket: str, cost: float) -> None:
        """Wait for, or be refused, units of another bucket for a request that is about to be acquired.

        Raises:
            RateLimited: as `acquire`.
        """

    async def observe(self, quota: QuotaObserved) -> None:
        """Correct a bucket by what the source itself said."""

    async def block(self, bucket: str, retry_after_s: float) -> None:
        """Close a bucket until the source answers again."""


@dataclass(slots=True)
class Pauses:
    """For how long a reading has stood still so far, in seconds, because nobody had room for its rows."""

    total_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchContext:
    """What a fetch may use: its meter, the source's limiter, and how long it may take in seconds.

    `trail`, if given, is told what the answers came from, so that the source can confirm them later. `bodies`, if
    given, are those of other processes, which the source may confirm as well. `resumption`, if given, says where to go
    on with a listing that failed before, and is told how far it comes. `survivors`, if
    given, is asked before rows are hydrated: for a batch of the scan's other columns it returns the places of the rows,
    in order, that may be in the answer; the others need no call and may be left out. With `in_turn`, any page may turn
    out to be the last that is wanted: none is to be asked for before somebody comes for it. `pauses` are not part of
    the time that the fetch may take.
    """

    meter: Meter
    limiter: Limiter
    timeout_s: float = 300.0
    trail: Trail | None = None
    bodies: SharedBodies | None = None
    resumption: Resumption | None = None
    survivors: Callable[[pa.RecordBatch], Awaitable[Sequence[int]]] | None = None
    in_turn: bool = False
    pauses: Pauses = field(default_factory=Pauses)


class Connection(Protocol):
    """An open source."""

    def fetch(self, scan: Scan, context: FetchContext) -> AsyncIterator[Page]:
        """Read a scan page by page, in order; closing the iterator cancels what is under way.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """

    async def check(self) -> str:
        """Prove that the credentials work and return who they are, for people.

        Raises:
            CredentialsRejected: they do not.
        """

    async def disconnect(self) -> None:
        """Close the connections and forget the secrets."""


class Connector(Protocol):
    """One kind of source."""

    @property
    def name(self) -> str:
        """Return the name of the foreign-data wrapper."""

    @property
    def options(self) -> tuple[Option, ...]:
        """Return the options a source of this kind takes."""

    @property
    def tables(self) -> tuple[Table, ...]:
        """Return the tables every source of this kind has."""

    async def connect(self, source: Source) -> Connection:
        """Open a source; no request is made yet.

        Raises:
            OptionInvalid: an option is unknown or missing.
        """

    async def discover(self, connection: Connection) -> tuple[Table, ...]:
        """Return the tables of this very source, custom fields included."""


@runtime_checkable
class WithSchemas(Protocol):
    """A connector whose sources have schemas, to be imported one by one; others have one of the connector's name."""

    @property
    def default_schema(self) -> str:
        """Return the schema that is meant where none is named."""


@runtime_checkable
class WithVersions(Protocol):
    """A connector whose tables have had other shapes, which servers keep until they are given another version."""

    @property
    def versions(self) -> tuple[str, ...]:
        """Return the versions there are, the newest last."""

    def at(self, version: str) -> Connector:
        """Return the connector as it is at a version; without one at the oldest, as of servers from before versions.

        Raises:
            OptionInvalid: SQLSTATE HV00D, there is no such version.
        """


def connector_at(connector: Connector, version: str) -> Connector:
    """Return a connector as a server of some version has it; one without versions is the same for all.

    Raises:
        OptionInvalid: SQLSTATE HV00D, there is no such version.
    """
    return connector.at(version) if isinstance(connector, WithVersions) else connector
