"""The columns and rows of one scan, taken from what was read for another that covers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from connectors.sdk.scan import Scan
from connectors.sdk.table import Table
from omnisql_server.freshness.division import conformed, only_keys
from omnisql_server.model.freshness import Give


@dataclass(slots=True, kw_only=True)
class Narrowing:
    """What `scan` takes from `known`; `given` counts the batches that were given away, `unfit` that one did not fit."""

    known: Scan
    scan: Scan
    table: Table
    given: int = 0
    unfit: bool = False

    def of(self, batches: Sequence[pa.RecordBatch]) -> tuple[pa.RecordBatch, ...] | None:
        """Narrow batches; None where they do not fit."""
        if self.known == self.scan:
            return tuple(batches)
        fitting = conformed(batches, self.scan, self.table)
        return None if fitting is None else only_keys(fitting, self.scan)

    def giving(self, give: Give | None) -> Give | None:
        """Return what takes batches of the other scan and gives them away narrowed, as long as they fit."""
        if give is None:
            return None

        async def narrowed(batch: pa.RecordBatch) -> None:
            fitting = None if self.unfit else self.of((batch,))
            if fitting is None:
                self.unfit = True
                return
            self.given += 1
            for each in fitting:
                await give(each)

        return narrowed
