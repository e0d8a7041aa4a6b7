"""The composition root: real parts, tenants and the listener put together, served until a signal, ended in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import structlog

from connectors.sdk.connector import Connector
from omnisql_server.listener.server import Listener, is_loopback
from omnisql_server.listener.tls import TlsIdentity, load_identity, make_self_signed
from omnisql_server.live_settings import LiveSettings
from omnisql_server.model.custom_settings import DEFAULTS
from omnisql_server.model.principal import Principal
from omnisql_server.services import Services, start_services
from omnisql_server.session.pool import BackendPools
from omnisql_server.session.tenant import TenantAccess
from omnisql_server.settings import Settings
from omnisql_server.tenancy import Tenancy

_log = structlog.get_logger(__name__)


async def serve(settings: Settings, *, ready: Callable[[int], None] | None = None) -> None:
    """Start everything and serve until SIGINT or SIGTERM; `ready` is told the port once clients are accepted."""
    async with start_services(settings) as services:
        await serve_tenants(services, ready=ready)


async def serve_tenants(
    services: Services,
    *,
    ready: Callable[[int], None] | None = None,
    connectors: Mapping[str, Connector] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve the tenants of running services until `stop`, or a signal where none is given."""
    settings = services.settings
    live = LiveSettings(settings)
    tenancy = Tenancy(services, connectors)
    pools = BackendPools(live)
    stopping = stop or _signalled()

    @asynccontextmanager
    async def open_tenant(principal: Principal) -> AsyncIterator[TenantAccess]:
        opened = await tenancy.open(principal.tenant)
        async with pools.lease(principal.tenant) as pool:
            yield TenantAccess(
                address=opened.cluster.address(),
                role=principal.name,
                database=opened.record.database,
                runner=opened.pipeline,
                pool=pool,
                settings=DEFAULTS,
            )

    listener = Listener(
        live,
        lookup=tenancy.principal,
        open_tenant=open_tenant,
        tls=_identity(settings),
        is_trusted=_nobody if settings.listener.tls_required else is_loopback,
    )
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(listener.serve())
            await listener.ready.wait()
            _log.info("listener_ready", host=settings.listener.host, port=listener.port)
            if ready is not None:
                ready(listener.port)
            await stopping.wait()
            _log.info("drain_started")
            await listener.drain()
    finally:
        await tenancy.close()


def _nobody(_host: str) -> bool:
    """Trust no address to go without TLS."""
    return False


def _signalled() -> asyncio.Event:
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, event.set)
    return event


def _identity(settings: Settings) -> TlsIdentity:
    """Load the configured certificate, or make a self-signed one that is kept with the data."""
    given = settings.listener
    if given.tls_certificate_file is not None and given.tls_key_file is not None:
        return load_identity(given.tls_certificate_file, given.tls_key_file)
    directory: Path = settings.data.directory.absolute() / "tls"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate, key = make_self_signed(directory, ["localhost", "127.0.0.1"], now=datetime.now(UTC))
    _log.info("self_signed_certificate_used", path=str(certificate))
    return load_identity(certificate, key)
