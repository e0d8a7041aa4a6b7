"""The tenants being served: opened at the first log-in, with their cluster, snapshot, sources, policy and pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from catalog import control
from catalog.clusters import Cluster
from catalog.connection import Connection
from catalog.errors import PrincipalUnknown
from catalog.snapshot import Snapshot, load_snapshot
from connectors.registry import connector_named
from connectors.sdk.connector import Connector
from connectors.sdk.settings import TransportSettings
from omnisql_server.execute.instances import InstancePool, InstanceSettings
from omnisql_server.fetch.scheduler import FetchBounds
from omnisql_server.fetch.sources import Sources
from omnisql_server.limits.limiter import SourceLimiter
from omnisql_server.manage.managers import SourceBounds, manage_sources
from omnisql_server.model.principal import Principal
from omnisql_server.pipeline import Pipeline, PipelineBounds
from omnisql_server.policy.rules import load_rules
from omnisql_server.services import Services
from omnisql_server.settings import Settings
from omnisql_server.tenant import Tenant


@dataclass(slots=True)
class OpenTenant:
    """A tenant that is being served."""

    record: control.Tenant
    cluster: Cluster
    tenant: Tenant
    pipeline: Pipeline
    stack: AsyncExitStack = field(repr=False)


class Tenancy:
    """Opens tenants and answers who may log in to them."""

    def __init__(self, services: Services, connectors: Mapping[str, Connector] | None = None) -> None:
        self._services = services
        self._connectors = dict(connectors or {})
        self._open: dict[str, OpenTenant] = {}
        self._opening = asyncio.Lock()

    async def principal(self, database: str, user: str) -> tuple[Principal, str] | None:
        """Look up who logs in, with the SCRAM verifier; None for an unknown database or user."""
        async with self._services.control_connection() as connection:
            record = await self._record(connection, database)
            if record is None:
                return None
            try:
                found = await control.principal_named(connection, record.id, user)
            except PrincipalUnknown:
                return None
        if found.verifier is None:
            return None
        attributes = {key: _texts(value) for key, value in found.attributes.items()}
        return Principal(tenant=record.name, name=user, attributes=attributes), found.verifier

    async def open(self, name: str) -> OpenTenant:
        """Return a tenant that is being served, starting its cluster on first use.

        Raises:
            CatalogError: there is no such tenant, or its cluster cannot be started or read.
        """
        async with self._opening:
            held = self._open.get(name)
            if held is not None and not held.cluster.died.is_set():
                return held
            if held is not None:
                await held.stack.aclose()
            async with self._services.control_connection() as connection:
                record = await control.tenant_named(connection, name)
            opened = self._open[name] = await self._start(record)
            return opened

    async def close(self) -> None:
        """Close every tenant's sources and engines; clusters are stopped by the services."""
        for held in self._open.values():
            await held.stack.aclose()
        self._open.clear()

    async def _record(self, connection: Connection, database: str) -> control.Tenant | None:
        tenants = await control.all_tenants(connection)
        return next((tenant for tenant in tenants if tenant.database == database), None)

    async def _start(self, record: control.Tenant) -> OpenTenant:
        settings = self._services.settings
        async with AsyncExitStack() as stack:
            cluster = await stack.enter_async_context(self._services.clusters.lease(record.name))

            @asynccontextmanager
            async def tenant_connection() -> AsyncIterator[Connection]:
                connection = await cluster.connect(cluster.superuser, record.database)
                try:
                    yield connection
                finally:
                    await connection.close()

            async def load() -> Snapshot:
                async with tenant_connection() as connection:
                    return await load_snapshot(connection)

            snapshot = await load()
            management = manage_sources(
                tenant=record.name,
                tenant_id=record.id,
                tenant_connection=tenant_connection,
                control_connection=self._services.control_connection,
                credentials=self._services.credentials,
                connector_named=self._connector,
                bounds=_source_bounds(settings),
            )
            sources = Sources(
                connector_named=self._connector,
                resolve=lambda server, view: management.resolver.resolve(server, view, tenant.snapshot),
                limiter_for=lambda source: SourceLimiter(
                    self._services.buckets,
                    tenant=record.name,
                    source=source.server,
                    limits={},
                    wait_max_s=settings.limits.wait_max_s,
                    fail_open=settings.limits.fail_open,
                ),
                open_max=settings.fetch.open_sources_max,
            )
            stack.push_async_callback(sources.close)
            pool = InstancePool(_instance_settings(settings))
            stack.push_async_callback(pool.close)
            tenant = Tenant(name=record.name, database=record.database, snapshot=snapshot, load=load, sources=sources)
            pipeline = Pipeline(
                tenant=tenant,
                rules=load_rules(settings.policy.file),
                pool=pool,
                bounds=_bounds(settings),
                managers=management.managers,
            )
            sweeping = asyncio.create_task(management.sweeper.serve())
            stack.push_async_callback(_end, sweeping)
            return OpenTenant(record=record, cluster=cluster, tenant=tenant, pipeline=pipeline, stack=stack.pop_all())

    def _connector(self, name: str) -> Connector:
        known = self._connectors.get(name)
        if known is None:
            known = self._connectors[name] = connector_named(name, _transport(self._services.settings))
        return known


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _source_bounds(settings: Settings) -> SourceBounds:
    return SourceBounds(
        ask_timeout_s=settings.fetch.scan_timeout_s,
        sweep_interval_s=settings.credentials.sweep_interval_s,
        sweep_age_s=settings.credentials.sweep_age_s,
    )


def _transport(settings: Settings) -> TransportSettings:
    given = settings.fetch
    return TransportSettings(
        read_timeout_s=given.request_timeout_s,
        total_timeout_s=max(given.request_timeout_s, TransportSettings().total_timeout_s),
        concurrency_max=given.concurrency_max,
        response_bytes_max=given.response_bytes_max,
        rate_wait_max_s=settings.limits.wait_max_s,
    )


def _bounds(settings: Settings) -> PipelineBounds:
    return PipelineBounds(
        fetch=FetchBounds(
            concurrency_max=settings.fetch.concurrency_max,
            scan_rows_max=settings.fetch.scan_rows_max,
            timeout_s=settings.fetch.scan_timeout_s,
        ),
        key_combinations_max=settings.fetch.key_combinations_max,
        api_calls_max=settings.fetch.api_calls_max,
        splice_bytes_max=settings.engine.splice_inline_bytes_max,
    )


def _instance_settings(settings: Settings) -> InstanceSettings:
    spill: Path = settings.data.directory.absolute() / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    return InstanceSettings(
        memory_limit_mb=settings.engine.memory_limit_mb,
        threads=settings.engine.threads,
        instances_max=settings.engine.instances_max,
        temp_directory=spill,
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(entry) for entry in value) if isinstance(value, list) else (str(value),)
