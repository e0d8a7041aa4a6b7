"""Known secrets in every credential of a server, and a run of statements of all kinds: no secret comes out anywhere.

One source gives whatever it is sent back in its errors. Looked through are errors and notices, the log, traces and
metrics as a collector gets them, the audit, everything in Valkey, and every file of the server; core files are not left
by any of its processes.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
import redis
from audit_reading import WEB, session, texts
from beside_control import with_control
from cryptography.hazmat.primitives.asymmetric import ec
from demo_server import DATABASE, DemoServer, demo_directory, start_demo
from served import until

from catalog.api_tokens import new_token, token_digest, token_id
from omnisql_server.admin.channel import AdminError, ask_running_server

TOKEN, EMAIL_TOKEN, LOG_IN = "ghp_canary0123456789abcdef", "jira-canary-0123456789", "log-in-canary-0123456789"
SIGNING = ec.generate_private_key(ec.SECP256R1())
JWK = {**jwt.algorithms.ECAlgorithm.to_jwk(SIGNING, as_dict=True), "kid": "canary"}
ISSUER = "https://issuer.test"
API_TOKEN = new_token()
SIGNED = {"iss": ISSUER, "aud": "omnisql", "exp": 4_000_000_000, "sub": "ana"}
JWT = jwt.encode(SIGNED, SIGNING, algorithm="ES256", headers={"kid": "canary"})
SECRETS = (TOKEN, EMAIL_TOKEN, LOG_IN, JWK["d"], API_TOKEN[-43:], JWT.rpartition(".")[2])
BY_TOKEN = {"sslmode": "require", "options": "-c omnisql.log_in=token"}
STATEMENTS = (
    f"SELECT number, title FROM github.issues WHERE {WEB}",
    f"EXPLAIN (ANALYZE) SELECT count(*) FROM github.issues WHERE {WEB}",
    f"SELECT i.number FROM github.issues i JOIN jira.issues j ON j.key = i.title WHERE {WEB} AND j.created > now()",
    f"CREATE TEMP TABLE mine AS SELECT number FROM github.issues WHERE {WEB}",
    "SELECT nothing FROM github.issues",
    f"SELECT 1 / (number - number) FROM github.issues WHERE {WEB}",
    "SELECT title FROM github.issues",
    f"SELECT title FROM mirror.issues WHERE {WEB}",
    f"SELECT title FROM mirror.pull_requests WHERE {WEB}",
    "SELECT summary FROM mirrored.issues WHERE created > '2001-01-01'",
    "CALL omnisql.check_source('mirror')",
    "SELECT * FROM omnisql.last_query_sources",
    "SELECT * FROM omnisql.sources",
    "SELECT * FROM omnisql.cache",
    "SELECT umoptions FROM pg_user_mappings",
)
OWNED = (
    "CREATE SCHEMA mirror",
    "CREATE SCHEMA mirrored",
    "CREATE SERVER mirror FOREIGN DATA WRAPPER github OPTIONS (base_url '{url}')",
    f"CREATE USER MAPPING FOR PUBLIC SERVER mirror OPTIONS (token '{TOKEN}')",
    "IMPORT FOREIGN SCHEMA github FROM SERVER mirror INTO mirror",
    "CREATE SERVER mirrored FOREIGN DATA WRAPPER jira OPTIONS (base_url '{url}')",
    f"CREATE USER MAPPING FOR PUBLIC SERVER mirrored OPTIONS (email 'a@b.test', api_token '{EMAIL_TOKEN}')",
    "IMPORT FOREIGN SCHEMA jira FROM SERVER mirrored INTO mirrored",
    f"CREATE USER MAPPING FOR PUBLIC SERVER mirror OPTIONS (token '{TOKEN}')",
    f"ALTER USER MAPPING FOR PUBLIC SERVER mirror OPTIONS (SET token '{TOKEN}')",
    f"ALTER SERVER mirror OPTIONS (ADD token '{TOKEN}')",
    f"CREATE ROLE canary LOGIN PASSWORD '{LOG_IN}'",
    "GRANT USAGE ON SCHEMA mirror, mirrored TO PUBLIC",
    "GRANT SELECT ON ALL TABLES IN SCHEMA mirror, mirrored TO PUBLIC",
)
UNQUOTED = f"CREATE USER MAPPING FOR PUBLIC SERVER mirror OPTIONS (token {TOKEN})"


@dataclass(slots=True)
class Heard:
    """What the other side of the server's HTTP requests got: at a collector, and at a source that gives it back."""

    port: int = 0
    collected: list[bytes] = field(default_factory=list)
    given_back: int = 0


