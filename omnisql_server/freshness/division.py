"""How a scan is answered by entries: which of them, which values each gives, and what is left to be fetched. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from connectors.sdk.scan import Scan, Value
from connectors.sdk.table import Table
from omnisql_server.freshness.domains import Request, listed_columns, request_of, typed, with_list, with_value
from omnisql_server.freshness.entries import Entry
from omnisql_server.freshness.index import Age, Index

COMPARABLE = frozenset({"bool", "int2", "int4", "int8", "text", "varchar", "date", "timestamp", "timestamptz"})
"""Types whose values Arrow finds equal exactly where PostgreSQL does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of a scan's rows: those that an entry has of the values given for a column, or the whole of the scan."""

    entry: Entry
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """How a scan is answered: parts from entries, and the scan that is left to fetch."""

    parts: tuple[Part, ...]
    left: Scan | None
    column: str = ""
    missing: tuple[Value, ...] = ()


def divided(index: Index, table: Table, scan: Scan, age: Age) -> Division:
    """Divide a scan among the entries of an age."""
    request = request_of(scan)
    whole = index.find(request, age)
    if whole is not None and fits(table, whole.request, request):
        return Division(parts=(Part(entry=whole),), left=None)
    for column, values, is_key in listed_columns(scan) if scan.limit is None else ():
        # Rows stay with their keys. What else changes may put a row into two parts of different age, or into none.
        if not is_key and column not in table.primary_key:
            continue
        if len(values) < 2 or not _tells(table, request, {column, *scan.keys}):
            continue
        found: dict[str, tuple[Entry, list[Value]]] = {}
        missing: list[Value] = []
        for value in values:
            entry = index.find(with_value(request, column, typed(value)), age) if value is not None else None
            if entry is None:
                missing.append(value)
            else:
                found.setdefault(entry.id, (entry, []))[1].append(value)
        if found:
            parts = tuple(Part(entry=entry, values=tuple(some)) for entry, some in found.values())
            left = with_list(scan, column, tuple(missing), is_key=is_key) if missing else None
            return Division(parts=parts, left=left, column=column, missing=tuple(missing))
    return Division(parts=(), left=scan)


def with_parts(division: Division, scan: Scan, parts: Sequence[Part]) -> Division:
    """Return a division of which only some parts hold; the values of the others are missing, too."""
    if len(parts) == len(division.parts):
        return replace(division, parts=tuple(parts))
    held = {value for part in parts for value in part.values}
    lost = [value for part in division.parts for value in part.values if value not in held]
    if not lost or not parts:
        return Division(parts=(), left=scan)
    missing = (*division.missing, *lost)
    is_key = division.column in scan.keys
    left = with_list(scan, division.column, missing, is_key=is_key)
    return Division(parts=tuple(parts), left=left, column=division.column, missing=missing)


def fits(table: Table, known: Request, request: Request) -> bool:
    """Say whether rows of other keys can be told apart, where a covering request may have some."""
    return known.scan.keys == request.scan.keys or _tells(table, request, set(request.scan.keys))


def _tells(table: Table, request: Request, columns: set[str]) -> bool:
    return columns <= request.columns and all(table.column(c).type_name in COMPARABLE for c in columns)


def conformed(batches: Sequence[pa.RecordBatch], scan: Scan, table: Table) -> tuple[pa.RecordBatch, ...] | None:
    """Take a scan's columns in its order; None where they have not the types that the table declares now."""
    names = list(scan.columns)
    types = [table.column(name).type.arrow for name in names]
    if not all(set(names) <= set(batch.schema.names) for batch in batches):
        return None
    found = tuple(batch.select(names) for batch in batches)
    return found if all(batch.schema.types == types for batch in found) else None


def only_keys(batches: Sequence[pa.RecordBatch], scan: Scan) -> tuple[pa.RecordBatch, ...]:
    """Leave out rows of other keys: another scan of the statement may bring them too."""
    for column, value in scan.keys.items():
        batches = only(batches, column, value if isinstance(value, tuple) else (value,))
    return tuple(batches)


def only(batches: Sequence[pa.RecordBatch], column: str, values: Iterable[Value]) -> tuple[pa.RecordBatch, ...]:
    """Leave only rows that have one of some values in a column."""
    listed = [value for value in values if value is not None]
    kept = []
    for batch in batches:
        held = batch.column(column)
        kept.append(batch.filter(pc.is_in(held, value_set=pa.array(listed, held.type))))
    return tuple(kept)


def merged(
    batches: Sequence[pa.RecordBatch], changed: Sequence[pa.RecordBatch], key: Sequence[str]
) -> tuple[pa.RecordBatch, ...]:
    """Put changed rows in the place of those with the same primary key, and beside them what is new."""
    names = {tuple(row.values()) for batch in changed for row in batch.select(list(key)).to_pylist()}
    kept = []
    for batch in batches:
        stays = [tuple(row.values()) not in names for row in batch.select(list(key)).to_pylist()]
        kept.append(batch.filter(pa.array(stays, pa.bool_())))
    return (*kept, *changed)
