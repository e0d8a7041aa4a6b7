"""A million rows of ten columns to a client in text format: the whole server beside PostgreSQL and buenavista.

Our rows start as Arrow batches in a connector, so that fetch, materialize, DuckDB and encoding are all in the time.
`python -m benchmarks.rows_to_client [--quick]`
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pyarrow as pa

from benchmarks.peers import BUENAVISTA, PeerUnavailable, buenavista, load_postgres, postgres
from benchmarks.reader import Answer, Reader, StatementFailed
from benchmarks.report import Section, median, publish
from benchmarks.rows import COLUMNS, make_batches
from benchmarks.server import SCHEMA, serving, write_rows

SAMPLE_S = 0.02
BUENAVISTA_ROWS = 100_000
BUENAVISTA_ROUNDS = 2
MIB = 1024 * 1024
SELECT = f"SELECT {', '.join(name for name, _ in COLUMNS)} FROM "


@dataclass(slots=True, kw_only=True)
class Party:
    """One server that is asked, and its answers."""

    name: str
    reader: Reader
    sql: str
    answers: list[Answer] = field(default_factory=list)

    def ask(self) -> None:
        """Run the statement once more."""
        self.answers.append(self.reader.run(self.sql))

    @property
    def rows_per_s(self) -> float:
        """Return the median rate."""
        return median([answer.rows / answer.seconds for answer in self.answers])


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="200,000 rows, 3 rounds, without buenavista")
    line.add_argument("--rounds", type=int, default=7, help="how often each is asked")
    quick, rounds = (arguments := line.parse_args()).quick, arguments.rounds
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, ExitStack() as stack:
        directory = Path(temporary)
        directory.chmod(0o711)
        batches = list(make_batches(200_000 if quick else 1_000_000))
        publish(_measure(stack, directory, batches, 3 if quick else rounds, with_buenavista=not quick))


def _measure(
    stack: ExitStack, directory: Path, batches: list[pa.RecordBatch], rounds: int, *, with_buenavista: bool
) -> Section:
    rows_file = write_rows(directory, batches)
    postgres_dsn = stack.enter_context(postgres(directory))
    load_postgres(postgres_dsn, batches)
    serving_at = stack.enter_context(serving(directory, rows_file, issues=50))
    ours = Party(name="OmniSQL", reader=Reader(serving_at.dsn), sql=f"{SELECT}{SCHEMA}.facts")
    theirs = Party(name="PostgreSQL", reader=Reader(postgres_dsn), sql=f"{SELECT}facts")
    parties, notes = [ours, theirs], []
    if with_buenavista:
        try:
            dsn = stack.enter_context(buenavista(directory, rows_file))
            sql = f"{SELECT}facts LIMIT {BUENAVISTA_ROWS}"
            parties.append(Party(name="buenavista", reader=Reader(dsn), sql=sql))
            notes.append(f"buenavista is asked for {BUENAVISTA_ROWS:,} rows only, {BUENAVISTA_ROUNDS} times.")
        except (PeerUnavailable, StatementFailed) as error:
            notes.append(f"No figure for buenavista: {error}.")
    # One small statement, so that idle means a server that has worked and holds no rows.
    ours.reader.run("SELECT name FROM github.repositories WHERE owner = 'acme'")
    process = psutil.Process(serving_at.pid)
    idle_bytes = process.memory_info().rss
    with peak_memory(process) as peak:
        digests = {party.reader.run(party.sql, digest=True).digest for party in (ours, theirs)}
        for _ in range(rounds):
            ours.ask()
            theirs.ask()
    for party in parties[2:]:
        for _ in range(BUENAVISTA_ROUNDS):
            party.ask()
    notes.append(_memory_note(idle_bytes, peak[0], sum(batch.nbytes for batch in batches)))
    verdict = "are equal byte by byte" if len(digests) == 1 else "DIFFER"
    notes.append(f"The DataRow messages of OmniSQL and PostgreSQL {verdict}.")
    peers = [f"PostgreSQL {_version(postgres_dsn)}", *([BUENAVISTA.replace("==", " ")] if with_buenavista else [])]
    return _section(parties, theirs, rounds, notes, peers)


def _memory_note(idle_bytes: int, peak_bytes: int, batch_bytes: int) -> str:
    more = peak_bytes - idle_bytes
    return (
        f"Memory of the server process: {idle_bytes / MIB:.0f} MiB idle, at most {more / MIB:.0f} MiB more, "
        f"{more / batch_bytes:.2f}x the {batch_bytes / MIB:.0f} MiB of fetched Arrow batches, which are included."
    )


def _version(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        return connection.info.parameter_status("server_version") or "of unknown version"


def _section(parties: list[Party], reference: Party, rounds: int, notes: list[str], peers: list[str]) -> Section:
    rows = [
        (
            party.name,
            f"{party.rows_per_s / 1000:,.0f}",
            f"{party.rows_per_s / reference.rows_per_s:.2f}x",
            f"{median([answer.seconds for answer in party.answers]):.2f} s",
            f"{min(answer.seconds for answer in party.answers):.2f} s",
            f"{median([answer.first_seconds for answer in party.answers]) * 1000:.0f} ms",
            f"{party.answers[0].bytes_received / MIB:.0f}",
        )
        for party in parties
    ]
    return Section(
        subject="Rows to the client",
        header=("server", "thousand rows/s", "ratio to PostgreSQL", "median", "best", "until the first row", "MiB"),
        rows=rows,
        notes=[
            f"{reference.answers[0].rows:,} rows of {len(COLUMNS)} columns, text format, loopback TCP without TLS; "
            f"median of {rounds} rounds in turn, from Query to the last byte.",
            *notes,
        ],
        peers=peers,
    )


@contextmanager
def peak_memory(process: psutil.Process) -> Iterator[list[int]]:
    """Sample a process's resident memory while the block runs; the one entry of the list is the highest sample."""
    found, stopped = [process.memory_info().rss], threading.Event()

    def sample() -> None:
        while not stopped.wait(SAMPLE_S):
            found[0] = max(found[0], process.memory_info().rss)

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield found
    finally:
        stopped.set()
        sampler.join()


if __name__ == "__main__":
    main()
