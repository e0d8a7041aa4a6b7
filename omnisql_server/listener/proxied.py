"""The header that a load balancer sends in front of a client's bytes: PROXY protocol v2, from configured networks only.

Exactly the bytes of the header are read from the socket, as with everything before encryption is settled.
"""

from __future__ import annotations

import ipaddress
import socket

from omnisql_server.listener.plain import receive
from omnisql_server.networks import Network
from wire.errors import ProtocolViolation
from wire.proxy_protocol import missing_bytes, parse_proxy_header


def is_balancer(host: str, networks: tuple[Network, ...]) -> bool:
    """Say whether a peer is one of the load balancers that must send a header."""
    if not networks:
        return False
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return any((mapped or address) in network for network in networks)


async def read_client_address(connection: socket.socket, balancer: str) -> str | None:
    """Read the header and return the client's address, the balancer's own for LOCAL; None at the end of the stream.

    Raises:
        ProtocolViolation: 08P01, there is no header, or it is not valid.
    """
    header = b""
    while wanted := missing_bytes(header):
        piece = await receive(connection, wanted)
        if not piece:
            if header:
                raise ProtocolViolation(message="the connection ended within the PROXY header")
            return None
        header += piece
    client = parse_proxy_header(header)
    return balancer if client is None else client.address
