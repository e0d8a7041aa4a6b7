"""What the audit costs: statements a second of 64 clients, over rows that are kept, with and without records.

Two servers are asked in turn by pgbench, so that what else the machine does hits both: a statement that is answered
again from bytes, and one whose constant is another each time, so that it is bound, planned and executed.
`python -m benchmarks.audit [--quick]`
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from uuid import UUID

import psutil  # type: ignore[import-untyped]
import psycopg

from benchmarks.policy import EVE, bound_query
from benchmarks.report import Section, median, publish
from benchmarks.rows import make_batches
from benchmarks.server import Serving, serving, write_rows
from catalog.audit import WRITER_ROLE
from catalog.clusters import EmbeddedCluster, EmbeddedSettings
from catalog.clusters.attached import attach
from catalog.connection import OwnConnection
from catalog.control import CONTROL_DATABASE, prepare_control_database, tenant_named
from omnisql_server.audit.account import SUCCEEDED, Account, Session, note_repeated
from omnisql_server.audit.journal import Journal
from omnisql_server.audit.signing import SigningKey, load_signing_key
from omnisql_server.audit.verify import verify
from omnisql_server.demo import TENANT
from omnisql_server.model.run import Repeated
from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.parse.redaction import redacted
from omnisql_server.policy.decide import Policy
from omnisql_server.policy.embedded import EmbeddedEngine
from omnisql_server.policy.rules import load_rules

CLIENTS = 64
TARGET_SHARE = 0.15
SPREAD_MAX = 0.3
"""Between the lowest and the highest cost of a round: above it, the machine was busy with something else."""
PASSWORD = "demo"
STATEMENT = (
    "SELECT number, title, state FROM github.issues WHERE owner = 'acme' AND repo = 'web' ORDER BY number LIMIT 10;\n"
)
EXECUTED = STATEMENT.replace("ORDER BY", "AND number < :below ORDER BY")
SCRIPTS = {"repeated": STATEMENT, "executed": f"\\set below random(1000, 1000000000)\n{EXECUTED}"}
ASKED = Statement(text=STATEMENT, kind=StatementKind.SELECT, references=())
MODES = ("simple", "prepared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured: for each statement and mode each server is warmed up once and then asked in every round.

    All of it is to end within 200 s (60 s if quick), of which the servers' start and end and the log-ins of each
    pgbench are a third.
    """

    rounds: int
    round_s: int
    warm_up_s: int
    records: int


