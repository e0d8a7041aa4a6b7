"""Statements by HTTP put together: where they are taken, and the listener whose sessions answer them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from omnisql_server.http_api.endpoint import Endpoint, https_context, listening
from omnisql_server.listener.proxied import is_balancer
from omnisql_server.listener.server import Listener
from omnisql_server.listener.tls import TlsIdentity
from omnisql_server.live_settings import LiveSettings
from omnisql_server.networks import networks_of


@asynccontextmanager
async def answering_http(live: LiveSettings, listener: Listener, identity: TlsIdentity) -> AsyncIterator[int | None]:
    """Answer statements by HTTPS for the time of the block, and give the port; None where that is off.

    `identity` is what the listener began with; one that it has instead is used from then on.
    """
    settings = live.current
    if settings.http.port is None:
        yield None
        return
    endpoint = Endpoint(
        settings.http,
        admit=listener.admit,
        is_balancer=lambda peer: is_balancer(peer, networks_of(live.current.listener.proxy_protocol_from)),
        message_bytes_max=settings.listener.message_bytes_max,
    )
    context = https_context(lambda: (listener.tls or identity).context)
    async with listening(endpoint, settings.http.host, settings.http.port, context) as port:
        yield port