@contextmanager
def listening() -> Iterator[Heard]:
    """Serve as a collector below /v1, and elsewhere as a source that repeats the request's headers in its errors."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            if not self.path.startswith("/v1/"):
                self._give_back()
                return
            heard.collected.append(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def do_GET(self) -> None:
            self._give_back()

        def log_message(self, *_: object) -> None:
            pass

        def _give_back(self) -> None:
            heard.given_back += 1
            words = f'{{"message": "no: {self.headers.get("authorization")}", "errorMessages": ["{self.headers}"]}}'
            self.send_response((401, 403, 404, 422)[heard.given_back % 4])
            self.send_header("content-type", "application/json")
            self.send_header("x-repeated", str(self.headers.get("authorization")))
            self.end_headers()
            self.wfile.write(words.replace("\n", " ").encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        heard.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield heard
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def ran() -> Iterator[tuple[DemoServer, Heard, str]]:
    """Run everything once; give the server, what was heard, and all that clients were told."""
    with listening() as heard, demo_directory() as directory:
        url = f"http://127.0.0.1:{heard.port}"
        settings = {"OMNISQL_TELEMETRY_OTLP_ENDPOINT": url, "OMNISQL_TELEMETRY_LOG_LEVEL": "debug"}
        server = start_demo(directory, settings=settings)
        try:
            told: list[str] = []
            with session(server, "admin") as admin:
                for sql in OWNED:
                    told += tell(admin, sql.replace("{url}", url))
                # PostgreSQL says to who wrote it where a text is wrong, and to nobody else.
                tell(admin, UNQUOTED)
            with suppress(psycopg.OperationalError):
                session(server, "canary", password=LOG_IN + "x")
            session(server, "canary", password=LOG_IN).close()
            told += show_tokens(server)
            with session(server) as ana:
                ana.execute("SET omnisql.max_staleness = '1h'")
                for _ in range(2):
                    for sql in STATEMENTS:
                        told += tell(ana, sql)
            until(lambda: any(heard.collected), limit_s=60)
            yield server, heard, "\n".join(told)
        finally:
            server.stop()


def show_tokens(server: DemoServer) -> list[str]:
    """Log in by tokens, rightly and wrongly, and have a private key refused; return what is told."""

    def administer(operation: str, **arguments: object) -> str:
        try:
            asked = ask_running_server(server.directory / "data", operation, {"name": DATABASE, **arguments})
            return repr(asyncio.run(asked))
        except AdminError as error:
            return f"{error.message} {error.detail} {error.hint}"

    def rules(key: dict[str, str]) -> dict[str, object]:
        return {"identity_provider": {"issuer": ISSUER, "audience": ["omnisql"], "keys": {"keys": [key]}}}

    told = [administer("set_log_in_rules", rules=rules(JWK))]
    public = {name: value for name, value in JWK.items() if name != "d"}
    told.append(administer("set_log_in_rules", rules=rules(public)))
    token = {"user": "ana", "token": token_id(API_TOKEN), "digest": token_digest(API_TOKEN).hex()}
    told.append(administer("create_token", **token, description="canary", days=1))
    for shown in (JWT, API_TOKEN):
        session(server, "ana", password=shown, **BY_TOKEN).close()
        for user, wrong in (("eve", shown), ("ana", f"{shown}x")):
            try:
                session(server, user, password=wrong, **BY_TOKEN)
            except psycopg.OperationalError as error:
                told.append(str(error))
    told += [administer("tokens"), administer("revoke_token", token=token_id(API_TOKEN))]
    return told


def tell(opened: psycopg.Connection, sql: str) -> list[str]:
    """Run a statement and return all that the client is told: rows, notices, and its error to the last field."""
    told: list[str] = []

    def noticed(notice: psycopg.errors.Diagnostic) -> None:
        told.append(f"{notice.message_primary} {notice.message_detail} {notice.message_hint}")

    opened.add_notice_handler(noticed)
    try:
        cursor = opened.execute(sql.encode())
        told += [repr(row) for row in cursor.fetchall()] if cursor.description else []
    except psycopg.Error as error:
        told.append(f"{error} {error.diag.message_detail} {error.diag.message_hint} {error.diag.context}")
    finally:
        opened.remove_notice_handler(noticed)
    return told


def found_in(where: str | bytes) -> list[str]:
    """Name the secrets that are in something."""
    data = where.encode() if isinstance(where, str) else where
    return [secret for secret in SECRETS if secret.encode() in data]


def test_the_canary_was_used_and_is_found_where_it_is(ran: tuple[DemoServer, Heard, str]) -> None:
    _, heard, told = ran
    assert heard.given_back >= 3
    assert "division by zero" in told
    assert told.count("password authentication failed") == 4
    assert "a private key does not belong here" in told
    assert found_in(f"a{TOKEN}b") == [TOKEN]


def test_no_client_is_told_a_secret(ran: tuple[DemoServer, Heard, str]) -> None:
    assert [line for line in ran[2].splitlines() if found_in(line)] == []


def test_no_secret_is_in_the_log(ran: tuple[DemoServer, Heard, str]) -> None:
    assert found_in((ran[0].directory / "log").read_bytes()) == []


def test_no_secret_is_in_traces_or_metrics(ran: tuple[DemoServer, Heard, str]) -> None:
    assert found_in(b"".join(ran[1].collected)) == []


def test_no_secret_is_in_the_audit(ran: tuple[DemoServer, Heard, str]) -> None:
    recorded = texts(ran[0])
    assert "CREATE USER MAPPING" in recorded
    assert found_in(recorded) == []


def test_no_secret_is_in_valkey(ran: tuple[DemoServer, Heard, str]) -> None:
    valkey = redis.Redis(unix_socket_path=str(next((ran[0].directory / "tmp").glob("*/valkey.sock"))))
    keys: list[bytes] = valkey.keys("*")  # type: ignore[assignment]
    assert keys
    for key in keys:
        assert found_in(key) == []
        assert found_in(content(valkey, key)) == []


def content(valkey: redis.Redis, key: bytes) -> bytes:
    """Return what a key holds."""
    kind = valkey.type(key)
    if kind == b"string":
        return bytes(valkey.get(key) or b"")  # type: ignore[arg-type]
    if kind == b"hash":
        return repr(valkey.hgetall(key)).encode()
    if kind == b"set":
        return repr(valkey.smembers(key)).encode()
    assert kind == b"zset"
    return repr(valkey.zrange(key, 0, -1)).encode()


def test_no_secret_is_in_any_file(ran: tuple[DemoServer, Heard, str]) -> None:
    server = ran[0]

    async def checkpoint(connection: object) -> None:
        await connection.execute("CHECKPOINT")  # type: ignore[attr-defined]

    with_control(server.directory / "data", checkpoint)
    holding = []
    for path in server.directory.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and found_in(readable(path)):
                holding.append(path)
    assert holding == []


def test_no_process_of_the_server_leaves_a_core_file(ran: tuple[DemoServer, Heard, str]) -> None:
    server = psutil.Process(ran[0].process.pid)
    limits = [Path(f"/proc/{each.pid}/limits") for each in [server, *server.children(recursive=True)]]
    # Only Linux tells of other processes.
    told = {
        tuple(re.findall(r"Max core file size +(\w+) +(\w+)", path.read_text())) for path in limits if path.exists()
    }
    assert told == ({(("0", "0"),)} if sys.platform == "linux" else set())


def readable(path: Path) -> bytes:
    """Return a file's content, unpacked if it is packed."""
    data = path.read_bytes()
    with suppress(OSError, zlib.error, EOFError):
        if data[:2] == b"\x1f\x8b":
            return gzip.decompress(data)
    return data
