"""How many API calls thirty questions cost: ours, the least by hand, and reading every table in full.

`python -m benchmarks.api_calls [--quick]`
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks import simulator
from benchmarks.questions import QUESTIONS, Question, Reading, Term
from benchmarks.report import Section, publish

LATENCY_MS = 50
CONCURRENCY = 8
ISSUES = 2000
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a question cost: calls when first asked, when asked again, and seconds of the second time."""

    first: int
    again: int
    seconds: float
    hand: int
    steps: int
    naive: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A session with the demo, and its simulators."""

    session: psycopg.Connection
    simulators: tuple[str, ...]

    def calls(self, *statements: str, latency_ms: float = 0) -> tuple[int, float]:
        """Run statements and return the requests and the seconds that they took."""
        for url in self.simulators:
            simulator.reset(url, latency_ms=latency_ms)
        started_s = time.perf_counter()
        for statement in statements:
            self.session.execute(statement.encode()).fetchall()
        seconds = time.perf_counter() - started_s
        return sum(len(simulator.requests(url)) for url in self.simulators), seconds

    def by_hand(self, terms: tuple[Term, ...]) -> tuple[int, int]:
        """Return the calls of a hand plan, and how many of them have to follow each other."""
        calls, steps = 0, 0
        for term in terms:
            row = self.session.execute(term.count.encode()).fetchone()
            rows = int(row[0]) if row is not None else 0
            count = rows if term.reading is Reading.EACH else max(1, -(-rows // term.size))
            calls += count
            if term.reading is Reading.SERIAL_PAGES:
                steps += count
            elif term.reading is Reading.EACH:
                steps += -(-count // CONCURRENCY)
            else:
                steps += 1 + -(-(count - 1) // CONCURRENCY)
        return calls, steps


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="a small company")
    issues = 300 if line.parse_args().quick else ISSUES
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, demo(Path(temporary), issues) as asking:
        first = [asking.calls(question.sql)[0] for question in QUESTIONS]
        measured = [_measure(asking, question, calls) for question, calls in zip(QUESTIONS, first, strict=True)]
    publish(_section(measured, issues, load))


def _measure(asking: Asking, question: Question, first: int) -> Cost:
    again, seconds = asking.calls(question.sql, latency_ms=LATENCY_MS)
    naive, _ = asking.calls(*question.naive)
    hand, steps = asking.by_hand(question.hand)
    return Cost(first=first, again=again, seconds=seconds, hand=hand, steps=steps, naive=naive)


def _section(measured: list[Cost], issues: int, load: float) -> Section:
    rows = [
        (
            question.name,
            str(cost.first),
            str(cost.again),
            str(cost.hand),
            f"{cost.again / cost.hand:.2f}x",
            str(cost.naive),
            f"{cost.seconds * 1000:.0f} ms",
            f"{cost.seconds * 1000 / (cost.steps * LATENCY_MS):.2f}x",
        )
        for question, cost in zip(QUESTIONS, measured, strict=True)
    ]
    ours, hand = sum(cost.again for cost in measured), sum(cost.hand for cost in measured)
    total = ("**all**", str(sum(c.first for c in measured)), str(ours), str(hand), f"{ours / hand:.2f}x")
    wall = sum(cost.seconds for cost in measured) * 1000 / (sum(cost.steps for cost in measured) * LATENCY_MS)
    naive = str(sum(cost.naive for cost in measured))
    rows.append((*total, naive, f"{sum(c.seconds for c in measured) * 1000:.0f} ms", f"{wall:.2f}x"))
    above = [q.name for q, c in zip(QUESTIONS, measured, strict=True) if c.again > 1.5 * c.hand]
    return Section(
        subject="API calls of thirty questions",
        header=("question", "first", "again", "by hand", "ratio", "in full", "time", "ratio to pure latency"),
        rows=rows,
        notes=[
            f"A company of {issues:,} tickets. `first` is asked once in this order by a server without statistics, "
            f"`again` with those of the first round, at {LATENCY_MS} ms for each request. `by hand` is derived in "
            "`benchmarks/questions.py`, and compared with every other plan at a smaller scale: see the section on hand "
            "plans. `in full` reads each table of the question without its conditions but with its required keys; what "
            "hangs on a row (comments, work logs, releases of each) is left out. Pure latency is that of the hand "
            f"plan's longest sequence, {CONCURRENCY} requests at a time.",
            f"The machine's load was {load:.1f} when it began.",
            "More than 1.5 times the hand plan: " + ("; ".join(above) or "none") + ".",
        ],
        peers=[],
    )


@contextmanager
def demo(directory: Path, issues: int) -> Iterator[Asking]:
    """Run the demo in a folder, and log in as a user who sees everything."""
    directory.chmod(0o711)
    ready = directory / "ready.json"
    command = [str(Path(sys.executable).with_name("omnisql")), "demo", "--port", "0", "--issues", str(issues)]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--data", str(directory / "data"), "--ready-file", str(ready)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            give_up_s = time.monotonic() + START_TIMEOUT_S
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > give_up_s:
                    raise RuntimeError(f"the demo did not start: {(directory / 'log').read_text()[-2000:]}")
                time.sleep(0.05)
            facts = json.loads(ready.read_text())
            dsn = f"host=127.0.0.1 port={facts['port']} dbname=acme user=ana password=demo sslmode=disable"
            with psycopg.connect(dsn, autocommit=True) as session:
                yield Asking(session=session, simulators=tuple(facts["simulators"].values()))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_TIMEOUT_S)


if __name__ == "__main__":
    main()
