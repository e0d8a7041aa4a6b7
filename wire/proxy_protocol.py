"""The header of PROXY protocol version 2 (HAProxy, 2020/03/05): a balancer's word on whom it speaks for. Pure.

It stands in front of everything else on a connection. Only the binary version is read, and only for TCP over IP.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from wire.errors import ProtocolViolation
from wire.payload import PayloadReader

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
HEADER_BYTES_MAX = 536
"""What fits into the first packet of any path; addresses take 52 bytes of it, the rest is left to extensions."""

_FIXED_BYTES = 16
_LOCAL, _PROXY = 0x20, 0x21
_TCP_IPV4, _TCP_IPV6 = 0x11, 0x21
_CHECKSUM_TYPE = 0x03
_CHECKSUM = struct.Struct(">I")
_CASTAGNOLI = 0x82F63B78


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxiedClient:
    """A client as its balancer saw it: address and port; `extensions` are types with their bytes, as they came."""

    address: str
    port: int
    extensions: tuple[tuple[int, bytes], ...] = ()


def missing_bytes(data: bytes) -> int:
    """Return how many bytes to read next of the header that begins with `data`, 0 when it is whole.

    Whoever reads no more than that never reads beyond the header.

    Raises:
        ProtocolViolation: 08P01, no header begins like this, or it is too long.
    """
    if not SIGNATURE.startswith(data[: len(SIGNATURE)]):
        raise ProtocolViolation(message="a header of PROXY protocol v2 is missing")
    if len(data) < _FIXED_BYTES:
        return _FIXED_BYTES - len(data)
    length = _FIXED_BYTES + int.from_bytes(data[14:16], "big")
    if length > HEADER_BYTES_MAX:
        raise ProtocolViolation(message="the PROXY header is too long")
    return max(0, length - len(data))


def parse_proxy_header(header: bytes) -> ProxiedClient | None:
    """Parse a whole header; None where the balancer speaks for itself (LOCAL: a health check).

    Raises:
        ProtocolViolation: 08P01, malformed, damaged, or for a client that has no IP address.
    """
    if len(header) < _FIXED_BYTES or missing_bytes(header) or len(header) != _FIXED_BYTES + _body_bytes(header):
        raise ProtocolViolation(message="the PROXY header has another length than it says")
    command, family = header[12], header[13]
    if command == _LOCAL:
        # What follows belongs to the balancer, and is to be passed over whatever it is.
        return None
    if command != _PROXY:
        raise ProtocolViolation(message="the PROXY header has an unknown version or command")
    reader = PayloadReader(header)
    reader.take(_FIXED_BYTES)
    if family == _TCP_IPV4:
        address = str(IPv4Address(reader.take(4)))
        reader.take(4)
    elif family == _TCP_IPV6:
        address = str(IPv6Address(reader.take(16)))
        reader.take(16)
    else:
        # To take the balancer's address instead would give the client whatever the balancer is trusted with.
        raise ProtocolViolation(message="the PROXY header names no client that came by TCP")
    port = reader.uint16()
    reader.uint16()
    return ProxiedClient(address=address, port=port, extensions=_extensions(reader, header))


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes (RFC 3720, appendix B.4)."""
    value = 0xFFFF_FFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (_CASTAGNOLI if value & 1 else 0)
    return value ^ 0xFFFF_FFFF


def _body_bytes(header: bytes) -> int:
    return int.from_bytes(header[14:16], "big")


def _extensions(reader: PayloadReader, header: bytes) -> tuple[tuple[int, bytes], ...]:
    found = []
    while reader.remaining_bytes:
        kind = reader.take(1)[0]
        length = reader.uint16()
        start = len(header) - reader.remaining_bytes
        value = reader.take(length)
        if kind == _CHECKSUM_TYPE:
            blank = header[:start] + bytes(length) + header[start + length :]
            if value != _CHECKSUM.pack(crc32c(blank)):
                raise ProtocolViolation(message="the PROXY header is damaged")
        found.append((kind, value))
    return tuple(found)
