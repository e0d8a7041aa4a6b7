"""Which addresses may be connected to, and how a host may be spelled. Pure.

Whoever configures a source writes its address, so an address is hostile input: only what the whole Internet can reach
is connected to, unless an operator allows more. The ranges follow IANA's special-purpose address registries (RFC 6890).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Named one by one, because what `is_global` covers differs between releases of Python.
_REFUSED_IPV4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        # Public by its number, but within Azure the address of the host's own service for virtual machines.
        "168.63.129.16/32",
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_REFUSED_IPV6 = tuple(
    IPv6Network(text)
    for text in (
        # Protocol assignments: Teredo, benchmarking, ORCHID.
        "2001::/23",
        "2001:db8::/32",
        # 6to4 leads to an IPv4 address and has no relays any more (RFC 7526).
        "2002::/16",
        "3fff::/20",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What may be connected to: public addresses, and those of `allowed_networks`."""

    allowed_networks: tuple[Network, ...] = ()

    def allows(self, address: str) -> bool:
        """Say whether an address may be connected to; never for text that is no address."""
        parsed = address_of(address)
        if parsed is None:
            return False
        # A socket that connects to ::ffff:10.0.0.1 reaches 10.0.0.1.
        reached = (parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None) or parsed
        return is_public(reached) or any(reached in network for network in self.allowed_networks)

    def allows_host(self, host: str) -> bool:
        """Say whether a host may be asked at all; the addresses of a name are still to be checked."""
        if not is_plain_host(host):
            return False
        name = host.rstrip(".").lower()
        if name == "localhost" or name.endswith(".localhost"):
            # Whoever resolves these, they are this machine (RFC 6761, section 6.3), or the proxy's.
            return self.allows("127.0.0.1") or self.allows("::1")
        return address_of(host) is None or self.allows(host)


def is_public(address: Address) -> bool:
    """Say whether an address belongs to the Internet at large."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _REFUSED_IPV4)
    if address in _NAT64:
        # Networks without IPv4 reach every IPv4 service by these, and the gateway connects to what is inside.
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in _GLOBAL_UNICAST and address.is_global and not any(address in network for network in _REFUSED_IPV6)


def address_of(host: str) -> Address | None:
    """Return the address that a host is, spelled as everybody spells it; None for anything else."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_plain_host(host: str) -> bool:
    """Say whether everybody reads a host alike: an address in its usual spelling, or a name in ASCII.

    What ends in a number is an address to some and a name to others (`127.1`, `2130706433`, `0x7f.1`, `127.0.0.1.`),
    and characters beyond ASCII may become any others in a look-up. A client, a proxy and a check must not differ.
    """
    if address_of(host) is not None:
        # An interface behind a percent sign is written in a URL in two ways.
        return "%" not in host
    return bool(_NAME.fullmatch(host)) and not _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2])
