"""A destroyed tenant: nobody gets in, nothing of it is left, and copies made before open nothing."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import psycopg
import pytest
import redis
from beside_control import with_control
from cryptography.exceptions import InvalidTag
from demo_server import DemoServer, demo_directory, start_demo
from served import start_served

from catalog.audit import records_of
from catalog.connection import OwnConnection
from catalog.control import tenant_named
from catalog.destruction import entry_text
from catalog.errors import SecretRefused
from catalog.key_files import FOLDER, KeyFiles
from catalog.key_ring import KeyRing, load_key, unseal
from omnisql_server.admin.channel import AdminError, ask_running_server
from omnisql_server.audit.record import decoded
from omnisql_server.audit.signing import SigningKey, load_signing_key
from omnisql_server.audit.verify import verify

WEB = "owner = 'acme' AND repo = 'web'"
COPIED = ("tenants", "data_keys", "secrets", "principals")


@pytest.fixture
def server() -> Iterator[DemoServer]:
    """A demo of its own, because it does not outlive the test."""
    with demo_directory() as directory:
        running = start_demo(directory)
        try:
            yield running
        finally:
            running.stop()


def destroy(data: Path, **arguments: object) -> None:
    asyncio.run(ask_running_server(data, "destroy", arguments))


async def copied(connection: OwnConnection) -> dict[str, list[asyncpg.Record]]:
    """Copy what the control database holds of tenants."""
    return {table: await connection.fetch(f"SELECT * FROM control.{table}") for table in COPIED}


async def restored(connection: OwnConnection, copy: dict[str, list[asyncpg.Record]]) -> None:
    """Bring a copy back into the control database, as its backup would."""
    await connection.execute("DELETE FROM control.destroyed_tenants")
    for table, rows in copy.items():
        for row in rows:
            places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
            await connection.execute(f"INSERT INTO control.{table} VALUES ({places})", *row.values())


def opened_with(data: Path, sealed: bytes, tenant: UUID, copy: list[asyncpg.Record]) -> bytes:
    """Open a data key in a copy, with every file that the server has."""
    files = KeyFiles(load_key(data / "credentials.key"), data / FOLDER)
    (row,) = (each for each in copy if each["tenant"] == tenant)
    assert row["sealed"] == sealed
    return asyncio.run(files.unwrap(tenant, row["generation"], row["sealed"]))


def test_copies_made_before_open_nothing_afterwards(server: DemoServer) -> None:
    data = server.directory / "data"
    session = psycopg.connect(**server.arguments("ana"), dbname="acme", autocommit=True)
    session.execute("SET omnisql.max_staleness = '1h'")
    session.execute(f"SELECT title FROM github.issues WHERE {WEB}")
    copy = with_control(data, copied)
    tenant = next(row["id"] for row in copy["tenants"] if row["name"] == "acme")
    cluster = server.cluster
    valkey = redis.Redis(unix_socket_path=str(next((server.directory / "tmp").glob("*/valkey.sock"))))
    kept = [key for key in valkey.keys("omnisql:{fresh}:*") if tenant.hex in str(key)]
    dump = {key: valkey.get(key) for key in kept if valkey.type(key) == b"string"}
    assert any(dump.values())
    sealed = next(row["sealed"] for row in copy["data_keys"] if row["tenant"] == tenant)
    assert len(opened_with(data, sealed, tenant, copy["data_keys"])) == 32
    shutil.copytree(cluster, server.directory / "copy")

    with pytest.raises(AdminError) as unconfirmed:
        destroy(data, name="acme", confirm="acm")
    assert unconfirmed.value.sqlstate == "22023"
    assert session.execute("SELECT 1").fetchone() == (1,)
    destroy(data, name="acme", confirm="acme")

    with pytest.raises(psycopg.OperationalError) as ended:
        session.execute("SELECT 1")
    assert ended.value.sqlstate in {"57P01", None}
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**server.arguments("ana"), dbname="acme")
    assert not cluster.exists()
    assert [key for key in valkey.keys("omnisql:{fresh}:*rows*")] == []  # noqa: C416
    for table, rows in with_control(data, copied).items():
        assert [row for row in rows if row.get("tenant", row.get("id")) == tenant] == [], table

    with pytest.raises(SecretRefused):
        opened_with(data, sealed, tenant, copy["data_keys"])
    for secret in copy["secrets"]:
        with pytest.raises(InvalidTag):
            unseal(load_key(data / "credentials.key"), secret["sealed"], b"")


def test_a_restored_copy_is_not_served_and_is_destroyed_again(server: DemoServer) -> None:
    data, cluster = server.directory / "data", server.cluster
    copy = with_control(data, copied)
    tenant = next(row["id"] for row in copy["tenants"] if row["name"] == "acme")
    destroy(data, name="acme", confirm="acme")
    files = sorted(path.name for path in (data / FOLDER).iterdir())
    assert [name for name in files if str(tenant) in name] == []

    async def bring_back(connection: OwnConnection) -> None:
        await restored(connection, copy)

    async def key(connection: OwnConnection) -> bytes:
        ring = KeyRing([KeyFiles(load_key(data / "credentials.key"), data / FOLDER)])
        return await ring.data_key(connection, tenant)

    with_control(data, bring_back)
    cluster.mkdir()
    with pytest.raises(SecretRefused):
        with_control(data, key)
    with pytest.raises(psycopg.OperationalError) as refusal:
        psycopg.connect(**server.arguments("ana"), dbname="acme")
    assert "the tenant was destroyed" in str(refusal.value)
    assert server.stop() == 0

    again = start_served(server.directory)
    try:
        assert "destroyed_tenant_returned" in {event["event"] for event in again.events()}
        assert not cluster.exists()
        rows = with_control(data, copied)["tenants"]
        assert tenant not in {row["id"] for row in rows}
    finally:
        assert again.stop() == 0


def test_a_signed_record_of_the_destruction_stays(server: DemoServer) -> None:
    data = server.directory / "data"
    public = SigningKey(load_signing_key(data)).public_key

    async def chain_of(connection: OwnConnection) -> UUID:
        return (await tenant_named(connection, "acme")).id

    chain = with_control(data, chain_of)
    destroy(data, name="acme", confirm="acme")

    async def proved(connection: OwnConnection) -> tuple[int, int, list[Any]]:
        verified = await verify(connection, chain, public)
        return verified.last, verified.signed, [decoded(each.record) async for each in records_of(connection, chain)]

    last, signed, records = with_control(data, proved)
    assert signed == last
    assert [(each.phase, each.kind, each.outcome) for each in records[-2:]] == [
        ("start", "tenant destroy", ""),
        ("finish", "tenant destroy", "00000"),
    ]
    (entry,) = (json.loads(line) for line in (data / "destroyed-tenants").read_text().splitlines())
    text = entry_text(UUID(entry["tenant"]), entry["name"], entry["cluster"], entry["at"])
    public.verify(bytes.fromhex(entry["signature"]), text)
    assert entry["tenant"] == str(chain)
