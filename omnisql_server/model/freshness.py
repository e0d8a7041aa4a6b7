"""How old rows may be, and the seam between stage fetch and what keeps rows of earlier fetches. Frozen values."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from connectors.sdk.conditional import SharedBodies
from connectors.sdk.errors import ConnectorError
from connectors.sdk.misfits import Misfits
from connectors.sdk.resumption import Mark
from connectors.sdk.scan import Scan
from connectors.sdk.table import Table
from connectors.sdk.trail import Step
from omnisql_server.errors import OmniSQLError

DURATION = r"\d{1,9}\s*(us|ms|s|min|h|d)?"
DURATION_WORDS = "a whole number with one of the units us, ms, s, min, h, d"
MAX_STALENESS = "max_staleness"
"""The option of servers and foreign tables, the end of the setting's name, and the word of the hint."""
FULL_READ = "full_read"
"""The option that lets changes be merged, and says after how long everything is read again."""
STALE_WHILE_REVALIDATE = "stale_while_revalidate"
"""The option that lets older rows answer at once, while they are read again, and says how old these may be."""
FRESHNESS_OPTIONS = (MAX_STALENESS, FULL_READ, STALE_WHILE_REVALIDATE)
_UNITS_US = {
    "us": 1,
    "ms": 1000,
    None: 1000,
    "s": 1_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}


class StalenessInvalid(OmniSQLError):
    """An option of a server or a foreign table that concerns freshness is not a duration."""

    sqlstate = "HV00D"


def duration_us(text: str) -> int | None:
    """Read a duration as PostgreSQL's settings write it, in microseconds; without a unit it counts milliseconds.

    None where the text is no duration.
    """
    found = re.fullmatch(DURATION, text.strip().lower(), re.ASCII)
    if found is None:
        return None
    return int(re.match(r"\d+", found.group(0)).group(0)) * _UNITS_US[found.group(1)]  # type: ignore[union-attr]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staleness:
    """How old rows may be, in microseconds, counted back from the moment at which a statement begins to read.

    Within `max_us` rows of earlier fetches answer, within `if_error_us` they answer when the source fails. `kept` says
    that what is fetched is kept for others, although this statement takes nothing. `full_read_us` is how long changes
    may be merged into rows before all are read again, 0 where they are not. Within `revalidate_us`, if it is more than
    `max_us`, rows answer while they are read again in the background.
    """

    max_us: int = 0
    if_error_us: int = 0
    kept: bool = False
    full_read_us: int = 0
    revalidate_us: int = 0

    @property
    def is_used(self) -> bool:
        """Say whether earlier or later statements have anything to do with what this one reads."""
        return self.max_us > 0 or self.if_error_us > 0 or self.kept


def staleness_of(
    wanted_us: int | None, if_error_us: int, table: Mapping[str, str], server: Mapping[str, str]
) -> Staleness:
    """Return the bound of a scan: the statement's own, else the foreign table's option, else the server's, else 0.

    Raises:
        StalenessInvalid: HV00D, the option that counts is no duration.
    """
    declared_us = _declared_us(MAX_STALENESS, table, server)
    max_us = declared_us if wanted_us is None else wanted_us
    full_read_us = _declared_us(FULL_READ, table, server)
    # Who names a bound for a statement, 0 above all, is not shown older rows because a table would allow it.
    revalidate_us = _declared_us(STALE_WHILE_REVALIDATE, table, server) if wanted_us is None and max_us > 0 else 0
    return Staleness(
        max_us=max_us,
        if_error_us=if_error_us,
        kept=declared_us > 0,
        full_read_us=full_read_us,
        revalidate_us=revalidate_us,
    )


