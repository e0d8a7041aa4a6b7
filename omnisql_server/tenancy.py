"""The tenants being served: opened at the first log-in, with their snapshot, sources, policy and pipeline.

A session holds a lease of its tenant's cluster. A tenant without sessions keeps its parts for a while; then they are
closed and its cluster is stopped, and the next log-in opens it again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import structlog

from catalog import control
from catalog.clusters import Cluster
from catalog.credentials import audience_of
from catalog.errors import CatalogError, ClusterUnavailable, PrincipalUnknown, TenantUnknown
from catalog.quoting import options_from_array
from catalog.snapshot import Snapshot, load_snapshot
from connectors.registry import connector_named
from connectors.sdk.connector import Connector, Source
from omnisql_server.errors import TooManyConnections
from omnisql_server.execute.instances import InstancePool, InstanceSettings
from omnisql_server.fetch.scheduler import FetchBounds
from omnisql_server.fetch.sources import Sources
from omnisql_server.limits.limiter import SourceLimiter
from omnisql_server.manage.analyze import AnalyzeManager
from omnisql_server.model.principal import Principal
from omnisql_server.model.statement import StatementKind
from omnisql_server.outbound import transport_settings
from omnisql_server.pipeline import Pipeline, PipelineBounds
from omnisql_server.policy.rules import Rules, load_rules
from omnisql_server.principals import copy_roles
from omnisql_server.provision import EVERYONE, update_database
from omnisql_server.services import Services
from omnisql_server.settings import Settings
from omnisql_server.tenant import Tenant

HOUSEKEEPING_INTERVAL_S = 2.0
SESSIONS_POLL_S = 0.02
ROLES_TOUCHED_FOR_S = 60.0
"""How long after a statement that may have changed roles every log-in looks at them first."""

_log = structlog.get_logger(__name__)

MAPPING_SQL = """
SELECT m.usename, m.umoptions FROM pg_catalog.pg_user_mappings m
WHERE m.srvname OPERATOR(pg_catalog.=) $1
  AND (m.umuser OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR m.usename OPERATOR(pg_catalog.=) $2)
ORDER BY m.umuser DESC LIMIT 1
"""
"""A role's own mapping of a server, else the one for PUBLIC."""


@dataclass(slots=True)
class OpenTenant:
    """A tenant that is being served."""

    record: control.Tenant
    cluster: Cluster
    tenant: Tenant
    pipeline: Pipeline
    stack: AsyncExitStack = field(repr=False)


@dataclass(slots=True, kw_only=True)
class _Held:
    """A tenant as this server holds it; `closed` says that it takes no sessions until further notice."""

    opened: OpenTenant | None = None
    sessions: int = 0
    idle_since_s: float = field(default_factory=time.monotonic)
    closed: bool = False
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    mirroring: asyncio.Lock = field(default_factory=asyncio.Lock)


