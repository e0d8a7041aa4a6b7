"""What requests cost: pages, and one more call for each row that a listing leaves to be hydrated. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from connectors.sdk.table import AccessPath


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCost:
    """The cost of reading one combination of keys: its rows, and what hydrating one takes: calls, or a part of one."""

    path: AccessPath
    rows: float
    calls_per_row: float = 0

    def calls(self, batch_values: int = 1, rows_max: int | None = None) -> int:
        """Return the expected calls of one request and its pages, for so many values of the batched key.

        `rows_max` is where the reading stops.
        """
        rows = self.rows * batch_values
        if rows_max is not None:
            rows = min(rows, rows_max)
        if self.path.counts:
            return self.path.count_requests
        pages = 1 if self.path.single else max(1, ceil(rows / self.path.page_rows_max))
        return pages + self.path.requests_fixed + ceil(self.calls_per_row * ceil(rows))

    def calls_for_keys(self, deferred: Sequence[str], combinations: float, given: int) -> int:
        """Return the expected calls for so many combinations of deferred keys beside `given` combinations of others."""
        count = ceil(combinations)
        if not is_batched(self.path, deferred):
            return given * count * self.calls()
        full, rest = divmod(count, self.path.batch_keys_max)
        return given * (full * self.calls(self.path.batch_keys_max) + (self.calls(rest) if rest else 0))


def is_batched(path: AccessPath, deferred: Sequence[str]) -> bool:
    """Say whether one request takes many values of the only deferred key."""
    return list(deferred) == [path.batch]
