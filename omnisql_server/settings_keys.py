"""The section of the settings about the keys of tenants. Pure values."""

# ruff: noqa: RUF009  `setting` only wraps `field`, so nothing mutable is shared.
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from catalog.key_server import SERVICE_ACCOUNT_TOKEN
from omnisql_server.setting import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """Who keeps the keys that tenants' data keys are wrapped under; files of the data directory without an address."""

    address: str | None = setting(None, "URL of OpenBao or Vault; its transit engine wraps the data keys.")
    mount: str = setting("transit", "Path where the transit engine is mounted.")
    namespace: str | None = setting(None, "Namespace of the key server.")
    login: str = setting("approle", "How to log in: `approle` or `kubernetes`.", choices=("approle", "kubernetes"))
    login_mount: str | None = setting(None, "Path where that log-in is mounted; its name where not set.")
    role_id: str | None = setting(None, "Role id of the AppRole that logs in.")
    secret_id_file: Path | None = setting(None, "File with the AppRole's secret id.")
    kubernetes_role: str | None = setting(None, "Role of the key server that the service account of Kubernetes has.")
    kubernetes_token_file: Path = setting(SERVICE_ACCOUNT_TOKEN, "File with the token of the service account.")
    kv_mount: str = setting("secret", "Path where the KV engine (version 2) with the secrets of sources is mounted.")
    kv_prefix: str = setting("omnisql", "Path in it; below are the names of tenants.")
    ca_file: Path | None = setting(None, "Certificate authority of the key server in PEM form.")
    timeout_s: float = setting(5.0, "Time for one request to the key server.", minimum=0.1, maximum=60)
    held_s: float = setting(
        300.0, "Time a data key is held in memory before it is asked for again.", minimum=1, maximum=86_400
    )
