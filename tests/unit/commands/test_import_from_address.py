"""`omnisql connector import openapi https://..`: what is published is read, within bounds and behind the fence."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from connectors.declarative.load import load_text
from omnisql_server.cli import execute
from omnisql_server.commands import connector_import
from omnisql_server.commands.terminal import ExitCode
from omnisql_server.listener.tls import make_self_signed

Captured = pytest.CaptureFixture[str]
ACME = Path(__file__).parent.parent / "connectors" / "importing" / "acme_openapi.yaml"


class Documents(BaseHTTPRequestHandler):
    """Answers with the document at /acme.yaml, and leads there from /latest, nowhere from /plain, around at /round."""

    def do_GET(self) -> None:
        """Answer."""
        leads = {"/latest": "/acme.yaml", "/plain": "http://127.0.0.1:1/acme.yaml", "/round": "/round"}
        if self.path in leads:
            self.send_response(302)
            self.send_header("Location", leads[self.path])
            self.end_headers()
            return
        self.send_response(200 if self.path == "/acme.yaml" else 404)
        self.end_headers()
        self.wfile.write(ACME.read_bytes())

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_self_signed(tmp_path_factory.mktemp("ca"), ["127.0.0.1"], now=datetime.datetime.now(datetime.UTC))


@pytest.fixture(scope="module")
def address(authority: tuple[Path, Path]) -> Iterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority)
    with ThreadingHTTPServer(("127.0.0.1", 0), Documents) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            serving.join()


@pytest.fixture
def reachable(authority: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNISQL_NETWORK_ALLOWED_NETWORKS", "127.0.0.0/8")
    monkeypatch.setenv("OMNISQL_NETWORK_CA_FILE", str(authority[0]))


@pytest.mark.usefixtures("reachable")
@pytest.mark.parametrize("path", ["acme.yaml", "latest"])
def test_a_published_description_becomes_the_same_tables_as_its_file(address: str, path: str, capsys: Captured) -> None:
    assert execute(["connector", "import", "openapi", str(ACME), "--name", "acme"]) == ExitCode.OK
    from_file = capsys.readouterr().out
    assert execute(["connector", "import", "openapi", f"{address}/{path}", "--name", "acme"]) == ExitCode.OK
    from_address = capsys.readouterr().out
    assert from_address == from_file
    assert len(load_text(from_address, "acme.yaml").tables) == 3


@pytest.mark.usefixtures("reachable")
@pytest.mark.parametrize(
    ("path", "said"),
    [("nothing", "status 404"), ("plain", "redirects to an address that is not https"), ("round", "without end")],
)
def test_what_cannot_be_read_is_said(address: str, path: str, said: str, capsys: Captured) -> None:
    assert execute(["connector", "import", "openapi", f"{address}/{path}", "--name", "acme"]) != ExitCode.OK
    shown = capsys.readouterr().err
    assert f"{address}/{path} cannot be read" in shown
    assert said in shown


@pytest.mark.usefixtures("reachable")
def test_a_document_that_is_too_large_is_not_read_to_its_end(
    address: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector_import, "DOCUMENT_BYTES_MAX", 1000)
    for document in (f"{address}/acme.yaml", str(ACME)):
        assert execute(["connector", "import", "openapi", document, "--name", "acme"]) != ExitCode.OK
        assert "it has more than 1000 bytes" in capsys.readouterr().err


def test_addresses_within_private_networks_are_refused(address: str, capsys: Captured) -> None:
    for document in (f"{address}/acme.yaml", "https://169.254.169.254/latest", "https://localhost/x.yaml"):
        assert execute(["connector", "import", "openapi", document, "--name", "acme"]) != ExitCode.OK
        assert "has no address that may be connected to" in capsys.readouterr().err


@pytest.mark.parametrize("document", ["http://example.com/a.yaml", "ftp://example.com/a.yaml", "file:///etc/passwd"])
def test_only_files_and_https_are_read(document: str, capsys: Captured) -> None:
    assert execute(["connector", "import", "openapi", document, "--name", "acme"]) != ExitCode.OK
    assert "only files and https:// are read" in capsys.readouterr().err
