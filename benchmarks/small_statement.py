"""A small statement with a warm plan: what the server adds to the API's own time, beside a relayed one and PostgreSQL.

The simulator's time of each statement's requests is taken from its log and subtracted.
`python -m benchmarks.small_statement [--quick]`
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import psycopg

from benchmarks import simulator
from benchmarks.reader import Reader
from benchmarks.report import Section, median, percentile, publish
from benchmarks.rows import make_batches
from benchmarks.server import SCHEMA, Serving, serving, write_rows

WARM_UP = 20
TARGET_MS = 3.0
API = "SELECT name, full_name, private, stargazers_count FROM github.repositories WHERE owner = 'acme'"
LOCAL = "SELECT name, full_name, private, stargazers_count FROM small WHERE owner = 'acme'"
MEMORY = f"SELECT id, title, score, open FROM {SCHEMA}.facts"


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="100 statements of each kind")
    count = 100 if line.parse_args().quick else 1000
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, ExitStack() as stack:
        directory = Path(temporary)
        directory.chmod(0o711)
        rows_file = write_rows(directory, list(make_batches(10)))
        publish(_measure(stack.enter_context(serving(directory, rows_file, issues=500)), count))


def _measure(serving_at: Serving, count: int) -> Section:
    _make_local_table(serving_at)
    ours, direct = Reader(serving_at.dsn), Reader(serving_at.backend_dsn)
    asked = [(ours, API), (ours, MEMORY), (ours, LOCAL), (direct, LOCAL)]
    for reader, sql in asked:
        for _ in range(WARM_UP):
            reader.run(sql)
    simulator.reset(serving_at.simulator)
    times: list[list[float]] = [[] for _ in asked]
    for _ in range(count):
        for (reader, sql), kept in zip(asked, times, strict=True):
            kept.append(reader.run(sql).seconds * 1000)
    requests = simulator.requests(serving_at.simulator)
    if len(requests) != count:
        raise RuntimeError(f"{count} statements made {len(requests)} requests")
    own = [total - request["duration_ms"] for total, request in zip(times[0], requests, strict=True)]
    names = ("relayed: local table through OmniSQL", "PostgreSQL: local table by its Unix socket")
    kinds = [
        ("run: API table, in all", times[0]),
        ("run: API table, less the API's own time", own),
        ("run: rows ready in memory, no HTTP", times[1]),
        (names[0], times[2]),
        (names[1], times[3]),
    ]
    return Section(
        subject="A small statement",
        header=("statement", "median", "95th percentile", "ratio to PostgreSQL"),
        rows=[_row(name, values, times[3]) for name, values in kinds],
        notes=[
            f"{count} statements of each kind in turn over one connection each, simple protocol, about ten rows, plan "
            f"in the caches, one HTTP request for each over the API. The aim is a median under {TARGET_MS:.0f} ms "
            "less the API's own time: "
            f"{'met' if median(own) < TARGET_MS else 'missed'} "
            f"({median(own) / TARGET_MS:.2f}x of it in this run)."
        ],
    )


def _row(name: str, values: Sequence[float], reference: Sequence[float]) -> tuple[str, ...]:
    middle = median(values)
    return (name, f"{middle:.2f} ms", f"{percentile(values, 0.95):.2f} ms", f"{middle / median(reference):.1f}x")


def _make_local_table(serving_at: Serving) -> None:
    with psycopg.connect(serving_at.dsn, autocommit=True) as connection:
        rows = connection.execute(API.replace("SELECT name", "SELECT owner, name")).fetchall()
        connection.execute(
            "CREATE TABLE small (owner text, name text, full_name text, private boolean, stargazers_count integer)"
        )
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO small VALUES (%s, %s, %s, %s, %s)", rows)


if __name__ == "__main__":
    main()
