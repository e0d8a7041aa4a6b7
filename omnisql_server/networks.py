"""Networks, hosts and a proxy as settings write them: text that is parsed here and nowhere else. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network

_HOST = re.compile(r"\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.ASCII)


def networks_of(text: str | None) -> tuple[Network, ...]:
    """Parse networks in CIDR form, comma-separated; a bare address is a network of one.

    Raises:
        ValueError: one of them is none, or has bits set behind its prefix.
    """
    return tuple(map(ip_network, _words(text)))


def hosts_of(text: str | None) -> tuple[str, ...]:
    """Parse hosts, comma-separated, into lower case; a dot in front stands for every host below.

    Raises:
        ValueError: one of them is a URL, has a port or characters beyond ASCII, or is empty.
    """
    hosts = tuple(word.lower() for word in _words(text))
    for host in hosts:
        if ":" in host:
            ip_address(host)
        elif not _HOST.fullmatch(host):
            raise ValueError("not a host")
    return hosts


def proxy_of(text: str | None) -> str | None:
    """Check the URL of a proxy and return it.

    Raises:
        ValueError: it is not http:// or https:// with a host and nothing behind the port.
    """
    if text is None:
        return None
    parts = urlsplit(text)
    plain = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    if not plain or parts.path.strip("/") or parts.query or parts.fragment or any(map(str.isspace, text)):
        raise ValueError("not the URL of a proxy")
    return text


def server_of(text: str | None) -> str | None:
    """Check the URL of a server and return it.

    Raises:
        ValueError: it is not http:// or https:// with a host and nothing before it or behind the port.
    """
    if text is not None and "@" in text:
        raise ValueError("not the URL of a server")
    return proxy_of(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextForm:
    """A form that a setting's text has: in words, and what raises ValueError where it has another."""

    words: str
    parse: Callable[[str], object]


NETWORKS = TextForm(words="networks like 10.0.0.0/8, comma-separated", parse=networks_of)
HOSTS = TextForm(words="hosts, comma-separated", parse=hosts_of)
PROXY = TextForm(words="http:// or https://, with user and password if needed", parse=proxy_of)

SERVER = TextForm(words="http:// or https:// and a host, with a port where it is not 8181", parse=server_of)


def _words(text: str | None) -> list[str]:
    words = [word.strip() for word in (text or "").split(",")] if text else []
    if not all(words):
        raise ValueError("nothing between commas")
    return words
