"""Temporal Arrow columns as numpy integers: days and microseconds since 1970-01-01, null as zero, range checked."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wire import sqlstate
from wire.arrow_columns import Int64Array, numbers
from wire.errors import ValueUnsupported

POSTGRES_EPOCH_DAYS = 10_957
"""2000-01-01, in days since 1970-01-01."""
POSTGRES_EPOCH_MICROSECONDS = POSTGRES_EPOCH_DAYS * 86_400_000_000

DATE_DAYS = range(-2_451_545 + POSTGRES_EPOCH_DAYS, 2_145_031_949 + POSTGRES_EPOCH_DAYS)
"""The dates PostgreSQL has: 4714-11-24 BC to 5874897-12-31."""
TIMESTAMP_MICROSECONDS = range(-211_813_488_000_000_000 + POSTGRES_EPOCH_MICROSECONDS, 1 << 63)
"""The timestamps PostgreSQL has, cut where 64 bits counted from 1970 end."""

_INTERVAL_LAYOUT = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")])


def days_of(column: pa.Array) -> Int64Array:
    """Return a date column (or the dates of a timestamp column) as days."""
    days = numbers(column.cast(pa.date32()).view(pa.int32())).astype(np.int64)
    return _checked(days, DATE_DAYS, "date")


def time_microseconds_of(column: pa.Array) -> Int64Array:
    """Return a time column as microseconds since midnight; nanoseconds are cut off."""
    return numbers(column.cast(pa.time64("us"), safe=False).view(pa.int64())).astype(np.int64)


def timestamp_microseconds_of(column: pa.Array) -> Int64Array:
    """Return a timestamp or date column as microseconds; nanoseconds are cut off."""
    if not pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us"))
    microseconds = column.cast(pa.timestamp("us", column.type.tz), safe=column.type.unit != "ns")
    values = numbers(microseconds.view(pa.int64())).astype(np.int64)
    return _checked(values, TIMESTAMP_MICROSECONDS, "timestamp")


def intervals_of(
    column: pa.Array,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Int64Array]:
    """Return an interval or duration column as months, days and microseconds."""
    if pa.types.is_duration(column.type):
        microseconds = numbers(column.cast(pa.duration("us"), safe=False).view(pa.int64())).astype(np.int64)
        nothing = np.zeros(len(column), dtype=np.int32)
        return nothing, nothing, microseconds
    if column.type != pa.month_day_nano_interval():
        raise pa.ArrowNotImplementedError(f"intervals of type {column.type}")
    parts = np.frombuffer(column.buffers()[1], dtype=_INTERVAL_LAYOUT, count=column.offset + len(column))
    parts = parts[column.offset :]
    # PostgreSQL's parts are signed on their own; division towards zero keeps the sign of the clock part.
    nanoseconds = parts["nanoseconds"]
    return parts["months"], parts["days"], np.sign(nanoseconds) * (np.abs(nanoseconds) // 1000)


def out_of_range(type_name: str) -> ValueUnsupported:
    """Build the error for a value that the Arrow type holds and the PostgreSQL type does not."""
    return ValueUnsupported(message=f"{type_name} out of range", sqlstate=sqlstate.DATETIME_FIELD_OVERFLOW)


def _checked(values: Int64Array, allowed: range, type_name: str) -> Int64Array:
    if len(values) and (int(values.min()) not in allowed or int(values.max()) not in allowed):
        raise out_of_range(type_name)
    return values
