"""Takes one fence after the other out of a copy of the project and wants the tests named in the table to fail.

    python tests/fences/run.py [--jobs N] [--list] [word ...]

Words choose the fences whose name holds one of them. The product in this folder is never changed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from table import ROOT, Fence, read_fences

COPIED = (
    "omnisql_server",
    "wire",
    "catalog",
    "connectors",
    "tests",
    "benchmarks",
    "docs",
    "pyproject.toml",
    "Makefile",
)
TESTS_TIMEOUT_S = 240.0
LINE_LENGTH_MAX = 110
# Failures by these are a broken product or a broken test, not a fence that is missed.
BROKEN = ("ImportError", "ModuleNotFoundError", "SyntaxError", "IndentationError", "NameError", "UnboundLocalError")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a run of tests.

    `failures` gives each failed test's own words by its name, `broken` what went wrong outside of the tests themselves.
    """

    failures: dict[str, str]
    broken: str | None
    seconds: float

    def passed(self, tests: Iterable[str]) -> list[str]:
        """Return those of some tests of which no case failed."""
        failed = {*self.failures, *(name.partition("[")[0] for name in self.failures)}
        return [test for test in tests if test not in failed]


class Copy:
    """A copy of the project with an environment of its own, whose packages are those of the running one."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.root.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.root / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            else:
                shutil.copy2(source, self.root / name)
        self.python = self._environment()

    def _environment(self) -> Path:
        """Make an environment that imports the copy first and the packages of the running one after it."""
        home = self.root / ".venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
        (packages,) = home.glob("lib/python*/site-packages")
        # A folder that is named comes before what the second line brings, the installation of the project itself too.
        lines = (str(self.root), f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})")
        (packages / "project.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
        program = home / "bin/omnisql"
        command = "import sys; from omnisql_server.cli import main; sys.exit(main())"
        program.write_text(f"#!{home}/bin/python\n{command}\n", encoding="utf-8")
        program.chmod(0o755)
        python = home / "bin/python"
        for package in ("omnisql_server", "wire", "catalog", "connectors"):
            ask = f"import {package}; print({package}.__file__)"
            found = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True, cwd="/").stdout
            if not Path(found.strip()).is_relative_to(self.root):
                raise SystemExit(f"{package} would not be the copy's: {found.strip()}")
        return python

    @contextmanager
    def without(self, fence: Fence) -> Iterator[None]:
        """Take a fence out for the time of the block."""
        texts = fence.without(self.root)
        kept = {file: (self.root / file).read_text(encoding="utf-8") for file in texts}
        try:
            for file, text in texts.items():
                (self.root / file).write_text(text, encoding="utf-8")
            yield
        finally:
            for file, text in kept.items():
                (self.root / file).write_text(text, encoding="utf-8")

    def run(self, tests: Iterable[str], *, timeout_s: float) -> Outcome:
        """Run tests, folder by folder: names such as conftest recur in them; tell which failed."""
        folders: dict[str, list[str]] = {}
        for test in tests:
            folders.setdefault(test.partition("::")[0].rpartition("/")[0], []).append(test)
        outcomes = [self._run(group, timeout_s=timeout_s) for group in folders.values()]
        return Outcome(
            failures={name: words for outcome in outcomes for name, words in outcome.failures.items()},
            broken=next((outcome.broken for outcome in outcomes if outcome.broken is not None), None),
            seconds=sum(outcome.seconds for outcome in outcomes),
        )

    def _run(self, tests: Iterable[str], *, timeout_s: float) -> Outcome:
        """Run tests of one folder. Bytecode is not kept: a file may change twice within a second."""
        report = self.root / "report.xml"
        report.unlink(missing_ok=True)
        command = [str(self.python), "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        started_s = time.monotonic()
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(
            [*command, *tests],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            # By SIGINT pytest ends its fixtures, and with them the servers they started.
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=60.0)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
            return Outcome(failures={}, broken="no end", seconds=time.monotonic() - started_s)
        seconds = time.monotonic() - started_s
        failures, broken = _read_report(report)
        if broken is None and process.returncode not in (0, 1):
            broken = f"pytest ended with {process.returncode}: {(output.strip().splitlines() or ['no output'])[-1]}"
        return Outcome(failures=failures, broken=broken, seconds=seconds)


def _read_report(report: Path) -> tuple[dict[str, str], str | None]:
    """Read from pytest's report what failed in tests themselves, and the first thing that broke elsewhere."""
    failures: dict[str, str] = {}
    broken = None
    cases = ElementTree.parse(report).getroot().iter("testcase") if report.exists() else ()
    for case in cases:
        name = f"{(case.get('classname') or '').replace('.', '/')}.py::{case.get('name')}"
        for kind in ("failure", "error"):
            found = case.find(kind)
            if found is None:
                continue
            words = ((found.get("message") or "").strip().splitlines() or [""])[0]
            if kind == "error" or words.partition(":")[0].rpartition(".")[2] in BROKEN:
                broken = broken or f"{case.get('name')}: {words}"
            else:
                failures[name] = words
    return failures, broken


