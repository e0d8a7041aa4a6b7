"""Messages of the backend, read as the arena compares them."""

from __future__ import annotations

import struct

Row = tuple[bytes | None, ...]


def decode_rows(data: bytes) -> list[Row]:
    """Read DataRow messages."""
    rows, place = [], 0
    while place < len(data):
        assert data[place : place + 1] == b"D"
        end = place + 1 + struct.unpack_from("!i", data, place + 1)[0]
        count = struct.unpack_from("!h", data, place + 5)[0]
        place += 7
        row: list[bytes | None] = []
        for _ in range(count):
            length = struct.unpack_from("!i", data, place)[0]
            place += 4
            row.append(None if length < 0 else data[place : place + length])
            place += max(length, 0)
        assert place == end
        rows.append(tuple(row))
    return rows
