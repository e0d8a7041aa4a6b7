"""Programs from elsewhere, each installed once into the user's cache.

A missing runtime is skipped by name, and the names are listed at the end of the run; in CI it is a failure.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

OPA_VERSION = "v1.22.2"
DOWNLOAD_TIMEOUT_S = 600.0


def require_program(name: str) -> None:
    """Skip the test if a program is not installed; in CI that is a failure."""
    if shutil.which(name) is None:
        missing(f"{name} is not installed")


def opa_program() -> Path:
    """Return OPA, built from its sources with the Go toolchain that they ask for."""
    require_program("go")

    def build(folder: Path) -> list[str]:
        toolchain = ["GOTOOLCHAIN=auto", f"GOBIN={folder}"]
        return ["env", *toolchain, "go", "install", f"github.com/open-policy-agent/opa@{OPA_VERSION}"]

    return installed(f"opa-{OPA_VERSION}", build) / "opa"


def missing(reason: str) -> None:
    """Skip the test for want of a program; in CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def installed(name: str, *commands: Callable[[Path], list[str]]) -> Path:
    """Have commands fill a folder of the cache, unless it is there already; another process may be doing so."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "omnisql-tests"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _filled(cache / name, commands)


def _filled(folder: Path, commands: Iterable[Callable[[Path], list[str]]]) -> Path:
    partial = folder.with_name(f"{folder.name}.part")
    if folder.exists():
        return folder
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for command in commands:
        done = subprocess.run(
            command(partial),
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            missing(f"{folder.name} could not be installed: {done.stdout[-500:]}{done.stderr[-500:]}")
    partial.rename(folder)
    return folder


def digest(text: str) -> str:
    """Name a text by what is in it."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