FULL = Size(rounds=4, round_s=3, warm_up_s=2, records=20_000)
QUICK = Size(rounds=1, round_s=2, warm_up_s=0, records=5_000)
_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_COUNT = re.compile(r"actually processed: (\d+)")


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="one round of each, without warming up")
    size = QUICK if line.parse_args().quick else FULL
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, ExitStack() as stack:
        root = Path(temporary)
        root.chmod(0o711)
        for name, script in SCRIPTS.items():
            (root / f"{name}.sql").write_text(script, encoding="utf-8")

        def start(name: str, audited: bool) -> Serving:
            directory = root / name
            directory.mkdir(mode=0o711)
            rows_file = write_rows(directory, list(make_batches(10)))
            return stack.enter_context(serving(directory, rows_file, issues=300, audited=audited))

        with ThreadPoolExecutor() as threads:
            servers = list(threads.map(start, ("with", "without"), (True, False)))
        publish(_measure(servers, root, size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Statements a second, and the processor time in µs that one took the server and all that it has started."""

    rate: float
    processor_us: float


def _measure(servers: Sequence[Serving], root: Path, size: Size) -> Section:
    for server in servers:
        _keep_rows(server)
    rows, notes = [], []
    for name in SCRIPTS:
        for mode in MODES:
            rounds = _rounds(servers, root / f"{name}.sql", mode, size)
            shares = sorted(1 - one.rate / other.rate for one, other in rounds)
            cost = median(shares)
            rates = [f"{median([each[at].rate for each in rounds]):.0f}/s" for at in (0, 1)]
            spent_us = [median([each[at].processor_us for each in rounds]) for at in (0, 1)]
            spent = f"{spent_us[0]:.0f} µs, {spent_us[1]:.0f} µs without"
            rows.append((f"{name}, {mode}", *rates, f"{cost:.1%}", f"{shares[0]:.1%} to {shares[-1]:.1%}", spent))
            told = f"{'met' if cost < TARGET_SHARE else 'missed'} ({cost / TARGET_SHARE:.2f}x of it)"
            agree = shares[-1] - shares[0] < SPREAD_MAX
            notes.append(f"{name}, {mode} {told if agree else 'not to be told, rounds differ too much'}")
    records = asyncio.run(_records(root / "with" / "data"))
    costs, together = asyncio.run(_processor_us(root, size.records))
    for what, (own_us, theirs_us) in costs.items():
        rows.append((f"a record of {what}", "", "", "", "", f"{own_us:.1f} µs here, {theirs_us:.1f} µs in PostgreSQL"))
    return Section(
        subject="Audit",
        header=("statement", "on record", "not on record", "cost, median", "of all rounds", "processor time"),
        rows=rows,
        notes=[
            f"{CLIENTS} clients of pgbench, one statement over an API table whose rows are kept, ten of them wanted: "
            f"one that is answered again from bytes, and one with another constant each time, which DuckDB executes, "
            f"in pgbench's simple and prepared modes. {size.rounds} rounds of {size.round_s} s in turn, server, "
            f"clients and PostgreSQL on the same cores. Each statement's records are durable before its answer ends "
            f"({records} in all, the chain verified). Processor time is that of the server with all its processes, "
            f"log-ins among it; that of a record is of {size.records:,} of each kind written alone by {CLIENTS} tasks, "
            f"{together:.0f} a commit. The aim is a cost under {TARGET_SHARE:.0%}: {', '.join(notes)}."
        ],
    )


def _keep_rows(server: Serving) -> None:
    """Have the rows kept that statements read, and see that the other one is answered from them by DuckDB."""
    with psycopg.connect(server.dsn, autocommit=True, options="-c omnisql.max_staleness=1h") as session:
        session.execute(STATEMENT.encode())
        session.execute(EXECUTED.replace(":below", "1000").encode())
        asked = session.execute("SELECT sum(requests) FROM omnisql.last_query_sources").fetchone()
    if asked != (0,):
        raise RuntimeError(f"the source was asked: {asked}")


def _rounds(servers: Sequence[Serving], script: Path, mode: str, size: Size) -> list[list[Round]]:
    if size.warm_up_s:
        for server in servers:
            _run(server, script, mode, size.warm_up_s)
    return [[_round(server, script, mode, size.round_s) for server in servers] for _ in range(size.rounds)]


def _round(server: Serving, script: Path, mode: str, seconds: int) -> Round:
    before_s = _spent_s(server.pid)
    done = _run(server, script, mode, seconds)
    spent_s = _spent_s(server.pid) - before_s
    found, count = _RATE.search(done.stdout), _COUNT.search(done.stdout)
    if found is None or count is None or done.returncode:
        raise RuntimeError(f"pgbench failed: {done.stdout}{done.stderr[-2000:]}")
    return Round(rate=float(found[1]), processor_us=spent_s / int(count[1]) * 1e6)


def _spent_s(pid: int) -> float:
    """Return the processor time of a process and all below it, those included that have ended and were waited for."""
    server = psutil.Process(pid)
    while True:
        try:
            return sum(sum(each.cpu_times()[:4]) for each in (server, *server.children(recursive=True)))
        except psutil.NoSuchProcess:
            # A backend has ended meanwhile: its time is its parent's now.
            continue


def _run(server: Serving, script: Path, mode: str, seconds: int) -> subprocess.CompletedProcess[str]:
    facts = dict(part.split("=", 1) for part in server.dsn.split())
    command = ["pgbench", "-h", facts["host"], "-p", facts["port"], "-U", facts["user"], "-n", "-f", str(script)]
    command += ["-c", str(CLIENTS), "-j", "1", "-M", mode, "-T", str(seconds), facts["dbname"]]
    environment = {
        "PATH": "/usr/bin:/bin:/usr/local/bin",
        "PGPASSWORD": PASSWORD,
        "PGSSLMODE": "disable",
        "PGOPTIONS": "-c omnisql.max_staleness=1h",
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=seconds + 120)


async def _processor_us(directory: Path, count: int) -> tuple[dict[str, tuple[float, float]], float]:
    """Return the processor time in µs that a record costs this process and PostgreSQL's writer, and records a group."""
    settings = EmbeddedSettings(data_root=directory / "postgres", max_connections=10)
    cluster = EmbeddedCluster("control", settings)
    await cluster.start()
    costs = {}
    try:
        await prepare_control_database(cluster)
        connections: list[OwnConnection] = []

        async def connect() -> OwnConnection:
            connections.append(await cluster.connect(WRITER_ROLE, CONTROL_DATABASE))
            return connections[-1]

        repeated = await _repeated()
        async with Journal(connect, timeout_s=60).running() as journal:
            for what, ask in (("a statement", _ask), ("an answer from bytes", partial(_ask_again, repeated))):
                await ask(journal, 1)
                writer = psutil.Process(connections[0].get_server_pid())
                before = writer.cpu_times()
                started_s = time.process_time()
                await asyncio.gather(*(ask(journal, count // CLIENTS) for _ in range(CLIENTS)))
                own_s = time.process_time() - started_s
                after = writer.cpu_times()
                theirs_s = after.user + after.system - before.user - before.system
                costs[what] = (own_s / count * 1e6, theirs_s / count * 1e6)
        owner = await cluster.connect(cluster.superuser, CONTROL_DATABASE)
        total, groups = await owner.fetchrow("SELECT max(number), count(*) FROM audit.records") or (1, 1)
        await owner.close()
    finally:
        await cluster.stop()
    return costs, total / groups


async def _ask(journal: Journal, times: int) -> None:
    """Put a statement on record that a client might send, one after the other."""
    for _ in range(times):
        await Account(_session(journal), ASKED).end(SUCCEEDED)


async def _ask_again(repeated: Repeated, journal: Journal, times: int) -> None:
    """Put a statement on record that is answered again from bytes, one after the other."""
    session = _session(journal)
    for _ in range(times):
        await note_repeated(session, repeated, "")


async def _repeated() -> Repeated:
    with resources.as_file(resources.files("omnisql_server") / "demo_policy.yaml") as file:
        engine = EmbeddedEngine(load_rules(file).data)
    query = await Policy(engine, kept_s=60).authorize(bound_query(), EVE)
    return Repeated(messages=b"", rows=10, statement=ASKED, query=query, reports=(), facts={})


def _session(journal: Journal) -> Session:
    return Session(journal=journal, redact=redacted, tenant_id=UUID(int=1), principal=EVE, client="::1")


async def _records(data: Path) -> int:
    """Verify the chain of the audited server's tenant, and count its records."""
    key = SigningKey(load_signing_key(data)).public_key
    connection = await attach(data / "postgres" / "clusters" / "omnisql-control", CONTROL_DATABASE)
    try:
        return (await verify(connection, (await tenant_named(connection, TENANT)).id, key)).last
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
