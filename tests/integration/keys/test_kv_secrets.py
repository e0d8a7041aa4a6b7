"""Secrets of sources that stay in a real OpenBao: named by reference, for an address, read anew, never another's."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from demo_server import DemoServer
from key_server import KeyServer, server_of
from served import until

from catalog.errors import SecretReferenceInvalid, SecretRefused, SecretUnknown
from catalog.key_server import KeyServer as Asked
from catalog.key_server import KeyServerSettings, ServiceAccount
from catalog.kv_secrets import KvSecrets, Reference, read_reference
from omnisql_server.listener.tls import make_self_signed

AUDIENCE = "https://api.github.com:443"
GOOD_TOKEN = "simulated-token"
COUNT = "SELECT count(*) FROM kv.issues WHERE owner = 'acme' AND repo = 'web'"


def put(bao: KeyServer, path: str, audience: str | None = AUDIENCE, **fields: str) -> None:
    """Write a secret below the prefix, as the key server's administrator."""
    bao.admin.secrets.kv.v2.create_or_update_secret(path=f"omnisql/{path}", secret=fields)
    if audience is not None:
        bao.admin.secrets.kv.v2.update_metadata(path=f"omnisql/{path}", custom_metadata={"omnisql_audience": audience})


def reader(bao: KeyServer, prefix: str = "omnisql") -> KvSecrets:
    """Return what OmniSQL reads by."""
    return KvSecrets(bao.asked(), mount="secret", prefix=prefix)


@pytest.mark.parametrize(
    ("secret", "reference"),
    [
        ("kv:github/ci#token", Reference(path="github/ci", field="token")),
        ("kv:ci#api_token", Reference(path="ci", field="api_token")),
        ("ghp_kv:ci#token", None),
        ("", None),
    ],
)
def test_a_reference_is_told_from_a_secret(secret: str, reference: Reference | None) -> None:
    assert read_reference(secret) == reference


@pytest.mark.parametrize(
    "secret",
    ["kv:", "kv:ci", "kv:#token", "kv:ci#", "kv:../globex/ci#token", "kv:a/./b#c", "kv:/ci#t", "kv:ci/#t", "kv:a%2e#t"],
)
def test_a_reference_that_is_malformed_or_leaves_the_tenant_is_refused(secret: str) -> None:
    with pytest.raises(SecretReferenceInvalid) as refused:
        read_reference(secret)
    assert refused.value.sqlstate == "22023"


async def test_a_secret_is_read_with_its_version(bao: KeyServer) -> None:
    put(bao, "acme/versions", token="one")
    reference = Reference(path="versions", field="token")
    first = await reader(bao).read("acme", reference, AUDIENCE)
    put(bao, "acme/versions", token="two")
    second = await reader(bao).read("acme", reference, AUDIENCE)
    assert (first.value, second.value) == ("one", "two")
    assert second.version == first.version + 1


async def test_a_secret_is_sent_where_its_metadata_say_alone(bao: KeyServer) -> None:
    put(bao, "acme/bound", token="t")
    reference = Reference(path="bound", field="token")
    with pytest.raises(SecretRefused, match="not for the address") as refused:
        await reader(bao).read("acme", reference, "https://evil.example:443")
    assert refused.value.sqlstate == "28000"
    put(bao, "acme/unbound", None, token="t")
    with pytest.raises(SecretRefused, match="not for the address"):
        await reader(bao).read("acme", Reference(path="unbound", field="token"), AUDIENCE)
    put(bao, "acme/bound", f"https://github.example:443, {AUDIENCE}", token="t")
    assert (await reader(bao).read("acme", reference, AUDIENCE)).value == "t"


async def test_what_is_not_there_is_said_and_another_tenants_is_not_there(bao: KeyServer) -> None:
    put(bao, "globex/ci", token="of globex")
    put(bao, "acme/gone", token="t")
    bao.admin.secrets.kv.v2.delete_latest_version_of_secret(path="omnisql/acme/gone")
    put(bao, "acme/fields", other="x", token="")
    for path in ("ci", "gone", "never", "fields"):
        with pytest.raises(SecretUnknown) as unknown:
            await reader(bao).read("acme", Reference(path=path, field="token"), AUDIENCE)
        assert unknown.value.sqlstate == "28000"
        assert "globex" not in f"{unknown.value} {unknown.value.detail}"


async def test_what_the_key_server_does_not_allow_is_no_outage(bao: KeyServer) -> None:
    with pytest.raises(SecretRefused, match="does not let"):
        await reader(bao, prefix="others").read("acme", Reference(path="ci", field="token"), AUDIENCE)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@contextmanager
