"""The control database: migrations are applied once and verified; tenants, principals, sources and secrets are kept."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from catalog.clusters import EmbeddedCluster
from catalog.connection import OwnConnection
from catalog.control import (
    Principal,
    Source,
    Tenant,
    all_tenants,
    create_tenant,
    delete_secret,
    get_secret,
    prepare_control_database,
    principal_named,
    put_principal,
    put_source,
    secret_handles,
    sources_of,
    tenant_named,
)
from catalog.credentials import CredentialStore, handle_id
from catalog.errors import (
    InvalidName,
    MigrationFailed,
    PrincipalUnknown,
    SecretRefused,
    SecretUnknown,
    ShapeInvalid,
    TenantExists,
    TenantUnknown,
)
from catalog.migrations import Migration, migrate, read_migrations

pytestmark = pytest.mark.asyncio(loop_scope="session")

VERIFIER = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"
KEY = bytes(range(32))
AUDIENCE = "https://api.test:443"


@pytest_asyncio.fixture(loop_scope="session")
async def tenant(control_connection: OwnConnection) -> Tenant:
    return await create_tenant(control_connection, name=f"t-{uuid4().hex}", database="acme")


async def test_preparing_again_applies_nothing(control: EmbeddedCluster) -> None:
    assert await prepare_control_database(control) == ()


async def test_a_failing_migration_leaves_nothing_behind_and_a_good_one_is_applied_once(
    control: EmbeddedCluster,
) -> None:
    connection = await control.connect(control.superuser, "postgres")
    first = Migration(version=1, name="0001_a.sql", text="CREATE TABLE control.a (x int)")
    broken = Migration(version=2, name="0002_b.sql", text="CREATE TABLE control.b (x int); SELECT 1/0")
    with pytest.raises(MigrationFailed) as caught:
        await migrate(connection, [first, broken])
    assert caught.value.detail == "0002_b.sql: division by zero"
    assert await connection.fetchval("SELECT to_regclass('control.a') IS NOT NULL AND to_regclass('control.b') IS NULL")
    assert await migrate(connection, [first]) == ()
    edited = Migration(version=1, name="0001_a.sql", text="CREATE TABLE control.a (x int, y int)")
    with pytest.raises(MigrationFailed, match="an applied migration has changed"):
        await migrate(connection, [edited])
    with pytest.raises(MigrationFailed, match="newer than this program"):
        await migrate(connection, [])
    assert await connection.fetchval("SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'") == 0
    await connection.execute("DROP SCHEMA control CASCADE")
    await connection.close()


async def test_the_packages_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in read_migrations()] == [1, 2]


async def test_a_tenant_is_found_by_name_and_exists_once(control_connection: OwnConnection, tenant: Tenant) -> None:
    assert await tenant_named(control_connection, tenant.name) == tenant
    assert tenant in await all_tenants(control_connection)
    assert tenant.dsn is None
    with pytest.raises(TenantExists):
        await create_tenant(control_connection, name=tenant.name, database="other")
    with pytest.raises(TenantUnknown) as caught:
        await tenant_named(control_connection, "nobody")
    assert caught.value.sqlstate == "3D000"


@pytest.mark.parametrize(
    ("name", "dsn"), [("Upper", None), ("", None), ("a'b", None), ("ok", "postgresql://u:secret@h/d")]
)
async def test_names_and_dsns_with_passwords_are_refused(
    control_connection: OwnConnection, name: str, dsn: str | None
) -> None:
    with pytest.raises(InvalidName) as caught:
        await create_tenant(control_connection, name=name, database="d", dsn=dsn)
    assert "secret" not in f"{caught.value} {caught.value.detail}"


async def test_a_principal_is_replaced_and_found_with_attributes(
    control_connection: OwnConnection, tenant: Tenant
) -> None:
    first = Principal(tenant=tenant.id, name="Ana O'Hara", verifier=VERIFIER, attributes={}, roles=())
    second = Principal(
        tenant=tenant.id, name=first.name, verifier=None, attributes={"region": "eu", "level": 3}, roles=("a", "b")
    )
    for principal in (first, second):
        await put_principal(control_connection, principal)
        assert await principal_named(control_connection, tenant.id, first.name) == principal
    with pytest.raises(PrincipalUnknown) as caught:
        await principal_named(control_connection, tenant.id, "ana")
    assert caught.value.sqlstate == "28000"
    with pytest.raises(InvalidName):
        await put_principal(
            control_connection, Principal(tenant=tenant.id, name="bob", verifier="plain", attributes={}, roles=())
        )
    with pytest.raises(TenantUnknown):
        await put_principal(
            control_connection, Principal(tenant=uuid4(), name="bob", verifier=None, attributes={}, roles=())
        )


async def test_sources_are_listed_by_server_and_hold_no_secrets(
    control_connection: OwnConnection, tenant: Tenant
) -> None:
    for server in ("jira", "hub"):
        source = Source(tenant=tenant.id, server=server, connector="github", options={"base_url": AUDIENCE})
        await put_source(control_connection, source, secret_options=("token",))
    assert [source.server for source in await sources_of(control_connection, tenant.id)] == ["hub", "jira"]
    leaking = Source(tenant=tenant.id, server="hub", connector="github", options={"token": "ghp"})
    with pytest.raises(ShapeInvalid):
        await put_source(control_connection, leaking, secret_options=("token",))
    assert (await sources_of(control_connection, tenant.id))[0].options == {"base_url": AUDIENCE}


async def test_a_credential_opens_for_its_own_use_only(control_connection: OwnConnection, tenant: Tenant) -> None:
    store = CredentialStore(KEY)
    use: dict[str, object] = {"tenant": tenant.id, "server": "hub", "role": "ana", "audience": AUDIENCE}
    handle = await store.put(control_connection, b"ghp_token", **use)  # type: ignore[arg-type]
    assert await store.get(control_connection, handle, **use) == b"ghp_token"  # type: ignore[arg-type]
    sealed = await get_secret(control_connection, handle_id(handle))
    assert b"ghp_token" not in sealed.sealed
    assert await secret_handles(control_connection, tenant=tenant.id, server="hub", role="ana") == (handle_id(handle),)
    others: dict[str, object] = {
        "tenant": uuid4(),
        "server": "jira",
        "role": "bob",
        "audience": "https://evil.test:443",
    }
    for name, value in others.items():
        with pytest.raises(SecretRefused) as caught:
            await store.get(control_connection, handle, **{**use, name: value})  # type: ignore[arg-type]
        assert caught.value.sqlstate == "28000"
    with pytest.raises(SecretRefused):
        await CredentialStore(bytes(32)).get(control_connection, handle, **use)  # type: ignore[arg-type]
    await delete_secret(control_connection, handle_id(handle))
    with pytest.raises(SecretUnknown):
        await store.get(control_connection, handle, **use)  # type: ignore[arg-type]


async def test_a_stored_secret_moved_to_another_row_stays_shut(
    control_connection: OwnConnection, tenant: Tenant
) -> None:
    store = CredentialStore(KEY)
    handle = await store.put(
        control_connection, b"ghp_token", tenant=tenant.id, server="hub", role="ana", audience=AUDIENCE
    )
    await control_connection.execute("UPDATE control.secrets SET role = 'bob' WHERE handle = $1", handle_id(handle))
    assert isinstance(handle_id(handle), UUID)
    with pytest.raises(SecretRefused):
        await store.get(control_connection, handle, tenant=tenant.id, server="hub", role="bob", audience=AUDIENCE)
