"""Clients that wait: memory of the server for each, backends left for all of them, and a log-in beside PostgreSQL's.

`python -m benchmarks.idle_sessions [--quick]`
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.peers import postgres
from benchmarks.report import Section, median, percentile, publish
from benchmarks.rows import make_batches
from benchmarks.server import Serving, serving, write_rows

TARGET_BYTES = 100_000
PARK_AFTER_S = 1.0
PARK_TIMEOUT_S = 120.0
WARM_UP = 50
PASSWORD = "peer-password"
BACKENDS = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE usename = 'ana' AND pid <> pg_backend_pid()"


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="200 sessions and 50 log-ins")
    quick = line.parse_args().quick
    sessions, log_ins = (200, 50) if quick else (1000, 500)
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, ExitStack() as stack:
        directory = Path(temporary)
        directory.chmod(0o711)
        rows_file = write_rows(directory, list(make_batches(10)))
        peer = stack.enter_context(postgres(directory, password=PASSWORD))
        here = serving(directory, rows_file, issues=100, clients_max=sessions + 100, park_after_s=PARK_AFTER_S)
        publish(_measure(stack.enter_context(here), peer, sessions, log_ins))


def _measure(serving_at: Serving, peer: str, sessions: int, log_ins: int) -> Section:
    ours, theirs = _log_in_times(serving_at.dsn, peer, log_ins)
    plain = _wait_idly(serving_at, serving_at.dsn, sessions)
    encrypted = _wait_idly(serving_at, serving_at.dsn.replace("sslmode=disable", "sslmode=require"), sessions)
    most = max(plain.bytes_each, encrypted.bytes_each)
    return Section(
        subject="Idle sessions",
        header=("figure", "OmniSQL", "PostgreSQL", "ratio"),
        rows=[
            ("memory of the server for each idle session", f"{plain.bytes_each / 1000:.1f} KB", "", ""),
            ("the same with TLS", f"{encrypted.bytes_each / 1000:.1f} KB", "", ""),
            ("backends left for all of them", str(plain.backends), "", ""),
            ("first statement after the pause", f"{plain.woken_ms:.2f} ms", "", ""),
            _row("log-in, median", median(ours), median(theirs)),
            _row("log-in, 95th percentile", percentile(ours, 0.95), percentile(theirs, 0.95)),
        ],
        notes=[
            f"{sessions} sessions of one user that ran one statement each and then waited; the growth of the server's "
            f"proportional set size. {log_ins} log-ins in turn with SCRAM-SHA-256 over loopback TCP without TLS, from "
            "connect to the first ReadyForQuery, by libpq. The aim is at most "
            f"{TARGET_BYTES / 1000:.0f} KB a session: {'met' if most <= TARGET_BYTES else 'missed'}."
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What many idle sessions cost: memory of the server for each, backends for all, and their first statement."""

    bytes_each: float
    backends: int
    woken_ms: float


def _wait_idly(serving_at: Serving, dsn: str, sessions: int) -> Waiting:
    """Open sessions, let them park, wake them all one after the other, and close them."""
    before = _own_bytes(serving_at.pid)
    idle = [psycopg.connect(dsn, autocommit=True) for _ in range(sessions)]
    for connection in idle:
        connection.execute("SELECT 1")
    backends = _wait_until_parked(serving_at)
    after = _own_bytes(serving_at.pid)
    started_s = time.perf_counter()
    for connection in idle:
        connection.execute("SELECT 1")
    woken_ms = (time.perf_counter() - started_s) / sessions * 1000
    for connection in idle:
        connection.close()
    return Waiting(bytes_each=(after - before) / sessions, backends=backends, woken_ms=woken_ms)


def _row(name: str, ours_ms: float, theirs_ms: float) -> tuple[str, ...]:
    return (name, f"{ours_ms:.2f} ms", f"{theirs_ms:.2f} ms", f"{ours_ms / theirs_ms:.1f}x")


def _log_in_times(ours: str, peer: str, count: int) -> tuple[Sequence[float], Sequence[float]]:
    """Log in to both in turn; times in milliseconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(WARM_UP + count):
        for dsn, kept in zip((ours, peer), times, strict=True):
            started_s = time.perf_counter()
            connection = psycopg.connect(dsn)
            elapsed_ms = (time.perf_counter() - started_s) * 1000
            connection.close()
            if number >= WARM_UP:
                kept.append(elapsed_ms)
    return times


def _own_bytes(pid: int) -> int:
    """Return the proportional set size of one process."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise RuntimeError("the kernel does not tell the proportional set size")
    return int(found[1]) * 1024


def _wait_until_parked(serving_at: Serving) -> int:
    """Wait until the number of backends falls no more, and return it."""
    deadline_s = time.monotonic() + PARK_TIMEOUT_S
    counts: list[int | None] = []
    while len(counts) < 4 or counts[-1] is None or counts[-4] != counts[-1]:
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"sessions do not park: {counts[-1]} backends")
        time.sleep(PARK_AFTER_S)
        counts.append(_backends(serving_at))
    return counts[-1]


def _backends(serving_at: Serving) -> int | None:
    """Count the backends of sessions; None while they leave no room to ask."""
    try:
        with psycopg.connect(serving_at.backend_dsn, autocommit=True) as connection:
            ((count,),) = connection.execute(BACKENDS).fetchall()
            return int(count)
    except psycopg.OperationalError:
        return None


if __name__ == "__main__":
    main()
