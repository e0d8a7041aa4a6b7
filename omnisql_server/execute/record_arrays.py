"""Rows of a relation, as PostgreSQL itself sends them, as one array of the relation's row type. Pure, binary.

A row of `record_send` is the number of its columns and, for each, its type's OID, its length (-1: null) and its value
(PostgreSQL 18, `record_send` and `array_recv`). Rows are read with the needed columns alone; the others become null.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from omnisql_server.execute.arrays import ArrayParameter

_INT = struct.Struct(">i")
_HEAD = struct.Struct(">iiIii")
_NULL = _INT.pack(-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowType:
    """A relation's row type and its array, by OID, and the OIDs of its columns' types in order."""

    type_oid: int
    array_oid: int
    column_oids: tuple[int, ...]


def record_array(rows: Iterable[bytes], row_type: RowType, needed: Sequence[int]) -> ArrayParameter:
    """Write rows, which have the columns at the indexes `needed` alone, in that order, as one array parameter."""
    whole = rows if len(needed) == len(row_type.column_oids) else _widened(rows, row_type, needed)
    parts, count = [b""], 0
    for row in whole:
        parts += (_INT.pack(len(row)), row)
        count += 1
    head = _HEAD.pack(1, 0, row_type.type_oid, count, 1) if count else _HEAD.pack(0, 0, row_type.type_oid, 0, 0)[:12]
    parts[0] = head
    return ArrayParameter(type_oid=row_type.array_oid, array_sql="", value=b"".join(parts), needs_cast=False, format=1)


def _widened(rows: Iterable[bytes], row_type: RowType, needed: Sequence[int]) -> Iterable[bytes]:
    places = {index: place for place, index in enumerate(needed)}
    absent = [struct.pack(">I", oid) + _NULL for oid in row_type.column_oids]
    count = _INT.pack(len(row_type.column_oids))
    for row in rows:
        given = _columns(row)
        columns = (given[places[index]] if index in places else null for index, null in enumerate(absent))
        yield count + b"".join(columns)


def _columns(row: bytes) -> list[bytes]:
    found, start = [], 4
    for _ in range(_INT.unpack_from(row)[0]):
        length = _INT.unpack_from(row, start + 4)[0]
        end = start + 8 + max(length, 0)
        found.append(row[start:end])
        start = end
    return found
