"""A listing that is read in place of one that a credential does not have; one without an order is sorted here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace

from connectors.declarative.hooks import Other
from connectors.declarative.listing import listed
from connectors.declarative.readable import ReadableTable
from connectors.declarative.readings import Reading
from connectors.sdk.decode import Row
from connectors.sdk.pagination import Reader
from connectors.sdk.reading import RowList
from connectors.sdk.scan import Direction, Scan, Value


async def listed_elsewhere(
    table: ReadableTable,
    scan: Scan,
    reader: Reader,
    reading: Reading,
    other: Other,
    *,
    echo: Mapping[str, Value],
    title: str,
) -> AsyncGenerator[RowList, None]:
    """Give the rows of another listing; where it keeps no order and one was wanted, all of them at its end, sorted.

    Raises:
        ConnectorError: by recovery, as a listing.
    """
    access = table.paths[scan.access_path]
    paths = {**table.paths, scan.access_path: access if other.rows is None else replace(access, rows=other.rows)}
    elsewhere = replace(reading, request=other.request)
    is_sorted = other.keeps_order or not scan.order
    rows: list[Row] = []
    async with aclosing(listed(replace(table, paths=paths), scan, reader, elsewhere, echo=echo, title=title)) as lists:
        async for page in lists:
            if is_sorted:
                yield page
            else:
                rows += page.rows
    if not is_sorted:
        yield RowList(rows=_sorted(table, scan, rows))


def _sorted(table: ReadableTable, scan: Scan, rows: list[Row]) -> list[Row]:
    """Sort rows as PostgreSQL does: nulls are above all values."""
    numbered = list(range(len(rows)))
    for key in reversed(scan.order):
        values = table.decoder((key.column,), scan.access_path).decoded(rows).batch.column(0).to_pylist()
        numbered.sort(
            key=lambda at, values=values: (values[at] is None, values[at]),  # type: ignore[misc]
            reverse=key.direction is Direction.DESC,
        )
    return [rows[at] for at in numbered]
