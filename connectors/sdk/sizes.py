"""How a source tells the size of a table in a few calls: what ANALYZE asks of a connection whose table declares it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from connectors.sdk.connector import FetchContext
from connectors.sdk.extract import path
from connectors.sdk.pagination import last_page
from connectors.sdk.request import Response

_TOTAL = path("total")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """The rows of a table for each combination of values of its `keys` columns; of all of it where there are none.

    `sampled` says that it is the mean over a few combinations of many.
    """

    rows: float
    keys: tuple[str, ...] = ()
    sampled: bool = False


@runtime_checkable
class Measuring(Protocol):
    """A connection that can tell the sizes of the tables that declare a `size_request`."""

    async def measure(self, table: str, context: FetchContext) -> TableSize | None:
        """Ask for a table's size with the fewest calls that tell it; None when the answer does not say.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """


def rows_by_last_page(response: Response, rows: Callable[[object], object]) -> int | None:
    """Return the rows of a listing of which a page of one row was asked for: the number of its last page."""
    last = last_page(response)
    if last is not None:
        return last
    found = rows(response.body)
    return len(found) if isinstance(found, list) else None


def rows_by_total(response: Response, total: Callable[[object], object] = _TOTAL) -> int | None:
    """Return the total that a body tells."""
    found = total(response.body)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None
