"""The tenants being served: opened at the first log-in, with their snapshot, sources, policy and pipeline.

A session holds a lease of its tenant's cluster. A tenant without sessions keeps its parts for a while; then they are
closed and its cluster is stopped, and the next log-in opens it again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import asyncpg
import structlog

from catalog import control
from catalog.clusters import Cluster
from catalog.connection import Connection
from catalog.errors import CatalogError, ClusterUnavailable
from catalog.tenant_limits import limits_of_tenants
from connectors.registry import connector_named
from connectors.sdk.connector import Connector
from omnisql_server.audit.refreshing import refresh_on_record
from omnisql_server.bounds import instance_settings, pipeline_bounds, source_bounds
from omnisql_server.errors import ConfigurationInvalid, OmniSQLError, TooManyConnections
from omnisql_server.execute.instances import InstancePool
from omnisql_server.fetch.sources import Sources
from omnisql_server.freshness.cache import TenantCache, shared_cache
from omnisql_server.kept_rows import TenantKept
from omnisql_server.manage.managers import SourceManagement, manage_sources
from omnisql_server.misses import PushdownMisses
from omnisql_server.open_tenant import OpenTenant, load_through, managers_of, measured, permit_through
from omnisql_server.outbound import transport_settings
from omnisql_server.owner_backends import OwnerBackends
from omnisql_server.pipeline import Pipeline
from omnisql_server.policy.engines import policy_of
from omnisql_server.principals import copy_roles
from omnisql_server.provision import update_database
from omnisql_server.repeats.repeats import Repeats
from omnisql_server.repeats.store import AnswerStore
from omnisql_server.services import Services, end_task
from omnisql_server.sharing import Sharing
from omnisql_server.statistics import StatisticsKeeper
from omnisql_server.tenant import Tenant
from omnisql_server.tenant_limits import TenantSettings

HOUSEKEEPING_INTERVAL_S = 1.0
ROLES_INTERVAL_S = 10.0
LIMITS_INTERVAL_S = 5.0
SESSIONS_POLL_S = 0.02
ROLES_TOUCHED_FOR_S = 60.0
"""How long after a statement that may have changed roles every log-in looks at them first."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Held:
    """A tenant as this server holds it.

    `closed` says that it takes no sessions until further notice. Times are of the monotonic clock.
    """

    settings: TenantSettings
    opened: OpenTenant | None = None
    sessions: int = 0
    idle_since_s: float = field(default_factory=time.monotonic)
    closed: bool = False
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    mirroring: asyncio.Lock = field(default_factory=asyncio.Lock)
    mirrored_s: float = -math.inf


