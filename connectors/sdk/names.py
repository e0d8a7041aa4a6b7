"""The system's look-up of names."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

LookUp = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""Gives the addresses of a host, for a port; see `addresses_of`."""

_NO_SUCH_NAME = frozenset(
    number
    for number in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None), getattr(socket, "EAI_ADDRFAMILY", None))
    if number is not None
)


async def addresses_of(host: str, port: int) -> tuple[str, ...]:
    """Return the addresses of a host in the order of preference; none when there is no such name.

    Raises:
        OSError: names cannot be looked up at the moment.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_NAME:
            return ()
        raise
    except UnicodeError:
        # A label that is empty or too long is no name.
        return ()
    # IPv6 addresses carry flow and scope behind the port.
    return tuple(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))