def _verdict(fence: Fence, outcome: Outcome) -> tuple[bool, str, str]:
    """Return whether the fence was missed by every test named, a word for it, and the reason."""
    passed = outcome.passed(fence.tests)
    if not passed:
        return True, "noticed", next(iter(outcome.failures.values()))
    if outcome.broken is not None:
        return False, "BROKEN", outcome.broken
    return False, "UNNOTICED", f"passes: {passed[0]}"


def main(arguments: Sequence[str]) -> int:
    """Run the chosen fences, print a line for each, and return 0 when the absence of every one was noticed."""
    parser = argparse.ArgumentParser(prog="make fences")
    parser.add_argument("words", nargs="*", help="only fences whose name holds one of these")
    parser.add_argument("--jobs", type=int, default=1, help="how many copies work at the same time")
    parser.add_argument("--list", action="store_true", help="print the table and run nothing")
    options = parser.parse_args(arguments)
    fences = [f for f in read_fences() if not options.words or any(word in f.id for word in options.words)]
    if not fences:
        parser.error("no fence has such a name")
    if options.list:
        for fence in fences:
            print(f"{fence.id:40} {fence.against}")
        return 0
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="omnisql-fences-") as folder:
        # Servers run as an unprivileged account where we are root: it must be able to come in.
        Path(folder).chmod(0o755)
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(options.jobs):
            (Path(folder) / str(number)).mkdir()
            copies.put(Copy(Path(folder) / str(number)))
        copy = copies.get()
        every = list(dict.fromkeys(test for fence in fences for test in fence.tests))
        whole = copy.run(every, timeout_s=TESTS_TIMEOUT_S * len(fences))
        copies.put(copy)
        wrong = [f"{name}: {words}" for name, words in whole.failures.items()]
        wrong += [whole.broken] if whole.broken is not None else []
        print(f"{len(every)} tests with every fence in place: {len(wrong)} fail ({whole.seconds:.0f} s)", flush=True)
        if wrong:
            print("\n".join(wrong))
            return 1

        def attempt(fence: Fence) -> bool:
            copy = copies.get()
            try:
                with copy.without(fence):
                    outcome = copy.run(fence.tests, timeout_s=TESTS_TIMEOUT_S)
            finally:
                copies.put(copy)
            is_noticed, word, reason = _verdict(fence, outcome)
            print(f"{word:9} {fence.id:40} {outcome.seconds:4.0f} s  {reason[:LINE_LENGTH_MAX]}", flush=True)
            return is_noticed

        with ThreadPoolExecutor(options.jobs) as workers:
            noticed = list(workers.map(attempt, fences))
    missed = [fence.id for fence, is_noticed in zip(fences, noticed, strict=True) if not is_noticed]
    print(f"{len(fences) - len(missed)} of {len(fences)} noticed in {time.monotonic() - started_s:.0f} s")
    for name in missed:
        print(f"not noticed: {name}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
