"""The composition root: real parts, tenants and the listener put together, served until a signal, ended in order."""

from __future__ import annotations

import asyncio
import gc
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

import structlog

from connectors.sdk.connector import Connector
from omnisql_server.admin.channel import serve_admin
from omnisql_server.admin.destroyed import follow_destroyed, tell_destroyed
from omnisql_server.admin.destroying import destroy_returned
from omnisql_server.admin.tenants import TenantAdministration
from omnisql_server.audit.account import Session
from omnisql_server.audit.acts import configured
from omnisql_server.audit.audited import AuditedRunner
from omnisql_server.audit.record import now
from omnisql_server.http_service import answering_http
from omnisql_server.identity.key_sets import KeySets
from omnisql_server.identity.log_ins import TenantLogIns
from omnisql_server.listener.server import Listener, is_loopback
from omnisql_server.listener.tls import (
    TlsIdentity,
    load_identity,
    make_self_signed,
    read_authorities,
    trust_clients,
)
from omnisql_server.model.principal import Principal
from omnisql_server.model.run import StatementRunner
from omnisql_server.observability.logs import configure_logs
from omnisql_server.outbound import transport_settings
from omnisql_server.parse.redaction import redacted
from omnisql_server.policy.engines import engine_of, revision_of
from omnisql_server.read_only import ReadOnlyRunner
from omnisql_server.reload import Change, Reload
from omnisql_server.roomless import RoomlessRunner
from omnisql_server.services import Services, start_services
from omnisql_server.session.pool import BackendPools
from omnisql_server.session.tenant import TenantAccess
from omnisql_server.settings import Settings
from omnisql_server.settings_log_in import LogInSettings
from omnisql_server.tenancy import Tenancy
from omnisql_server.watching import WatchedRunner
from omnisql_server.webhook_service import receiving

_log = structlog.get_logger(__name__)


async def serve(
    settings: Settings, *, read: Callable[[], Settings], ready: Callable[[int], None] | None = None
) -> None:
    """Start everything and serve until SIGINT or SIGTERM; `ready` is told the port once clients are accepted.

    At SIGHUP the settings are asked of `read` again.
    """
    async with start_services(settings) as services:
        await serve_tenants(services, ready=ready, read=read)


async def serve_tenants(
    services: Services,
    *,
    ready: Callable[[int], None] | None = None,
    connectors: Mapping[str, Connector] | None = None,
    stop: asyncio.Event | None = None,
    read: Callable[[], Settings] | None = None,
) -> None:
    """Serve the tenants of running services until `stop`, or a signal where none is given; `read` as in `serve`."""
    settings, live = services.settings, services.live
    await destroy_returned(services, now())
    tenancy = Tenancy(services, connectors)
    pools = BackendPools(live)
    stopping = stop or _signalled()
    log_ins = _log_ins(services, tenancy)
    identity = _identity(settings)
    listener = Listener(
        live,
        log_ins=log_ins,
        open_tenant=partial(_access, services, tenancy, pools),
        tls=identity,
        is_trusted=lambda host: is_loopback(host) and not live.current.listener.tls_required,
    )
    if read is not None:
        reload = _reload(services, read, partial(_prepare, tenancy=tenancy, listener=listener, log_ins=log_ins))
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    try:
        administration = TenantAdministration(
            services=services,
            tenancy=tenancy,
            end_sessions=listener.end_tenant,
            end_token_sessions=listener.end_token,
            tell=tell_destroyed,
        )
        directory = settings.data.directory.absolute()
        async with (
            asyncio.TaskGroup() as group,
            serve_admin(directory, administration),
            receiving(services),
            answering_http(live, listener, identity),
        ):
            housekeeping = group.create_task(tenancy.housekeep())
            following = group.create_task(follow_destroyed(services, tenancy, listener.end_tenant))
            group.create_task(listener.serve())
            await listener.ready.wait()
            # What was made until now stays: to walk it at each full collection would hold everybody up.
            gc.freeze()
            _on_record(services, settings, "serve", "")
            _log.info("listener_ready", host=settings.listener.host, port=listener.port)
            if ready is not None:
                ready(listener.port)
            await stopping.wait()
            _log.info("drain_started")
            await listener.drain()
            housekeeping.cancel()
            following.cancel()
    finally:
        await tenancy.close()


