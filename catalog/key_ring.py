"""Tenants' data keys, and the AES-256-GCM seal (NIST SP 800-38D) that credentials and keys are kept under.

Each tenant has a key of its own, made with its first secret and kept in the control database, sealed under the key of
a file. Another key ring may keep keys elsewhere: a credential store only asks for a tenant's key.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from catalog.connection import Connection
from catalog.errors import KeyFileInvalid, SecretRefused

KEY_BYTES = 32
NONCE_BYTES = 12
# The first byte of a sealed value names its format.
FORMAT = b"\x02"
KEYS_HELD_MAX = 1024

DATA_KEY_SQL = "SELECT sealed FROM control.data_keys WHERE tenant = $1"
PUT_DATA_KEY_SQL = "INSERT INTO control.data_keys (tenant, sealed) VALUES ($1, $2) ON CONFLICT (tenant) DO NOTHING"


class KeyRing(Protocol):
    """Gives tenants' data keys."""

    async def data_key(self, connection: Connection, tenant: UUID) -> bytes:
        """Return a tenant's key of 32 bytes, making it on first use; `connection` is to the control database."""


class FileKeyRing:
    """Keeps data keys in the control database, sealed under the key of a file."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise KeyFileInvalid("the key does not have 32 bytes")
        self._key = key
        self._held: dict[UUID, bytes] = {}

    async def data_key(self, connection: Connection, tenant: UUID) -> bytes:
        """Return a tenant's key.

        Raises: SecretRefused (28000) when it was sealed under another key file.
        """
        held = self._held.get(tenant)
        if held is not None:
            return held
        sealed = await connection.fetchval(DATA_KEY_SQL, tenant)
        if sealed is None:
            made = seal(self._key, secrets.token_bytes(KEY_BYTES), _label(tenant))
            await connection.execute(PUT_DATA_KEY_SQL, tenant, made)
            # Somebody else may have made it meanwhile: what is stored counts.
            sealed = await connection.fetchval(DATA_KEY_SQL, tenant)
        try:
            key = unseal(self._key, sealed, _label(tenant))
        except InvalidTag as error:
            raise SecretRefused(
                "the tenant's key cannot be opened",
                detail="It was sealed under another key file.",
                hint="Bring the key file back that credentials were given under.",
            ) from error
        if len(self._held) >= KEYS_HELD_MAX:
            self._held.pop(next(iter(self._held)))
        self._held[tenant] = key
        return key


def seal(key: bytes, secret: bytes, bound_to: bytes) -> bytes:
    """Encrypt a secret together with what it is bound to."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return FORMAT + nonce + AESGCM(key).encrypt(nonce, secret, bound_to)


def unseal(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    """Decrypt what `seal` made.

    Raises: InvalidTag when key, value or what it is bound to differ, or the value has another format.
    """
    if sealed[: len(FORMAT)] != FORMAT:
        raise InvalidTag
    # Sealed rows are megabytes: what is cut off the front copies nothing.
    body = memoryview(sealed)[len(FORMAT) :]
    return AESGCM(key).decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], bound_to)


def load_key(path: Path) -> bytes:
    """Read the key file, making it with 32 random bytes and mode 0600 if there is none.

    Raises: KeyFileInvalid (F0000) when it has another length, or group or others may read it.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyFileInvalid(
                "the key file is open to others", detail=str(path), hint="Set its mode to 0600."
            ) from None
    else:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise KeyFileInvalid("the key file does not have 32 bytes", detail=str(path))
    return key


def _label(tenant: UUID) -> bytes:
    return f"data key of tenant {tenant}".encode()
