"""What a statement does, noted on the way for the audit: the pipeline and the limiter write, the audit reads.

The trail of the statement at work is in a context variable, so that requests made in tasks of their own find it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field

from omnisql_server.model.query import AuthorizedQuery, BoundQuery
from omnisql_server.model.report import SourceReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An API column that a derived relation comes from, and the mask that it was read under, by its policy."""

    connector: str
    server: str
    table: str
    column: str
    mask: str
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedRead:
    """A relation that is read and that holds rows which were written from API tables."""

    oid: int
    schema: str
    name: str
    facts: tuple[Fact, ...]


@dataclass(slots=True, kw_only=True)
class Trail:
    """One statement so far.

    `begin` puts on record that the statement has begun; it is called once before its first request to a source, its
    first row beyond those that go out with its end, and before anything is written. `begin_soon` has that written
    without waiting for it. `calls` are its requests to sources, `derived` what it reads that was written from some
    before, for which `purpose`. `over` says that its end is on record.
    """

    begin: Callable[[], Awaitable[None]]
    begin_soon: Callable[[], object] = lambda: None
    bound: BoundQuery | None = None
    authorized: list[AuthorizedQuery] = field(default_factory=list)
    reports: list[SourceReport] = field(default_factory=list)
    derived: list[DerivedRead] = field(default_factory=list)
    purpose: str = ""
    calls: int = 0
    rows: int = 0
    over: bool = False


TRAIL: ContextVar[Trail | None] = ContextVar("omnisql_trail", default=None)


def note_bound(query: BoundQuery) -> None:
    """Note what the statement at work reads, before policy has its say."""
    trail = TRAIL.get()
    if trail is not None:
        trail.bound = query


async def note_authorized(query: AuthorizedQuery, *, writes: bool) -> None:
    """Note what the statement at work may read; put its beginning on record if it `writes`.

    Raises:
        AuditUnavailable: 58030, the record cannot be written.
    """
    trail = TRAIL.get()
    if trail is not None:
        trail.authorized.append(query)
        if writes:
            await trail.begin()


async def note_act() -> None:
    """Put on record that the administrative statement at work has begun.

    Raises:
        AuditUnavailable: 58030, the record cannot be written.
    """
    trail = TRAIL.get()
    if trail is not None:
        await trail.begin()


def note_reports(reports: tuple[SourceReport, ...]) -> None:
    """Note what the statement at work got from its sources."""
    trail = TRAIL.get()
    if trail is not None:
        trail.reports.extend(reports)


def noting_reports() -> Callable[[tuple[SourceReport, ...]], None]:
    """Return what notes reports for the statement at work, to be called while its rows are read."""
    trail = TRAIL.get()
    return (lambda _: None) if trail is None else trail.reports.extend


def expect_call() -> None:
    """Have it put on record that the statement at work has begun, while something else is waited for; see `note_call`.

    Raises:
        AuditUnavailable: 58030, the record cannot be written.
    """
    trail = TRAIL.get()
    if trail is not None and not trail.over:
        trail.begin_soon()


async def note_call() -> None:
    """Note a request to a source that is about to be made for the statement at work.

    Raises:
        AuditUnavailable: 58030, the record cannot be written.
    """
    trail = TRAIL.get()
    if trail is not None and not trail.over:
        await trail.begin()
        trail.calls += 1


def note_derived(reads: Iterable[DerivedRead], purpose: str) -> None:
    """Note what the statement at work reads that was written from API tables before, and for which purpose."""
    trail = TRAIL.get()
    if trail is not None:
        trail.derived.extend(reads)
        trail.purpose = purpose
