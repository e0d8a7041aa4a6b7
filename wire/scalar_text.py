"""The text PostgreSQL writes for one value (DateStyle ISO, IntervalStyle postgres, extra_float_digits 1, bytea hex).

Pure functions. Days and microseconds count from 1970-01-01; years before the first get PostgreSQL's ` BC`.
"""

import math
import re
from datetime import date
from decimal import Decimal

import numpy as np

MICROSECONDS_PER_SECOND = 1_000_000
MICROSECONDS_PER_DAY = 86_400 * MICROSECONDS_PER_SECOND

_EXACT_FLOAT8_END = 2.0**53
_EXACT_FLOAT4_END = 2.0**24
_FLOAT4_MAX = float(np.finfo(np.float32).max)
_UNIX_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_PLAIN_DAYS_MIN = date.min.toordinal() - _UNIX_EPOCH_ORDINAL
_PLAIN_DAYS_MAX = date.max.toordinal() - _UNIX_EPOCH_ORDINAL
_DAYS_PER_ERA = 146_097
_ARRAY_QUOTED = re.compile(r'[\\"{},\s]', re.ASCII)


def float8_text(value: float) -> str:
    """Write a double precision number by its shortest digits, `1e+15` and beyond with an exponent."""
    if 1e-4 <= abs(value) < 1e15:
        return repr(value).removesuffix(".0")
    shortest = Decimal(repr(value))
    if _EXACT_FLOAT8_END < abs(value) < math.inf:
        outward = math.copysign(math.inf, value)
        shortest = _inside(shortest, value, math.nextafter(value, 0), math.nextafter(value, outward))
    return _number_text(shortest, plain_exponent_end=15)


def float4_text(value: float) -> str:
    """Write a single precision number by its shortest digits, `1e+06` and beyond with an exponent."""
    single = np.float32(value)
    shortest = Decimal(str(single))
    if _EXACT_FLOAT4_END < abs(value) <= _FLOAT4_MAX:
        with np.errstate(over="ignore"):
            lower, upper = (np.nextafter(single, np.float32(end)) for end in (0, math.copysign(math.inf, value)))
        shortest = _inside(shortest, float(single), float(lower), float(upper))
    return _number_text(shortest, plain_exponent_end=6)


def decimal_text(value: Decimal) -> str:
    """Write a numeric with all digits of its scale and never an exponent."""
    if value.is_finite():
        return format(value if value else value.copy_abs(), "f")
    if value.is_nan():
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def date_text(days: int) -> str:
    """Write a date."""
    text, suffix = _split_date_text(days)
    return text + suffix


def time_text(microseconds: int) -> str:
    """Write a time of day, or the clock part of an interval; a fraction keeps no trailing zeros."""
    seconds, fraction = divmod(microseconds, MICROSECONDS_PER_SECOND)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if fraction:
        return f"{text}.{fraction:06d}".rstrip("0")
    return text


def timestamp_text(microseconds: int, offset_s: int | None = None) -> str:
    """Write a timestamp; with an offset in seconds east, `microseconds` are UTC and the text is local with offset."""
    local = microseconds if offset_s is None else microseconds + offset_s * MICROSECONDS_PER_SECOND
    days, clock = divmod(local, MICROSECONDS_PER_DAY)
    text, suffix = _split_date_text(days)
    zone = "" if offset_s is None else offset_text(offset_s)
    return f"{text} {time_text(clock)}{zone}{suffix}"


def offset_text(offset_s: int) -> str:
    """Write a time zone offset given in seconds east: `+00`, `+05:30`, `-04:56:02`."""
    sign = "-" if offset_s < 0 else "+"
    hours, rest = divmod(abs(offset_s), 3600)
    minutes, seconds = divmod(rest, 60)
    if seconds:
        return f"{sign}{hours:02d}:{minutes:02d}:{seconds:02d}"
    if minutes:
        return f"{sign}{hours:02d}:{minutes:02d}"
    return f"{sign}{hours:02d}"


def interval_text(months: int, days: int, microseconds: int) -> str:
    """Write an interval; a positive part behind a negative one carries a plus sign."""
    years = abs(months) // 12 * (-1 if months < 0 else 1)
    parts: list[str] = []
    negative = False
    for count, unit in ((years, "year"), (months - years * 12, "mon"), (days, "day")):
        if count:
            sign = "+" if negative and count > 0 else ""
            parts.append(f"{sign}{count} {unit}{'' if count == 1 else 's'}")
            negative = count < 0
    if microseconds or not parts:
        sign = "-" if microseconds < 0 else "+" if negative else ""
        parts.append(sign + time_text(abs(microseconds)))
    return " ".join(parts)


def array_element_text(text: str | None) -> str:
    """Write one element of an array literal, quoted where it must be."""
    if text is None:
        return "NULL"
    if not text or text.upper() == "NULL" or _ARRAY_QUOTED.search(text):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return text


def bool_text(value: object) -> str:
    """Write a boolean."""
    return "t" if value else "f"


def bytea_text(value: bytes) -> str:
    """Write a byte string in hex."""
    return "\\x" + value.hex()


def uuid_text(value: bytes) -> str:
    """Write the 16 bytes of a UUID."""
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _inside(shortest: Decimal, value: float, lower: float, upper: float) -> Decimal:
    """Return the shortest digits strictly between the midpoints to the neighbors.

    Python also takes digits that lie on a midpoint and are read back only by rounding to even; PostgreSQL does not.
    Only integers beyond the exact range have midpoints that short.
    """
    doubled_midpoints = [int(value) + int(neighbor) for neighbor in (lower, upper) if math.isfinite(neighbor)]
    precision = len(shortest.normalize().as_tuple().digits)
    while int(shortest) * 2 in doubled_midpoints:
        precision += 1
        shortest = Decimal(f"{value:.{precision - 1}e}")
    return shortest


def _number_text(number: Decimal, plain_exponent_end: int) -> str:
    if number.is_nan():
        return "NaN"
    sign = "-" if number.is_signed() else ""
    if number.is_infinite():
        return sign + "Infinity"
    if not number:
        return sign + "0"
    exponent = number.adjusted()
    if -4 <= exponent < plain_exponent_end:
        plain = format(number, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _split_date_text(days: int) -> tuple[str, str]:
    if _PLAIN_DAYS_MIN <= days <= _PLAIN_DAYS_MAX:
        return date.fromordinal(days + _UNIX_EPOCH_ORDINAL).isoformat(), ""
    # The proleptic Gregorian calendar repeats every 400 years: move into range, then count the eras back.
    eras, day_of_era = divmod(days - _PLAIN_DAYS_MIN, _DAYS_PER_ERA)
    moved = date.fromordinal(day_of_era + 1)
    year = moved.year + 400 * eras
    if year > 0:
        return f"{year:04d}-{moved.month:02d}-{moved.day:02d}", ""
    return f"{1 - year:04d}-{moved.month:02d}-{moved.day:02d}", " BC"