def _declared_us(name: str, table: Mapping[str, str], server: Mapping[str, str]) -> int:
    for kind, options in (("foreign table", table), ("server", server)):
        text = options.get(name)
        if text is not None:
            declared = duration_us(text)
            if declared is None:
                raise StalenessInvalid(
                    message=f'option "{name}" of the {kind} is not a duration', hint=f"Write {DURATION_WORDS}."
                )
            return declared
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a source gave for one scan.

    `truncated` says why the source will not give the rest, `error` what ended the reading early: either way the rows
    are not all there are. `requests` were made for it. `steps` are those that can confirm all of it, none where that
    cannot be done. `asked_at` is the source's own clock at the first answer, None where it is not told. `mark` is where
    a reading that failed can be gone on with, None where it cannot; `resumed_at` is the page at which this one went on,
    0 where it began at the first. `misfits` are its values that are null because they did not fit.
    """

    batches: tuple[pa.RecordBatch, ...]
    requests: int = 0
    truncated: str | None = None
    error: ConnectorError | None = None
    steps: tuple[Step, ...] = ()
    asked_at: datetime | None = None
    mark: Mark | None = None
    resumed_at: int = 0
    misfits: Misfits = ()


Give = Callable[[pa.RecordBatch], Awaitable[None]]
"""Takes rows of an answer before the rest is there: those that were given are not in the answer any more."""


class Fetch(Protocol):
    """Asks the source for one scan; a failure of the source is in the answer, anything else is raised."""

    async def __call__(self, scan: Scan, start: Mark | None = None, give: Give | None = None) -> Fetched:
        """Read a scan, from `start` on if that is the place of such a reading; pages go to `give` as they come."""


Confirm = Callable[[tuple[Step, ...]], Awaitable[bool]]
"""Asks the source whether what it gave for some steps still stands; raises a ConnectorError when it cannot be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The rows of one scan, wherever they came from.

    `age_us` is the age of the oldest of them when the statement began to read, 0 where the source was asked for all.
    `hits` counts entries used, `saved` the requests that were made when they were filled. `shared` says that another
    statement's fetch was waited for. `confirmed` counts the entries among those used that the source was asked about
    and said to be unchanged, `merged` those of which it told what has changed; `full_age_us` is how long ago the oldest
    of all merged ones was read in full. `stale` says that the source failed and older rows stand in. `not_kept` says
    why what was fetched is not kept. `entries` names what was used of what is kept. `resumed_at` is the page with which
    an earlier reading that failed was gone on, 0 where none was. `refreshing` says that older rows answer, which are
    being read again. `misfits` are values that did not fit; where only a part of what was read is used, at most these.
    """

    batches: tuple[pa.RecordBatch, ...]
    age_us: int = 0
    entries: tuple[str, ...] = ()
    hits: int = 0
    saved: int = 0
    confirmed: int = 0
    merged: int = 0
    full_age_us: int = 0
    shared: bool = False
    stale: bool = False
    truncated: str | None = None
    error: ConnectorError | None = None
    not_kept: str | None = None
    resumed_at: int = 0
    refreshing: bool = False
    misfits: Misfits = ()

    def is_unfit_for(self, scan: Scan) -> bool:
        """Say whether values are null that a scan compares, so that its rows cannot be told among these."""
        return not scan.compared.isdisjoint(each.column for each in self.misfits)


def answer_of(fetched: Fetched) -> Answer:
    """Return the answer that a source gave by itself."""
    return Answer(batches=fetched.batches, truncated=fetched.truncated, error=fetched.error, misfits=fetched.misfits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a source tells by itself of its rows: those of some API tables, none for all, have changed.

    `keys` narrow them to rows with these values in these columns, as far as a table has them.
    """

    tables: frozenset[str] = frozenset()
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """How a source is asked when no statement waits for it: on its own account, and with what its limits can spare.

    `what` says in a few words what is read.
    """

    fetch: Fetch
    confirm: Confirm | None
    calls_left: int | None
    what: str


class Reading(Protocol):
    """One statement's reading of one API table, at one moment."""

    async def read(
        self,
        scan: Scan,
        fetch: Fetch,
        confirm: Confirm | None = None,
        calls_left: int | None = None,
        later: Later | None = None,
        give: Give | None = None,
    ) -> Answer:
        """Answer a scan from what is kept, from a fetch under way, by what is kept and confirmed, or by `fetch`.

        `calls_left` is how many calls the statement may still make, None for any number. `later` reads in the
        background, if older rows may answer meanwhile. `give` may be given the first rows before others come.
        """

    def peek(self, scan: Scan) -> Answer | None:
        """Say what would answer a scan now, without its rows; None when all of it would be fetched."""


class ScanCache(Protocol):
    """What is kept of one source under one credential."""

    async def begin(self, table: Table, staleness: Staleness) -> Reading:
        """Begin to read a table."""

    def bodies(self, *, kept: bool) -> SharedBodies:
        """Return the source's answers that other processes have had; those of a scan join them if they are `kept`."""
