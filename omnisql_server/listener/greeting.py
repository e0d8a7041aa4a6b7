"""The opening of a connection: requests for encryption, then a start-up message or a cancel request.

Until encryption is settled, exactly the bytes of one packet are read from the socket, so that nothing sent in the
clear can be taken for something that came encrypted (CVE-2021-23214). PostgreSQL 18, chapters 54.2.1, 54.2.10 and
54.2.11.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from omnisql_server.errors import error_fields
from omnisql_server.listener.plain import receive
from omnisql_server.listener.tls import ALPN_PROTOCOL, TlsIdentity
from omnisql_server.session.client import ClientConnection
from omnisql_server.settings import ListenerSettings
from wire.backend import error_response
from wire.errors import AuthorizationInvalid, ProtocolViolation, WireError
from wire.startup import (
    STARTUP_PACKET_BYTES_MAX,
    CancelRequest,
    GSSENCRequest,
    SSLRequest,
    StartupMessage,
    StartupPacket,
    parse_startup_packet,
)

NEGOTIATIONS_MAX = 4
CLOSE_TIMEOUT_S = 5.0
_TLS_HANDSHAKE = b"\x16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What a client wants; `client` is its connection, None for a cancel request on a socket that is still plain.

    `certificate` is what it proved to hold the key of, as DER.
    """

    request: StartupMessage | CancelRequest
    client: ClientConnection | None
    encrypted: bool
    certificate: bytes | None = None


async def greet(
    connection: socket.socket, settings: ListenerSettings, tls: TlsIdentity | None, *, trusted: bool
) -> Greeting | None:
    """Settle encryption and read what the client wants; None when it left or broke the rules before saying it.

    `trusted` clients may go without TLS. A socket that was handed to a transport is detached from `connection`.

    Raises:
        WireError: what the client is to be told, on the socket that is still plain.
    """
    loop = asyncio.get_running_loop()
    for _ in range(NEGOTIATIONS_MAX):
        first = await receive(connection, 1, socket.MSG_PEEK)
        if first == _TLS_HANDSHAKE:
            return await _greet_encrypted(connection, settings, tls, direct=True) if tls is not None else None
        packet = await _read_packet(connection) if first else None
        if packet is None:
            return None
        match parse_startup_packet(packet):
            case SSLRequest() if tls is not None:
                if _has_more(connection):
                    return None
                await loop.sock_sendall(connection, b"S")
                return await _greet_encrypted(connection, settings, tls, direct=False)
            case SSLRequest() | GSSENCRequest():
                await loop.sock_sendall(connection, b"N")
            case CancelRequest() as request:
                return Greeting(request=request, client=None, encrypted=False)
            case StartupMessage() as startup:
                if not trusted:
                    raise AuthorizationInvalid(
                        message="connections without TLS are not accepted from this address",
                        hint="Connect with sslmode=require.",
                    )
                client = _new_client(settings)
                await loop.connect_accepted_socket(lambda: client, _handed_over(connection))  # noqa: B023  called at once
                return Greeting(request=startup, client=client, encrypted=False)
    raise ProtocolViolation(message="too many requests for encryption")


async def _greet_encrypted(
    connection: socket.socket, settings: ListenerSettings, tls: TlsIdentity, *, direct: bool
) -> Greeting | None:
    """Do the TLS handshake and read the start-up packet that comes encrypted."""
    opening = _OpeningPacket()
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
        lambda: opening,
        _handed_over(connection),
        ssl=tls.context,
        ssl_handshake_timeout=settings.startup_timeout_s,
        ssl_shutdown_timeout=CLOSE_TIMEOUT_S,
    )
    greeting = None
    try:
        if not direct or transport.get_extra_info("ssl_object").selected_alpn_protocol() == ALPN_PROTOCOL:
            packet, rest = await opening.packet
            client = _new_client(settings)
            transport.set_protocol(client)
            client.connection_made(transport)
            request = await _parse_encrypted(client, packet)
            if isinstance(request, StartupMessage | CancelRequest):
                shown = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
                greeting = Greeting(request=request, client=client, encrypted=True, certificate=shown)
                client.data_received(rest)
    finally:
        if greeting is None:
            transport.abort()
    return greeting


async def _parse_encrypted(client: ClientConnection, packet: bytes) -> StartupPacket | None:
    try:
        return parse_startup_packet(packet)
    except WireError as error:
        client.write(error_response(error_fields(error, severity="FATAL")))
        await client.close(CLOSE_TIMEOUT_S)
        return None


class _OpeningPacket(asyncio.Protocol):
    """Collects the first packet of an encrypted connection; `packet` is it without its length, and what came behind."""

    def __init__(self) -> None:
        self._data = b""
        self.packet: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Collect bytes until the packet is whole."""
        self._data += data
        if self.packet.done() or len(self._data) < 4:
            return
        try:
            end = 4 + _body_length(self._data[:4])
        except WireError as error:
            self.packet.set_exception(error)
            return
        if len(self._data) >= end:
            self.packet.set_result((self._data[4:end], self._data[end:]))

    def connection_lost(self, _error: Exception | None) -> None:
        """Give up."""
        if not self.packet.done():
            self.packet.set_exception(ConnectionResetError())


def _new_client(settings: ListenerSettings) -> ClientConnection:
    return ClientConnection(
        message_bytes_max=settings.message_bytes_max, buffer_bytes_max=settings.client_buffer_bytes_max
    )


def _handed_over(connection: socket.socket) -> socket.socket:
    """Return the socket for a transport to own; `connection` has none any more."""
    return socket.socket(fileno=connection.detach())


def _has_more(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


async def _read_packet(connection: socket.socket) -> bytes | None:
    """Read exactly one packet and return it without its length; None at the end of the stream."""
    length = await _read_exactly(connection, 4)
    return await _read_exactly(connection, _body_length(length)) if length is not None else None


def _body_length(length_word: bytes) -> int:
    length = int.from_bytes(length_word, "big", signed=True) - 4
    if not 4 <= length <= STARTUP_PACKET_BYTES_MAX:
        raise ProtocolViolation(message="invalid length of startup packet")
    return length


async def _read_exactly(connection: socket.socket, length: int) -> bytes | None:
    data = b""
    while len(data) < length:
        piece = await receive(connection, length - len(data))
        if not piece:
            return None
        data += piece
    return data
