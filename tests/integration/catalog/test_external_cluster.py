"""A cluster reached by DSN offers what an embedded one offers; here the DSN names a running embedded one."""

from __future__ import annotations

import ssl

import pytest

from catalog.clusters import EmbeddedCluster, ExternalCluster
from catalog.clusters.external import dba_script
from catalog.connection import OwnConnection
from catalog.errors import ClusterUnavailable, InvalidName

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _dsn(cluster: EmbeddedCluster, user: str) -> str:
    return f"postgresql://{user}@/postgres?host={cluster.socket_directory}&port={cluster.port}"


async def test_an_external_cluster_connects_as_its_superuser_and_as_other_roles(acme: EmbeddedCluster) -> None:
    external = ExternalCluster(_dsn(acme, acme.superuser))
    await external.start()
    assert external.superuser == acme.superuser
    assert external.address() == acme.address()
    for role in (acme.superuser, "ana"):
        connection = await external.connect(role, "acme")
        row = await connection.fetchrow("SELECT session_user::text, current_database(), current_setting('search_path')")
        assert tuple(row or ()) == (role, "acme", "pg_catalog, pg_temp")
        await connection.close()
    await external.stop()
    assert not external.died.is_set()
    assert acme.pid is not None


async def test_a_role_without_the_rights_is_refused(acme: EmbeddedCluster) -> None:
    connection = await acme.connect(acme.superuser, "postgres")
    await connection.execute("GRANT CONNECT ON DATABASE postgres TO bob")
    try:
        with pytest.raises(ClusterUnavailable, match="does not meet the requirements") as caught:
            await ExternalCluster(_dsn(acme, "bob")).start()
        assert caught.value.detail == "server_version_num 180006, superuser False"
    finally:
        await connection.execute("REVOKE CONNECT ON DATABASE postgres FROM bob")
        await connection.close()


async def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(ClusterUnavailable) as caught:
        await ExternalCluster("postgresql://u@/d?host=/nonexistent").start()
    assert caught.value.sqlstate == "57P03"


@pytest.mark.parametrize("dsn", ["", "mysql://u@h/d", "postgresql://h/d"])
async def test_a_dsn_names_postgresql_and_a_user(dsn: str) -> None:
    with pytest.raises(InvalidName):
        ExternalCluster(dsn)


async def test_an_address_by_tcp_has_host_and_port() -> None:
    address = ExternalCluster("postgresql://u@db.test:5433/d?sslmode=disable").address()
    assert (address.socket_path, address.host, address.port, address.tls) == (None, "db.test", 5433, None)


async def test_an_address_by_tcp_is_verified_by_tls_unless_the_dsn_says_otherwise() -> None:
    verified = ExternalCluster("postgresql://u@db.test:5433/d").address().tls
    assert verified is not None
    assert (verified.check_hostname, verified.verify_mode) == (True, ssl.CERT_REQUIRED)
    with pytest.raises(InvalidName, match="unknown sslmode"):
        ExternalCluster("postgresql://u@db.test/d?sslmode=prefer")
    with pytest.raises(InvalidName, match="cannot be loaded"):
        ExternalCluster("postgresql://u@db.test/d?sslcert=/nonexistent.crt")


async def test_the_script_for_administrators_is_sql_that_makes_the_role(superuser: OwnConnection) -> None:
    script = dba_script("omni admin", "svc")
    async with superuser.transaction():
        await superuser.execute(script)
        assert await superuser.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = 'omni admin'") is True
        await superuser.execute('DROP ROLE "omni admin"')
