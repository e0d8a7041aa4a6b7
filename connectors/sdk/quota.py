"""What response headers say of rate limits: remaining quota, reset times, Retry-After. Pure.

Retry-After follows RFC 9110, section 10.2.3: seconds or an HTTP date. Moments are compared with the answer's own Date
header (section 6.6.1) where there is one, so that no clock that is wrong or jumps closes a source for long.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Protocol

from connectors.sdk.connector import QuotaObserved

WAIT_MAX_S = 86_400.0
"""Longer than the longest window of a quota that an API is known to have; a wait beyond it comes from a wrong clock."""


class ResetFormat(StrEnum):
    """How an API writes the time at which its quota is whole again."""

    EPOCH_S = "epoch_s"
    EPOCH_MS = "epoch_ms"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    ISO = "iso"


class QuotaReader(Protocol):
    """Reads from the headers of an answer, whose names are in lower case, what they tell of a quota."""

    def read(self, headers: Mapping[str, str], *, bucket: str, now_s: float) -> QuotaObserved | None:
        """Return what the headers tell, None when they tell nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaHeaders:
    """The names, in lower case, of the headers that tell a quota; `bucket` is the header naming it, if there is one.

    Without that they tell of `pays`, whatever the request has paid, or of what it has paid where that is empty.
    """

    limit: str
    remaining: str
    reset: str
    reset_format: ResetFormat
    bucket: str | None = None
    pays: str = ""

    def read(self, headers: Mapping[str, str], *, bucket: str, now_s: float) -> QuotaObserved | None:
        """Return what the headers tell, None when they tell nothing; `now_s` is the wall clock, for want of a Date."""
        limit, remaining = _integer(headers.get(self.limit)), _integer(headers.get(self.remaining))
        if limit is None and remaining is None:
            return None
        named = headers.get(self.bucket) if self.bucket is not None else None
        reset_s = _reset_s(headers.get(self.reset), self.reset_format, _now_s(headers, now_s))
        return QuotaObserved(bucket=named or self.pays or bucket, limit=limit, remaining=remaining, reset_s=reset_s)


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Return the seconds that Retry-After asks for, None when it is absent or unreadable."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    number = _number(text)
    if number is not None:
        return _bounded(number)
    moment_s = _date_s(text)
    return None if moment_s is None else _bounded(moment_s - _now_s(headers, now_s))


def _now_s(headers: Mapping[str, str], now_s: float) -> float:
    """Give the source's own time when it answered, else ours."""
    told_s = _date_s(headers.get("date", ""))
    return now_s if told_s is None else told_s


def _date_s(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _bounded(wait_s: float) -> float:
    return min(max(0.0, wait_s), WAIT_MAX_S)


def _reset_s(text: str | None, form: ResetFormat, now_s: float) -> float | None:
    if text is None:
        return None
    if form is ResetFormat.ISO:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return _bounded(aware.timestamp() - now_s)
    number = _number(text)
    if number is None:
        return None
    absolute = {
        ResetFormat.EPOCH_S: number,
        ResetFormat.EPOCH_MS: number / 1000.0,
        ResetFormat.SECONDS: now_s + number,
        ResetFormat.MILLISECONDS: now_s + number / 1000.0,
    }
    return _bounded(absolute[form] - now_s)


def _integer(text: str | None) -> int | None:
    number = _number(text) if text is not None else None
    return int(number) if number is not None else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
