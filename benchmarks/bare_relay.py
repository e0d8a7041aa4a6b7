"""The least a relay in Python can do: bytes from a TCP client to a Unix socket and back, with nothing read of them.

The ceiling beside which the server's own relay is measured. Run as a module it serves until SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import cast

import uvloop


class _Side(asyncio.Protocol):
    """One end of a relayed connection; what it reads goes to `other`."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        if self.other is not None:
            self.other.close()


class _Client(_Side):
    """The client's end: it opens the other one, and keeps what it reads until then."""

    def __init__(self, backend: str) -> None:
        super().__init__()
        self._backend = backend
        self._opening: asyncio.Task[None] | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._opening = asyncio.get_running_loop().create_task(self._open())

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early.append(data)
        else:
            self.other.write(data)

    async def _open(self) -> None:
        self.other, side = await asyncio.get_running_loop().create_unix_connection(_Side, self._backend)
        side.other = self.transport
        self.other.write(b"".join(self._early))


async def _serve(backend: str, ready_file: Path) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Client(backend), "127.0.0.1", 0)
    part = ready_file.with_suffix(".part")
    part.write_text(f'{{"port": {server.sockets[0].getsockname()[1]}}}', encoding="utf-8")
    part.rename(ready_file)
    await server.serve_forever()


def main() -> None:
    """Serve until SIGTERM."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--backend", required=True, help="path of PostgreSQL's Unix socket")
    line.add_argument("--ready-file", type=Path, required=True)
    arguments = line.parse_args()
    uvloop.run(_serve(arguments.backend, arguments.ready_file))


if __name__ == "__main__":
    main()
