"""The control database: migrations are applied once and verified; tenants, principals and secrets are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from catalog.clusters import EmbeddedCluster
from catalog.connection import OwnConnection
from catalog.control import (
    Principal,
    Tenant,
    aged_secrets,
    all_tenants,
    create_tenant,
    delete_secrets,
    get_secret,
    prepare_control_database,
    principal_named,
    put_principal,
    tenant_named,
)
from catalog.credentials import CredentialStore, Use, handle_id
from catalog.errors import (
    InvalidName,
    MigrationFailed,
    PrincipalUnknown,
    SecretRefused,
    SecretUnknown,
    TenantExists,
    TenantUnknown,
)
from catalog.key_files import KeyFiles
from catalog.key_ring import KeyRing
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
    versions = [migration.version for migration in read_migrations()]
    assert versions == list(range(1, len(versions) + 1))


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


def ring_of(folder: Path, server_key: bytes = KEY) -> KeyRing:
    """Return a ring over key files that holds nothing in memory yet."""
    return KeyRing([KeyFiles(server_key, folder)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tenant-keys"


@pytest.fixture
def store(folder: Path) -> CredentialStore:
    return CredentialStore(ring_of(folder))


def use_of(tenant: Tenant) -> Use:
    """Return what the test's credential is given for."""
    return Use(tenant=tenant.id, server_oid=16_500, role_oid=0, audience=AUDIENCE)


async def test_a_credential_opens_for_its_own_use_only(
    control_connection: OwnConnection, tenant: Tenant, store: CredentialStore, folder: Path
) -> None:
    use = use_of(tenant)
    handle = await store.put(control_connection, b"ghp_token", use)
    assert await store.get(control_connection, handle, use) == b"ghp_token"
    assert b"ghp_token" not in (await get_secret(control_connection, handle_id(handle))).sealed
    others = (
        replace(use, tenant=uuid4()),
        replace(use, server_oid=16_501),
        replace(use, role_oid=10),
        replace(use, audience="https://evil.test:443"),
    )
    for other in others:
        with pytest.raises(SecretRefused) as caught:
            await store.get(control_connection, handle, other)
        assert caught.value.sqlstate == "28000"
    with pytest.raises(SecretRefused, match="the tenant's key cannot be opened"):
        await CredentialStore(ring_of(folder, bytes(32))).get(control_connection, handle, use)
    await delete_secrets(control_connection, tenant=tenant.id, handles=[handle_id(handle)])
    with pytest.raises(SecretUnknown):
        await store.get(control_connection, handle, use)


async def test_a_handle_is_verified_without_its_address(
    control_connection: OwnConnection, tenant: Tenant, store: CredentialStore
) -> None:
    use = use_of(tenant)
    handle = await store.put(control_connection, b"ghp_token", use)
    await store.verify(control_connection, handle, replace(use, audience="https://elsewhere.test:443"))
    for other in (replace(use, server_oid=16_501), replace(use, role_oid=10), replace(use, tenant=uuid4())):
        with pytest.raises(SecretRefused):
            await store.verify(control_connection, handle, other)


@pytest.mark.parametrize("change", ["role_oid = 10", "server_oid = 16501", "audience = 'https://evil.test:443'"])
async def test_a_stored_secret_moved_to_another_row_stays_shut(
    control_connection: OwnConnection, tenant: Tenant, store: CredentialStore, change: str
) -> None:
    handle = await store.put(control_connection, b"ghp_token", use_of(tenant))
    await control_connection.execute(f"UPDATE control.secrets SET {change} WHERE handle = $1", handle_id(handle))
    moved = await get_secret(control_connection, handle_id(handle))
    use = Use(tenant=tenant.id, server_oid=moved.server_oid, role_oid=moved.role_oid, audience=moved.audience)
    with pytest.raises(SecretRefused, match="the credential cannot be opened"):
        await store.get(control_connection, handle, use)


async def test_every_tenant_has_a_key_of_its_own(
    control_connection: OwnConnection, tenant: Tenant, folder: Path
) -> None:
    other = await create_tenant(control_connection, name=f"t-{uuid4().hex}", database="acme")
    ring = ring_of(folder)
    keys = [await ring.data_key(control_connection, each.id) for each in (tenant, other)]
    assert [len(key) for key in keys] == [32, 32]
    assert keys[0] != keys[1]
    assert await ring_of(folder).data_key(control_connection, tenant.id) == keys[0]
    stored = await control_connection.fetch("SELECT sealed FROM control.data_keys")
    assert not any(key in row["sealed"] for row in stored for key in keys)


async def test_a_tenants_key_cannot_be_put_in_anothers_place(
    control_connection: OwnConnection, tenant: Tenant, folder: Path
) -> None:
    other = await create_tenant(control_connection, name=f"t-{uuid4().hex}", database="acme")
    for each in (tenant, other):
        await ring_of(folder).data_key(control_connection, each.id)
    await control_connection.execute(
        "UPDATE control.data_keys SET sealed = (SELECT sealed FROM control.data_keys WHERE tenant = $1)"
        " WHERE tenant = $2",
        tenant.id,
        other.id,
    )
    with pytest.raises(SecretRefused):
        await ring_of(folder).data_key(control_connection, other.id)


async def test_secrets_are_listed_by_their_age(
    control_connection: OwnConnection, tenant: Tenant, store: CredentialStore
) -> None:
    handles = [handle_id(await store.put(control_connection, b"ghp_token", use_of(tenant))) for _ in range(3)]
    for hours, handle in enumerate(handles):
        await control_connection.execute(
            "UPDATE control.secrets SET created_at = now() - make_interval(hours => $1) WHERE handle = $2",
            hours,
            handle,
        )

    async def aged(age_s: float, count_max: int = 10) -> tuple[UUID, ...]:
        return await aged_secrets(control_connection, tenant=tenant.id, age_s=age_s, count_max=count_max)

    assert await aged(5_400) == (handles[2],)
    assert await aged(1_800) == (handles[2], handles[1])
    assert await aged(1_800, count_max=1) == (handles[2],)


async def test_the_migration_to_identities_deletes_what_names_sealed(control: EmbeddedCluster) -> None:
    connection = await control.connect(control.superuser, "template1")
    first, *rest = read_migrations()
    try:
        await migrate(connection, [first])
        await connection.execute(
            "WITH made AS (INSERT INTO control.tenants (name, database) VALUES ('old', 'old') RETURNING id)"
            " INSERT INTO control.secrets SELECT gen_random_uuid(), id, 'hub', 'public', 'https://a:443', 'x' FROM made"
        )
        await migrate(connection, [first, *rest])
        assert await connection.fetchval("SELECT count(*)::int FROM control.secrets") == 0
        assert await connection.fetchval("SELECT count(*)::int FROM control.tenants") == 1
        assert await connection.fetchval("SELECT to_regclass('control.sources')") is None
    finally:
        await connection.execute("DROP SCHEMA control CASCADE")
        await connection.close()
