"""The way to one host: directly, where every socket is checked before it connects, or through the operator's proxy.

The fence stands where the connection is made: names are resolved here, and the address that was checked is the address
that is connected to. A proxy resolves by itself, so what stands behind one is checked as far as it can be.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType
from yarl import URL

from connectors.sdk.addresses import address_of
from connectors.sdk.errors import DestinationRefused, Fatal, Retryable
from connectors.sdk.settings import Surroundings, TransportSettings

NAMES_KEPT_S = 60
"""How long the addresses of a name are used without asking again."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a connection is to lead: the host of an origin, on behalf of a server that a tenant configured."""

    server: str
    host: str
    port: int


class Way:
    """Opens connections to one host and to no other address than its fence allows."""

    def __init__(self, server: str, url: URL, settings: TransportSettings, surroundings: Surroundings) -> None:
        self._to = Destination(server=server, host=url.raw_host or "", port=url.port or 0)
        self._settings = settings
        self._outbound = settings.outbound
        self._addresses_of = surroundings.addresses_of
        self._is_proxied = self._outbound.is_proxied(self._to.host)
        self._admitted_until_s = 0.0
        self._session: aiohttp.ClientSession | None = None

    async def admit(self) -> None:
        """Check what can be checked before a request; a direct connection is checked again when it is made.

        Raises:
            DestinationRefused: SQLSTATE HV00N, the host may not be connected to.
            OSError, TimeoutError: its name cannot be looked up at the moment.
        """
        if not self._outbound.fence.allows_host(self._to.host):
            raise _refusal(self._to, ())
        is_name = address_of(self._to.host) is None
        now_s = asyncio.get_running_loop().time()
        if self._is_proxied and is_name and not self._outbound.proxy_resolves and now_s >= self._admitted_until_s:
            found = await self._look_up()
            # The proxy picks one of them, so all must be good.
            if not found or not all(map(self._outbound.fence.allows, found)):
                raise _refusal(self._to, found)
            self._admitted_until_s = now_s + NAMES_KEPT_S

    def session(self) -> aiohttp.ClientSession:
        """Return the session that requests to the host are made in."""
        if self._session is None:
            bounds = self._settings
            self._session = aiohttp.ClientSession(
                connector=self._proxy_connector() if self._is_proxied else self._fenced_connector(),
                proxy=self._outbound.proxy_url if self._is_proxied else None,
                timeout=aiohttp.ClientTimeout(
                    total=bounds.total_timeout_s, sock_connect=bounds.connect_timeout_s, sock_read=bounds.read_timeout_s
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _fenced_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(
            limit=self._settings.concurrency_max,
            ttl_dns_cache=NAMES_KEPT_S,
            resolver=_FencedResolver(self),
            socket_factory=self._socket,
            ssl=self._outbound.tls or True,
        )

    def _proxy_connector(self) -> aiohttp.TCPConnector:
        """Connect to the proxy, which is the operator's own and may be anywhere."""
        return aiohttp.TCPConnector(
            limit=self._settings.concurrency_max, ttl_dns_cache=NAMES_KEPT_S, ssl=self._outbound.tls or True
        )

    async def allowed_addresses(self) -> tuple[str, ...]:
        """Look up the host and return the addresses that may be connected to, at least one.

        Raises:
            DestinationRefused: SQLSTATE HV00N, there is none.
            OSError, TimeoutError: the name cannot be looked up at the moment.
        """
        found = await self._look_up()
        allowed = tuple(filter(self._outbound.fence.allows, found))
        if not allowed:
            raise _refusal(self._to, found)
        return allowed

    async def _look_up(self) -> tuple[str, ...]:
        async with asyncio.timeout(self._settings.connect_timeout_s):
            return await self._addresses_of(self._to.host, self._to.port)

    def _socket(self, info: AddrInfoType) -> socket.socket:
        """Make the socket for an address: the last check, which an address in the URL itself comes to as well."""
        family, kind, protocol, _, address = info
        if not self._outbound.fence.allows(str(address[0])):
            raise _refusal(self._to, (str(address[0]),))
        return socket.socket(family, kind, protocol)


async def document(url: str, settings: TransportSettings) -> bytes:
    """Read a document that anybody may read, of `settings.response_bytes_max` bytes at most after decompression.

    Redirects are followed, to other hosts too, each through the fence, and never from https to http.

    Raises:
        DestinationRefused: SQLSTATE HV00N, it is where nothing may be connected to.
        Fatal: SQLSTATE HV000, it is too large, redirected without end, or answered with another status than 200.
        Retryable: SQLSTATE 08006, its host cannot be reached.
    """
    at = URL(url)
    for _ in range(settings.redirects_max + 1):
        way = Way(at.host or "", at, settings, Surroundings())
        try:
            await way.admit()
            async with way.session().get(at, allow_redirects=False) as answer:
                if answer.status not in _REDIRECTS or "Location" not in answer.headers:
                    return await _content(answer, settings.response_bytes_max)
                following = at.join(URL(answer.headers["Location"]))
        except (aiohttp.ClientError, OSError) as failure:
            raise Retryable(
                message=f"SOURCE_UNAVAILABLE: {at.host} cannot be reached", detail=f"{type(failure).__name__}."
            ) from None
        finally:
            await way.close()
        if following.scheme not in {"https", at.scheme}:
            raise Fatal(message=f"{at.host} redirects to an address that is not https")
        at = following
    raise Fatal(message=f"{at.host} redirects without end")


async def _content(answer: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    if answer.status != 200:
        raise Fatal(message=f"{answer.url.host} answers with status {answer.status}")
    parts, count = [], 0
    async for part in answer.content.iter_chunked(65_536):
        parts.append(part)
        count += len(part)
        if count > bytes_max:
            raise Fatal(message=f"it has more than {bytes_max} bytes")
    return b"".join(parts)


class _FencedResolver(AbstractResolver):
    """Gives aiohttp the checked addresses, which it connects to and keeps."""

    def __init__(self, way: Way) -> None:
        self._way = way

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of the way's host that may be connected to."""
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
            for address in await self._way.allowed_addresses()
        ]

    async def close(self) -> None:
        """Hold nothing."""


def _refusal(to: Destination, addresses: tuple[str, ...]) -> DestinationRefused:
    # The same words whether a name leads inside or nowhere: otherwise anybody who may make a server could list the
    # names of the operator's network. The operator's own log tells them apart.
    _log.warning("destination_refused", server=to.server, host=to.host, addresses=addresses)
    return DestinationRefused(
        message=f'server "{to.server}" has no address that may be connected to',
        hint="Correct its address. Names and addresses of private networks are refused, unless an operator allows them"
        " by the setting network.allowed_networks.",
    )
