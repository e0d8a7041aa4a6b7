"""A server that crashes leaves no core file, where it would have left one before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, resource, sys
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
{before}
child = os.fork()
if not child:
    os.abort()
_, status = os.waitpid(child, 0)
print(int(os.WCOREDUMP(status)), *resource.getrlimit(resource.RLIMIT_CORE), hard)
"""
REFUSED = "from omnisql_server.core_files import refuse_core_files; refuse_core_files()"
DUMPABLE = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"


def ran(program: str, folder: Path) -> list[int]:
    """Run a program in a folder, where a core file would be, and return the numbers that it prints."""
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def test_a_crash_leaves_no_core_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    without = ran(PROGRAM.replace("{before}", "pass"), tmp_path)
    dumped, *limits, hard = ran(PROGRAM.replace("{before}", REFUSED), tmp_path)
    assert (dumped, limits) == (0, [0, 0])
    # Where the machine leaves none at all there is nothing to be seen missing.
    pattern = Path("/proc/sys/kernel/core_pattern")
    plain = sys.platform == "linux" and not pattern.read_text(encoding="ascii").startswith("|")
    assert without[0] == 1 or hard == 0 or not plain


def test_the_process_cannot_be_dumped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    expected = [0] if sys.platform == "linux" else []
    assert ran(f"{REFUSED}\nimport sys\nif sys.platform == 'linux': {DUMPABLE}", tmp_path) == expected
