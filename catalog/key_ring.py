"""Tenants' data keys, and the AES-256-GCM seal (NIST SP 800-38D) that credentials and rows are kept under.

Each tenant has a data key of its own, made with its first secret and kept in the control database, wrapped under a key
of the tenant's that is kept elsewhere: whoever destroys that one makes everything unreadable that was sealed for the
tenant, in every copy.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from catalog.connection import Connection
from catalog.errors import KeyFileInvalid, SecretRefused

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
# The first byte of a sealed value names its format.
FORMAT = b"\x02"
# How much longer a value is once it is sealed.
SEAL_BYTES = len(FORMAT) + NONCE_BYTES + TAG_BYTES
KEYS_HELD_MAX = 1024
HELD_S = 300.0
ATTEMPTS = 3

DATA_KEY_SQL = "SELECT holder, generation, sealed FROM control.data_keys WHERE tenant = $1"
PUT_DATA_KEY_SQL = """
INSERT INTO control.data_keys (tenant, holder, generation, sealed) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant) DO NOTHING RETURNING true
"""
REWRAP_SQL = """
UPDATE control.data_keys SET holder = $3, generation = $4, sealed = $5
WHERE tenant = $1 AND (holder, generation) = ($6, $2) RETURNING true
"""
DELETE_SQL = "DELETE FROM control.data_keys WHERE tenant = $1 RETURNING holder, generation"


class KeyHolder(Protocol):
    """Keeps the keys that data keys are wrapped under, one for each tenant and generation, and gives none away."""

    name: str

    async def wrap(self, tenant: UUID, generation: int, key: bytes) -> bytes:
        """Wrap a data key under a tenant's key of a generation, making that one first if there is none.

        Raises: KeysUnavailable (57P03).
        """

    async def unwrap(self, tenant: UUID, generation: int, wrapped: bytes) -> bytes:
        """Unwrap a data key.

        Raises: SecretRefused (28000) when the tenant's key is gone or another; KeysUnavailable (57P03).
        """

    async def destroy(self, tenant: UUID, generation: int) -> None:
        """Destroy a tenant's key of a generation; destroying one that does not exist does nothing.

        Raises: KeysUnavailable (57P03).
        """


@dataclass(frozen=True, slots=True)
class _Held:
    key: bytes
    until_s: float


@dataclass(frozen=True, slots=True)
class _Stored:
    holder: str
    generation: int
    sealed: bytes


class KeyRing:
    """Gives tenants' data keys, and holds them in memory for `held_s` seconds.

    New ones are wrapped by the first of `holders`; the others only serve what they wrapped before.
    """

    def __init__(
        self, holders: Sequence[KeyHolder], *, held_s: float = HELD_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._current = holders[0]
        self._holders = {holder.name: holder for holder in holders}
        self._held_s = held_s
        self._clock = clock
        self._held: dict[UUID, _Held] = {}

    def held(self, tenant: UUID) -> bytes | None:
        """Return a tenant's data key if it is in memory and not to be asked for again yet."""
        found = self._held.get(tenant)
        return found.key if found is not None and found.until_s > self._clock() else None

    async def data_key(self, connection: Connection, tenant: UUID) -> bytes:
        """Return a tenant's key of 32 bytes, making it on first use; `connection` is to the control database.

        Raises: SecretRefused (28000) when it cannot be unwrapped; KeysUnavailable (57P03).
        """
        held = self.held(tenant)
        if held is not None:
            return held
        # Between reading and unwrapping, another server may have rotated it.
        for attempt in range(ATTEMPTS):
            stored = await self._stored(connection, tenant)
            if stored is None:
                key = secrets.token_bytes(KEY_BYTES)
                wrapped = await self._current.wrap(tenant, 1, key)
                await connection.fetchval(PUT_DATA_KEY_SQL, tenant, self._current.name, 1, wrapped)
                # Somebody else may have made it meanwhile: what is stored counts.
                continue
            try:
                key = await self._unwrapped(tenant, stored)
            except SecretRefused:
                if attempt == ATTEMPTS - 1 or await self._stored(connection, tenant) == stored:
                    raise
                continue
            if stored.generation == 0:
                # Nothing of the tenant's own could be destroyed to shut it.
                await self.rotate(connection, tenant)
            return self._hold(tenant, key)
        raise SecretRefused("the tenant's key cannot be opened", detail="It changes all the time.")

    async def rotate(self, connection: Connection, tenant: UUID) -> int | None:
        """Wrap a tenant's data key under a new key of the tenant's, destroy the old one, and return the generation.

        None where the tenant has no data key yet.

        Raises: SecretRefused (28000), KeysUnavailable (57P03); the old key stands then.
        """
        stored = await self._stored(connection, tenant)
        if stored is None:
            return None
        key = await self._unwrapped(tenant, stored)
        generation = stored.generation + 1
        wrapped = await self._current.wrap(tenant, generation, key)
        values = (tenant, stored.generation, self._current.name, generation, wrapped, stored.holder)
        if not await connection.fetchval(REWRAP_SQL, *values):
            # Another server was faster; its key has the same place or a later one, and must stay.
            return (await self._stored(connection, tenant) or stored).generation
        await self._holders[stored.holder].destroy(tenant, stored.generation)
        return generation

    async def destroy(self, connection: Connection, tenant: UUID) -> None:
        """Destroy a tenant's keys: what was sealed under its data key cannot be opened any more, in no copy.

        Raises: KeysUnavailable (57P03): nothing is destroyed.
        """
        self.forget(tenant)
        stored = await self._stored(connection, tenant)
        if stored is not None:
            for generation in range(1, stored.generation + 1):
                await self._holder(stored.holder).destroy(tenant, generation)
            await connection.execute(DELETE_SQL, tenant)
        self.forget(tenant)

    def forget(self, tenant: UUID) -> None:
        """Let go of a tenant's data key in memory."""
        self._held.pop(tenant, None)

    async def _stored(self, connection: Connection, tenant: UUID) -> _Stored | None:
        row = await connection.fetchrow(DATA_KEY_SQL, tenant)
        return None if row is None else _Stored(row["holder"], row["generation"], row["sealed"])

    async def _unwrapped(self, tenant: UUID, stored: _Stored) -> bytes:
        return await self._holder(stored.holder).unwrap(tenant, stored.generation, stored.sealed)

    def _holder(self, name: str) -> KeyHolder:
        found = self._holders.get(name)
        if found is None:
            raise SecretRefused(
                "the tenant's key cannot be opened",
                detail=f"It was wrapped by holder {name}, which is not configured.",
                hint="Configure the key server again that keys were wrapped with.",
            )
        return found

    def _hold(self, tenant: UUID, key: bytes) -> bytes:
        if len(self._held) >= KEYS_HELD_MAX:
            self._held.pop(next(iter(self._held)))
        self._held[tenant] = _Held(key, self._clock() + self._held_s)
        return key


