"""Headers of PROXY protocol v2 as a load balancer writes them."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from wire.proxy_protocol import SIGNATURE, crc32c

LOCAL, PROXY = 0x20, 0x21
UNSPECIFIED, TCP4, UDP4, TCP6, UNIX = 0x00, 0x11, 0x12, 0x21, 0x31
CHECKSUM = 0x03


def header(command: int = PROXY, family: int = TCP4, body: bytes = b"") -> bytes:
    """Write a header around any body."""
    return SIGNATURE + struct.pack(">BBH", command, family, len(body)) + body


def extension(kind: int, value: bytes) -> bytes:
    """Write one extension."""
    return struct.pack(">BH", kind, len(value)) + value


def proxied(source: str, port: int = 40_000, extensions: bytes = b"", *, checksum: bool = False) -> bytes:
    """Write a header for a client that came by TCP to an address of its own family."""
    address = ip_address(source)
    body = address.packed * 2 + struct.pack(">HH", port, 5432) + extensions
    family = TCP4 if address.version == 4 else TCP6
    if not checksum:
        return header(PROXY, family, body)
    blank = header(PROXY, family, body + extension(CHECKSUM, bytes(4)))
    return blank[:-4] + struct.pack(">I", crc32c(blank))
