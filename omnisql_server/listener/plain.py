"""Sockets that no transport has taken over: connections as they come, and exactly the bytes that are asked for.

What is there already is taken at once: to have the event loop watch a socket costs more than to read from it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

ACCEPTED_AT_ONCE_MAX = 16
"""Clients that come together wait no longer for each other than those that are connected wait for them."""
ACCEPT_PAUSE_S = 0.1

_log = structlog.get_logger(__name__)


@contextmanager
def accepting(listening: socket.socket, take: Callable[[socket.socket, str], None]) -> Iterator[None]:
    """Hand each connection to `take` with the host it comes from, for the time of the block."""
    loop = asyncio.get_running_loop()
    pause: asyncio.TimerHandle | None = None

    def watch() -> None:
        loop.add_reader(listening, accept)

    def accept() -> None:
        nonlocal pause
        try:
            for _ in range(ACCEPTED_AT_ONCE_MAX):
                connection, address = listening.accept()
                connection.setblocking(False)
                take(connection, address[0])
        except BlockingIOError:
            return
        except OSError as error:
            # Out of descriptors, most likely: what is open goes on, and some of it will end.
            _log.error("accept_failed", error_number=error.errno)
            loop.remove_reader(listening)
            pause = loop.call_later(ACCEPT_PAUSE_S, watch)

    watch()
    try:
        yield
    finally:
        loop.remove_reader(listening)
        if pause is not None:
            pause.cancel()


async def receive(connection: socket.socket, bytes_max: int, flags: int = 0) -> bytes:
    """Wait until something is there and return so much of it; nothing at the end of the stream."""
    while True:
        try:
            return connection.recv(bytes_max, flags)
        except BlockingIOError:
            await _readable(connection)


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(connection, _set, readable)
    try:
        await readable
    finally:
        loop.remove_reader(connection)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
