"""Dates, times, timestamps and intervals in text format, column at a time.

Years before 1 and after 9999, which Arrow writes otherwise, go one by one. Pure.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wire import sqlstate
from wire.arrow_columns import Int64Array, joined, numbers, replace_rows
from wire.errors import ValueUnsupported
from wire.scalar_text import (
    MICROSECONDS_PER_DAY,
    MICROSECONDS_PER_SECOND,
    date_text,
    interval_text,
    offset_text,
    timestamp_text,
)
from wire.temporal_columns import days_of, intervals_of, time_microseconds_of, timestamp_microseconds_of

_PLAIN_DAYS_MIN = -719_162
_PLAIN_DAYS_MAX = 2_932_896
_SECONDS_PER_ERA = 146_097 * 86_400
# Compiled time zone files list transitions up to 2037 and a rule for what follows.
_LISTED_TRANSITIONS_END = 2_114_380_800 * MICROSECONDS_PER_SECOND
_UTC_NAMES = frozenset({"UTC", "GMT", "ETC/UTC", "ETC/GMT", "UCT", "ZULU", "Z", "GREENWICH", "UNIVERSAL"})
# POSIX's fixed zones count positive offsets west: `<+03>-03`, `-3`, `UTC+5:30`.
_POSIX_ZONE = re.compile(r"(?:<[^<>]*>|[A-Za-z]*)([+-]?)(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?")


def date_column(column: pa.Array) -> pa.Array:
    """Write dates."""
    days = days_of(column)
    texts = column.cast(pa.date32()).cast(pa.string())
    odd = (days < _PLAIN_DAYS_MIN) | (days > _PLAIN_DAYS_MAX)
    if not odd.any():
        return texts
    return replace_rows(texts, odd, [date_text(value) for value in days[odd].tolist()])


def time_column(column: pa.Array) -> pa.Array:
    """Write times of day."""
    microseconds = time_microseconds_of(column)
    if (microseconds % MICROSECONDS_PER_SECOND).any():
        return _without_trailing_zeros(column.cast(pa.time64("us"), safe=False).cast(pa.string()))
    return column.cast(pa.time64("us"), safe=False).cast(pa.time32("s")).cast(pa.string())


def timestamp_column(column: pa.Array) -> pa.Array:
    """Write timestamps without time zone."""
    microseconds = timestamp_microseconds_of(column)
    texts = _local_texts(microseconds, column)
    return _with_odd_years(texts, microseconds, lambda row: timestamp_text(int(microseconds[row])))


def timestamptz_column(column: pa.Array, time_zone: str) -> pa.Array:
    """Write timestamps in a time zone, each with its offset; a column without zone is taken as UTC.

    Raises:
        ValueUnsupported: 22023, the time zone is unknown.
    """
    microseconds = timestamp_microseconds_of(column)
    offsets_s = zone_offsets_s(microseconds, time_zone)
    local = microseconds + offsets_s * MICROSECONDS_PER_SECOND
    zones, codes = np.unique(offsets_s, return_inverse=True)
    zone_texts = pa.array([offset_text(int(zone)) for zone in zones], type=pa.string())
    zone_column = zone_texts[0] if len(zones) == 1 else zone_texts.take(pa.array(codes))
    texts = joined(pa.string(), _local_texts(local, column), zone_column)
    return _with_odd_years(texts, local, lambda row: timestamp_text(int(microseconds[row]), int(offsets_s[row])))


def interval_column(column: pa.Array) -> pa.Array:
    """Write intervals in the `postgres` style; every part may carry a sign, so values go one by one."""
    months, days, microseconds = intervals_of(column)
    texts = map(interval_text, months.tolist(), days.tolist(), microseconds.tolist())
    valid = column.is_valid().to_pylist()
    return pa.array([text if present else None for text, present in zip(texts, valid, strict=True)], type=pa.string())


def zone_offsets_s(microseconds: Int64Array, time_zone: str) -> Int64Array:
    """Return the offset east of UTC in force at each instant."""
    if time_zone.upper() in _UTC_NAMES:
        return np.zeros_like(microseconds)
    instants = pa.array(microseconds).view(pa.timestamp("us", "UTC"))
    try:
        local = pc.local_timestamp(instants.cast(pa.timestamp("us", time_zone)))
    except pa.ArrowInvalid:
        return np.full_like(microseconds, _posix_offset_s(time_zone))
    offsets_s = (numbers(local.view(pa.int64())).astype(np.int64) - microseconds) // MICROSECONDS_PER_SECOND
    far = microseconds >= _LISTED_TRANSITIONS_END
    if far.any():
        offsets_s[far] = _far_offsets_s(microseconds[far], time_zone)
    return offsets_s


def _far_offsets_s(microseconds: Int64Array, time_zone: str) -> list[int]:
    """Apply the zone's rule for all later years, which Arrow does not; calendar and rule repeat every 400 years."""
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise _unknown_time_zone(time_zone) from None
    seconds = (microseconds - _LISTED_TRANSITIONS_END) // MICROSECONDS_PER_SECOND % _SECONDS_PER_ERA
    first = datetime.fromtimestamp(_LISTED_TRANSITIONS_END // MICROSECONDS_PER_SECOND, UTC)
    return [_offset_s(first + timedelta(seconds=elapsed), zone) for elapsed in seconds.tolist()]


def _offset_s(instant: datetime, zone: ZoneInfo) -> int:
    offset = instant.astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _posix_offset_s(time_zone: str) -> int:
    match = _POSIX_ZONE.fullmatch(time_zone)
    if match is None:
        raise _unknown_time_zone(time_zone)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
    west = hours * 3600 + minutes * 60 + seconds
    return west if match[1] == "-" else -west


def _unknown_time_zone(time_zone: str) -> ValueUnsupported:
    return ValueUnsupported(
        message=f'time zone "{time_zone}" not recognized', sqlstate=sqlstate.INVALID_PARAMETER_VALUE
    )


def _local_texts(microseconds: Int64Array, like: pa.Array) -> pa.Array:
    values = pa.array(microseconds, mask=None if like.null_count == 0 else numbers(like.is_null()))
    timestamps = values.view(pa.timestamp("us"))
    if (microseconds % MICROSECONDS_PER_SECOND).any():
        return _without_trailing_zeros(timestamps.cast(pa.string()))
    return timestamps.cast(pa.timestamp("s")).cast(pa.string())


def _without_trailing_zeros(texts: pa.Array) -> pa.Array:
    return pc.ascii_rtrim(pc.ascii_rtrim(texts, "0"), ".")


def _with_odd_years(texts: pa.Array, local: Int64Array, write: Callable[[int], str]) -> pa.Array:
    lowest, highest = _PLAIN_DAYS_MIN * MICROSECONDS_PER_DAY, (_PLAIN_DAYS_MAX + 1) * MICROSECONDS_PER_DAY
    odd = (local < lowest) | (local >= highest)
    if not odd.any():
        return texts
    return replace_rows(texts, odd, [write(row) for row in np.flatnonzero(odd).tolist()])
