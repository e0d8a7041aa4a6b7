"""The section of the settings about the keys of tenants. Pure values."""

# ruff: noqa: RUF009  `setting` only wraps `field`, so nothing mutable is shared.
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omnisql_server.setting import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """Who keeps the keys that tenants' data keys are wrapped under; files of the data directory without an address."""

    address: str | None = setting(None, "URL of OpenBao or Vault; its transit engine wraps the data keys.")
    mount: str = setting("transit", "Path where the transit engine is mounted.")
    namespace: str | None = setting(None, "Namespace of the key server.")
    role_id: str | None = setting(None, "Role id of the AppRole that logs in.")
    secret_id_file: Path | None = setting(None, "File with the AppRole's secret id.")
    ca_file: Path | None = setting(None, "Certificate authority of the key server in PEM form.")
    timeout_s: float = setting(5.0, "Time for one request to the key server.", minimum=0.1, maximum=60)
    held_s: float = setting(
        300.0, "Time a data key is held in memory before it is asked for again.", minimum=1, maximum=86_400
    )