def seal(key: bytes, secret: bytes, bound_to: bytes) -> bytes:
    """Encrypt a secret together with what it is bound to."""
    sealed = bytearray(len(secret) + SEAL_BYTES)
    seal_into(memoryview(sealed), key, secret, bound_to)
    return bytes(sealed)


def seal_into(sealed: memoryview, key: bytes, content: bytes | memoryview, bound_to: bytes) -> None:
    """Encrypt as `seal` does into memory that has `SEAL_BYTES` more than the content."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    head = FORMAT + nonce
    sealed[: len(head)] = head
    AESGCM(key).encrypt_into(nonce, content, bound_to, sealed[len(head) :])


def unseal(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    """Decrypt what `seal` made.

    Raises: InvalidTag when key, value or what it is bound to differ, or the value has another format.
    """
    if len(sealed) < SEAL_BYTES:
        raise InvalidTag
    secret = bytearray(len(sealed) - SEAL_BYTES)
    unseal_into(memoryview(secret), key, sealed, bound_to)
    return bytes(secret)


def unseal_into(secret: memoryview, key: bytes, sealed: bytes | memoryview, bound_to: bytes) -> None:
    """Decrypt as `unseal` does into memory that has `SEAL_BYTES` less than the value.

    Raises: InvalidTag, and then the memory holds nothing of worth.
    """
    body = memoryview(sealed)
    if body[: len(FORMAT)] != FORMAT:
        raise InvalidTag
    nonce, encrypted = body[len(FORMAT) : len(FORMAT) + NONCE_BYTES], body[len(FORMAT) + NONCE_BYTES :]
    AESGCM(key).decrypt_into(nonce, encrypted, bound_to, secret)


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
