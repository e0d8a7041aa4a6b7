"""Moments written for an API whose clock is coarser than PostgreSQL's, rounded outward so that no row is lost. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END_S = int((datetime(9999, 12, 31, 23, 59, 0, tzinfo=UTC) - _EPOCH).total_seconds())


def floor_s(moment: datetime, unit_s: int = 1) -> int:
    """Return epoch seconds at or before a moment, a whole number of units; never before 1970."""
    return max(0, _microseconds(moment) // (unit_s * 1_000_000) * unit_s)


def ceil_s(moment: datetime, unit_s: int = 1) -> int:
    """Return epoch seconds at or after a moment, a whole number of units; within the years 1970 to 9999."""
    return min(_END_S, max(0, -(-_microseconds(moment) // (unit_s * 1_000_000)) * unit_s))


def iso_utc(epoch_s: int) -> str:
    """Write epoch seconds as ISO 8601 in UTC: `2026-01-02T03:04:05Z`."""
    return (_EPOCH + timedelta(seconds=epoch_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _microseconds(moment: datetime) -> int:
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