class Tenancy:
    """Opens tenants, closes them, and mirrors their roles.

    Raises:
        ConfigurationInvalid: F0000, the way out to sources is not configured well.
    """

    def __init__(self, services: Services, connectors: Mapping[str, Connector] | None = None) -> None:
        self._services = services
        self._connectors = dict(connectors or {})
        self._transport = transport_settings(services.settings)
        self.policy = policy_of(services.settings.policy)
        self._shared = shared_cache(services.valkey.client, services.settings.freshness)
        self._answers = AnswerStore(services.settings.freshness.answers_bytes_max)
        self._held: dict[str, _Held] = {}
        self._limits_followed_s = time.monotonic()

    async def catch_up_roles(self, name: str) -> None:
        """Mirror the roles of a tenant that is open, if a statement may have changed them a short while ago."""
        held = self._held.get(name)
        if held is not None and _touched(held):
            await self._mirror(name, held)

    @asynccontextmanager
    async def session(self, name: str) -> AsyncIterator[OpenTenant]:
        """Keep a tenant open and its cluster running for the time of a session.

        Raises:
            TooManyConnections: 53300, it has as many sessions as a tenant may have.
            CatalogError: there is no such tenant, or its cluster cannot be started or read.
        """
        held = self._hold(name)
        if held.closed:
            raise ClusterUnavailable("the tenant is being stopped", hint="Try again later.")
        held.sessions += 1
        try:
            record = held.opened.record if held.opened is not None else await self._record(name, held)
            _check_sessions(held)
            async with self._services.clusters.lease(record.cluster, record.dsn) as cluster:
                async with held.changing:
                    if held.opened is None:
                        held.opened = await self._open(record, cluster, held.settings)
                        # Its limits may have changed while it was being opened.
                        held.opened.reconfigure()
                    opened = held.opened
                yield opened
        finally:
            held.sessions -= 1
            held.idle_since_s = time.monotonic()

    async def housekeep(self) -> None:
        """Close idle tenants, stop idle clusters and mirror roles, until canceled."""
        idle_s = self._services.settings.clusters.idle_stop_s
        while True:
            await asyncio.sleep(min(HOUSEKEEPING_INTERVAL_S, idle_s / 2))
            try:
                await self._housekeep_once(idle_s)
            except Exception as error:  # noqa: BLE001  what failed once is tried again; the server goes on
                _log.error("housekeeping_failed", exc_info=error)

    @asynccontextmanager
    async def closed(self, name: str, end_sessions: Callable[[str], Awaitable[None]]) -> AsyncIterator[None]:
        """End a tenant's sessions, close its parts, and let no session of it begin for the time of the block."""
        held = self._hold(name)
        held.closed = True
        try:
            while held.sessions:
                # One that was about to begin is not among those that can be ended yet.
                await end_sessions(name)
                await asyncio.sleep(SESSIONS_POLL_S)
            await self._mirror(name, held)
            await self._close(held)
            async with held.mirroring:
                yield
        finally:
            held.closed = False

    def sessions_of(self, name: str) -> int:
        """Count the open sessions of a tenant."""
        held = self._held.get(name)
        return held.sessions if held is not None else 0

    def open_tenants(self) -> tuple[tuple[str, UUID], ...]:
        """List the tenants that are open, by name and id."""
        return tuple((name, held.opened.record.id) for name, held in self._held.items() if held.opened is not None)

    def reconfigure(self) -> None:
        """Have new statements of all tenants obey the present settings."""
        for held in self._held.values():
            if held.opened is not None:
                held.opened.reconfigure()

    async def follow_limits(self) -> None:
        """Have the limits of open tenants hold that are on record now, whoever put them there.

        Raises:
            CatalogError: 57P03, they cannot be read; the former ones stay.
        """
        if not (open_tenants := self.open_tenants()):
            return
        async with self._services.control_connection() as connection:
            limits = await limits_of_tenants(connection, (tenant for _, tenant in open_tenants))
        for name, tenant in open_tenants:
            held = self._held[name]
            try:
                changed = tenant in limits and held.settings.limit(limits[tenant])
            except ConfigurationInvalid as error:
                # Of a later version, say: what held before goes on.
                _log.error("tenant_limits_refused", tenant=name, reason=error.message, detail=error.detail)
                continue
            if changed and held.opened is not None:
                held.opened.reconfigure()
                _log.info("tenant_limits_changed", tenant=name, limits=limits[tenant])

    async def close(self) -> None:
        """Close every tenant's sources and engines; clusters are stopped by the services."""
        for held in self._held.values():
            await self._close(held)
        await self._shared.close()
        await self.policy.close()
        self._held.clear()

    async def _housekeep_once(self, idle_s: float) -> None:
        now_s = time.monotonic()
        for name, held in list(self._held.items()):
            if _touched(held) or (held.sessions and now_s - held.mirrored_s >= ROLES_INTERVAL_S):
                await self._mirror(name, held)
            if held.sessions:
                await self._keep_quota(held)
                await self._follow(held)
            elif now_s - held.idle_since_s >= idle_s:
                await self._close(held)
        await self._services.clusters.stop_idle(idle_s)
        if now_s - self._limits_followed_s >= LIMITS_INTERVAL_S:
            self._limits_followed_s = now_s
            await self.follow_limits()

    async def _keep_quota(self, held: _Held) -> None:
        if held.opened is not None and held.opened.quota is not None:
            await held.opened.quota.watch()

    async def _follow(self, held: _Held) -> None:
        """Have a tenant's snapshot follow its catalog, so that what one session makes others soon route right."""
        opened = held.opened
        if opened is None:
            return
        version = await opened.repeats.watch.read()
        try:
            if version is not None:
                await opened.tenant.follow(version.sequence)
        except (CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            _log.debug("catalog_not_followed", reason=str(error))

    async def _close(self, held: _Held) -> None:
        async with held.changing:
            opened, held.opened = held.opened, None
            if opened is not None:
                await opened.stack.aclose()

    async def _mirror(self, name: str, held: _Held) -> None:
        """Mirror the roles of an open tenant; that it fails is logged, for what was mirrored last stands."""
        async with held.mirroring:
            opened = held.opened
            if opened is None:
                return
            try:
                async with self._services.clusters.lease(opened.record.cluster, opened.record.dsn) as cluster:
                    await copy_roles(self._services, opened.record, cluster)
                    held.mirrored_s = time.monotonic()
            except (OmniSQLError, CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                _log.warning("roles_not_mirrored", tenant=name, reason=str(error))

    def _hold(self, name: str) -> _Held:
        held = self._held.get(name)
        if held is None:
            held = self._held[name] = _Held(settings=TenantSettings(self._services.live))
        return held

    async def _record(self, name: str, held: _Held) -> control.Tenant:
        """Read the record of a tenant that is not open, with the limits that hold from now on."""
        async with self._services.control_connection() as connection:
            record = await control.tenant_named(connection, name)
        held.settings.limit(record.limits)
        return record

    async def _open(self, record: control.Tenant, cluster: Cluster, limits: TenantSettings) -> OpenTenant:
        settings = limits.current
        if record.owner is not None:
            await update_database(cluster, record.database, record.owner)
        async with AsyncExitStack() as stack:
            load = partial(load_through, partial(self._tenant_connection, record))
            permit = partial(permit_through, partial(self._tenant_connection, record))
            data_key = partial(self._services.data_key, record.id)
            misses = PushdownMisses(record.id, self._services.control_connection)
            statistics = StatisticsKeeper(record.id, self._services.control_connection, data_key=data_key)
            await statistics.load()
            management = self._managed(record, statistics)
            refresh = partial(refresh_on_record, self._services.audit.journal.write, record.id, record.name)
            cache = TenantCache(self._shared, tenant=record.id.hex, data_key=data_key, on_record=refresh)
            stack.callback(cache.close)
            sources = Sources(
                connector_named=self._connector,
                resolve=lambda server, view: management.resolver.resolve(server, view, tenant.snapshot),
                limiter_for=partial(self._services.limiter, record.name),
                open_max=settings.fetch.open_sources_max,
                cache_of=cache.of,
            )
            pool = InstancePool(instance_settings(settings))
            owners = OwnerBackends(partial(cluster.connect, database=record.database))
            for part in (sources, pool, owners):
                stack.push_async_callback(part.close)
            tenant = Tenant(
                name=record.name,
                database=record.database,
                snapshot=await load(),
                load=load,
                sources=sources,
                kept=TenantKept(cache, sources, lambda: pipeline_bounds(limits.current).fetch),
                statistics=statistics,
                misses=misses,
                data_key=data_key,
                records=partial(self._services.recent_records, record),
                seen_whole=self.policy.seen_whole,
            )
            connect = partial(cluster.connect, cluster.superuser, record.database)
            repeats = stack.enter_context(closing(Repeats(self._answers, connect, self.policy, cache)))
            pipeline = Pipeline(
                tenant=tenant,
                policy=self.policy,
                pool=pool,
                bounds=pipeline_bounds(settings),
                managers=managers_of(management.managers, tenant, settings),
                repeats=repeats,
                sharing=Sharing(self.policy, permit),
                owners=owners,
            )
            stack.push_async_callback(statistics.flush)
            stack.push_async_callback(misses.flush)
            for serving in (statistics.serve(), misses.serve(), management.sweeper.serve()):
                stack.push_async_callback(end_task, asyncio.create_task(serving))
            quota = await measured(cluster, limits)
            if quota is not None:
                quota.on_closed = tenant.forget_plain
            return OpenTenant(record, cluster, tenant, pipeline, pool, repeats, quota, limits, stack.pop_all())

    def _managed(self, record: control.Tenant, statistics: StatisticsKeeper) -> SourceManagement:
        return manage_sources(
            tenant=record.name,
            tenant_id=record.id,
            owner=record.owner,
            tenant_connection=partial(self._tenant_connection, record),
            control_connection=self._services.control_connection,
            credentials=self._services.credentials,
            connector_named=self._connector,
            bounds=source_bounds(self._services.settings),
            forget_statistics=statistics.forget,
        )

    @asynccontextmanager
    async def _tenant_connection(self, record: control.Tenant) -> AsyncIterator[Connection]:
        # Of a cluster that runs: without sessions it may have made room for another.
        async with self._services.clusters.lease(record.cluster, record.dsn) as running:
            connection = await running.connect(running.superuser, record.database)
            try:
                yield connection
            finally:
                await connection.close()

    def _connector(self, name: str) -> Connector:
        known = self._connectors.get(name)
        if known is None:
            known = self._connectors[name] = connector_named(name, self._transport)
        return known


def _check_sessions(held: _Held) -> None:
    """Refuse the session that was counted last, if it is one too many.

    Raises:
        TooManyConnections: 53300.
    """
    sessions_max = held.settings.current.clusters.sessions_max
    if held.sessions > sessions_max:
        raise TooManyConnections(message="the tenant has too many sessions", detail=f"limit {sessions_max}")


def _touched(held: _Held) -> bool:
    """Say whether a statement that may have changed roles came a short while ago: its transaction may last."""
    opened = held.opened
    return opened is not None and time.monotonic() - opened.tenant.roles_touched_s < ROLES_TOUCHED_FOR_S
