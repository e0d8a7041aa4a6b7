"""Dates as JQL writes them: epoch milliseconds, a day, a minute in the user's time zone, or a period from now."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from connectors.simulators.jira.jql.errors import JqlError

MINUTE_MS = 60_000
_EPOCH = re.compile(r"-?\d{1,15}")
_DATE = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?: (\d{1,2}):(\d{2}))?")
_PERIOD = re.compile(r"([+-]?)((?:\d{1,6}[wdhm]\s*)+)")
_UNITS_MS = {"w": 7 * 86_400_000, "d": 86_400_000, "h": 3_600_000, "m": MINUTE_MS}


def instant_ms(field: str, text: str, *, now_ms: int, zone: tzinfo) -> int:
    """Return the time that a literal means, in epoch milliseconds, rounded down to the minute as Jira does.

    Raises:
        JqlError: the literal has none of the formats.
    """
    if _EPOCH.fullmatch(text) and text.isascii():
        return int(text) // MINUTE_MS * MINUTE_MS
    date = _DATE.fullmatch(text)
    period = _PERIOD.fullmatch(text)
    try:
        if date:
            year, month, day, hour, minute = (int(part or 0) for part in date.groups())
            moment = datetime(year, month, day, hour, minute, tzinfo=zone)
            return int(moment.timestamp()) * 1000
    except ValueError:
        period = None
    if period is None:
        raise JqlError(
            f"Date value '{text}' for field '{field}' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', "
            "'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'."
        )
    amount_ms = sum(int(number) * _UNITS_MS[unit] for number, unit in re.findall(r"(\d+)([wdhm])", period.group(2)))
    # A period without a sign lies in the future.
    return (now_ms + (-amount_ms if period.group(1) == "-" else amount_ms)) // MINUTE_MS * MINUTE_MS


def day_of(field: str, text: str, *, now_ms: int, zone: tzinfo) -> str:
    """Return the day, in the user's time zone, of the time that a literal means.

    Raises:
        JqlError: the literal has none of the formats, or means no day of the calendar.
    """
    moment_ms = instant_ms(field, text, now_ms=now_ms, zone=zone)
    try:
        return datetime.fromtimestamp(moment_ms / 1000, tz=zone).date().isoformat()
    except (ValueError, OverflowError, OSError):
        raise JqlError(f"Date value '{text}' for field '{field}' is invalid.") from None
