"""The real parts of a server, started once, stopped in reverse: control cluster, Valkey, tenants' clusters, telemetry.

Embedded parts are children of this process; external ones are reached by DSN or URL. Nothing else differs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

import structlog

from catalog.audit import StoredRecord, recent_records
from catalog.clusters import Cluster, ClusterPool, EmbeddedCluster, EmbeddedSettings, ExternalCluster
from catalog.clusters.embedded import ClusterBounds
from catalog.clusters.template import remove_data_directory
from catalog.connection import Connection
from catalog.control import Tenant, prepare_control_database
from catalog.control_access import ControlDatabase
from catalog.credentials import CredentialStore
from catalog.destruction import LEDGER_FILE, Ledger
from catalog.errors import ClusterDestroyed
from catalog.key_ring import KeyRing
from catalog.tenant_limits import limits_of_cluster
from connectors.registry import add_folder
from connectors.sdk.connector import Source
from connectors.sdk.limits import RateLimit
from omnisql_server.audit.signing import SigningKey, load_signing_key
from omnisql_server.audit.start import Audit, start_audit
from omnisql_server.key_holders import key_holders, key_server, leases, referenced_secrets
from omnisql_server.limits.bucket import BucketLimit, BucketStore
from omnisql_server.limits.limiter import SourceLimiter
from omnisql_server.limits.valkey import ValkeyChild, ValkeyExternal, ValkeyServer
from omnisql_server.live_settings import LiveSettings
from omnisql_server.model.principal import Principal
from omnisql_server.observability.logs import configure_logs
from omnisql_server.observability.metrics import configure_metrics
from omnisql_server.observability.traces import configure_traces
from omnisql_server.settings import Settings
from omnisql_server.tenant_limits import TenantSettings

RECORDS_SHOWN_MAX = 10_000
"""Records of the audit that `omnisql.audit` shows."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What every tenant shares. `control` hands out connections to the control database."""

    live: LiveSettings
    control: ControlDatabase
    clusters: ClusterPool
    buckets: BucketStore
    valkey: ValkeyServer
    keys: KeyRing
    credentials: CredentialStore
    audit: Audit
    ledger: Ledger

    @property
    def settings(self) -> Settings:
        """Return the settings that hold now."""
        return self.live.current

    def control_connection(self) -> AbstractAsyncContextManager[Connection]:
        """Give a connection to the control database for a moment.

        Raises:
            ClusterUnavailable: 57P03, it cannot be reached.
        """
        return self.control.connection()

    async def data_key(self, tenant: UUID) -> bytes:
        """Return a tenant's data key; one that is held in memory needs no control database."""
        held = self.keys.held(tenant)
        if held is not None:
            return held
        async with self.control_connection() as connection:
            return await self.keys.data_key(connection, tenant)

    async def recent_records(self, tenant: Tenant, principal: Principal) -> tuple[StoredRecord, ...]:
        """List what is on record of a tenant, the last first: all of it for its owner, else what one did himself."""
        whose = None if principal.role == tenant.owner else principal.name
        async with self.control_connection() as connection:
            return await recent_records(connection, tenant.id, whose, RECORDS_SHOWN_MAX)

    def limiter(self, tenant: str, source: Source, declared: Mapping[str, RateLimit]) -> SourceLimiter:
        """Return what keeps the requests of a tenant to a source within its limits, those `declared` until it tells."""
        return SourceLimiter(
            self.buckets,
            tenant=tenant,
            source=source.server,
            limits={
                name: BucketLimit(capacity=limit.points, refill_per_s=limit.points / limit.every_s)
                for name, limit in declared.items()
                if limit.points is not None
            },
            wait_max_s=self.settings.limits.wait_max_s,
            fail_open=self.settings.limits.fail_open,
        )

    async def remove_cluster(self, name: str) -> None:
        """Remove the data directory of an embedded cluster that does not run."""
        data_root = self.settings.data.directory.absolute() / "postgres"
        await asyncio.to_thread(remove_data_directory, data_root / "clusters" / name)

    def external_cluster(self, dsn: str) -> Cluster:
        """Return a tenant's external cluster."""
        return ExternalCluster(dsn)


