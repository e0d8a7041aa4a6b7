"""The client programs that come from elsewhere, each of a fixed version, installed once into the user's cache.

A missing runtime is skipped by name, and the names are listed at the end of the run; in CI it is a failure.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PGJDBC_VERSION = "42.7.7"
NODE_PACKAGES = ("pg@8.23.1", "pg-cursor@2.22.1", "pg-query-stream@4.17.0", "postgres@3.4.9")
SOQL_PACKAGE = "@jetstreamapp/soql-parser-js@6.3.1"
DBT_REQUIREMENTS = Path(__file__).with_name("dbt") / "requirements.txt"
GO_MODULE = Path(__file__).with_name("go_client")
DOWNLOAD_TIMEOUT_S = 300.0
absent: dict[str, None] = {}
"""What tests were skipped for, in order."""


def require_program(name: str) -> None:
    """Skip the test if a program is not installed; in CI that is a failure."""
    if shutil.which(name) is None:
        missing(f"{name} is not installed")


def pgjdbc_jar() -> Path:
    """Return pgjdbc's jar from Maven Central."""
    require_program("mvn")

    def download(folder: Path) -> list[str]:
        artifact = f"-Dartifact=org.postgresql:postgresql:{PGJDBC_VERSION}"
        return ["mvn", "-q", "-B", "dependency:copy", f"-DoutputDirectory={folder}", artifact]

    return _installed(f"pgjdbc-{PGJDBC_VERSION}", download) / f"postgresql-{PGJDBC_VERSION}.jar"


def node_modules() -> Path:
    """Return a folder whose `node_modules` has node-pg and postgres.js."""
    return _from_npm("node", *NODE_PACKAGES)


def soql_parser() -> Path:
    """Return a folder whose `node_modules` has a parser of SOQL."""
    return _from_npm("soql", SOQL_PACKAGE)


def _from_npm(name: str, *packages: str) -> Path:
    for program in ("node", "npm"):
        require_program(program)

    def install(folder: Path) -> list[str]:
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
        return ["npm", "install", *options, *packages]

    return _installed(f"{name}-{_digest(' '.join(packages))}", install)


def dbt_python() -> Path:
    """Return the Python of an environment that has dbt, whose dependencies are not those of the project."""
    uv = Path(sys.executable).with_name("uv")

    def make(folder: Path) -> list[str]:
        return [str(uv), "venv", "-q", "-p", sys.executable, str(folder / "venv")]

    def install(folder: Path) -> list[str]:
        return [str(uv), "pip", "install", "-q", "-p", str(folder / "venv"), "-r", str(DBT_REQUIREMENTS)]

    return _installed(f"dbt-{_digest(DBT_REQUIREMENTS.read_text())}", make, install) / "venv" / "bin" / "python"


def go_program() -> Path:
    """Return the Go client, built with the modules of its go.sum."""
    require_program("go")
    sources = "".join(path.read_text() for path in sorted(GO_MODULE.iterdir()))

    def build(folder: Path) -> list[str]:
        return ["go", "build", "-C", str(GO_MODULE), "-o", str(folder / "client"), "."]

    return _installed(f"go-{_digest(sources)}", build) / "client"


def missing(reason: str) -> None:
    """Skip the test for want of a program; in CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    absent[reason] = None
    pytest.skip(reason)


def _installed(name: str, *commands: Callable[[Path], list[str]]) -> Path:
    """Have commands fill a folder of the cache, unless it is there already."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "omnisql-tests"
    folder, partial = cache / name, cache / f"{name}.part"
    if folder.exists():
        return folder
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
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
            missing(f"{name} could not be installed: {done.stdout[-500:]}{done.stderr[-500:]}")
    partial.rename(folder)
    return folder


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
