"""Rows that are given away page by page and are kept together all the same, for what is to be made of all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa

from connectors.sdk.resumption import Mark
from connectors.sdk.scan import Scan
from omnisql_server.model.freshness import Fetch, Fetched, Give


@dataclass(slots=True, kw_only=True)
class Collecting:
    """Asks a source by `fetch`; the first `given` batches of the last answer went to `give` as they came."""

    fetch: Fetch
    give: Give | None
    given: int = 0

    async def read(self, scan: Scan, start: Mark | None = None, give: Give | None = None) -> Fetched:
        """Read a scan; what is gone on with is not given away, for other rows come before it."""
        give = give or self.give
        if give is None or start is not None:
            return await self.fetch(scan, start)
        collected: list[pa.RecordBatch] = []

        async def both(batch: pa.RecordBatch) -> None:
            collected.append(batch)
            await give(batch)

        fetched = await self.fetch(scan, give=both)
        self.given = len(collected)
        return replace(fetched, batches=(*collected, *fetched.batches))
