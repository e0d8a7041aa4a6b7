"""Make a source visible in a tenant: its server, its credential as a handle, its tables as foreign tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from catalog.clusters import Cluster
from catalog.connection import Connection
from catalog.control import delete_secret, secret_handles
from catalog.credentials import CredentialStore, audience_of
from catalog.quoting import identifier, option_list
from catalog.shape import ForeignColumn, ForeignServer, ForeignTable, WrapperShape, install
from catalog.tenants import create_tenant_database
from connectors.registry import all_connectors
from connectors.sdk.connector import Connector
from connectors.sdk.table import Table
from omnisql_server.introspection.connector import INTROSPECTION

EVERYONE = "public"
"""The role in a credential's seal when the mapping is for PUBLIC."""


def wrapper_shape(connector: Connector) -> WrapperShape:
    """Describe a connector's foreign-data wrapper: its options, and which of them are secrets."""
    secret = tuple(option.name for option in connector.options if option.secret)
    mapped = (*secret, *(option.name for option in connector.options if not option.secret and not option.audience))
    return WrapperShape(
        name=connector.name,
        server_options=tuple(option.name for option in connector.options if not option.secret),
        mapping_options=mapped,
        secret_options=secret,
    )


def foreign_server(connector: Connector, name: str, options: Mapping[str, str]) -> ForeignServer:
    """Describe the server of a source; secrets are not among its options."""
    plain = {option.name for option in connector.options if not option.secret}
    return ForeignServer(name=name, wrapper=connector.name, options={k: v for k, v in options.items() if k in plain})


def foreign_tables(schema: str, server: str, tables: Iterable[Table]) -> tuple[ForeignTable, ...]:
    """Describe API tables as foreign tables: the same columns, each with the API's name as its option."""
    return tuple(
        ForeignTable(
            schema=schema,
            name=table.name,
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


async def update_database(cluster: Cluster, database: str, owner: str) -> None:
    """Bring a tenant's database to what this version of OmniSQL keeps in it; an unchanged one is not touched."""
    control_role = await create_tenant_database(cluster, database)
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

    Earlier secrets of the same server and mapping are forgotten.
    """
    audience = audience_of(base_url)
    for handle in await secret_handles(control, tenant=tenant, server=server, role=EVERYONE):
        await delete_secret(control, handle)
    handles = {
        name: await store.put(control, value.encode(), tenant=tenant, server=server, role=EVERYONE, audience=audience)
        for name, value in secrets.items()
    }
    async with tenant_connection.transaction():
        await tenant_connection.execute(f"DROP USER MAPPING IF EXISTS FOR PUBLIC SERVER {identifier(server)}")
        await tenant_connection.execute(
            f"CREATE USER MAPPING FOR PUBLIC SERVER {identifier(server)} {option_list(handles)}"
        )
