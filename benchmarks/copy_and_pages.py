"""COPY of a million rows to the client, the same rows by pages of a portal, and 200,000 rows written into a table.

PostgreSQL does the same with rows of its own. `python -m benchmarks.copy_and_pages [--quick]`
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pyarrow as pa

from benchmarks.peers import load_postgres, postgres
from benchmarks.reader import Reader
from benchmarks.report import Section, median, publish
from benchmarks.rows import COLUMNS, make_batches
from benchmarks.rows_to_client import MIB, SELECT, peak_memory
from benchmarks.server import SCHEMA, serving, write_rows

ROWS, ROWS_WRITTEN, ROWS_QUICK = 1_000_000, 200_000, 200_000
FETCH_SIZE = 1_000
BLOCK_BYTES = 65_536


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="200,000 rows, 3 rounds")
    line.add_argument("--rounds", type=int, default=7, help="how often each is asked")
    arguments = line.parse_args()
    rounds = 3 if arguments.quick else arguments.rounds
    for measure, count in ((_written, ROWS_WRITTEN), (_read, ROWS_QUICK if arguments.quick else ROWS)):
        with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, ExitStack() as stack:
            directory = Path(temporary)
            directory.chmod(0o711)
            publish(measure(stack, directory, list(make_batches(count)), rounds))


def _read(stack: ExitStack, directory: Path, batches: list[pa.RecordBatch], rounds: int) -> Section:
    dsn = stack.enter_context(postgres(directory))
    load_postgres(dsn, batches)
    served = stack.enter_context(serving(directory, write_rows(directory, batches), issues=50))
    ours, theirs = Reader(served.dsn), Reader(dsn)
    count = sum(batch.num_rows for batch in batches)
    table = f"{SELECT}{SCHEMA}.facts"
    rows = []
    ask: Callable[[Reader, str], float]
    for what, ask in (
        ("COPY TO STDOUT, text", lambda reader, sql: reader.run(f"COPY ({sql}) TO STDOUT").seconds),
        (f"pages of {FETCH_SIZE:,} rows", lambda reader, sql: reader.pages(sql, FETCH_SIZE).seconds),
    ):
        mine, own = _in_turn(rounds, partial(ask, ours, table), partial(ask, theirs, f"{SELECT}facts"))
        rows.append(_row(what, mine, own, count))
    return Section(
        subject="COPY and pages",
        header=("what", "OmniSQL, thousand rows/s", "PostgreSQL, thousand rows/s", "ratio"),
        rows=rows,
        notes=[
            f"{count:,} rows of {len(COLUMNS)} columns, loopback TCP without TLS, median of {rounds} rounds in turn. "
            "The aims are 1.0x by COPY and 0.8x by pages."
        ],
        peers=[_version(dsn)],
    )


def _written(stack: ExitStack, directory: Path, batches: list[pa.RecordBatch], rounds: int) -> Section:
    """Write rows into a new temporary table of the same cluster: by CREATE TABLE AS, and by COPY from a client."""
    served = stack.enter_context(serving(directory, write_rows(directory, batches), issues=50))
    count = sum(batch.num_rows for batch in batches)
    ours = stack.enter_context(psycopg.connect(served.dsn, autocommit=True))
    own = stack.enter_context(psycopg.connect(served.backend_dsn, autocommit=True))
    process = psutil.Process(served.pid)

    def create() -> float:
        ours.execute("DROP TABLE IF EXISTS written")
        started = time.perf_counter()
        ours.execute(f"CREATE TEMP TABLE written AS {SELECT}{SCHEMA}.facts".encode())
        return time.perf_counter() - started

    create()
    with ours.cursor() as cursor, cursor.copy("COPY written TO STDOUT") as copy:
        data = b"".join(bytes(block) for block in copy)

    def load() -> float:
        own.execute("DROP TABLE IF EXISTS written")
        columns = ", ".join(f"{name} {type_name}" for name, type_name in COLUMNS)
        own.execute(f"CREATE TEMP TABLE written ({columns})".encode())
        started = time.perf_counter()
        with own.cursor() as cursor, cursor.copy("COPY written FROM STDIN") as copy:
            for start in range(0, len(data), BLOCK_BYTES):
                copy.write(data[start : start + BLOCK_BYTES])
        return time.perf_counter() - started

    idle_bytes = process.memory_info().rss
    with peak_memory(process) as peak:
        mine, theirs = _in_turn(rounds, create, load)
    return Section(
        subject="Rows written",
        header=("what", "OmniSQL, thousand rows/s", "COPY FROM STDIN, thousand rows/s", "ratio of times"),
        rows=[(*_row("CREATE TEMP TABLE AS", mine, theirs, count)[:3], f"{median(mine) / median(theirs):.2f}x")],
        notes=[
            f"{count:,} rows of {len(COLUMNS)} columns that are ready in a connector's memory, against COPY in text "
            "format from a client on the cluster's Unix socket into a table of the same columns; "
            f"median of {rounds} rounds in turn: {median(mine):.2f} s and {median(theirs):.2f} s. The aim is 1.3x.",
            f"Memory of the server process: at most {(peak[0] - idle_bytes) / MIB:.0f} MiB more than after the first "
            f"round, over {sum(batch.nbytes for batch in batches) / MIB:.0f} MiB of fetched Arrow batches.",
        ],
    )


def _in_turn(
    rounds: int, first: Callable[[], float], second: Callable[[], float]
) -> tuple[Sequence[float], Sequence[float]]:
    first(), second()
    taken = [(first(), second()) for _ in range(rounds)]
    return [mine for mine, _ in taken], [theirs for _, theirs in taken]


def _row(what: str, mine: Sequence[float], theirs: Sequence[float], count: int) -> tuple[str, str, str, str]:
    rates = [count / median(seconds) for seconds in (mine, theirs)]
    return what, f"{rates[0] / 1000:,.0f}", f"{rates[1] / 1000:,.0f}", f"{rates[0] / rates[1]:.2f}x"


def _version(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        return f"PostgreSQL {connection.info.parameter_status('server_version')}"


if __name__ == "__main__":
    main()
