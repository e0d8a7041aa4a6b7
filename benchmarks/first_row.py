"""When the first row of twenty pages comes: streamed, beside the same statement that waits for all of them.

Both are asked in turn in the same session; OFFSET 0, which changes no answer, keeps rows from being streamed.
`python -m benchmarks.first_row [--quick]`
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks import simulator
from benchmarks.reader import Answer, Reader, StatementFailed
from benchmarks.report import Section, median, publish
from benchmarks.rows import make_batches
from benchmarks.server import serving, write_rows

LATENCY_MS = 50
PAGE_ROWS = 51
ISSUES = 3600
"""A company of this many issues has 1,008 in the repository: twenty pages."""
ENOUGH = 20

_READ = "SELECT number, upper(title) AS title FROM github.issues WHERE owner = 'acme' AND repo = 'web'"
READINGS: Mapping[str, str] = {
    # The end of such a listing shows in its rows: pages ahead would be read in vain.
    "one after the other": f"{_READ} AND updated_at >= '2001-01-01 00:00:00+00'",
    "eight at a time": _READ,
}


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="3 rounds")
    rounds = 3 if line.parse_args().quick else 15
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, ExitStack() as stack:
        directory = Path(temporary)
        directory.chmod(0o711)
        rows_file = write_rows(directory, list(make_batches(1)))
        serving_at = stack.enter_context(serving(directory, rows_file, issues=ISSUES))
        publish(_measure(serving_at.dsn, serving_at.simulator, rounds))


def _measure(dsn: str, simulator_url: str, rounds: int) -> Section:
    reader = Reader(dsn)
    rows = []
    for name, statement in READINGS.items():
        simulator.reset(simulator_url, latency_ms=LATENCY_MS)
        simulator.configure(simulator_url, {"page_rows_max": PAGE_ROWS})
        reader.run(statement)
        pages = len(simulator.requests(simulator_url))
        streamed: list[Answer] = []
        whole: list[Answer] = []
        for _ in range(rounds):
            streamed.append(reader.run(statement))
            whole.append(reader.run(f"{statement} OFFSET 0"))
        if len({answer.rows for answer in (*streamed, *whole)}) != 1:
            raise StatementFailed("the two ways gave different numbers of rows")
        rows += [_row(name, pages, "streamed", streamed, whole), _row(name, pages, "all at once", whole, whole)]
    with_enough, without = _enough(reader, simulator_url, READINGS["eight at a time"])
    return Section(
        subject="The first row",
        header=("pages", "rows go out", "first row, median", "last row, median", "first row sooner", "in all"),
        rows=rows,
        notes=[
            f"{streamed[0].rows:,} rows in pages of {PAGE_ROWS} of an API that takes {LATENCY_MS} ms for a request; "
            f"{rounds} rounds in turn, in one session. The target is a first row 8 times as soon where pages come one "
            "after the other, twice as soon where eight come at a time, and all rows within 1.1 times the time.",
            f"With `AND length(title) > 0 LIMIT {ENOUGH}`, which no API evaluates, {with_enough} of {without} requests "
            "are made.",
        ],
    )


def _row(name: str, pages: int, way: str, answers: list[Answer], whole: list[Answer]) -> tuple[str, ...]:
    first, last = (median([each.first_seconds for each in some]) for some in (answers, whole))
    ends = [median([each.seconds for each in some]) for some in (answers, whole)]
    return (
        f"{pages}, {name}",
        way,
        f"{first * 1000:.0f} ms",
        f"{ends[0] * 1000:.0f} ms",
        f"{last / first:.1f}x",
        f"{ends[0] / ends[1]:.2f}x",
    )


def _enough(reader: Reader, simulator_url: str, statement: str) -> tuple[int, int]:
    """Return how many requests a LIMIT needs that is not pushed, and how many the whole statement."""
    counts = []
    for more in (f" AND length(title) > 0 LIMIT {ENOUGH}", ""):
        simulator.reset(simulator_url)
        simulator.configure(simulator_url, {"page_rows_max": PAGE_ROWS})
        reader.run(statement + more)
        counts.append(len(simulator.requests(simulator_url)))
    return counts[0], counts[1]


if __name__ == "__main__":
    main()
