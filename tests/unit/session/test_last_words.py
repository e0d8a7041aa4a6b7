"""Why PostgreSQL left is told, also when a write to it fails before that was read."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import cast

import pytest
import uvloop

from catalog.clusters import ClusterAddress
from omnisql_server.session.dial import dial, said_before_loss

REASON = b"08P01: unexpected message type"
READ_BYTES = 4
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class _Listening(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.said = b""
        self.error: Exception | None = None
        self.lost = asyncio.Event()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def connection_lost(self, error: Exception | None) -> None:
        assert self.transport is not None
        self.error = error
        self.said = said_before_loss(self.transport)
        self.lost.set()


def _leaving(listening: socket.socket) -> None:
    """Read a little, say why, and leave what else was sent unread."""
    connected, _ = listening.accept()
    connected.recv(READ_BYTES)
    connected.sendall(REASON)
    connected.close()


@pytest.mark.parametrize("looped", sorted(LOOPS))
def test_the_reason_is_read_though_the_write_failed(tmp_path: Path, looped: str) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        peer = threading.Thread(target=_leaving, args=(listening,), daemon=True)
        peer.start()

        async def conversation() -> _Listening:
            heard = await dial(ClusterAddress(socket_path=path, host=None, port=0), _Listening)
            assert heard.transport is not None
            heard.transport.write(b"some")
            peer.join()
            # The loop has not been back to read since: what it learns first is that nobody takes this.
            heard.transport.write(b"more")
            await heard.lost.wait()
            return heard

        with asyncio.Runner(loop_factory=LOOPS[looped]) as runner:
            heard = runner.run(conversation())
    assert isinstance(heard.error, OSError)
    assert heard.heard == []
    assert heard.said == REASON
