"""Puts together who carries out which kind of statement about a tenant's sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from catalog.credentials import CredentialStore
from omnisql_server.manage.asking import Asking
from omnisql_server.manage.check import ManageCheck
from omnisql_server.manage.credential import ManageCredential
from omnisql_server.manage.foreign_table import ManageForeignTable
from omnisql_server.manage.import_schema import ManageImport
from omnisql_server.manage.managed import Manage
from omnisql_server.manage.not_grammatical import RefuseNotGrammatical
from omnisql_server.manage.resolver import Connect, Resolver
from omnisql_server.manage.server import ManageServer
from omnisql_server.manage.sweep import Sweeper, sweep, sweep_statistics
from omnisql_server.manage.wrappers import ConnectorOf, with_introspection
from omnisql_server.model.statement import StatementKind


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBounds:
    """How long an API may take to be asked about itself, and how unused secrets are swept; in seconds."""

    ask_timeout_s: float
    sweep_interval_s: float
    sweep_age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceManagement:
    """What a tenant has for its sources; `sweeper.serve` is to run while the tenant is open."""

    resolver: Resolver
    sweeper: Sweeper
    managers: Mapping[StatementKind, Manage]


def manage_sources(
    *,
    tenant: str,
    tenant_id: UUID,
    owner: str | None,
    tenant_connection: Connect,
    control_connection: Connect,
    credentials: CredentialStore,
    connector_named: ConnectorOf,
    bounds: SourceBounds,
    forget_statistics: Callable[[frozenset[tuple[int, str]]], None],
) -> SourceManagement:
    """Make everything that statements about one tenant's sources need.

    `forget_statistics` is told of API tables that are gone, by the OIDs of their servers and their names.
    """
    connector_of = with_introspection(connector_named)
    resolver = Resolver(
        tenant=tenant,
        tenant_id=tenant_id,
        tenant_connection=tenant_connection,
        control_connection=control_connection,
        credentials=credentials,
        connector_of=connector_of,
    )
    asking = Asking(resolver=resolver, connector_of=connector_of, timeout_s=bounds.ask_timeout_s)

    async def sweep_once() -> tuple[UUID, ...]:
        swept = await sweep(
            tenant_id=tenant_id,
            tenant_connection=tenant_connection,
            control_connection=control_connection,
            age_s=bounds.sweep_age_s,
        )
        gone = await sweep_statistics(
            tenant_id=tenant_id, tenant_connection=tenant_connection, control_connection=control_connection
        )
        forget_statistics(gone)
        return swept

    sweeper = Sweeper(sweep_once, interval_s=bounds.sweep_interval_s)
    managers: dict[StatementKind, Manage] = {
        StatementKind.CREDENTIAL: ManageCredential(
            tenant=tenant,
            tenant_id=tenant_id,
            owner=owner,
            control_connection=control_connection,
            credentials=credentials,
            connector_of=connector_of,
        ),
        StatementKind.CREDENTIAL_DROP: sweeper,
        StatementKind.SERVER: ManageServer(connector_of),
        StatementKind.IMPORT: ManageImport(asking),
        StatementKind.FOREIGN_TABLE: ManageForeignTable(asking, connector_of),
        StatementKind.CALL: ManageCheck(asking),
        StatementKind.NOT_GRAMMATICAL: RefuseNotGrammatical(),
    }
    return SourceManagement(resolver=resolver, sweeper=sweeper, managers=managers)
