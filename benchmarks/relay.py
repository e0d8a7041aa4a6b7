"""Relayed statements: pgbench -S over local tables through the server, beside PostgreSQL, PgBouncer and a bare relay.

`python -m benchmarks.relay [--quick]` (needs pgbench, and PgBouncer where it is installed)
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from benchmarks.peers import PeerUnavailable, pgbouncer, postgres
from benchmarks.report import Section, median, publish
from benchmarks.rows import make_batches
from benchmarks.server import serving, write_rows

CLIENTS = 8
SCALE = 5
START_TIMEOUT_S = 30.0
TARGETS = {"simple": 0.30, "extended": 0.25}
BOUNCER_TARGET = 0.8
POSTGRES, BARE, BOUNCER, OURS = "PostgreSQL by TCP", "bare asyncio relay", "PgBouncer, session mode", "OmniSQL"
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="one round of 3 s instead of five of 8 s")
    rounds, seconds = (1, 3) if line.parse_args().quick else (5, 8)
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, ExitStack() as stack:
        directory = Path(temporary)
        directory.chmod(0o711)
        peers, notes = _start_peers(stack, directory)
        ours = stack.enter_context(serving(directory, write_rows(directory, list(make_batches(10))), issues=100))
        targets = {**peers, OURS: ours.dsn}
        for name in (POSTGRES, OURS):
            _pgbench(targets[name], "--initialize", "--init-steps=dtgvp", f"--scale={SCALE}", "--quiet")
        measured = {mode: _measure(targets, mode, rounds, seconds) for mode in TARGETS}
        publish(_section(measured, rounds, seconds, notes))


def _start_peers(stack: ExitStack, directory: Path) -> tuple[dict[str, str], list[str]]:
    sockets = directory / "s"
    sockets.mkdir()
    sockets.chmod(0o777)
    # As large as the tenants' own clusters have them.
    options = {"unix_socket_directories": str(sockets), "shared_buffers": "16MB"}
    dsn = stack.enter_context(postgres(directory, options=options))
    port = conninfo_to_dict(dsn)["port"]
    bare = stack.enter_context(_bare_relay(directory, sockets / f".s.PGSQL.{port}"))
    found = {POSTGRES: dsn, BARE: f"host=127.0.0.1 port={bare} user=peer dbname=postgres sslmode=disable"}
    try:
        backend = f"host={sockets} port={port} dbname=postgres user=peer"
        found[BOUNCER] = stack.enter_context(pgbouncer(directory, backend=backend))
    except PeerUnavailable as error:
        return found, [f"PgBouncer is not in this table: {error}."]
    return found, []


@contextmanager
def _bare_relay(directory: Path, backend: Path) -> Iterator[int]:
    ready_file = directory / "bare.json"
    command = [
        sys.executable,
        "-m",
        "benchmarks.bare_relay",
        "--backend",
        str(backend),
        "--ready-file",
        str(ready_file),
    ]
    process = subprocess.Popen(command)
    try:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not ready_file.exists():
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError("the bare relay did not start")
            time.sleep(0.05)
        yield int(json.loads(ready_file.read_text(encoding="utf-8"))["port"])
    finally:
        process.terminate()
        process.wait()


def _measure(targets: Mapping[str, str], mode: str, rounds: int, seconds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in targets}
    for _ in range(rounds):
        for name, dsn in targets.items():
            options = ["--select-only", f"--client={CLIENTS}", "--no-vacuum", f"--protocol={mode}"]
            printed = _pgbench(dsn, *options, f"--time={seconds}")
            tps = _TPS.search(printed)
            if tps is None:
                raise RuntimeError(f"pgbench said nothing of its speed: {printed[-500:]}")
            found[name].append(float(tps.group(1)))
    return found


def _pgbench(dsn: str, *options: str) -> str:
    where = conninfo_to_dict(dsn)
    places = [f"--host={where['host']}", f"--port={where['port']}", f"--username={where['user']}"]
    environment = {"PATH": os.defpath, "PGPASSWORD": str(where.get("password", "")), "PGSSLMODE": "disable"}
    command = ["pgbench", *places, *options, str(where["dbname"])]
    ended = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(f"pgbench through port {where['port']} failed: {ended.stderr[-500:]}")
    return ended.stdout


def _section(measured: Mapping[str, Mapping[str, list[float]]], rounds: int, seconds: int, notes: list[str]) -> Section:
    rows = []
    for mode, found in measured.items():
        reference = found[POSTGRES]
        for name, values in found.items():
            ratio = median([value / other for value, other in zip(values, reference, strict=True)])
            rows.append((mode, name, f"{median(values):,.0f}", f"{ratio:.2f}x"))
    said = [
        f"pgbench -S, scale {SCALE}, {CLIENTS} clients, no TLS, {rounds} rounds of {seconds} s for each in turn; "
        "medians over the rounds of the transactions a second and of the ratio within a round. All processes share the "
        "cores, pgbench too."
    ]
    for mode, target in TARGETS.items():
        ratio = _ratio(measured[mode], POSTGRES)
        text = f"{mode}: aim at least {target:.2f}x PostgreSQL, {'met' if ratio >= target else 'missed'} ({ratio:.2f}x)"
        if BOUNCER in measured[mode]:
            beside = _ratio(measured[mode], BOUNCER)
            met = "met" if beside >= BOUNCER_TARGET else "missed"
            text += f"; aim {BOUNCER_TARGET:.1f}x PgBouncer, {met} ({beside:.2f}x)"
        said.append(f"{text}; {_ratio(measured[mode], BARE):.2f}x of the bare relay.")
    header = ("protocol", "through", "transactions/s", "ratio to PostgreSQL")
    return Section(subject="Relayed statements", header=header, rows=rows, notes=[*said, *notes])


def _ratio(found: Mapping[str, list[float]], other: str) -> float:
    return median([ours / theirs for ours, theirs in zip(found[OURS], found[other], strict=True)])


if __name__ == "__main__":
    main()
