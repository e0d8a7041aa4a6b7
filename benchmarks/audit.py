"""What the audit costs: statements a second of 64 clients, answered from what is kept, with and without records.

Two servers are asked in turn by pgbench, so that what else the machine does hits both.
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
ASKED = Statement(text=STATEMENT, kind=StatementKind.SELECT, references=())
MODES = ("simple", "prepared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured: for each mode each server is warmed up once and then asked in every round.

    All of it is to end within 90 s (30 s if quick), of which the servers' start and end and the log-ins of each pgbench
    are a third.
    """

    rounds: int
    round_s: int
    warm_up_s: int
    records: int


FULL = Size(rounds=4, round_s=2, warm_up_s=2, records=20_000)
QUICK = Size(rounds=1, round_s=2, warm_up_s=0, records=5_000)
_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="one round of each, without warming up")
    size = QUICK if line.parse_args().quick else FULL
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, ExitStack() as stack:
        root = Path(temporary)
        root.chmod(0o711)
        script = root / "statement.sql"
        script.write_text(STATEMENT, encoding="utf-8")

        def start(name: str, audited: bool) -> Serving:
            directory = root / name
            directory.mkdir(mode=0o711)
            rows_file = write_rows(directory, list(make_batches(10)))
            return stack.enter_context(serving(directory, rows_file, issues=300, audited=audited))

        with ThreadPoolExecutor() as threads:
            servers = list(threads.map(start, ("with", "without"), (True, False)))
        publish(_measure(servers, script, size, root / "with" / "data"))


def _measure(servers: Sequence[Serving], script: Path, size: Size, data: Path) -> Section:
    rows, notes, rounds, seconds = [], [], size.rounds, size.round_s
    for mode in MODES:
        rates: list[list[float]] = [[], []]
        for server in servers:
            with psycopg.connect(server.dsn, autocommit=True, options="-c omnisql.max_staleness=1h") as session:
                session.execute(STATEMENT.encode())
            if size.warm_up_s:
                _run(server, script, mode, size.warm_up_s)
        for _ in range(rounds):
            for server, kept in zip(servers, rates, strict=True):
                kept.append(_rate(server, script, mode, seconds))
        audited, plain = (median(kept) for kept in rates)
        shares = sorted(1 - one / other for one, other in zip(*rates, strict=True))
        cost = median(shares)
        rows.append((mode, f"{audited:.0f}/s", f"{plain:.0f}/s", f"{cost:.1%}", f"{shares[0]:.1%} to {shares[-1]:.1%}"))
        told = f"{'met' if cost < TARGET_SHARE else 'missed'} ({cost / TARGET_SHARE:.2f}x of it)"
        notes.append(
            f"{mode} {told if shares[-1] - shares[0] < SPREAD_MAX else 'not to be told, rounds differ too much'}"
        )
    records = asyncio.run(_records(data))
    costs, together = asyncio.run(_processor_us(data.parent, size.records))
    for what, (own_us, theirs_us) in costs.items():
        told = f"{own_us:.1f} µs here, {theirs_us:.1f} µs in PostgreSQL"
        rows.append((f"processor time for a record of {what}", told, "", "", ""))
    return Section(
        subject="Audit",
        header=("pgbench's mode", "on record", "not on record", "cost, median of the rounds", "of all rounds"),
        rows=rows,
        notes=[
            f"{CLIENTS} clients of pgbench, one statement over an API table answered from what is kept in memory, ten "
            f"rows, {rounds} rounds of {seconds} s in turn, server, clients and PostgreSQL on the same cores. Each "
            f"statement has one record that is durable before its answer ({records} in all, the chain "
            f"verified). The processor time is of {size.records:,} records of each kind written alone by {CLIENTS} "
            f"tasks, {together:.0f} a commit. The aim is a cost under {TARGET_SHARE:.0%}: {', '.join(notes)}."
        ],
    )


def _rate(server: Serving, script: Path, mode: str, seconds: int) -> float:
    done = _run(server, script, mode, seconds)
    found = _RATE.search(done.stdout)
    if found is None or done.returncode:
        raise RuntimeError(f"pgbench failed: {done.stdout}{done.stderr[-2000:]}")
    return float(found[1])


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
