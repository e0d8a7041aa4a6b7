"""What a statement got from each source: the truth that `omnisql.last_query_sources` and EXPLAIN ANALYZE show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connectors.sdk.misfits import Misfits
from omnisql_server.model.spending import Spent


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """One scan after it ran. Counts are of this scan alone; `duration_ms` is wall time from first to last request.

    `rows_fetched` came from the API, `rows_returned` are left after policy. `complete` is False when the API gave less
    than there is, `incomplete_reason` says why. `revalidated` counts requests answered by 304. `cache_hits` counts
    earlier requests whose rows were used, `calls_saved` what they took, `age_ms` is the age of the oldest rows. `stale`
    is the failure of the source that they stand in for, `cache_note` what else is to be said of what is kept.
    `refreshing` says that rows older than the bound were taken, which are being read again. `resets_at` is when a
    source may be asked again that has used up its rate limit. `rows_hydrated` is for how many rows columns were fetched
    that had waited for the others to be read, None where none had. `spent` is what the requests took, by kind.
    `misfits` are values that are null because they did not fit; of rows that had been kept, at most so many.
    `hides_rows` says that policy may have left rows out: how many came is nobody's to know then.
    """

    scan_name: str
    source: str
    connector: str
    table: str
    access_path: str
    requests: int
    pages: int
    revalidated: int
    rows_fetched: int
    rows_returned: int
    bytes_received: int
    pushed: tuple[str, ...]
    not_pushed: tuple[tuple[str, str], ...]
    complete: bool
    incomplete_reason: str | None
    fetched_at: datetime
    duration_ms: float
    cache_hits: int = 0
    calls_saved: int = 0
    age_ms: float = 0.0
    stale: str | None = None
    cache_note: str | None = None
    refreshing: bool = False
    resets_at: datetime | None = None
    rows_hydrated: int | None = None
    misfits: Misfits = ()
    spent: tuple[Spent, ...] = ()
    hides_rows: bool = False
