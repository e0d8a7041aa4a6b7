"""How old rows may be, and the seam between stage fetch and what keeps rows of earlier fetches. Frozen values."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from connectors.sdk.errors import ConnectorError
from connectors.sdk.scan import Scan
from connectors.sdk.table import Table
from connectors.sdk.trail import Step
from omnisql_server.errors import OmniSQLError

DURATION = r"\d{1,9}\s*(us|ms|s|min|h|d)?"
DURATION_WORDS = "a whole number with one of the units us, ms, s, min, h, d"
MAX_STALENESS = "max_staleness"
"""The option of servers and foreign tables, the end of the setting's name, and the word of the hint."""
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
    """A server's or a foreign table's option max_staleness is not a duration."""

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
    that what is fetched is kept for others, although this statement takes nothing.
    """

    max_us: int = 0
    if_error_us: int = 0
    kept: bool = False

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
    declared_us = 0
    for kind, options in (("foreign table", table), ("server", server)):
        text = options.get(MAX_STALENESS)
        if text is not None:
            declared = duration_us(text)
            if declared is None:
                raise StalenessInvalid(
                    message=f'option "{MAX_STALENESS}" of the {kind} is not a duration', hint=f"Write {DURATION_WORDS}."
                )
            declared_us = declared
            break
    max_us = declared_us if wanted_us is None else wanted_us
    return Staleness(max_us=max_us, if_error_us=if_error_us, kept=declared_us > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a source gave for one scan.

    `truncated` says why the source will not give the rest, `error` what ended the reading early: either way the rows
    are not all there are. `requests` were made for it. `steps` are those that can confirm all of it, none where that
    cannot be done.
    """

    batches: tuple[pa.RecordBatch, ...]
    requests: int = 0
    truncated: str | None = None
    error: ConnectorError | None = None
    steps: tuple[Step, ...] = ()


Fetch = Callable[[Scan], Awaitable[Fetched]]
"""Asks the source for one scan; a failure of the source is in the answer, anything else is raised."""
Confirm = Callable[[tuple[Step, ...]], Awaitable[bool]]
"""Asks the source whether what it gave for some steps still stands; raises a ConnectorError when it cannot be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The rows of one scan, wherever they came from.

    `age_us` is the age of the oldest of them when the statement began to read, 0 where the source was asked for all.
    `hits` counts entries used, `saved` the requests that were made when they were filled. `shared` says that another
    statement's fetch was waited for. `confirmed` counts the entries among those used that the source was asked about
    and said to be unchanged. `stale` says that the source failed and older rows stand in. `not_kept` says why what was
    fetched is not kept.
    """

    batches: tuple[pa.RecordBatch, ...]
    age_us: int = 0
    hits: int = 0
    saved: int = 0
    confirmed: int = 0
    shared: bool = False
    stale: bool = False
    truncated: str | None = None
    error: ConnectorError | None = None
    not_kept: str | None = None


class Reading(Protocol):
    """One statement's reading of one API table, at one moment."""

    async def read(self, scan: Scan, fetch: Fetch, confirm: Confirm | None = None) -> Answer:
        """Answer a scan from what is kept, from a fetch under way, by what is kept and confirmed, or by `fetch`."""

    def peek(self, scan: Scan) -> Answer | None:
        """Say what would answer a scan now, without its rows; None when all of it would be fetched."""


class ScanCache(Protocol):
    """What is kept of one source under one credential."""

    async def begin(self, table: Table, staleness: Staleness) -> Reading:
        """Begin to read a table."""
