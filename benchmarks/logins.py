"""Log-ins: pgbench -C through the server beside PostgreSQL with SCRAM, and the processor time of the server for each.

`python -m benchmarks.logins [--quick]` (needs pgbench)
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from psycopg.conninfo import conninfo_to_dict
from scramp import ScramClient

from benchmarks.peers import postgres
from benchmarks.report import Section, median, publish
from benchmarks.rows import make_batches
from benchmarks.server import serving, write_rows
from wire.auth import SCRAM_SHA_256, ScramExchange, make_verifier

CLIENTS = 4
TARGET_RATIO = 0.8
TARGET_MS = 1.0
PASSWORD = "peer-password"
EXCHANGES = 2000
POSTGRES, OURS = "PostgreSQL with SCRAM", "OmniSQL"
_COUNT = re.compile(r"^number of transactions actually processed: ([0-9]+)", re.MULTILINE)


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="one round of 3 s instead of seven of 6 s")
    rounds, seconds = (1, 3) if line.parse_args().quick else (7, 6)
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, ExitStack() as stack:
        directory = Path(temporary)
        directory.chmod(0o711)
        script = directory / "one.sql"
        script.write_text("SELECT 1;\n", encoding="utf-8")
        # As large as the tenants' own clusters have them.
        peer = stack.enter_context(postgres(directory, password=PASSWORD, options={"shared_buffers": "16MB"}))
        ours = stack.enter_context(serving(directory, write_rows(directory, list(make_batches(10))), issues=100))
        own = psutil.Process(ours.pid)
        rates: dict[str, list[float]] = {POSTGRES: [], OURS: []}
        processor_ms = []
        for _ in range(rounds):
            for name, dsn in ((POSTGRES, peer), (OURS, ours.dsn)):
                before_s, started_s = _used_s(own), time.perf_counter()
                count = _log_ins(dsn, script, seconds)
                rates[name].append(count / (time.perf_counter() - started_s))
                if name == OURS:
                    processor_ms.append((_used_s(own) - before_s) / count * 1000)
        publish(_section(rates, processor_ms, rounds, seconds))


def _used_s(process: psutil.Process) -> float:
    """Return the processor time of one process, without its children's."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _log_ins(dsn: str, script: Path, seconds: int) -> int:
    where = conninfo_to_dict(dsn)
    command = ["pgbench", "-h", str(where["host"]), "-p", str(where["port"]), "-U", str(where["user"]), "--connect"]
    command += ["-n", "-f", str(script), f"--client={CLIENTS}", f"--time={seconds}", str(where["dbname"])]
    environment = {**os.environ, "PGPASSWORD": str(where["password"]), "PGSSLMODE": "disable"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = _COUNT.search(done.stdout)
    if done.returncode != 0 or found is None:
        raise RuntimeError(f"pgbench failed: {done.stderr[-500:]}")
    return int(found[1])


def _exchange_ms() -> float:
    """Return the processor time of the server's side of one SCRAM exchange over stored keys."""
    verifier = make_verifier(PASSWORD)
    used_s = 0.0
    client = ScramClient([SCRAM_SHA_256], "ana", PASSWORD)
    first = client.get_client_first().encode()
    for number in range(EXCHANGES):
        exchange = ScramExchange(verifier, (SCRAM_SHA_256,), None, b"", nonce=b64encode(str(number).encode()).decode())
        started_s = time.process_time()
        answer = exchange.first(SCRAM_SHA_256, first)
        used_s += time.process_time() - started_s
        if number == 0:
            client.set_server_first(answer.decode())
            final = client.get_client_final().encode()
            started_s = time.process_time()
            exchange.final(final)
            # The second half is the same for all: its proof is checked once for each.
            used_s += (time.process_time() - started_s) * EXCHANGES
    return used_s / EXCHANGES * 1000


def _section(rates: Mapping[str, list[float]], processor_ms: list[float], rounds: int, seconds: int) -> Section:
    shares = sorted(ours / theirs for ours, theirs in zip(rates[OURS], rates[POSTGRES], strict=True))
    ratio, each_ms, exchange_ms = median(shares), median(processor_ms), _exchange_ms()
    return Section(
        subject="Log-ins",
        header=("figure", "OmniSQL", "PostgreSQL with SCRAM", "ratio"),
        rows=[
            (
                f"pgbench -C, {CLIENTS} clients, log-ins with one statement each",
                f"{median(rates[OURS]):.0f}/s",
                f"{median(rates[POSTGRES]):.0f}/s",
                f"{ratio:.2f}x ({shares[0]:.2f} to {shares[-1]:.2f})",
            ),
            ("processor time of the server's process for each", f"{each_ms:.2f} ms", "", ""),
            ("of that, SCRAM over stored keys", f"{exchange_ms:.3f} ms", "", ""),
        ],
        notes=[
            f"{rounds} rounds of {seconds} s for each in turn, SCRAM-SHA-256 over loopback TCP without TLS, pgbench on "
            "the same cores; log-ins are put on record. The server's process aside, each log-in starts a backend of "
            "the tenant's PostgreSQL, as PostgreSQL alone does.",
            f"The aim is {TARGET_RATIO}x of PostgreSQL's log-ins: {'met' if ratio >= TARGET_RATIO else 'missed'}; and "
            f"less than {TARGET_MS:.0f} ms of SCRAM: {'met' if exchange_ms < TARGET_MS else 'missed'}.",
        ],
    )


if __name__ == "__main__":
    main()
