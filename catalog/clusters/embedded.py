"""A supervised PostgreSQL child: started on demand, reached by a Unix socket only, and noticed when it dies.

Log-in is by `peer` with a map that lets OmniSQL's own operating system account be any role and nobody else be anyone
(PostgreSQL 18, chapters 20.2 and 20.9); no password is involved. A lock file beside the data directory keeps a second
OmniSQL away.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import re
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import structlog

from catalog.clusters.cluster import ClusterAddress
from catalog.clusters.control_group import make_group, remove_group
from catalog.clusters.processes import (
    Account,
    account_for,
    child_command,
    child_environment,
    end_leftovers,
    make_reachable,
    program,
    send,
)
from catalog.clusters.template import check_data_directory, make_data_directory, take_lock
from catalog.connection import OwnConnection, connect_control
from catalog.errors import CatalogError, ClusterCorrupt, ClusterUnavailable, DiskFull, InvalidName

SOCKET_PREFIX = "omnisql-pg-"
SOCKET_RECORD = "omnisql-socket-directory"
# sun_path holds 107 bytes on Linux and 103 on macOS; the socket's lock file has the longest name.
SOCKET_PATH_BYTES_MAX = 103
LOG_FILE = "omnisql-postgres.log"
LOG_BYTES_MAX = 8 * 1024 * 1024
READY_POLL_S = 0.01
PORT = 5432

HBA_TEXT = "local all all peer map=omnisql\n"
SIGNS_OF_DAMAGE = (
    "could not locate a valid checkpoint record",
    "incorrect checksum",
    "database files are incompatible",
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedSettings:
    """Settings shared by all embedded clusters of a data root; `run_as` is the uid used when we are root.

    `backend_memory_mb` bounds the private memory of each process of a cluster: above it PostgreSQL answers 53200.
    `memory_mb` bounds all of a cluster together, where there is a `control_group` below which groups can be made.
    """

    data_root: Path
    max_connections: int = 50
    shared_buffers_mb: int = 16
    temp_file_limit_mb: int = 1024
    backend_memory_mb: int = 2048
    control_group: Path | None = None
    memory_mb: int = 4096
    start_timeout_s: float = 60.0
    stop_timeout_s: float = 10.0
    connect_timeout_s: float = 10.0
    run_as: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterBounds:
    """What the processes of one cluster may use, as in `EmbeddedSettings`."""

    temp_file_limit_mb: int
    backend_memory_mb: int
    memory_mb: int


Bounds = Callable[[], Awaitable[ClusterBounds]]


class EmbeddedCluster:
    """One PostgreSQL child with its data directory `<data_root>/clusters/<name>`.

    `bounds` gives, before each start, those settings that are this cluster's own.
    """

    def __init__(self, name: str, settings: EmbeddedSettings, bounds: Bounds | None = None) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,47}", name):
            raise InvalidName("a cluster's name has lower-case letters, digits, _ and - only", detail=name[:80])
        self.name = name
        self.data_directory = settings.data_root.absolute() / "clusters" / name
        # The name is in the titles of all its processes; the digest tells apart clusters of other data roots.
        digest = hashlib.sha256(os.fsencode(self.data_directory)).hexdigest()[:12]
        self.cluster_name = f"{name[:48]}-{digest}"
        self._settings = settings
        self._bounds = bounds
        self._superuser: str | None = None
        self._socket_directory: Path | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._lock_descriptor: int | None = None
        self._group: Path | None = None
        self._stopping = False
        self._changing = asyncio.Lock()
        self._died = asyncio.Event()

    @property
    def superuser(self) -> str:
        """Name the bootstrap superuser; its random name is known once the data directory exists."""
        if self._superuser is None:
            self._superuser = check_data_directory(self.data_directory)
        return self._superuser

    @property
    def socket_directory(self) -> Path | None:
        """Name the directory of the Unix socket; None while the cluster does not run."""
        return self._socket_directory

    @property
    def port(self) -> int:
        """Give the number in the socket's name."""
        return PORT

    @property
    def died(self) -> asyncio.Event:
        """Give the event of the present run, set when the postmaster ended without being asked to."""
        return self._died

    @property
    def pid(self) -> int | None:
        """Give the postmaster's process id; None while the cluster does not run."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    @property
    def log_path(self) -> Path:
        """Name the server log: start, stop and failures of the server, never statements or values."""
        return self.data_directory / LOG_FILE

    async def start(self) -> None:
        """Start the cluster, making its data directory first if there is none, and return when it accepts connections.

        Raises: ClusterInUse (55006), ClusterCorrupt (XX001), DiskFull (53100), ClusterUnavailable (57P03).
        """
        async with self._changing:
            if self.pid is not None:
                return
            await self._clean_up()
            try:
                await self._start()
            except BaseException:
                await self._end()
                raise

    async def stop(self) -> None:
        """Stop the cluster: fast (SIGINT), then immediate (SIGQUIT), then SIGKILL; remove its socket directory."""
        async with self._changing:
            await self._end()

    async def connect(self, role: str, database: str) -> OwnConnection:
        """Open a control connection as any role.

        Raises: ClusterUnavailable (57P03) when the cluster does not run or does not answer.
        """
        if self._socket_directory is None:
            raise ClusterUnavailable("the cluster is not running", detail=self.name)
        return await connect_control(
            timeout_s=self._settings.connect_timeout_s,
            host=str(self._socket_directory),
            port=PORT,
            user=role,
            database=database,
            ssl=False,
        )

    def address(self) -> ClusterAddress:
        """Give the Unix socket's path.

        Raises: ClusterUnavailable (57P03) when the cluster does not run.
        """
        if self._socket_directory is None:
            raise ClusterUnavailable("the cluster is not running", detail=self.name)
        return _address_in(self._socket_directory)

    async def _start(self) -> None:
        if self._bounds is not None:
            self._settings = _bounded(self._settings, await self._bounds())
        account = account_for(self._settings.run_as)
        self.data_directory.parent.mkdir(parents=True, exist_ok=True)
        self._lock_descriptor = take_lock(self.data_directory.parent / f"{self.name}.lock")
        if not self.data_directory.exists():
            await make_data_directory(self._settings.data_root.absolute(), self.data_directory, account)
        self._superuser = check_data_directory(self.data_directory)
        make_reachable(self.data_directory, account)
        make_reachable(program("postgres"), account)
        await end_leftovers(self.data_directory, self.cluster_name)
        self._socket_directory = _make_socket_directory(self.data_directory, account)
        _write_authentication(self.data_directory)
        self._died = asyncio.Event()
        self._stopping = False
        if self._settings.control_group is not None:
            self._group = make_group(self._settings.control_group, self.cluster_name, self._settings.memory_mb * 2**20)
        self._process = await self._launch(account)
        self._watch = asyncio.create_task(self._notice_end(self._process, self._died))
        await self._wait_until_ready(self._process)
        log.info("cluster_started", cluster=self.name, pid=self._process.pid)

    async def _launch(self, account: Account) -> asyncio.subprocess.Process:
        arguments = ["-D", str(self.data_directory)]
        for key, value in self._server_settings().items():
            arguments += ["-c", f"{key}={value}"]
        command = child_command(
            account,
            program("postgres"),
            arguments,
            death_signal=signal.SIGINT,
            memory_bytes_max=self._settings.backend_memory_mb * 2**20,
            group=self._group,
        )
        descriptor = _open_log(self.log_path, account)
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                env=child_environment(),
                cwd="/",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)

    def _server_settings(self) -> Mapping[str, str]:
        """Settings on the command line: ALTER SYSTEM and postgresql.conf cannot undo them."""
        return {
            "listen_addresses": "",
            "unix_socket_directories": str(self._socket_directory),
            "port": str(PORT),
            "cluster_name": self.cluster_name,
            "max_connections": str(self._settings.max_connections),
            "shared_buffers": f"{self._settings.shared_buffers_mb}MB",
            "temp_file_limit": f"{self._settings.temp_file_limit_mb}MB",
            "io_workers": "1",
            "max_logical_replication_workers": "0",
            "fsync": "on",
            "full_page_writes": "on",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # Statements, parameters and error messages of users may hold secrets and row values: none of them is
            # logged.
            "log_min_messages": "log",
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "log_statement": "none",
            "log_min_duration_statement": "-1",
            "logging_collector": "off",
            "log_destination": "stderr",
        }

    async def _wait_until_ready(self, process: asyncio.subprocess.Process) -> None:
        """Wait for the word `ready` in the eighth line of postmaster.pid, which the postmaster writes for pg_ctl."""
        try:
            async with asyncio.timeout(self._settings.start_timeout_s):
                while not _is_ready(self.data_directory, process.pid):
                    if process.returncode is not None:
                        raise _start_failure(self.log_path)
                    await asyncio.sleep(READY_POLL_S)
        except TimeoutError as error:
            raise ClusterUnavailable(
                f"the cluster did not become ready in {self._settings.start_timeout_s:.0f} s", detail=self.name
            ) from error

    async def _notice_end(self, process: asyncio.subprocess.Process, died: asyncio.Event) -> None:
        code = await process.wait()
        if not self._stopping:
            log.error("cluster_died", cluster=self.name, exit_code=code)
            died.set()

    async def _end(self) -> None:
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            for wish in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                send(process.pid, wish)
                try:
                    async with asyncio.timeout(self._settings.stop_timeout_s):
                        await process.wait()
                    break
                except TimeoutError:
                    log.warning("cluster_stop_slow", cluster=self.name, signal=wish.name)
            log.info("cluster_stopped", cluster=self.name, exit_code=process.returncode)
        await self._clean_up()

    async def _clean_up(self) -> None:
        """Give back what a run holds; a run that died left it all in place."""
        if self._watch is not None:
            await self._watch
        self._watch = self._process = None
        if self._socket_directory is not None:
            shutil.rmtree(self._socket_directory, ignore_errors=True)
            self._socket_directory = None
        if self._group is not None:
            remove_group(self._group)
            self._group = None
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None


def _bounded(settings: EmbeddedSettings, bounds: ClusterBounds) -> EmbeddedSettings:
    return replace(
        settings,
        temp_file_limit_mb=bounds.temp_file_limit_mb,
        backend_memory_mb=bounds.backend_memory_mb,
        memory_mb=bounds.memory_mb,
    )


@lru_cache(maxsize=1024)
def _address_in(socket_directory: Path) -> ClusterAddress:
    return ClusterAddress(socket_path=socket_directory / f".s.PGSQL.{PORT}", host=None, port=PORT)


def _make_socket_directory(data_directory: Path, account: Account) -> Path:
    """Make a short directory, record it in the data directory, and remove the one an earlier run recorded."""
    record = data_directory / SOCKET_RECORD
    if record.exists():
        earlier = Path(record.read_text(encoding="utf-8"))
        if earlier.name.startswith(SOCKET_PREFIX):
            shutil.rmtree(earlier, ignore_errors=True)
    longest = f"{tempfile.gettempdir()}/{SOCKET_PREFIX}12345678/.s.PGSQL.{PORT}.lock"
    short = "/tmp"  # noqa: S108  the folder made in it has a random name and mode 0700
    parent = tempfile.gettempdir() if len(os.fsencode(longest)) <= SOCKET_PATH_BYTES_MAX else short
    directory = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=parent))
    make_reachable(directory, account)
    if account.switch:
        os.chown(directory, account.uid, account.gid)
    record.write_text(str(directory), encoding="utf-8")
    return directory


def _write_authentication(data_directory: Path) -> None:
    """Let our own account be every role. Written into the existing files, so that their owner and mode stay."""
    own_name = pwd.getpwuid(os.geteuid()).pw_name
    (data_directory / "pg_hba.conf").write_text(HBA_TEXT, encoding="utf-8")
    (data_directory / "pg_ident.conf").write_text(f'omnisql "{own_name}" all\n', encoding="utf-8")


def _open_log(path: Path, account: Account) -> int:
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_name(path.name + ".1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if account.switch:
        os.fchown(descriptor, account.uid, account.gid)
    return descriptor


def _is_ready(data_directory: Path, pid: int) -> bool:
    try:
        lines = (data_directory / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _start_failure(log_path: Path) -> CatalogError:
    tail = log_path.read_text(encoding="utf-8", errors="replace")[-1500:]
    last_lines = "\n".join(tail.splitlines()[-5:])
    if "No space left on device" in last_lines:
        return DiskFull("no room to start the cluster", detail=last_lines)
    if any(sign in last_lines for sign in SIGNS_OF_DAMAGE):
        return ClusterCorrupt("the cluster's files are damaged", detail=last_lines, hint="Restore it from a backup.")
    return ClusterUnavailable("the cluster did not start", detail=last_lines)
