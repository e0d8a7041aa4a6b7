"""The supervised Valkey: reached by a private socket only, restarted when it dies, gone when we are."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import stat
import sys
from pathlib import Path

import pytest

from omnisql_server.limits import ValkeyChild, ValkeyExternal
from omnisql_server.limits.errors import ValkeyInUse

ORPHAN = """
import asyncio, sys
from pathlib import Path
from omnisql_server.limits import ValkeyChild

async def main():
    child = ValkeyChild(Path(sys.argv[1]))
    await child.start()
    print("pid", child.pid, child.socket_path, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def ended(pid: int) -> bool:
    """Wait for the end of a process that may not be ours."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 10)[0])
    finally:
        os.close(descriptor)


async def test_only_we_can_reach_it(tmp_path: Path) -> None:
    child = ValkeyChild(tmp_path)
    await child.start()
    try:
        socket = child.socket_path
        assert socket is not None
        assert len(os.fsencode(socket)) <= 103
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert (await child.client.config_get("port"))["port"] == "0"
        assert (await child.client.info("server"))["tcp_port"] == 0
    finally:
        await child.stop()


async def test_stop_leaves_neither_process_nor_socket(tmp_path: Path) -> None:
    child = ValkeyChild(tmp_path)
    await child.start()
    await child.start()
    pid, socket = child.pid, child.socket_path
    assert pid is not None
    assert socket is not None
    assert await child.ping() is True
    await child.stop()
    await child.stop()
    assert ended(pid)
    assert not socket.parent.exists()
    assert await child.ping() is False
    assert child.pid is None


async def test_it_can_be_started_again(tmp_path: Path) -> None:
    child = ValkeyChild(tmp_path)
    for _ in range(2):
        await child.start()
        assert await child.ping() is True
        await child.stop()


async def test_it_is_started_again_when_it_dies_and_the_client_goes_on(tmp_path: Path) -> None:
    child = ValkeyChild(tmp_path)
    await child.start()
    try:
        first = child.pid
        assert first is not None
        await child.client.set("before", "1")
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(10):
            while child.pid in (None, first) or not await child.ping():
                await asyncio.to_thread(ended, first)
        assert await child.client.get("before") is None
    finally:
        await child.stop()


async def test_a_data_directory_has_one_server(tmp_path: Path) -> None:
    child, second = ValkeyChild(tmp_path), ValkeyChild(tmp_path)
    await child.start()
    try:
        with pytest.raises(ValkeyInUse, match="another server uses the data directory"):
            await second.start()
        assert await child.ping() is True
    finally:
        await child.stop()


async def test_it_does_not_outlive_a_killed_server(tmp_path: Path) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ORPHAN, str(tmp_path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert server.stdout is not None
    # Log lines may come first.
    line = ""
    while not line.startswith("pid "):
        line = (await server.stdout.readuntil()).decode()
    _, pid, socket = line.split()
    server.kill()
    await server.wait()
    assert ended(int(pid))
    following = ValkeyChild(tmp_path)
    await following.start()
    assert not Path(socket).parent.exists()
    await following.stop()


async def test_an_external_server_gives_the_same_client(tmp_path: Path) -> None:
    child = ValkeyChild(tmp_path)
    await child.start()
    try:
        external = ValkeyExternal(f"unix://{child.socket_path}")
        await external.start()
        await external.client.set("shared", "1")
        assert await child.client.get("shared") == b"1"
        await external.stop()
        assert await child.ping() is True
    finally:
        await child.stop()
