"""Data directories: one template made by initdb under the data root, and copies of it that become clusters (0.1 s
each).

A directory appears under its final name only when it is complete and on disk; what a crash leaves behind carries the
suffix .new and is thrown away.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from catalog.clusters.processes import Account, child_command, child_environment, make_reachable, program
from catalog.errors import ClusterCorrupt, ClusterInUse, ClusterUnavailable, DiskFull

SUPERUSER_FILE = "omnisql-superuser"
INITDB_TIMEOUT_S = 120.0
MAJOR_VERSION = "18"


async def make_data_directory(data_root: Path, data_directory: Path, account: Account) -> None:
    """Make a new cluster's data directory as a copy of the template, which is made first if there is none.

    Raises: DiskFull (53100), ClusterUnavailable (57P03) when initdb fails.
    """
    unfinished = Path(f"{data_directory}.new")
    try:
        await _make_template(data_root, account)
        await asyncio.to_thread(_copy, data_root / "template", unfinished, account)
        await _run(account, "initdb", ["--sync-only", f"--sync-method={_sync_method()}", "-D", str(unfinished)])
        await asyncio.to_thread(_publish, unfinished, data_directory)
    except OSError as error:
        await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
        if _is_full(error):
            raise DiskFull("no room for a new cluster", detail=str(data_directory)) from error
        raise ClusterUnavailable("the data directory cannot be made", detail=str(error)) from error


def remove_data_directory(data_directory: Path) -> None:
    """Remove a cluster's data directory, if there is one; from the first moment it is no cluster any more.

    Raises: ClusterUnavailable (57P03) when something of it cannot be removed.
    """
    going = Path(f"{data_directory}.gone")
    try:
        if data_directory.exists():
            if going.exists():
                shutil.rmtree(going)
            data_directory.rename(going)
        if going.exists():
            shutil.rmtree(going)
        Path(f"{data_directory}.lock").unlink(missing_ok=True)
    except OSError as error:
        raise ClusterUnavailable("the data directory cannot be removed", detail=str(error)) from error


def check_data_directory(data_directory: Path) -> str:
    """Return the superuser's name after a look at what must be there.

    Raises: ClusterCorrupt (XX001) when files are missing or of another major version.
    """
    try:
        version = (data_directory / "PG_VERSION").read_text(encoding="ascii").strip()
        superuser = (data_directory / SUPERUSER_FILE).read_text(encoding="ascii").strip()
        present = (data_directory / "global" / "pg_control").is_file()
    except OSError as error:
        raise ClusterCorrupt("the data directory is incomplete", detail=str(error)) from error
    if not present or not superuser:
        raise ClusterCorrupt("the data directory is incomplete", detail=str(data_directory))
    if version != MAJOR_VERSION:
        raise ClusterCorrupt(
            f"the data directory is of PostgreSQL {version}, not {MAJOR_VERSION}", hint="Upgrade it with pg_upgrade."
        )
    return superuser


def take_lock(path: Path) -> int:
    """Take a lock file for this process and return its descriptor; closing it gives the lock back.

    Raises: ClusterInUse (55006) when another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise ClusterInUse("the cluster is run by another process", detail=str(path)) from error
    return descriptor


@contextlib.asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


async def _make_template(data_root: Path, account: Account) -> None:
    """Run initdb once. Encoding, collation and checksums must not depend on the machine's locale."""
    template, unfinished = data_root / "template", data_root / "template.new"
    async with _locked(data_root / "template.lock"):
        if await asyncio.to_thread(template.exists):
            return
        await asyncio.to_thread(_make_empty, unfinished, account)
        superuser = f"omnisql_{secrets.token_hex(8)}"
        arguments = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        arguments += ["--auth-local=peer", "--auth-host=reject", f"--username={superuser}", "--no-instructions"]
        await _run(account, "initdb", [*arguments, f"--sync-method={_sync_method()}", "-D", str(unfinished)])
        await asyncio.to_thread((unfinished / SUPERUSER_FILE).write_text, superuser, encoding="ascii")
        await asyncio.to_thread(_publish, unfinished, template)


def _make_empty(directory: Path, account: Account) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    make_reachable(directory, account)
    make_reachable(program("initdb"), account)
    if account.switch:
        os.chown(directory, account.uid, account.gid)


def _copy(template: Path, unfinished: Path, account: Account) -> None:
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(template, unfinished, symlinks=True)
    make_reachable(unfinished, account)
    if account.switch:
        for path in _everything_in(unfinished):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _publish(unfinished: Path, directory: Path) -> None:
    """Give a complete directory its name, and put the name on disk."""
    unfinished.rename(directory)
    descriptor = os.open(directory.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _everything_in(directory: Path) -> Iterator[str]:
    for folder, _, files in os.walk(directory):
        yield folder
        for name in files:
            yield os.path.join(folder, name)


async def _run(account: Account, name: str, arguments: list[str]) -> None:
    command = child_command(account, program(name), arguments, death_signal=None)
    process = await asyncio.create_subprocess_exec(
        *command,
        env=child_environment(),
        cwd="/",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(INITDB_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise ClusterUnavailable(f"{name} did not end in {INITDB_TIMEOUT_S:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        detail = output.decode(errors="replace").strip()[-1000:]
        if "No space left on device" in detail:
            raise DiskFull("no room for a new cluster", detail=detail)
        raise ClusterUnavailable(f"{name} failed", detail=detail)


def _is_full(error: OSError) -> bool:
    """Say whether a disk was full; copying a tree collects the errors of its files as text."""
    if isinstance(error, shutil.Error):
        return any(os.strerror(errno.ENOSPC) in str(each) for each in error.args[0])
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _sync_method() -> str:
    """Prefer one syncfs call to a thousand fsync calls where the kernel has it."""
    return "syncfs" if sys.platform == "linux" else "fsync"
