"""Columns that need a call of their own per row: the calls of one page, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from connectors.sdk.decode import Row, attach, is_attached
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.ordered import in_order
from connectors.sdk.pagination import Reader
from connectors.sdk.request import Request


async def hydrate_rows(
    reader: Reader,
    rows: list[Row],
    *,
    name: str,
    request_of: Callable[[Row], Request],
    concurrency: int,
    has_gaps: bool = False,
) -> None:
    """Attach the body of one call per row to those rows that do not have it yet.

    With `has_gaps` a row without details is one whose columns are null.

    Raises:
        Fatal: SQLSTATE HV000, a row that was just listed has no details any more.
    """
    lacking = [row for row in rows if not is_attached(row, name)]

    async def body_of(row: Row) -> object:
        try:
            return (await reader.send(request_of(row))).body
        except EmptyResult:
            if has_gaps:
                return None
            raise Fatal(
                message=f"a row of {reader.table} vanished while it was read", hint="Run the statement again."
            ) from None

    async with aclosing(in_order(body_of, iter(lacking), concurrency)) as bodies:
        position = 0
        async for body in bodies:
            attach(lacking[position], name, body)
            position += 1
