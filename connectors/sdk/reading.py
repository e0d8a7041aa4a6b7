"""From lists of decoded rows to the pages of a scan: unique by primary key, hydrated, cut at the limit, counted.

The last stage of every connector's `fetch`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from connectors.sdk.connector import FetchContext
from connectors.sdk.decode import Decoded, Row, RowDecoder
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.misfits import Misfits, added
from connectors.sdk.resumption import key_digest
from connectors.sdk.scan import Page, Scan

Hydrate = Callable[[list[Row]], Awaitable[None]]
"""Attaches what the scan's hydrate columns need to the rows given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowList:
    """Rows as one response held them; `truncated` as in `Page`."""

    rows: list[Row]
    truncated: str | None = None


async def pages_of(
    source: AsyncGenerator[RowList, None],
    *,
    scan: Scan,
    decoder: RowDecoder,
    context: FetchContext,
    hydrate: Hydrate | None = None,
) -> AsyncGenerator[Page, None]:
    """Give the pages of a scan; closing this closes the source.

    `EmptyResult` from the first request means no rows. Later it means that the source lost something that it had just
    listed, which must not pass for the end.

    Raises:
        ConnectorError: what the source raised.
    """
    seen: dict[Hashable, None] = {}
    started = False
    resumption = context.resumption
    async with aclosing(source) as lists:
        try:
            async for found in lists:
                if resumption is not None and not started:
                    seen = resumption.known()
                started = True
                key = decoder.key if resumption is None else partial(_digest, decoder)
                rows = _unseen(scan.table, found.rows, key, seen)
                if scan.limit is not None:
                    rows = rows[: max(0, scan.limit - (len(seen) - len(rows)))]
                listed, early = len(rows), None
                if hydrate is not None and rows:
                    if context.survivors is not None and scan.limit is None:
                        early = decoder.without_hydrated().decoded(rows, compared=scan.compared)
                        places = await context.survivors(early.batch)
                        rows = [rows[place] for place in places]
                    if rows:
                        await hydrate(rows)
                if listed or found.truncated:
                    context.meter.page(listed)
                    decoded = decoder.decoded(rows, compared=scan.compared)
                    misfits = decoded.misfits if early is None else _all_misfits(early, decoded)
                    over = listed - len(rows)
                    yield Page(rows=decoded.batch, truncated=found.truncated, passed_over=over, misfits=misfits)
                if scan.limit is not None and len(seen) >= scan.limit:
                    return
        except EmptyResult as gone:
            if started or (resumption is not None and resumption.resumed_at):
                raise Fatal(
                    message=f"a part of {scan.table} vanished while it was read",
                    detail=gone.message,
                    hint="Run the statement again.",
                ) from None


def _all_misfits(early: Decoded, late: Decoded) -> Misfits:
    """Add to the misfits of all rows that were listed those of columns that were only there later."""
    names = set(early.batch.schema.names)
    return added(early.misfits, [each for each in late.misfits if each.column not in names])


def _unseen(table: str, rows: list[Row], key: Callable[[Row], Hashable], seen: dict[Hashable, None]) -> list[Row]:
    # Pages are not a snapshot: a row that moves while they are read comes twice.
    fresh = []
    for row in rows:
        found = key(row)
        if not found:
            raise Fatal(
                message=f"a row of {table} has no primary key",
                detail="The source sent something else than its documentation says.",
                hint="Report it to the author of the connector.",
            )
        if found not in seen:
            seen[found] = None
            fresh.append(row)
    return fresh


def _digest(decoder: RowDecoder, row: Row) -> bytes:
    key = decoder.key(row)
    return key_digest(key) if key else b""
