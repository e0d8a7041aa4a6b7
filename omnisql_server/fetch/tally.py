"""What a scan took and what is to be said of it, counted while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from connectors.sdk.connector import RequestRecord
from connectors.sdk.errors import RateLimited
from connectors.sdk.misfits import Misfits
from omnisql_server.model.freshness import Answer
from omnisql_server.model.spending import Spending
from omnisql_server.observability.metrics import INSTRUMENTS


@dataclass(slots=True)
class Tally:
    """Counts one scan's requests and pages; implements the SDK's Meter."""

    connector: str
    requests: int = 0
    revalidated: int = 0
    pages: int = 0
    rows: int = 0
    reading: int = 0
    passed_over: int = 0
    bytes_received: int = 0
    truncated: str | None = None
    cache_hits: int = 0
    calls_saved: int = 0
    age_us: int = 0
    stale: str | None = None
    confirmed: int = 0
    merged: int = 0
    full_age_us: int = 0
    refreshing: bool = False
    resets_after_s: float | None = None
    misfits: Misfits = ()
    coming: Misfits = ()
    spending: Spending = field(default_factory=Spending)
    notes: dict[str, None] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def request(self, record: RequestRecord) -> None:
        """Count one request."""
        self.requests += 1
        self.revalidated += record.revalidated
        self.bytes_received += record.bytes_received
        self.spending.request(record)
        INSTRUMENTS.request_finished(self.connector, record)

    def page(self, row_count: int) -> None:  # noqa: ARG002 - rows are counted as they arrive here
        """Count one page."""
        self.pages += 1

    def answered(self, answer: Answer) -> None:
        """Take over what is to be said of an answer."""
        self.cache_hits += answer.hits
        self.calls_saved += answer.saved
        self.age_us = max(self.age_us, answer.age_us)
        if answer.confirmed:
            self.confirmed += answer.confirmed
            INSTRUMENTS.cache_asked("confirmed")
        if answer.merged:
            self.merged += answer.merged
            INSTRUMENTS.cache_asked("merged")
        self.full_age_us = max(self.full_age_us, answer.full_age_us)
        self.refreshing = self.refreshing or answer.refreshing
        if isinstance(answer.error, RateLimited):
            self.resets_after_s = max(self.resets_after_s or 0.0, answer.error.retry_after_s)
        if answer.shared:
            self.notes["another statement's fetch was shared"] = None
        if answer.resumed_at:
            self.notes[f"resumed at page {answer.resumed_at}"] = None
        if answer.not_kept is not None:
            self.notes[f"not cached: {answer.not_kept}"] = None

    @property
    def misfits_so_far(self) -> Misfits:
        """Return the misfits of what was answered, or of a reading that may be left before its end."""
        return max(self.misfits, self.coming, key=lambda misfits: sum(each.count for each in misfits))

    def told(self) -> Iterator[str]:
        """Give what is to be said of what is kept."""
        if self.confirmed:
            yield f"{self.confirmed} of {self.cache_hits} earlier answers confirmed by the source"
        if self.full_age_us:
            yield f"what has changed was merged into what was read in full {self.full_age_us / 1_000_000:.0f} s ago"
        if self.refreshing:
            yield "older than max_staleness, being read again"
        yield from self.notes


@dataclass(slots=True, kw_only=True)
class ScanMeter:
    """Counts one of several scans for itself and in the tally; implements the SDK's Meter."""

    tally: Tally
    requests: int = 0

    def request(self, record: RequestRecord) -> None:
        """Count one request."""
        self.requests += 1
        self.tally.request(record)

    def page(self, row_count: int) -> None:
        """Count one page."""
        self.tally.page(row_count)
