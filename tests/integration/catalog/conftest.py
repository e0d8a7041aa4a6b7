"""Real clusters for the catalog's tests: one data root and one template for the whole run, two long-lived clusters."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from catalog.clusters import EmbeddedCluster, EmbeddedSettings
from catalog.connection import OwnConnection
from catalog.control import CONTROL_DATABASE, prepare_control_database
from catalog.shape import ForeignColumn, ForeignServer, ForeignTable, WrapperShape, install
from catalog.tenants import create_tenant_database, create_user, make_owner

GITHUB = WrapperShape(
    name="github",
    server_options=("base_url",),
    mapping_options=("user", "token"),
    secret_options=("token",),
)
HUB = ForeignServer(name="hub", wrapper="github", options={"base_url": "https://api.test"}, comment="it's the hub")


def issues_table(*extra: ForeignColumn, schema: str = "github", name: str = "issues") -> ForeignTable:
    """Describe the table of issues, with further columns at its end."""
    columns = (
        ForeignColumn(name="number", type_name="int8", comment="Number in the repository.", options={"column": "id"}),
        ForeignColumn(name="Labels", type_name="text[]"),
        ForeignColumn(name="created_at", type_name="timestamptz"),
        *extra,
    )
    return ForeignTable(schema=schema, name=name, server="hub", columns=columns, options={"table": "issues"})


@pytest.fixture(scope="session")
def settings() -> Iterator[EmbeddedSettings]:
    # Not pytest's own folder: that is closed to other accounts again whenever another pytest starts.
    data_root = Path(tempfile.mkdtemp(prefix="omnisql-test-"))
    yield EmbeddedSettings(data_root=data_root, max_connections=20)
    shutil.rmtree(data_root)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def acme(settings: EmbeddedSettings) -> AsyncIterator[EmbeddedCluster]:
    """A tenant's cluster with database acme, the owner admin, the users ana and bob, and one API table."""
    cluster = EmbeddedCluster("acme", settings)
    await cluster.start()
    try:
        await create_tenant_database(cluster, "acme")
        for role in ("admin", "ana", "bob"):
            await create_user(cluster, "acme", role, search_path=("$user", "public", "github"))
        await make_owner(cluster, "acme", "admin")
        connection = await cluster.connect(cluster.superuser, "acme")
        await install(
            connection, wrappers=[GITHUB], servers=[HUB], tables=[issues_table()], grants=["ana"], owner="admin"
        )
        await connection.close()
        yield cluster
    finally:
        await cluster.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def control(settings: EmbeddedSettings) -> AsyncIterator[EmbeddedCluster]:
    """The control cluster with its migrated database."""
    cluster = EmbeddedCluster("control", settings)
    await cluster.start()
    try:
        await prepare_control_database(cluster)
        yield cluster
    finally:
        await cluster.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def control_connection(control: EmbeddedCluster) -> AsyncIterator[OwnConnection]:
    connection = await control.connect(control.superuser, CONTROL_DATABASE)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def superuser(acme: EmbeddedCluster) -> AsyncIterator[OwnConnection]:
    connection = await acme.connect(acme.superuser, "acme")
    yield connection
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def admin(acme: EmbeddedCluster) -> AsyncIterator[OwnConnection]:
    """The tenant's owner, with a user's ordinary search_path."""
    connection = await acme.connect("admin", "acme")
    await connection.execute("SET search_path = public, pg_catalog")
    yield connection
    await connection.close()


@pytest.fixture
def table() -> Callable[..., ForeignTable]:
    return issues_table