def reviewing(token: str) -> Iterator[str]:
    """Answer TokenReview as the API server of Kubernetes does, for one token (authentication.k8s.io/v1)."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            account = {"username": "system:serviceaccount:data:omnisql", "uid": "u-1"}
            known = asked["spec"]["token"] == token
            status: dict[str, Any] = {"authenticated": known, **({"user": account} if known else {})}
            body = json.dumps({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": status})
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


async def test_a_service_account_of_kubernetes_logs_in(bao: KeyServer, tmp_path: Path) -> None:
    claims = {
        "iss": "kubernetes/serviceaccount",
        "sub": "system:serviceaccount:data:omnisql",
        "kubernetes.io": {"namespace": "data", "serviceaccount": {"name": "omnisql", "uid": "u-1"}},
    }
    token = f"{segment({'alg': 'RS256', 'typ': 'JWT'})}.{segment(claims)}.{segment('signature')}"
    file = tmp_path / "token"
    file.write_text(token)
    authority, _ = make_self_signed(tmp_path, ["localhost"], now=datetime.datetime.now(datetime.UTC))
    put(bao, "acme/k8s", token="by kubernetes")
    with reviewing(token) as address:
        bao.admin.sys.enable_auth_method("kubernetes")
        bao.admin.write_data(
            "auth/kubernetes/config",
            data={
                "kubernetes_host": address,
                "kubernetes_ca_cert": authority.read_text(),
                "token_reviewer_jwt": token,
                "disable_local_ca_jwt": True,
            },
        )
        bao.admin.write_data(
            "auth/kubernetes/role/omnisql",
            data={
                "bound_service_account_names": ["omnisql"],
                "bound_service_account_namespaces": ["data"],
                "token_policies": ["omnisql"],
            },
        )
        login = ServiceAccount(role="omnisql", token_file=file)
        asked = Asked(KeyServerSettings(address=bao.address, login=login))
        secrets = KvSecrets(asked, mount="secret", prefix="omnisql")
        found = await secrets.read("acme", Reference(path="k8s", field="token"), AUDIENCE)
    assert found.value == "by kubernetes"


@pytest.fixture(scope="module")
def server(bao: KeyServer) -> Iterator[DemoServer]:
    with server_of(bao, TIMEOUT_S="0.5", HELD_S="1") as running:
        yield running


def refused(session: psycopg.Connection, sql: str) -> tuple[str | None, str]:
    """Return the SQLSTATE and the message of a statement that fails; "" when it does not."""
    try:
        session.execute(sql.encode())
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_primary or ""
    return None, ""


def test_a_webhook_is_signed_with_a_secret_of_the_key_server(bao: KeyServer, server: DemoServer) -> None:
    base_url = server.github.base_url
    body = json.dumps({"action": "opened", "repository": {"name": "web", "owner": {"login": "acme"}}}).encode()

    def send(key: str, to: str) -> int:
        signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={signature}", "X-GitHub-Event": "issues"}
        request = urllib.request.Request(f"{server.webhooks}/acme/{to}", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    put(bao, "acme/hook", base_url, secret="told by nobody")
    put(bao, "acme/lost", base_url, secret="soon gone")
    with psycopg.connect(**server.arguments("admin"), dbname="acme", autocommit=True) as owner:
        for name, reference in (("hooked", "kv:hook#secret"), ("orphan", "kv:lost#secret")):
            owner.execute(f"CREATE SERVER {name} FOREIGN DATA WRAPPER github OPTIONS (base_url '{base_url}')".encode())
            mapping = f"CREATE USER MAPPING FOR PUBLIC SERVER {name} OPTIONS (token '{{}}', webhook_secret '{{}}')"
            assert refused(owner, mapping.format(GOOD_TOKEN, "kv:hook#nothing"))[0] == "28000"
            owner.execute(mapping.format(GOOD_TOKEN, reference).encode())
        assert (send("told by nobody", "hooked"), send("kv:hook#secret", "hooked")) == (204, 401)
        bao.admin.secrets.kv.v2.delete_latest_version_of_secret(path="omnisql/acme/lost")
        assert send("soon gone", "orphan") == 503
        # A source does not depend on what its webhooks are signed with.
        owner.execute("CREATE SCHEMA orphan")
        owner.execute("IMPORT FOREIGN SCHEMA github LIMIT TO (issues) FROM SERVER orphan INTO orphan")
        assert refused(owner, COUNT.replace("kv.", "orphan.")) == (None, "")


def test_a_source_lives_by_a_secret_that_is_changed_in_the_key_server(bao: KeyServer, server: DemoServer) -> None:
    base_url = server.github.base_url
    put(bao, "acme/github", base_url, token=GOOD_TOKEN)
    mapping = "CREATE USER MAPPING FOR PUBLIC SERVER kv OPTIONS (token '{}')"
    with psycopg.connect(**server.arguments("admin"), dbname="acme", autocommit=True) as owner:
        owner.execute(f"CREATE SERVER kv FOREIGN DATA WRAPPER github OPTIONS (base_url '{base_url}')".encode())
        owner.execute("GRANT USAGE ON FOREIGN SERVER kv TO ana")
        assert refused(owner, mapping.format("kv:github#nothing"))[0] == "28000"
        assert refused(owner, mapping.format("kv:../globex/github#token"))[0] == "22023"
        owner.execute(mapping.format("kv:github#token").encode())
        owner.execute("CREATE SCHEMA kv")
        owner.execute("IMPORT FOREIGN SCHEMA github LIMIT TO (issues) FROM SERVER kv INTO kv")
        (count,) = owner.execute(COUNT.encode()).fetchone() or (0,)
        assert count > 0
        kept = owner.execute("SELECT umoptions::text FROM pg_user_mappings WHERE srvname = 'kv'").fetchone()
        assert kept is not None
        assert "github#token" not in kept[0]
        with psycopg.connect(**server.arguments("ana"), dbname="acme", autocommit=True) as other:
            own = "CREATE USER MAPPING FOR CURRENT_USER SERVER kv OPTIONS (token 'kv:github#token')"
            assert refused(other, own)[0] == "42501"
        put(bao, "acme/github", base_url, token="ghp_revoked")
        until(lambda: refused(owner, COUNT)[1].startswith("CREDENTIALS_REJECTED"), limit_s=30)
        put(bao, "acme/github", base_url, token=GOOD_TOKEN)
        until(lambda: refused(owner, COUNT)[0] is None, limit_s=30)
        bao.process.send_signal(signal.SIGSTOP)
        try:
            until(lambda: refused(owner, COUNT)[0] == "57P03", limit_s=30)
        finally:
            bao.process.send_signal(signal.SIGCONT)
        until(lambda: refused(owner, COUNT)[0] is None, limit_s=30)
