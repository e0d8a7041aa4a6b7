"""What is kept: finding what answers a request among 10,000 entries, and what sealing costs of a scan of 100,000 rows.

Valkey is a real one; the source is the benchmark's own, with rows ready in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pyarrow as pa

from benchmarks.report import Section, median, percentile, publish
from connectors.sdk.connector import Source
from connectors.sdk.resumption import Mark
from connectors.sdk.scan import Operator, Predicate, Scan
from connectors.sdk.table import AccessPath, Column, Table
from omnisql_server.freshness.cache import TenantCache, shared_cache
from omnisql_server.freshness.domains import request_of
from omnisql_server.freshness.entries import Entry, joined, pack, seal_of, unpack
from omnisql_server.freshness.index import Age, Index
from omnisql_server.limits.valkey import ValkeyChild
from omnisql_server.model.freshness import Fetch, Fetched, Give, Staleness
from omnisql_server.settings_freshness import FreshnessSettings

ENTRIES = 10_000
ROWS = 100_000
COLUMNS = ("id", "owner", "repo", "title", "state")
TABLE = Table(
    name="issues",
    description="",
    columns=tuple(Column(name=name, type_name="int8" if name == "id" else "text", path=name) for name in COLUMNS),
    primary_key=("id",),
    access_paths=(AccessPath(name="by_repository", request="GET", keys=("owner", "repo")),),
)
SOURCE = Source(tenant="t", server="hub", connector="own", credential_id="1:0:")
HOUR = Staleness(max_us=3_600_000_000)


def lookups(count: int) -> list[float]:
    """Return the seconds of lookups, three of four of which find something, among `ENTRIES` entries."""
    chance = random.Random(1)
    index = Index()
    for number in range(ENTRIES):
        more = (Predicate(column="state", operator=Operator.EQ, value="open"),) * (number % 2)
        request = request_of(_scan(f"r{number}", *more))
        index.add(
            Entry(id=str(number), request=request, fetched_us=number, cost=1, row_count=1, size_bytes=1, full_us=number)
        )
    taken = []
    title = Predicate(column="title", operator=Operator.LIKE, value="a%")
    for _ in range(count):
        asked = _scan(f"r{chance.randrange(ENTRIES * 4 // 3)}", title)
        started = time.perf_counter()
        index.find(request_of(asked), Age(oldest_us=0))
        taken.append(time.perf_counter() - started)
    return taken


async def scans(rounds: int) -> tuple[list[float], list[float], list[float], list[float], int]:
    """Return the seconds of scans from Valkey, from memory, of sealing and unsealing alone, and the sealed bytes."""
    batches = _batches()

    async def fetch(
        scan: Scan,  # noqa: ARG001
        start: Mark | None = None,  # noqa: ARG001 - the protocol's signature
        give: Give | None = None,  # noqa: ARG001
    ) -> Fetched:
        return Fetched(batches=batches, requests=1000)

    from_valkey, from_memory, closing, opening = [], [], [], []
    # As a shelf does it: pages are joined before they are written.
    seal, packed = seal_of(os.urandom(32)), pack(joined(batches))
    sealed = bytes(seal.close_large(packed, "a", "b", "rows"))
    async with _caches() as make:
        await (await make().begin(SOURCE, TABLE, HOUR)).read(_scan("web"), fetch)
        for _ in range(rounds):
            fresh = make()
            from_valkey.append(await _timed(fresh, fetch))
            from_memory.append(await _timed(fresh, fetch))
            # In turn with the scans, so that whatever else runs slows all of them down.
            started = time.perf_counter()
            seal.close_large(packed, "a", "b", "rows")
            sealed_s = time.perf_counter()
            seal.open_large(sealed, "a", "b", "rows")
            closing.append(sealed_s - started)
            opening.append(time.perf_counter() - sealed_s)
    assert sum(batch.num_rows for batch in unpack(packed)) == ROWS
    return from_valkey, from_memory, closing, opening, len(sealed)


async def _timed(cache: TenantCache, fetch: Fetch) -> float:
    started = time.perf_counter()
    answer = await (await cache.begin(SOURCE, TABLE, HOUR)).read(_scan("web"), fetch)
    taken = time.perf_counter() - started
    assert answer.hits == 1
    assert sum(batch.num_rows for batch in answer.batches) == ROWS
    return taken


@asynccontextmanager
async def _caches() -> AsyncIterator[Callable[[], TenantCache]]:
    settings = FreshnessSettings(entry_bytes_max=64 * 1024**2, local_bytes_max=256 * 1024**2)
    with tempfile.TemporaryDirectory() as name:
        child = ValkeyChild(Path(name))
        await child.start()

        async def data_key() -> bytes:
            return b"k" * 32

        def make() -> TenantCache:
            return TenantCache(shared_cache(child.client, settings), tenant="t", data_key=data_key)

        try:
            yield make
        finally:
            await child.stop()


def _scan(repo: str, *predicates: Predicate) -> Scan:
    return Scan(
        table="issues",
        access_path="by_repository",
        columns=COLUMNS,
        keys={"owner": "acme", "repo": repo},
        predicates=predicates,
    )


def _batches() -> tuple[pa.RecordBatch, ...]:
    chance = random.Random(2)
    batches = []
    for start in range(0, ROWS, 100):
        rows = range(start, start + 100)
        columns = [
            pa.array(rows, pa.int64()),
            pa.array(["acme"] * 100),
            pa.array(["web"] * 100),
            pa.array([f"a title of about forty characters {chance.random():.6f}" for _ in rows]),
            pa.array([chance.choice(["open", "closed"]) for _ in rows]),
        ]
        batches.append(pa.RecordBatch.from_arrays(columns, names=list(COLUMNS)))
    return tuple(batches)


def main() -> None:
    """Run the benchmark."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true")
    quick = line.parse_args().quick
    found = lookups(2_000 if quick else 20_000)
    from_valkey, from_memory, closing, opening, size = asyncio.run(scans(3 if quick else 15))
    publish(
        Section(
            subject="What is kept",
            header=("what", "median", "95th percentile"),
            rows=[
                _row(f"lookup among {ENTRIES:,} entries", found),
                _row(f"{ROWS:,} rows from Valkey", from_valkey),
                _row(f"{ROWS:,} rows from this process's memory", from_memory),
                _row("sealing them alone", closing),
                _row("unsealing them alone", opening),
            ],
            notes=(
                f"A lookup takes {median(found) * 1000:.3f} ms (the aim is less than 0.3 ms). Sealing and unsealing "
                f"are {100 * (median(closing) + median(opening)) / median(from_valkey):.1f} % of "
                "the scan from Valkey (the aim is less than 15 %), which only unseals; one from memory does neither. "
                f"The rows are {size / 1024**2:.1f} MiB sealed, fetched in pages of 100.",
            ),
        )
    )


def _row(name: str, taken: list[float]) -> tuple[str, str, str]:
    return name, f"{median(taken) * 1000:.3f} ms", f"{percentile(taken, 0.95) * 1000:.3f} ms"


if __name__ == "__main__":
    main()
