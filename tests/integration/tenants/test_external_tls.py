"""A tenant on an external cluster reached by TLS with a client certificate: sessions, cancels, and who is refused."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from served import PASSWORD, Served, served_directory, start_served, until
from tls_front import TlsFront, tls_front

from catalog.clusters import EmbeddedCluster, EmbeddedSettings
from omnisql_server.admin.channel import AdminError
from omnisql_server.listener.tls import make_self_signed
from wire.auth import make_verifier


@pytest.fixture
def directory() -> Iterator[Path]:
    with served_directory() as made:
        yield made


def _certificates(directory: Path) -> tuple[ssl.SSLContext, str]:
    """Make certificates for both ends, and return the server's context and the DSN's words about TLS."""
    now = datetime.now(UTC)
    server_certificate, server_key = make_self_signed(directory / "server", ["localhost"], now=now)
    client_certificate, client_key = make_self_signed(directory / "client", ["omnisql"], now=now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_certificate, server_key)
    context.load_verify_locations(client_certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    words = f"sslrootcert={server_certificate}&sslcert={client_certificate}&sslkey={client_key}"
    return context, words


def test_a_cluster_behind_tls_is_served_and_its_statements_are_canceled(directory: Path) -> None:
    context, words = _certificates(directory)

    async def main() -> None:
        external = EmbeddedCluster("elsewhere", EmbeddedSettings(data_root=directory / "elsewhere"))
        await external.start()
        try:
            socket_path = external.address().socket_path
            assert socket_path is not None
            with tls_front(socket_path, context) as front:
                await asyncio.to_thread(_serve, directory, external.superuser, front, words)
        finally:
            await external.stop()

    asyncio.run(main())


def _serve(directory: Path, superuser: str, front: TlsFront, words: str) -> None:
    where = f"postgresql://{superuser}@localhost:{front.port}/postgres"
    server = start_served(directory)
    try:
        _refused(server, f"{where}?sslmode=disable")
        assert (front.plain, front.encrypted) == (1, 0)
        _refused(server, where)
        _refused(server, f"{where}?{words.partition('&')[0]}")
        server.administer("create", name="far", owner="admin", verifier=make_verifier(PASSWORD), dsn=f"{where}?{words}")
        encrypted = front.encrypted
        with server.connect("far") as session:
            assert session.execute("SELECT current_user::text").fetchone() == ("admin",)
            assert front.encrypted > encrypted
            _cancel(session)
            assert session.execute("SELECT 1").fetchone() == (1,)
        assert front.plain == 1
    finally:
        assert server.stop() == 0


def _refused(server: Served, dsn: str) -> None:
    with pytest.raises(AdminError) as caught:
        server.administer("create", name="far", owner="admin", verifier=make_verifier(PASSWORD), dsn=dsn)
    assert caught.value.sqlstate == "57P03"


def _cancel(session: psycopg.Connection) -> None:
    """Cancel a statement of the external cluster: the request for it travels by TLS, too."""
    failures: list[psycopg.Error] = []

    def sleep() -> None:
        try:
            session.execute("SELECT pg_sleep(60)")
        except psycopg.Error as error:
            failures.append(error)

    sleeping = threading.Thread(target=sleep)
    sleeping.start()
    until(lambda: session.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE)
    session.cancel_safe()
    sleeping.join(30)
    assert [failure.sqlstate for failure in failures] == ["57014"]
