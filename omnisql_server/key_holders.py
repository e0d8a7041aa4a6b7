"""Who holds the keys of tenants and the secrets that stay elsewhere, made from the settings."""

from __future__ import annotations

from pathlib import Path

from catalog.key_files import FOLDER, KeyFiles
from catalog.key_ring import KeyHolder, load_key
from catalog.key_server import AppRole, KeyServer, KeyServerSettings, ServiceAccount
from catalog.kv_secrets import KvSecrets
from catalog.leases import Leases
from catalog.transit import TransitKeys
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.settings_keys import KeySettings


def key_holders(settings: KeySettings, directory: Path, server: KeyServer | None) -> list[KeyHolder]:
    """Return who wraps data keys from now on, and who did so before."""
    files = KeyFiles(load_key(directory / "credentials.key"), directory / FOLDER)
    return [files] if server is None else [TransitKeys(server, mount=settings.mount), files]


def leases(settings: KeySettings, server: KeyServer | None) -> Leases | None:
    """Return who holds the credentials that the key server makes for a time."""
    return None if server is None else Leases(server, held_s=settings.held_s)


def referenced_secrets(settings: KeySettings, server: KeyServer | None, held: Leases | None) -> KvSecrets | None:
    """Return who reads the secrets of sources that stay in the key server."""
    if server is None:
        return None
    return KvSecrets(server, mount=settings.kv_mount, prefix=settings.kv_prefix, leases=held)


def key_server(settings: KeySettings) -> KeyServer | None:
    """Return the key server, if one is configured.

    Raises:
        ConfigurationInvalid: F0000, the log-in lacks a setting.
    """
    if settings.address is None:
        return None
    return KeyServer(
        KeyServerSettings(
            address=settings.address,
            login=_service_account(settings) if settings.login == "kubernetes" else _app_role(settings),
            namespace=settings.namespace,
            ca_file=settings.ca_file,
            timeout_s=settings.timeout_s,
        )
    )


def _app_role(settings: KeySettings) -> AppRole:
    if settings.role_id is None or settings.secret_id_file is None:
        raise ConfigurationInvalid(message="setting keys.address needs keys.role_id and keys.secret_id_file")
    return AppRole(
        role_id=settings.role_id, secret_id_file=settings.secret_id_file, mount=settings.login_mount or "approle"
    )


def _service_account(settings: KeySettings) -> ServiceAccount:
    if settings.kubernetes_role is None:
        raise ConfigurationInvalid(message="setting keys.login kubernetes needs keys.kubernetes_role")
    return ServiceAccount(
        role=settings.kubernetes_role,
        token_file=settings.kubernetes_token_file,
        mount=settings.login_mount or "kubernetes",
    )
