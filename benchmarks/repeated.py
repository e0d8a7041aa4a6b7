"""The same statement again and again, answered from bytes: statements a second and latency of 64 clients of pgbench.

The peer is PostgreSQL itself with the same rows in a local table, through its Unix socket, in the same rounds.
`python -m benchmarks.repeated [--quick]`
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg

from benchmarks.report import Section, median, percentile, publish
from benchmarks.rows import make_batches
from benchmarks.server import Serving, serving, write_rows
from omnisql_server.demo import PASSWORD

CLIENTS = 64
RATES = {"on record": 5_000, "not on record": 10_000}
P95_MS = 15.0
BEGIN = 4
"""Statements with which a session begins: by then its answer is kept, and the session is proven."""
COLUMNS = "number, title, state"
WHERE = "WHERE owner = 'acme' AND repo = 'web' ORDER BY number LIMIT 10"
STATEMENT = f"SELECT {COLUMNS} FROM github.issues {WHERE};\n"
LOCAL = f"SELECT {COLUMNS} FROM repeated {WHERE};\n"
_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_COUNT = re.compile(r"actually processed: (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Rounds of each, and how long each takes."""

    rounds: int
    round_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one run of pgbench gave: latencies in ms, processor time of the asked process for a statement in µs."""

    rate: float
    latencies_ms: Sequence[float]
    processor_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who is asked: a connection string, the script, and the process whose processor time counts, None for many.

    `protocol` is one of pgbench's: in `extended` every statement is unnamed and parsed each time.
    """

    name: str
    dsn: str
    script: Path
    pid: int | None
    protocol: str = "simple"


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="one round of each")
    size = Size(rounds=1, round_s=8) if line.parse_args().quick else Size(rounds=4, round_s=6)
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, ExitStack() as stack:
        root = Path(temporary)
        root.chmod(0o711)

        def start(name: str, audited: bool) -> Serving:
            directory = root / name
            directory.mkdir(mode=0o711)
            rows_file = write_rows(directory, list(make_batches(10)))
            return stack.enter_context(serving(directory, rows_file, issues=300, audited=audited))

        with ThreadPoolExecutor() as threads:
            audited, plain = threads.map(start, ("with", "without"), (True, False))
        statement, local = root / "statement.sql", root / "local.sql"
        statement.write_text(STATEMENT, encoding="utf-8")
        local.write_text(LOCAL, encoding="utf-8")
        for server in (audited, plain):
            _make_local_table(server)
        asked = (
            Asked(name="on record", dsn=audited.dsn, script=statement, pid=audited.pid),
            Asked(name="not on record", dsn=plain.dsn, script=statement, pid=plain.pid),
            Asked(name="not on record, extended", dsn=plain.dsn, script=statement, pid=plain.pid, protocol="extended"),
            Asked(name="not on record, prepared", dsn=plain.dsn, script=statement, pid=plain.pid, protocol="prepared"),
            Asked(name="PostgreSQL, local table", dsn=plain.backend_dsn, script=local, pid=None),
        )
        publish(_measure(asked, root, size))


def _measure(asked: Sequence[Asked], root: Path, size: Size) -> Section:
    rounds: dict[str, list[Round]] = {each.name: [] for each in asked}
    for _ in range(size.rounds):
        for each in asked:
            rounds[each.name].append(_run(each, root, size.round_s))
    rows, notes = [], []
    rates = {name: median([each.rate for each in runs]) for name, runs in rounds.items()}
    peer = rates[asked[-1].name]
    for name, runs in rounds.items():
        p50, p95 = (median([percentile(each.latencies_ms, share) for each in runs]) for share in (0.5, 0.95))
        processor = median([each.processor_us for each in runs])
        shown = f"{processor:.0f} µs" if processor else ""
        rows.append(
            (name, f"{rates[name]:,.0f}/s", f"{rates[name] / peer:.2f}x", f"{p50:.1f} ms", f"{p95:.1f} ms", shown)
        )
        if name in RATES:
            met = "met" if rates[name] >= RATES[name] and p95 < P95_MS else "missed"
            notes.append(
                f"{RATES[name]:,}/s and {P95_MS:.0f} ms {name}: {met} ({rates[name] / RATES[name]:.2f}x of it)"
            )
    return Section(
        subject="A repeated statement",
        header=("asked", "statements", "of the peer's", "median", "95th percentile", "processor time of the server"),
        rows=rows,
        notes=[
            f"{CLIENTS} clients of pgbench, simple protocol but where another is named, ten rows, {size.rounds} rounds "
            f"of {size.round_s} s in turn; servers, clients, PostgreSQL and Valkey share the cores. The time in which "
            f"sessions begin, to the {BEGIN}th statement of the last of them, is left out of latencies and rates, not "
            "of the processor time. "
            f"The aims are a rate with a 95th percentile: {'; '.join(notes)}."
        ],
    )


def _run(asked: Asked, root: Path, seconds: int) -> Round:
    facts = dict(part.split("=", 1) for part in asked.dsn.split())
    command = ["pgbench", "-h", facts["host"], "-p", facts["port"], "-U", facts["user"], "-n", "-f", str(asked.script)]
    command += ["-c", str(CLIENTS), "-j", "1", "-M", asked.protocol, "-T", str(seconds), "--log", facts["dbname"]]
    environment = {"PATH": os.defpath + ":/usr/local/bin", "PGPASSWORD": PASSWORD, "PGSSLMODE": "disable"}
    if asked.pid is not None:
        environment["PGOPTIONS"] = "-c omnisql.max_staleness=1h"
    before_s = _processor_s(asked.pid)
    done = subprocess.run(
        command, env=environment, cwd=root, capture_output=True, text=True, check=False, timeout=seconds + 60
    )
    processor_s = _processor_s(asked.pid) - before_s
    count = _COUNT.search(done.stdout)
    if count is None or done.returncode or _RATE.search(done.stdout) is None:
        raise RuntimeError(f"pgbench failed: {done.stdout}{done.stderr[-2000:]}")
    ends: dict[str, list[tuple[float, float]]] = {}
    for log in root.glob("pgbench_log.*"):
        for row in log.read_text(encoding="ascii").splitlines():
            # client, transaction, microseconds, script, and when it ended: seconds and microseconds
            words = row.split()
            ends.setdefault(words[0], []).append((int(words[4]) + int(words[5]) / 1e6, int(words[2]) / 1000))
        log.unlink()
    if len(ends) < CLIENTS or min(map(len, ends.values())) <= BEGIN:
        raise RuntimeError("the sessions did not begin within the round: the machine is too busy")
    begin = max(client[BEGIN - 1][0] for client in ends.values())
    steady = [(end, latency_ms) for client in ends.values() for end, latency_ms in client if end > begin]
    return Round(
        rate=len(steady) / (max(end for end, _ in steady) - begin),
        latencies_ms=[latency_ms for _, latency_ms in steady],
        processor_us=processor_s / int(count[1]) * 1e6,
    )


def _processor_s(pid: int | None) -> float:
    if pid is None:
        return 0.0
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _make_local_table(server: Serving) -> None:
    """Put the rows that are asked for into a table of the tenant's, indexed as they are asked for."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("SET omnisql.max_staleness = '1h'")
        connection.execute(
            f"CREATE TABLE repeated AS SELECT owner, repo, {COLUMNS} FROM github.issues"
            " WHERE owner = 'acme' AND repo = 'web'".encode()
        )
        connection.execute("CREATE INDEX ON repeated (owner, repo, number)")
        connection.execute("ANALYZE repeated")
        for _ in range(4):
            connection.execute(STATEMENT.encode())


if __name__ == "__main__":
    main()
