"""Opens a connection to a tenant's PostgreSQL: a Unix socket, plain TCP, or TLS asked for by SSLRequest.

With TLS nothing of ours is sent before the handshake, and nothing that came before it is believed (PostgreSQL 18,
chapter 54.2.11; CVE-2021-23222).
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

from catalog.clusters import ClusterAddress
from wire.startup import encode_ssl_request

READ_BYTES = 65536

P = TypeVar("P", bound=asyncio.BaseProtocol)


async def dial(address: ClusterAddress, make: Callable[[], P]) -> P:
    """Connect, and return the protocol that `make` makes once its connection is ready for use.

    Raises:
        OSError: nothing answers there, or not by TLS as the address wants it.
    """
    loop = asyncio.get_running_loop()
    if address.socket_path is not None:
        return (await loop.create_unix_connection(make, str(address.socket_path)))[1]
    host = address.host or "localhost"
    if address.tls is None:
        return (await loop.create_connection(make, host, address.port))[1]
    transport, asking = await loop.create_connection(_AskingForTls, host, address.port)
    secured = False
    try:
        await asking.agreed
        protocol = make()
        context: ssl.SSLContext = address.tls
        over = await loop.start_tls(transport, cast(asyncio.Protocol, protocol), context, server_hostname=host)
        if over is None:
            raise ConnectionResetError("the connection ended during the handshake")
        protocol.connection_made(over)
        secured = True
        return protocol
    finally:
        if not secured:
            transport.abort()


def said_before_loss(transport: asyncio.Transport) -> bytes:
    """Return what PostgreSQL had sent when a write to it failed; to be asked in `connection_lost`.

    A transport that cannot write reads no more, though the reason for which PostgreSQL left may be there to be read.
    Nothing is returned of a TLS connection, whose records the transport alone can open.
    """
    connected = transport.get_extra_info("socket")
    if connected is None or transport.get_extra_info("sslcontext") is not None:
        return b""
    said: list[bytes] = []
    with suppress(OSError):
        while data := os.read(connected.fileno(), READ_BYTES):
            said.append(data)
    return b"".join(said)


class _AskingForTls(asyncio.Protocol):
    """Sends SSLRequest and waits for the one byte that grants it."""

    def __init__(self) -> None:
        self.agreed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        cast(asyncio.Transport, transport).write(encode_ssl_request())

    def data_received(self, data: bytes) -> None:
        """Go on if the answer is yes and nothing but that."""
        if self.agreed.done():
            return
        if data == b"S":
            self.agreed.set_result(None)
        else:
            self.agreed.set_exception(ConnectionRefusedError("the tenant's PostgreSQL does not offer TLS"))

    def connection_lost(self, _error: Exception | None) -> None:
        """Give up."""
        if not self.agreed.done():
            self.agreed.set_exception(ConnectionResetError("the tenant's PostgreSQL ended the connection"))
