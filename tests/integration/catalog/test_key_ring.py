"""Data keys: wrapped under keys of the tenants, rotated, destroyed, and held in memory for a while."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from catalog.connection import OwnConnection
from catalog.control import Tenant, create_tenant
from catalog.errors import KeysUnavailable, SecretRefused
from catalog.key_files import KeyFiles
from catalog.key_ring import KeyRing, seal

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = bytes(range(32))
STORED = "SELECT holder, generation, sealed FROM control.data_keys WHERE tenant = $1"


def names(folder: Path) -> list[str]:
    """Name the files of a folder."""
    return sorted(path.name for path in folder.iterdir())


class Silent:
    """A holder that can stop to answer."""

    name = "file"

    def __init__(self, files: KeyFiles) -> None:
        self.files = files
        self.answers = True

    async def wrap(self, tenant: UUID, generation: int, key: bytes) -> bytes:
        self._check()
        return await self.files.wrap(tenant, generation, key)

    async def unwrap(self, tenant: UUID, generation: int, wrapped: bytes) -> bytes:
        self._check()
        return await self.files.unwrap(tenant, generation, wrapped)

    async def destroy(self, tenant: UUID, generation: int) -> None:
        self._check()
        await self.files.destroy(tenant, generation)

    def _check(self) -> None:
        if not self.answers:
            raise KeysUnavailable("the key server does not answer as it should")


@pytest_asyncio.fixture(loop_scope="session")
async def tenant(control_connection: OwnConnection) -> Tenant:
    return await create_tenant(control_connection, name=f"t-{uuid4().hex}", database="acme")


async def test_a_rotated_key_opens_what_was_sealed_before_and_its_old_file_is_gone(
    control_connection: OwnConnection, tenant: Tenant, tmp_path: Path
) -> None:
    ring = KeyRing([KeyFiles(KEY, tmp_path)])
    key = await ring.data_key(control_connection, tenant.id)
    before = await control_connection.fetchrow(STORED, tenant.id)
    assert before is not None
    old = names(tmp_path)
    assert await ring.rotate(control_connection, tenant.id) == 2
    assert await KeyRing([KeyFiles(KEY, tmp_path)]).data_key(control_connection, tenant.id) == key
    assert names(tmp_path) == [f"{tenant.id}-2.key"]
    with pytest.raises(SecretRefused):
        await KeyFiles(KEY, tmp_path).unwrap(tenant.id, 1, before["sealed"])
    assert old == [f"{tenant.id}-1.key"]


async def test_a_destroyed_key_opens_nothing_in_a_copy_that_is_brought_back(
    control_connection: OwnConnection, tenant: Tenant, tmp_path: Path
) -> None:
    ring = KeyRing([KeyFiles(KEY, tmp_path)])
    await ring.data_key(control_connection, tenant.id)
    copy = await control_connection.fetchrow(STORED, tenant.id)
    assert copy is not None
    await ring.destroy(control_connection, tenant.id)
    assert ring.held(tenant.id) is None
    assert names(tmp_path) == []
    assert await control_connection.fetchrow(STORED, tenant.id) is None
    await control_connection.execute(
        "INSERT INTO control.data_keys (tenant, holder, generation, sealed) VALUES ($1, $2, $3, $4)", tenant.id, *copy
    )
    for each in (ring, KeyRing([KeyFiles(KEY, tmp_path)])):
        with pytest.raises(SecretRefused, match="the tenant's key cannot be opened"):
            await each.data_key(control_connection, tenant.id)
    # Not even where the file is made anew under the old name.
    await KeyFiles(KEY, tmp_path).wrap(tenant.id, 1, bytes(32))
    with pytest.raises(SecretRefused):
        await ring.data_key(control_connection, tenant.id)
    await ring.destroy(control_connection, tenant.id)


async def test_a_key_under_the_servers_key_alone_gets_one_of_the_tenants_at_its_first_use(
    control_connection: OwnConnection, tenant: Tenant, tmp_path: Path
) -> None:
    key = bytes(reversed(range(32)))
    sealed = seal(KEY, key, f"data key of tenant {tenant.id}".encode())
    await control_connection.execute(
        "INSERT INTO control.data_keys (tenant, sealed) VALUES ($1, $2)", tenant.id, sealed
    )
    assert await KeyRing([KeyFiles(KEY, tmp_path)]).data_key(control_connection, tenant.id) == key
    assert names(tmp_path) == [f"{tenant.id}-1.key"]


async def test_while_the_holder_is_silent_held_keys_serve_until_their_time_is_over(
    control_connection: OwnConnection, tenant: Tenant, tmp_path: Path
) -> None:
    now_s = 0.0
    holder = Silent(KeyFiles(KEY, tmp_path))
    ring = KeyRing([holder], held_s=300, clock=lambda: now_s)
    key = await ring.data_key(control_connection, tenant.id)
    holder.answers = False
    now_s = 299.0
    assert await ring.data_key(control_connection, tenant.id) == key
    now_s = 301.0
    with pytest.raises(KeysUnavailable) as failed:
        await ring.data_key(control_connection, tenant.id)
    assert failed.value.sqlstate == "57P03"
    holder.answers = True
    assert await ring.data_key(control_connection, tenant.id) == key


async def test_a_key_that_cannot_be_destroyed_stays_on_record(
    control_connection: OwnConnection, tenant: Tenant, tmp_path: Path
) -> None:
    holder = Silent(KeyFiles(KEY, tmp_path))
    ring = KeyRing([holder])
    await ring.data_key(control_connection, tenant.id)
    holder.answers = False
    with pytest.raises(KeysUnavailable):
        await ring.destroy(control_connection, tenant.id)
    assert await control_connection.fetchrow(STORED, tenant.id) is not None