@asynccontextmanager
async def start_services(settings: Settings) -> AsyncIterator[Services]:
    """Start every part and stop what was started, whatever happens.

    Raises:
        CatalogError, OmniSQLError: a part could not be started. ManifestInvalid: a connector of the folder is refused.
    """
    configure_logs(level=settings.telemetry.log_level, form=settings.telemetry.log_format)
    if settings.connectors.folder is not None:
        _log.info("connectors_added", names=add_folder(settings.connectors.folder.absolute()))
    directory = settings.data.directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        traces = configure_traces(settings.telemetry.otlp_endpoint)
        stack.callback(traces.shutdown)
        meters = configure_metrics(settings.telemetry.otlp_endpoint)
        stack.callback(meters.shutdown)
        valkey = _valkey(settings, directory)
        await valkey.start()
        stack.push_async_callback(valkey.stop)
        cluster = control_cluster(settings, directory)
        await cluster.start()
        stack.push_async_callback(cluster.stop)
        await prepare_control_database(cluster)
        control = ControlDatabase(cluster)
        stack.push_async_callback(control.aclose)
        signing = SigningKey(load_signing_key(directory))
        ledger = Ledger(directory / LEDGER_FILE, signing.sign_text)
        embedded, live = _embedded(settings, directory), LiveSettings(settings)

        def make(name: str, dsn: str | None) -> Cluster:
            if ledger.holds(name):
                raise ClusterDestroyed("the tenant was destroyed", detail=name)
            if dsn is not None:
                return ExternalCluster(dsn)
            return EmbeddedCluster(name, embedded, partial(_bounds_of, control, live, name))

        clusters = ClusterPool(
            make,
            running_max=settings.clusters.running_max,
        )
        stack.push_async_callback(clusters.aclose)
        server = key_server(settings.keys)
        keys = KeyRing(key_holders(settings.keys, directory, server), held_s=settings.keys.held_s)
        held = leases(settings.keys, server)
        if held is not None:
            keeping = asyncio.create_task(held.keep())
            stack.push_async_callback(end_task, keeping)
        referenced = referenced_secrets(settings.keys, server, held)
        yield Services(
            live=live,
            control=control,
            clusters=clusters,
            buckets=BucketStore(valkey.client),
            valkey=valkey,
            keys=keys,
            credentials=CredentialStore(keys, referenced, held_s=settings.keys.held_s),
            audit=await stack.enter_async_context(start_audit(control, signing)),
            ledger=ledger,
        )


async def _bounds_of(control: ControlDatabase, live: LiveSettings, cluster: str) -> ClusterBounds:
    """Read what the processes of a tenant's cluster may use."""
    async with control.connection() as connection:
        limits = await limits_of_cluster(connection, cluster)
    given = TenantSettings(live, limits).current.clusters
    return ClusterBounds(
        temp_file_limit_mb=given.temp_file_limit_mb,
        backend_memory_mb=given.backend_memory_mb,
        memory_mb=given.memory_mb,
    )


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancel a task of ours and wait for its end."""
    task.cancel()
    await asyncio.wait([task])


def _valkey(settings: Settings, directory: Path) -> ValkeyServer:
    url = settings.limits.valkey_url
    return ValkeyExternal(url) if url is not None else ValkeyChild(directory / "valkey")


def _embedded(settings: Settings, directory: Path) -> EmbeddedSettings:
    return EmbeddedSettings(
        data_root=directory / "postgres",
        max_connections=settings.clusters.connections_max,
        shared_buffers_mb=settings.clusters.shared_buffers_mb,
        temp_file_limit_mb=settings.clusters.temp_file_limit_mb,
        backend_memory_mb=settings.clusters.backend_memory_mb,
        control_group=settings.clusters.control_group,
        memory_mb=settings.clusters.memory_mb,
        run_as=settings.data.postgres_user_id,
    )


def control_cluster(settings: Settings, directory: Path) -> Cluster:
    """Return the cluster of the control database, which may not run."""
    if settings.data.control_dsn is not None:
        return ExternalCluster(settings.data.control_dsn)
    return EmbeddedCluster("omnisql-control", _embedded(settings, directory))
