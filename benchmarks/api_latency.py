"""A statement over an API that takes its time: ours beside a hand-written client with the same requests at a time.

The API's critical path is the first page, which tells how many there are, and then the others as wide as allowed.
`python -m benchmarks.api_latency [--quick]`
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import aiohttp
from yarl import URL

from benchmarks import simulator
from benchmarks.reader import Reader
from benchmarks.report import Section, median, percentile, publish
from benchmarks.rows import make_batches
from benchmarks.server import serving, write_rows
from connectors.sdk.settings import TransportSettings
from omnisql_server.demo import SIMULATED_TOKEN

LATENCY_MS = 100
PAGE_ROWS = 100
OWNER, REPOSITORY = "acme", "web"
ISSUES = 3600
"""A company of this many issues has a first page and ten more of them in the repository."""

STATEMENT = (
    f"SELECT number, title, state, created_at FROM github.issues WHERE owner = '{OWNER}' AND repo = '{REPOSITORY}'"
)


class HandWritten:
    """What somebody would write with aiohttp for this one question, keeping its connections."""

    def __init__(self, base_url: str, session: aiohttp.ClientSession, concurrency: int) -> None:
        self._url = f"{base_url}/repos/{OWNER}/{REPOSITORY}/issues"
        self._session = session
        self._permits = asyncio.Semaphore(concurrency)

    async def run(self) -> tuple[float, int]:
        """Read all pages; return the seconds and the number of rows."""
        started = time.perf_counter()
        rows, last = await self._page(1)
        others = await asyncio.gather(*(self._page(number) for number in range(2, last + 1)))
        picked = [
            (row["number"], row["title"], row["state"], row["created_at"])
            for page in (rows, *(page for page, _ in others))
            for row in page
        ]
        return time.perf_counter() - started, len(picked)

    async def _page(self, number: int) -> tuple[list[dict[str, object]], int]:
        parameters = {"state": "all", "per_page": str(PAGE_ROWS), "page": str(number)}
        async with self._permits, self._session.get(self._url, params=parameters) as answer:
            answer.raise_for_status()
            last = answer.links.get("last")
            return await answer.json(), int(URL(last["url"]).query["page"]) if last else 1


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="5 rounds")
    rounds = 5 if line.parse_args().quick else 25
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, ExitStack() as stack:
        directory = Path(temporary)
        directory.chmod(0o711)
        rows_file = write_rows(directory, list(make_batches(1)))
        serving_at = stack.enter_context(serving(directory, rows_file, issues=ISSUES))
        publish(asyncio.run(_measure(serving_at.dsn, serving_at.simulator, rounds)))


async def _measure(dsn: str, simulator_url: str, rounds: int) -> Section:
    concurrency = TransportSettings().concurrency_max
    reader = Reader(dsn)
    simulator.reset(simulator_url, latency_ms=LATENCY_MS)
    headers = {"Authorization": f"Bearer {SIMULATED_TOKEN}", "User-Agent": "hand-written"}
    async with aiohttp.ClientSession(headers=headers) as session:
        hand_written = HandWritten(simulator_url, session, concurrency)
        first = await asyncio.to_thread(reader.run, STATEMENT)
        cold_requests = len(simulator.requests(simulator_url))
        ours, theirs = [], []
        counts = {first.rows, (await hand_written.run())[1]}
        for _ in range(rounds):
            ours.append((await asyncio.to_thread(reader.run, STATEMENT)).seconds * 1000)
            seconds, count = await hand_written.run()
            theirs.append(seconds * 1000)
            counts.add(count)
    if len(counts) != 1:
        raise RuntimeError(f"the parties read different numbers of rows: {sorted(counts)}")
    pages = -(-first.rows // PAGE_ROWS)
    bound_ms = LATENCY_MS * (1 + -(-(pages - 1) // concurrency))
    rows = [
        (
            name,
            f"{median(times):.0f} ms",
            f"{percentile(times, 0.95):.0f} ms",
            f"{median(times) / median(theirs):.2f}x",
            f"{median(times) / bound_ms:.2f}x",
        )
        for name, times in (("OmniSQL", ours), ("aiohttp by hand", theirs))
    ]
    return Section(
        subject="Time over a slow API",
        header=("client", "median", "95th percentile", "ratio to by hand", "ratio to pure latency"),
        rows=rows,
        notes=[
            f"{first.rows:,} rows in {pages} pages of an API that takes {LATENCY_MS} ms for each request, "
            f"{concurrency} requests at a time: the first page, then the others, hence {bound_ms} ms of pure latency. "
            f"{rounds} rounds in turn; both keep their connections.",
            f"The first statement of the session, with log-in to the source and {cold_requests} requests, "
            f"took {first.seconds * 1000:.0f} ms. Later ones revalidate their pages by entity tag, which costs the "
            "same latency.",
        ],
        peers=[f"aiohttp {version('aiohttp')}"],
    )


if __name__ == "__main__":
    main()