class Tenancy:
    """Opens tenants and answers who may log in to them.

    Raises:
        ConfigurationInvalid: F0000, the way out to sources is not configured well.
    """

    def __init__(self, services: Services, connectors: Mapping[str, Connector] | None = None) -> None:
        self._services = services
        self._connectors = dict(connectors or {})
        self._transport = transport_settings(services.settings)
        self._rules = load_rules(services.settings.policy.file)
        self._held: dict[str, _Held] = {}

    async def principal(self, database: str, user: str) -> tuple[Principal, str] | None:
        """Look up who logs in, with the SCRAM verifier; None for an unknown database or user.

        The answer comes from the control database: a stranger starts no cluster.

        Raises:
            ClusterUnavailable: 57P03, the control database cannot be reached.
        """
        await self._mirror_if_touched(database)
        async with self._services.control_connection() as connection:
            try:
                record = await control.tenant_named(connection, database)
                found = await control.principal_named(connection, record.id, user)
            except (TenantUnknown, PrincipalUnknown):
                return None
        if found.verifier is None or not record.ready:
            return None
        attributes = {key: _texts(value) for key, value in found.attributes.items()}
        return Principal(tenant=record.name, name=user, attributes=attributes), found.verifier

    @asynccontextmanager
    async def session(self, name: str) -> AsyncIterator[OpenTenant]:
        """Keep a tenant open and its cluster running for the time of a session.

        Raises:
            TooManyConnections: 53300, it has as many sessions as a tenant may have.
            CatalogError: there is no such tenant, or its cluster cannot be started or read.
        """
        held = self._held.setdefault(name, _Held())
        if held.closed:
            raise ClusterUnavailable("the tenant is being stopped", hint="Try again later.")
        sessions_max = self._services.settings.clusters.sessions_max
        if held.sessions >= sessions_max:
            raise TooManyConnections(message="the tenant has too many sessions", detail=f"limit {sessions_max}")
        held.sessions += 1
        try:
            record = held.opened.record if held.opened is not None else await self._record(name)
            async with self._services.clusters.lease(record.cluster, record.dsn) as cluster:
                async with held.changing:
                    if held.opened is None:
                        held.opened = await self._open(record, cluster)
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
        held = self._held.setdefault(name, _Held())
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

    def reconfigure(self, rules: Rules) -> None:
        """Have new statements of all tenants obey new rules and the present settings."""
        self._rules = rules
        for held in self._held.values():
            if held.opened is not None:
                held.opened.pipeline.reconfigure(rules=rules, bounds=_bounds(self._services.settings))

    async def close(self) -> None:
        """Close every tenant's sources and engines; clusters are stopped by the services."""
        for held in self._held.values():
            await self._close(held)
        self._held.clear()

    async def _housekeep_once(self, idle_s: float) -> None:
        for name, held in list(self._held.items()):
            if held.sessions or _touched(held):
                await self._mirror(name, held)
            elif time.monotonic() - held.idle_since_s >= idle_s:
                await self._close(held)
        await self._services.clusters.stop_idle(idle_s)

    async def _close(self, held: _Held) -> None:
        async with held.changing:
            opened, held.opened = held.opened, None
            if opened is not None:
                await opened.stack.aclose()

    async def _mirror_if_touched(self, name: str) -> None:
        held = self._held.get(name)
        if held is not None and _touched(held):
            await self._mirror(name, held)

    async def _mirror(self, name: str, held: _Held) -> None:
        """Mirror the roles of an open tenant; that it fails is logged, for what was mirrored last stands."""
        async with held.mirroring:
            opened = held.opened
            if opened is None:
                return
            try:
                async with self._services.clusters.lease(opened.record.cluster, opened.record.dsn) as cluster:
                    await copy_roles(self._services, opened.record, cluster)
            except (CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                _log.warning("roles_not_mirrored", tenant=name, reason=str(error))

    async def _record(self, name: str) -> control.Tenant:
        async with self._services.control_connection() as connection:
            return await control.tenant_named(connection, name)

    async def _open(self, record: control.Tenant, cluster: Cluster) -> OpenTenant:
        settings = self._services.settings
        if record.owner is not None:
            await update_database(cluster, record.database, record.owner)
        async with AsyncExitStack() as stack:

            async def load() -> Snapshot:
                connection = await cluster.connect(cluster.superuser, record.database)
                try:
                    return await load_snapshot(connection)
                finally:
                    await connection.close()

            snapshot = await load()
            resolver = _Resolver(services=self._services, record=record, cluster=cluster)
            sources = Sources(
                connector_named=self._connector,
                resolve=lambda server, wrapper, user: resolver.resolve(server, wrapper, user, tenant.snapshot),
                limiter_for=lambda source: SourceLimiter(
                    self._services.buckets,
                    tenant=record.name,
                    source=source.server,
                    limits={},
                    wait_max_s=settings.limits.wait_max_s,
                    fail_open=settings.limits.fail_open,
                ),
            )
            stack.push_async_callback(sources.close)
            pool = InstancePool(_instance_settings(settings))
            stack.push_async_callback(pool.close)
            tenant = Tenant(name=record.name, database=record.database, snapshot=snapshot, load=load, sources=sources)
            pipeline = Pipeline(
                tenant=tenant,
                rules=self._rules,
                pool=pool,
                bounds=_bounds(settings),
                managers={StatementKind.ANALYZE: AnalyzeManager(lambda: tenant.wrappers)},
            )
            return OpenTenant(record=record, cluster=cluster, tenant=tenant, pipeline=pipeline, stack=stack.pop_all())

    def _connector(self, name: str) -> Connector:
        known = self._connectors.get(name)
        if known is None:
            known = self._connectors[name] = connector_named(name, self._transport)
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resolver:
    """Finds a source's options in the tenant's catalog and unseals its secrets; kept until the catalog changes."""

    services: Services
    record: control.Tenant
    cluster: Cluster
    _known: dict[tuple[str, str], tuple[int, Source]] = field(default_factory=dict)

    async def resolve(self, server: str, wrapper: str, principal: str, snapshot: Snapshot) -> Source:
        """Return the source a principal uses under a server's name."""
        sequence, known = self._known.get((server, principal), (-1, None))
        if known is None or sequence != snapshot.sequence:
            known = await self._look_up(server, wrapper, principal, snapshot.servers[server].options)
            self._known[server, principal] = (snapshot.sequence, known)
        return known

    async def _look_up(self, server: str, wrapper: str, principal: str, options: Mapping[str, str]) -> Source:
        connection = await self.cluster.connect(self.cluster.superuser, self.record.database)
        try:
            mapping = await connection.fetchrow(MAPPING_SQL, server, principal)
        finally:
            await connection.close()
        role = EVERYONE if mapping is None or mapping["usename"] == "public" else principal
        held = options_from_array(mapping["umoptions"]) if mapping is not None else {}
        secrets = await self._unseal(held, server, role, options.get("base_url"))
        plain = {name: value for name, value in held.items() if name not in secrets}
        return Source(
            tenant=self.record.name,
            server=server,
            connector=wrapper,
            options={**options, **plain},
            secrets=secrets,
            credential_id=f"{role}:{','.join(sorted(held.values()))}",
        )

    async def _unseal(self, held: Mapping[str, str], server: str, role: str, base_url: str | None) -> dict[str, str]:
        handles = {name: value for name, value in held.items() if value.startswith("secret:")}
        if not handles:
            return {}
        opened = {}
        async with self.services.control_connection() as connection:
            for name, handle in handles.items():
                secret = await self.services.credentials.get(
                    connection,
                    handle,
                    tenant=self.record.id,
                    server=server,
                    role=role,
                    audience=audience_of(base_url or ""),
                )
                opened[name] = secret.decode()
        return opened


def _touched(held: _Held) -> bool:
    """Say whether a statement that may have changed roles came a short while ago: its transaction may last."""
    opened = held.opened
    return opened is not None and time.monotonic() - opened.tenant.roles_touched_s < ROLES_TOUCHED_FOR_S


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
