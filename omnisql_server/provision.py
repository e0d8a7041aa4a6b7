"""Make a source visible in a tenant: its server, its credential as a handle, its tables as foreign tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from uuid import UUID

from catalog.clusters import Cluster
from catalog.connection import Connection
from catalog.credentials import CredentialStore, Use, audience_of
from catalog.lineage import install_lineage
from catalog.matviews import install_matviews
from catalog.procedures import install_procedures
from catalog.quoting import identifier, option_list
from catalog.schema_history import install_schema_history
from catalog.shape import ForeignColumn, ForeignServer, ForeignTable, WrapperShape, install
from catalog.tenants import create_tenant_database
from connectors.registry import all_connectors
from connectors.sdk.connector import Connector, WithVersions, connector_at
from connectors.sdk.table import Table
from omnisql_server.introspection.connector import INTROSPECTION
from omnisql_server.manage.options import mapping_options, secret_options, server_options
from omnisql_server.model.custom_settings import DEFAULTS

EVERYONE_OID = 0
"""The role in a credential's seal when the mapping is for PUBLIC."""

SERVER_OPEN_SQL = "SELECT pg_catalog.has_server_privilege('public', $1, 'USAGE')"
SERVER_OID_SQL = "SELECT s.oid FROM pg_catalog.pg_foreign_server s WHERE s.srvname OPERATOR(pg_catalog.=) $1"


def wrapper_shape(connector: Connector) -> WrapperShape:
    """Describe a connector's foreign-data wrapper: the options of all its versions, and which of them are secrets."""
    versions = connector.versions[::-1] if isinstance(connector, WithVersions) else ("",)
    kinds = [connector_at(connector, version) for version in versions]

    def every(options: Callable[[Connector], tuple[str, ...]]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for kind in kinds for name in options(kind)))

    return WrapperShape(
        name=connector.name,
        server_options=every(server_options),
        mapping_options=every(mapping_options),
        secret_options=every(secret_options),
    )


def foreign_server(connector: Connector, name: str, options: Mapping[str, str]) -> ForeignServer:
    """Describe the server of a source; secrets are not among its options."""
    plain = {option.name for option in connector.options if not option.secret}
    return ForeignServer(
        name=name,
        wrapper=connector.name,
        options={k: v for k, v in options.items() if k in plain},
        version=connector.versions[-1] if isinstance(connector, WithVersions) else None,
    )


def foreign_tables(schema: str, server: str, tables: Iterable[Table]) -> tuple[ForeignTable, ...]:
    """Describe API tables as foreign tables: the same columns, each with the API's name as its option."""
    return tuple(
        ForeignTable(
            schema=schema,
            name=table.local_name,
            server=server,
            comment=table.description,
            options={"table": table.name},
            columns=tuple(
                ForeignColumn(
                    name=column.name,
                    type_name=column.type_name,
                    comment=column.description or None,
                    options={"column": column.name},
                )
                for column in table.columns
            ),
        )
        for table in tables
    )


async def install_builtin(connection: Connection, *, control_role: str, owner: str) -> None:
    """Bring a tenant's database to this version: every connector's wrapper, usable by the owner, and schema `omnisql`.

    The schema and what is in it belong to the control role, so that no user can take them away; everybody may read it.
    """
    connectors = all_connectors()
    await install(connection, wrappers=[wrapper_shape(each) for each in connectors], servers=(), tables=(), owner=owner)
    await install(
        connection,
        wrappers=[wrapper_shape(INTROSPECTION)],
        servers=[ForeignServer(name=INTROSPECTION.name, wrapper=INTROSPECTION.name)],
        tables=foreign_tables(INTROSPECTION.name, INTROSPECTION.name, INTROSPECTION.tables),
        grants=["public"],
        owner=control_role,
    )
    if not await connection.fetchval(SERVER_OPEN_SQL, INTROSPECTION.name):
        await connection.execute(f"GRANT USAGE ON FOREIGN SERVER {identifier(INTROSPECTION.name)} TO PUBLIC")
    await install_procedures(connection)
    await install_matviews(connection, control_role)
    await install_lineage(connection, control_role, owner)
    await install_schema_history(connection, control_role, owner)


async def update_database(cluster: Cluster, database: str, owner: str) -> None:
    """Bring a tenant's database to what this version of OmniSQL keeps in it; an unchanged one is not touched."""
    control_role = await create_tenant_database(cluster, database, settings=DEFAULTS)
    connection = await cluster.connect(cluster.superuser, database)
    try:
        await install_builtin(connection, control_role=control_role, owner=owner)
    finally:
        await connection.close()


async def put_credential(
    tenant_connection: Connection,
    control: Connection,
    store: CredentialStore,
    *,
    tenant: UUID,
    server: str,
    base_url: str,
    secrets: Mapping[str, str],
) -> None:
    """Seal a source's secrets for every role of the tenant and leave only handles in the user mapping.

    Earlier secrets of the mapping are left to the tenant's sweep.
    """
    server_oid = await tenant_connection.fetchval(SERVER_OID_SQL, server)
    use = Use(tenant=tenant, server_oid=server_oid, role_oid=EVERYONE_OID, audience=audience_of(base_url))
    handles = {name: await store.put(control, value.encode(), use) for name, value in secrets.items()}
    async with tenant_connection.transaction():
        await tenant_connection.execute(f"DROP USER MAPPING IF EXISTS FOR PUBLIC SERVER {identifier(server)}")
        await tenant_connection.execute(
            f"CREATE USER MAPPING FOR PUBLIC SERVER {identifier(server)} {option_list(handles)}"
        )
