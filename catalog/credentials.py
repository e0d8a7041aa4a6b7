"""Seals credentials with AES-256-GCM before they are stored; PostgreSQL's own catalogs only ever hold the handle
`secret:<uuid>`.

Tenant, server, role and audience (scheme, host and port of the API) are associated data: a handle copied to another
server, or a server pointed at another host, opens nothing.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from catalog.connection import Connection
from catalog.control import SealedSecret, get_secret, put_secret
from catalog.errors import InvalidName, KeyFileInvalid, SecretRefused, SecretUnknown

HANDLE_PREFIX = "secret:"
KEY_BYTES = 32
NONCE_BYTES = 12
# The first byte of a sealed value names its format.
FORMAT = b"\x01"
DEFAULT_PORTS = {"http": 80, "https": 443}


class CredentialStore:
    """Stores and opens credentials; holds the key and nothing else."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise KeyFileInvalid("the key does not have 32 bytes")
        self._cipher = AESGCM(key)

    async def put(
        self, connection: Connection, secret: bytes, *, tenant: UUID, server: str, role: str, audience: str
    ) -> str:
        """Seal and store a secret and return its handle, which is what an option in PostgreSQL may hold."""
        handle = uuid4()
        bound = _bound_to(tenant, server, role, audience)
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = FORMAT + nonce + self._cipher.encrypt(nonce, secret, bound)
        await put_secret(
            connection,
            SealedSecret(handle=handle, tenant=tenant, server=server, role=role, audience=audience, sealed=sealed),
        )
        return f"{HANDLE_PREFIX}{handle}"

    async def get(
        self, connection: Connection, handle: str, *, tenant: UUID, server: str, role: str, audience: str
    ) -> bytes:
        """Open a secret for exactly the use it was given for.

        Raises: SecretUnknown (28000), SecretRefused (28000) under another tenant, server, role, audience or key.
        """
        stored = await get_secret(connection, handle_id(handle))
        bound = _bound_to(tenant, server, role, audience)
        body = stored.sealed[len(FORMAT) :]
        try:
            if stored.sealed[: len(FORMAT)] != FORMAT:
                raise InvalidTag
            return self._cipher.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], bound)
        except InvalidTag as error:
            raise SecretRefused(
                "the credential was given for another use",
                detail=f"server {server}, role {role}, audience {audience}",
                hint="Give the credential again for this server.",
            ) from error


def handle_id(handle: str) -> UUID:
    """Read the identifier in a handle.

    Raises: SecretUnknown (28000) when the text is no handle.
    """
    try:
        if not handle.startswith(HANDLE_PREFIX):
            raise ValueError
        return UUID(handle.removeprefix(HANDLE_PREFIX))
    except ValueError as error:
        raise SecretUnknown("the option does not hold the handle of a secret") from error


def audience_of(base_url: str) -> str:
    """Reduce a URL to scheme, host and port, the part that decides who receives a credential.

    Raises: InvalidName (42602) when the text is not an http or https URL with a host, or names a user.
    """
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError as error:
        raise InvalidName("the base URL is not valid") from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        raise InvalidName("the base URL is not an http or https URL with a plain host")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{DEFAULT_PORTS[parts.scheme] if port is None else port}"


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


def _bound_to(tenant: UUID, server: str, role: str, audience: str) -> bytes:
    """Encode the four facts without ambiguity: a plain separator could be part of a name."""
    return json.dumps([str(tenant), server, role, audience], ensure_ascii=True).encode()
