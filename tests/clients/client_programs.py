"""Which client programs are installed, and pgjdbc from Maven Central. A missing one is skipped by name, never in CI."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PGJDBC_VERSION = "42.7.7"
DOWNLOAD_TIMEOUT_S = 120.0


def require_program(name: str) -> None:
    """Skip the test if a program is not installed; in CI that is a failure."""
    if shutil.which(name) is None:
        missing(f"{name} is not installed")


def pgjdbc_jar() -> Path:
    """Return pgjdbc's jar, downloaded once into the user's cache by Maven."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "omnisql-tests"
    jar = cache / f"postgresql-{PGJDBC_VERSION}.jar"
    if not jar.exists():
        require_program("mvn")
        done = subprocess.run(
            [
                *("mvn", "-q", "-B", "dependency:copy", f"-DoutputDirectory={cache}"),
                f"-Dartifact=org.postgresql:postgresql:{PGJDBC_VERSION}",
            ],
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
            check=False,
        )
        if not jar.exists():
            missing(f"pgjdbc {PGJDBC_VERSION} could not be downloaded: {done.stdout[-500:]}{done.stderr[-500:]}")
    return jar


def missing(reason: str) -> None:
    """Skip the test for want of a program; in CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
