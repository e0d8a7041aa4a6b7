"""The real parts of a server, started once, stopped in reverse: control cluster, Valkey, tenants' clusters, telemetry.

Embedded parts are children of this process; external ones are reached by DSN or URL. Nothing else differs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import structlog

from catalog.clusters import Cluster, ClusterPool, EmbeddedCluster, EmbeddedSettings, ExternalCluster
from catalog.connection import Connection
from catalog.control import prepare_control_database
from catalog.control_access import ControlDatabase
from catalog.credentials import CredentialStore
from catalog.key_ring import FileKeyRing, KeyRing, load_key
from connectors.registry import add_folder
from omnisql_server.audit.start import Audit, start_audit
from omnisql_server.limits.bucket import BucketStore
from omnisql_server.limits.valkey import ValkeyChild, ValkeyExternal, ValkeyServer
from omnisql_server.live_settings import LiveSettings
from omnisql_server.observability.logs import configure_logs
from omnisql_server.observability.metrics import configure_metrics
from omnisql_server.observability.traces import configure_traces
from omnisql_server.settings import Settings

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

    @property
    def settings(self) -> Settings:
        """Return the settings that hold now."""
        return self.live.current

    @asynccontextmanager
    async def control_connection(self) -> AsyncIterator[Connection]:
        """Give a connection to the control database for a moment.

        Raises:
            ClusterUnavailable: 57P03, it cannot be reached.
        """
        async with self.control.connection() as connection:
            yield connection

    async def data_key(self, tenant: UUID) -> bytes:
        """Return a tenant's data key."""
        async with self.control_connection() as connection:
            return await self.keys.data_key(connection, tenant)


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
        embedded = _embedded(settings, directory)
        clusters = ClusterPool(
            lambda name, dsn: EmbeddedCluster(name, embedded) if dsn is None else ExternalCluster(dsn),
            running_max=settings.clusters.running_max,
        )
        stack.push_async_callback(clusters.aclose)
        keys = FileKeyRing(load_key(directory / "credentials.key"))
        yield Services(
            live=LiveSettings(settings),
            control=control,
            clusters=clusters,
            buckets=BucketStore(valkey.client),
            valkey=valkey,
            keys=keys,
            credentials=CredentialStore(keys),
            audit=await stack.enter_async_context(start_audit(control, directory)),
        )


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
        run_as=settings.data.postgres_user_id,
    )


def control_cluster(settings: Settings, directory: Path) -> Cluster:
    """Return the cluster of the control database, which may not run."""
    if settings.data.control_dsn is not None:
        return ExternalCluster(settings.data.control_dsn)
    return EmbeddedCluster("omnisql-control", _embedded(settings, directory))
