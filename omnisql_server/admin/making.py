"""Makes a tenant and its users, or completes and updates what is there: every step may be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from catalog import control
from catalog.clusters import Cluster
from catalog.errors import TenantExists, TenantUnknown
from catalog.tenant_limits import change_limits
from catalog.tenants import create_tenant_database, create_user, make_owner
from omnisql_server.principals import copy_roles
from omnisql_server.provision import update_database
from omnisql_server.services import Services

SEARCH_PATH = ("$user", "public")


async def make_tenant(
    services: Services,
    name: str,
    *,
    owner: str,
    verifier: str | None,
    dsn: str | None = None,
    limits: Mapping[str, float] | None = None,
) -> control.Tenant:
    """Make a tenant with its cluster, database, owner and wrappers; one that was not made to its end is completed.

    `verifier` is the owner's password as SCRAM-SHA-256 verifier. Without a DSN the cluster is embedded.

    Raises:
        TenantExists: 42P04, the tenant is complete already.
        CatalogError: a name is not acceptable, or the cluster cannot be started or does not meet the requirements.
    """
    async with services.control_connection() as connection:
        try:
            record = await control.tenant_named(connection, name)
        except TenantUnknown:
            record = await control.create_tenant(connection, name=name, database=name, dsn=dsn, owner=owner)
        if record.ready and record.owner is not None:
            raise TenantExists("the tenant exists already", detail=name)
        if not record.ready:
            record = await control.correct_tenant(connection, record.id, dsn=dsn, owner=owner)
        # Before its cluster starts for the first time, which some of them are for.
        await change_limits(connection, record.id, limits or {})
    async with services.clusters.lease(record.cluster, record.dsn) as cluster:
        await create_tenant_database(cluster, record.database)
        await put_user(services, record, cluster, owner, verifier=verifier)
        await make_owner(cluster, record.database, owner)
        await update_database(cluster, record.database, owner)
    async with services.control_connection() as connection:
        await control.mark_ready(connection, record.id, owner)
        return await control.tenant_named(connection, name)


async def put_user(
    services: Services,
    record: control.Tenant,
    cluster: Cluster,
    user: str,
    *,
    verifier: str | None,
    attributes: Mapping[str, Sequence[str]] | None = None,
    search_path: Sequence[str] = SEARCH_PATH,
) -> None:
    """Make a user of a tenant whose cluster runs, or change password and attributes of the one that is there.

    Raises:
        RoleRefused: 42939, the name is reserved.
    """
    await create_user(cluster, record.database, user, search_path=search_path, verifier=verifier, owner=record.owner)
    await copy_roles(services, record, cluster)
    if attributes is None:
        return
    async with services.control_connection() as connection:
        known = await control.principal_named(connection, record.id, user)
        changed = control.Principal(
            tenant=record.id,
            name=user,
            verifier=known.verifier,
            attributes={name: list(values) for name, values in attributes.items()},
            roles=known.roles,
        )
        await control.put_principal(connection, changed)
