"""Rows that a source only counts: how many there are of each kind, as a batch with a row for each. Pure.

An access path with `counts` reads these: the statement is evaluated over them as over rows that were listed, so that
nothing but the number of requests depends on the source having counted them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import pyarrow as pa

from connectors.sdk.convert import convert
from connectors.sdk.scan import Page, Scan, Value
from connectors.sdk.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedRows:
    """How many rows have these values, of every column that the path can fill."""

    values: Mapping[str, Value]
    count: int


def counted_pages(table: Table, scan: Scan, counted: Sequence[CountedRows]) -> Iterator[Page]:
    """Yield a page for every kind of rows that there are, and no more rows than the scan's limit."""
    left = scan.limit
    for group in counted:
        count = group.count if left is None else min(group.count, left)
        if count:
            yield Page(rows=_repeated(table, scan.columns, group.values, count))
        if left is not None:
            left -= count


def _repeated(table: Table, columns: Sequence[str], values: Mapping[str, Value], count: int) -> pa.RecordBatch:
    if not columns:
        # A batch without columns still counts rows, which a bare list of arrays cannot say.
        return pa.RecordBatch.from_struct_array(cast(pa.StructArray, pa.array([{}] * count, pa.struct([]))))
    types = [table.column(name).type for name in columns]
    ones = [convert([values[name]], known) for name, known in zip(columns, types, strict=True)]
    schema = pa.schema([pa.field(name, known.arrow) for name, known in zip(columns, types, strict=True)])
    return pa.RecordBatch.from_arrays([pa.repeat(one[0], count) for one in ones], schema=schema)
