"""What a manifest cannot say, in Python: functions that it names at closed places. Types alone, no I/O.

Only connectors that are Python packages have hooks: `Hooks` is what such a package hands to the loader beside its
manifest. A hook gets what it may use as arguments and keeps nothing itself; an open source's memory is `Site.known`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from connectors.sdk.connector import FetchContext
from connectors.sdk.counted import CountedRows
from connectors.sdk.decode import Row
from connectors.sdk.errors import ConnectorError, Fatal
from connectors.sdk.extract import Extract
from connectors.sdk.pagination import Reader
from connectors.sdk.quota import QuotaHeaders
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Direction, Operator, Scan, Value
from connectors.sdk.sizes import TableSize
from connectors.sdk.transport import Transport
from connectors.sdk.verdicts import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An open source as a hook sees it: how to ask it, and what hooks learned of it before, by names of their own."""

    send: Callable[[Request], Awaitable[Response]]
    known: dict[str, object]


class JudgeHook(Protocol):
    """Says what an answer means, before the manifest's rules and the status do; None leaves it to them."""

    def __call__(
        self, request: Request, response: Response, setting: Setting, quota: QuotaHeaders | None
    ) -> ConnectorError | None:
        """Judge an answer; `quota` is where the source tells its quota."""


class KeysFrom(Protocol):
    """Makes the values that a path's request is filled with out of its keys."""

    def __call__(self, keys: Mapping[str, Value]) -> Mapping[str, object]:
        """Return values by placeholder.

        Raises:
            EmptyResult: no row has such keys.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another listing than that of a path: its request, where its rows are if elsewhere, whether it keeps the order."""

    request: Request
    rows: Extract | None = None
    keeps_order: bool = True


class Instead(Protocol):
    """Says what is read in place of a listing that does not exist, or that a credential does not have."""

    def __call__(self, site: Site, scan: Scan, listing: Request) -> Awaitable[Other]:
        """Return the other listing.

        Raises:
            ConnectorError: by recovery, when the source has to be asked for that.
        """


class Measure(Protocol):
    """Asks for the size of a table that has a `size_request`."""

    def __call__(self, transport: Transport, table: str, context: FetchContext) -> Awaitable[TableSize | None]:
        """Return the size with the fewest calls that tell it; None when the answer does not say."""


class Together(Protocol):
    """Makes the calls of a `hydrate` for many rows at a time."""

    def __call__(self, reader: Reader, scan: Scan, rows: Sequence[Row], base_url: str) -> Awaitable[None]:
        """Attach to rows what the scan's columns need, in the form that the call for one row gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition: its place and comparator at the API, the operator in SQL, the value in JSON's terms."""

    place: str
    comparator: str
    value: object
    operator: Operator = Operator.EQ


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    """Conditions joined by OR: of one branch, none of which is empty, all have to hold."""

    branches: tuple[tuple[Condition, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A language that filters are written in: the values it can hold, and what is sent for conditions and an order.

    `written` takes what a text begins with, what has to hold, and places with directions; None is sent as nothing. Only
    a language that `disjoins` is given OR; with `disjoins_alone` that is one for a request, which is all there is to
    it: what stands beside it is repeated in every branch.
    """

    can_say: Callable[[Value], bool]
    written: Callable[[str, Sequence[Condition | Either], Sequence[tuple[str, Direction]]], object]
    orders: bool = False
    disjoins: bool = False
    disjoins_alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """How a scan is narrowed to what the source does not refuse; `places` are those of columns in its language.

    `before` is asked before the first request. `refused` is asked after a refusal: for the scan without what was
    refused, None where that would not help; `EmptyResult` says that no row is left.
    """

    before: Callable[[Site, Scan], Awaitable[Scan]]
    refused: Callable[[Scan, Mapping[str, str], Fatal], Scan | None]


Found = Mapping[str, Mapping[str, Any]]
"""By table: `columns` and `pushdown` as in a manifest, which come to those that it has."""


class Discover(Protocol):
    """Asks a source for columns that it alone has."""

    def __call__(self, site: Site, known: Mapping[str, frozenset[str]]) -> Awaitable[Found]:
        """Return what is found; `known` are the columns of the manifest by table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """How rows are counted by kind: the request for a scan at a base URL, and what its answer counts."""

    request: Callable[[Scan, str], Request]
    rows: Callable[[Scan, Response], Iterable[CountedRows]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The hooks of a package, for each place in a manifest by the name that it uses there."""

    judge: Mapping[str, JudgeHook] = field(default_factory=dict)
    keys_from: Mapping[str, KeysFrom] = field(default_factory=dict)
    instead: Mapping[str, Instead] = field(default_factory=dict)
    takes: Mapping[str, Callable[[Value], bool]] = field(default_factory=dict)
    dialects: Mapping[str, Dialect] = field(default_factory=dict)
    narrow: Mapping[str, Narrow] = field(default_factory=dict)
    discover: Mapping[str, Discover] = field(default_factory=dict)
    counts: Mapping[str, Counting] = field(default_factory=dict)
    together: Mapping[str, Together] = field(default_factory=dict)
    measure: Mapping[str, Measure] = field(default_factory=dict)


NO_HOOKS = Hooks()
