r"""Whole batches of DataRow messages as COPY's lines, without a step for each row. Pure, vectorised.

A DataRow has four bytes of length before each value where a line has a separator, so that the lines are what is left
of the messages' own bytes once separators, marks of nulls and headers are written over those lengths.
"""

import numpy as np

from wire.arrow_columns import Int64Array

_HEADER_BYTES = 7
_LENGTH_BYTES = 4
NULL_BYTES_MAX = 3
"""The longest mark of a null that fits beside a separator where a value's length stood."""


def copy_lines(
    data_rows: bytes | memoryview,
    ends: Int64Array,
    *,
    delimiter: bytes,
    null: bytes,
    escapes: dict[int, int] | None,
    refused: bytes = b"",
) -> bytes | None:
    """Turn DataRow messages of equal numbers of columns into CopyData messages, one line each; row i ends at `ends[i]`.

    `escapes` gives the byte that stands, after a backslash, for one that a value must not have. None is returned where
    a value has one of `refused` or, with an empty mark of nulls, none at all: each such line is a case of its own.
    """
    size = int(ends[-1])
    source = np.frombuffer(data_rows, dtype=np.uint8)[:size]
    starts = np.concatenate((np.zeros(1, dtype=np.int64), np.asarray(ends[:-1], dtype=np.int64)))
    out = np.empty(size + 1, dtype=np.uint8)
    out[:size] = source
    kept = np.ones(size + 1, dtype=bool)
    for offset in range(_HEADER_BYTES):
        kept[starts + offset] = False
    columns = int(source[5]) << 8 | int(source[6])
    lengths_at = np.ndarray((max(size - 3, 0),), dtype=">i4", buffer=source, strides=(1,))
    places, nulls = [], []
    line_bytes = np.full(len(starts), max(columns - 1, 0) + 1, dtype=np.int64)
    place = starts + _HEADER_BYTES
    for _ in range(columns):
        lengths = lengths_at[place].astype(np.int64)
        missing = lengths < 0
        if not null and not escapes and not lengths.all():
            return None
        for offset in range(_LENGTH_BYTES):
            kept[place + offset] = False
        places.append(place)
        nulls.append(missing)
        line_bytes += np.where(missing, len(null), lengths)
        place = place + _LENGTH_BYTES + np.maximum(lengths, 0)
    special = _bytes_among(source, bytes(escapes or ()) + refused) & kept[:size]
    found = np.flatnonzero(special)
    if len(found):
        if not escapes:
            return None
        line_bytes += np.add.reduceat(special, starts, dtype=np.int64)
        out[found] = _table(escapes)[source[found]]
    _write_separators(out, kept, places, nulls, delimiter, null)
    _write_heads(out, kept, starts, line_bytes)
    lines = out[kept]
    if len(found):
        lines = np.insert(lines, np.cumsum(kept)[found] - 1, ord("\\"))
    return lines.tobytes()


def _write_separators(
    out: np.ndarray, kept: np.ndarray, places: list[np.ndarray], nulls: list[np.ndarray], delimiter: bytes, null: bytes
) -> None:
    """Write over each value's length: a separator, except before the first value, and the mark of a null."""
    for column, (place, missing) in enumerate(zip(places, nulls, strict=True)):
        if column:
            at = place + (_LENGTH_BYTES - 1) - np.where(missing, len(null), 0)
            out[at] = ord(delimiter)
            kept[at] = True
        for offset, byte in enumerate(null, _LENGTH_BYTES - len(null)):
            at = place[missing] + offset
            out[at] = byte
            kept[at] = True


def _write_heads(out: np.ndarray, kept: np.ndarray, starts: np.ndarray, line_bytes: np.ndarray) -> None:
    """Write over each DataRow's header: the end of the line before, and CopyData's header."""
    out[starts[1:]] = out[-1] = ord("\n")
    kept[starts[1:]] = True
    out[starts + 1] = ord("d")
    kept[starts + 1] = True
    message_bytes = (line_bytes + _LENGTH_BYTES).astype(">i4").view(np.uint8).reshape(-1, _LENGTH_BYTES)
    for offset in range(_LENGTH_BYTES):
        out[starts + 2 + offset] = message_bytes[:, offset]
        kept[starts + 2 + offset] = True


def _bytes_among(source: np.ndarray, wanted: bytes) -> np.ndarray:
    among = np.zeros(len(source), dtype=bool)
    for byte in wanted:
        among |= source == byte
    return among


def _table(escapes: dict[int, int]) -> np.ndarray:
    table = np.arange(256, dtype=np.uint8)
    for byte, shown in escapes.items():
        table[byte] = shown
    return table
