"""Keys of tenants in files of the data directory, one for each tenant and generation, beside the server's own key.

A data key is wrapped under a key derived from both (HKDF with SHA-256, RFC 5869): a copy of the control database opens
nothing without the tenant's file, and a copy of that file nothing without the server's.
"""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from catalog.errors import KeyFileInvalid, SecretRefused
from catalog.key_ring import KEY_BYTES, load_key, seal, unseal

FOLDER = "tenant-keys"


class KeyFiles:
    """Implements `key_ring.KeyHolder` over a folder; `server_key` is the server's own key of 32 bytes."""

    name = "file"

    def __init__(self, server_key: bytes, folder: Path) -> None:
        if len(server_key) != KEY_BYTES:
            raise KeyFileInvalid("the key does not have 32 bytes")
        self._server_key = server_key
        self._folder = folder

    async def wrap(self, tenant: UUID, generation: int, key: bytes) -> bytes:
        """Wrap a data key.

        Raises: KeyFileInvalid (F0000), the tenant's file is there and cannot be used.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return seal(self._derived(load_key(self._path(tenant, generation)), tenant), key, _label(tenant, generation))

    async def unwrap(self, tenant: UUID, generation: int, wrapped: bytes) -> bytes:
        """Unwrap a data key; one of generation 0 was sealed under the server's key alone.

        Raises: SecretRefused (28000), KeyFileInvalid (F0000).
        """
        path = self._path(tenant, generation)
        if generation and not path.exists():
            raise SecretRefused("the tenant's key cannot be opened", detail="The tenant's key file does not exist.")
        key = self._derived(load_key(path), tenant) if generation else self._server_key
        try:
            return unseal(key, wrapped, _label(tenant, generation))
        except InvalidTag as error:
            raise SecretRefused(
                "the tenant's key cannot be opened",
                detail="It was sealed under another key file.",
                hint="Bring the key files back that credentials were given under.",
            ) from error

    async def destroy(self, tenant: UUID, generation: int) -> None:
        """Overwrite a tenant's key file and remove it."""
        path = self._path(tenant, generation)
        try:
            descriptor = os.open(path, os.O_WRONLY)
        except FileNotFoundError:
            return
        try:
            os.write(descriptor, os.urandom(KEY_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.unlink()

    def _path(self, tenant: UUID, generation: int) -> Path:
        return self._folder / f"{tenant}-{generation}.key"

    def _derived(self, tenant_key: bytes, tenant: UUID) -> bytes:
        derivation = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=tenant_key, info=f"omnisql {tenant}".encode())
        return derivation.derive(self._server_key)


def _label(tenant: UUID, generation: int) -> bytes:
    return f"data key of tenant {tenant}{f', generation {generation}' if generation else ''}".encode()
