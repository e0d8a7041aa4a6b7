"""Two servers over one control database and one Valkey, a tenant on an external cluster: one of them destroys it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from served import PASSWORD, Served, served_directory, start_served, until

from catalog.clusters import EmbeddedCluster, EmbeddedSettings
from wire.auth import make_verifier

TENANT = "shared"
SERVER = "CREATE SERVER {name} FOREIGN DATA WRAPPER github OPTIONS (base_url 'https://api.test')"
SECRET = "CREATE USER MAPPING FOR CURRENT_USER SERVER {name} OPTIONS (token 'of no use')"
LET_GO = "destroyed_tenant_let_go"


@pytest.fixture
def directories() -> Iterator[tuple[Path, Path]]:
    with served_directory() as first, served_directory() as second:
        yield first, second


def test_another_server_lets_go_of_a_destroyed_tenant_at_once(directories: tuple[Path, Path]) -> None:
    async def main() -> None:
        external = EmbeddedCluster("elsewhere", EmbeddedSettings(data_root=directories[0] / "elsewhere"))
        await external.start()
        try:
            socket_path = external.address().socket_path
            assert socket_path is not None
            where = f"host={Path(socket_path).parent} user={external.superuser} dbname=postgres"
            await asyncio.to_thread(_destroy_over, directories, where)
        finally:
            await external.stop()

    asyncio.run(main())


def _destroy_over(directories: tuple[Path, Path], external: str) -> None:
    first = start_served(directories[0])
    second = None
    try:
        host, superuser = (word.partition("=")[2] for word in external.split()[:2])
        dsn = f"postgresql://{superuser}@/postgres?host={host}"
        first.administer("create", name=TENANT, owner="admin", verifier=make_verifier(PASSWORD), dsn=dsn)
        with first.connect(TENANT) as session:
            session.execute(SERVER.format(name="hub").encode())
            session.execute(SECRET.format(name="hub").encode())
        second = _beside(first, directories[1])
        session = second.connect(TENANT)
        session.execute(SERVER.format(name="other").encode())
        # To seal a secret, the second server has to have the tenant's key.
        session.execute(SECRET.format(name="other").encode())
        assert _databases(external) == {TENANT}
        first.administer("destroy", name=TENANT, confirm=TENANT)
        assert _databases(external) == set()
        until(lambda: bool(_let_go(second)))
        (event,) = _let_go(second)
        assert (event["key_was_held"], event["key_held"]) == (True, False)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
        assert "password authentication failed" in str(second.refusal(TENANT))
    finally:
        codes = [server.stop() for server in (second, first) if server is not None]
    assert set(codes) == {0}


def _beside(first: Served, directory: Path) -> Served:
    """Start a second server over the first one's control database, Valkey and keys."""
    (control,) = (path.parent for path in first.data.glob("postgres/**/postmaster.pid"))
    superuser = (control / "omnisql-superuser").read_text()
    sockets = (control / "postmaster.pid").read_text().splitlines()[4]
    valkey = next((first.directory / "tmp").glob("*/valkey.sock"))
    (directory / "data").mkdir()
    for name in ("credentials.key", "audit.key"):
        shutil.copy2(first.data / name, directory / "data" / name)
    shutil.copytree(first.data / "tenant-keys", directory / "data" / "tenant-keys")
    settings = {
        "data": {"control_dsn": f"postgresql://{superuser}@/postgres?host={sockets}"},
        "limits": {"valkey_url": f"unix://{valkey}"},
    }
    return start_served(directory, settings)


def _databases(external: str) -> set[str]:
    with psycopg.connect(external) as session:
        return {name for (name,) in session.execute("SELECT datname FROM pg_database WHERE datname = 'shared'")}


def _let_go(server: Served) -> list[dict[str, object]]:
    return [event for event in server.events() if event.get("event") == LET_GO]