@asynccontextmanager
async def _access(
    services: Services, tenancy: Tenancy, pools: BackendPools, principal: Principal
) -> AsyncIterator[TenantAccess]:
    """Give a principal's session its tenant."""
    async with tenancy.session(principal.tenant) as opened, pools.lease(principal.tenant) as pool:
        runner: StatementRunner = AuditedRunner(
            runner=WatchedRunner(tenant=opened.tenant, policy=tenancy.policy, runner=opened.pipeline),
            session=_audited(services, opened.record.id, principal),
        )
        if opened.quota is not None:
            runner = RoomlessRunner(runner=runner, room=opened.quota)
        yield TenantAccess(
            address=opened.cluster.address(),
            role=principal.role,
            database=opened.record.database,
            runner=ReadOnlyRunner(runner=runner) if principal.read_only else runner,
            pool=pool,
            room=opened.quota,
            live=opened.settings,
        )


def _audited(services: Services, tenant: UUID, principal: Principal) -> Session:
    client = str(structlog.contextvars.get_contextvars().get("client_address", ""))
    journal = services.audit.journal
    return Session(journal=journal, redact=redacted, tenant_id=tenant, principal=principal, client=client)


def _log_ins(services: Services, tenancy: Tenancy) -> TenantLogIns:
    def settings() -> LogInSettings:
        return services.live.current.log_in

    keys = KeySets(settings, transport_settings(services.settings))
    return TenantLogIns(
        services.control_connection,
        catch_up=tenancy.catch_up_roles,
        keys=keys,
        settings=settings,
        write=services.audit.journal.note,
        shared_authorities=_authorities(services.settings),
    )


def _authorities(settings: Settings) -> tuple[bytes, ...]:
    path = settings.listener.tls_client_ca_file
    return read_authorities(path) if path is not None else ()


def _prepare(wanted: Settings, tenancy: Tenancy, listener: Listener, log_ins: TenantLogIns) -> Callable[[], None]:
    """Load what new settings name, and return what puts it in place.

    Raises:
        ConfigurationInvalid: the policy or the certificate cannot be used.
    """
    engine = engine_of(wanted.policy)
    # One that was made for trying things out stays: clients may have pinned it.
    kept = listener.tls if wanted.listener.tls_certificate_file is None else None
    identity = _identity(wanted) if kept is None else kept
    authorities, revoked = _authorities(wanted), wanted.listener.tls_client_crl_file
    trust_clients(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), authorities, revoked)

    def put_in_place() -> None:
        configure_logs(level=wanted.telemetry.log_level, form=wanted.telemetry.log_format)
        listener.tls, log_ins.shared_authorities = identity, authorities
        if kept is not None:
            trust_clients(kept.context, (), revoked)
        tenancy.policy.replace(engine, kept_s=wanted.policy.decisions_kept_s)
        tenancy.reconfigure()

    return put_in_place


def _reload(
    services: Services, read: Callable[[], Settings], prepare: Callable[[Settings], Callable[[], None]]
) -> Reload:
    def tell(change: Change) -> None:
        _on_record(services, change.settings, "reload", ", ".join(change.applied))

    return Reload(services.live, read=read, prepare=prepare, tell=tell)


def _on_record(services: Services, settings: Settings, kind: str, detail: str) -> None:
    """Put on record by which policy the server decides from now on.

    Raises:
        AuditUnavailable: 58030.
    """
    configured(services.audit.journal.note, kind=kind, detail=detail, policy_revision=revision_of(settings.policy))


def _signalled() -> asyncio.Event:
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, event.set)
    return event


def _identity(settings: Settings) -> TlsIdentity:
    """Load the configured certificate, or a self-signed one; clients may show theirs."""
    identity = _own_identity(settings)
    trust_clients(identity.context, _authorities(settings), settings.listener.tls_client_crl_file)
    return identity


def _own_identity(settings: Settings) -> TlsIdentity:
    """Load the configured certificate, or make a self-signed one that is kept with the data."""
    given = settings.listener
    if given.tls_certificate_file is not None and given.tls_key_file is not None:
        return load_identity(given.tls_certificate_file, given.tls_key_file)
    directory: Path = settings.data.directory.absolute() / "tls"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate, key = make_self_signed(directory, ["localhost", "127.0.0.1"], now=datetime.now(UTC))
    _log.info("self_signed_certificate_used", path=str(certificate))
    return load_identity(certificate, key)
