"""Heads of chains, signed with a key that the control database does not hold (Ed25519, RFC 8032).

Whoever rewrites a chain cannot sign it again; a copy of a signed head kept elsewhere shows what was there by then. Each
is logged for that reason.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from catalog.audit import HEAD, Head, SignedHead, put_signed_head, unsigned_heads
from catalog.connection import Connection
from catalog.errors import CatalogError
from catalog.key_ring import load_key

SIGN_INTERVAL_S = 300.0
KEY_FILE = "audit.key"

_log = structlog.get_logger(__name__)
ControlConnection = Callable[[], AbstractAsyncContextManager[Connection]]


class SigningKey:
    """The key of 32 bytes that heads and destroyed tenants are signed with."""

    def __init__(self, key: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(key)
        self.public_key = self._key.public_key()
        self.key_id = key_id(self.public_key)

    def sign(self, text: bytes) -> bytes:
        """Return the signature over a text."""
        return self._key.sign(text)

    def sign_text(self, text: bytes) -> tuple[str, str]:
        """Return the key's name and the signature over a text, in hexadecimal."""
        return self.key_id, self.sign(text).hex()


class HeadSigner:
    """Signs heads of chains that have grown."""

    def __init__(self, key: SigningKey, connection: ControlConnection) -> None:
        self._key = key
        self._connection = connection

    async def sign(self) -> int:
        """Sign every head that this key has not signed, and return how many."""
        async with self._connection() as connection:
            unsigned = await unsigned_heads(connection, self._key.key_id)
            for head in unsigned:
                await self.put(connection, head)
        return len(unsigned)

    async def put(self, connection: Connection, head: Head, purpose: str = HEAD) -> None:
        """Sign a head and keep it; signed for DROP it stands for the records up to it, which may then go."""
        signed_at = datetime.now(UTC)
        signature = self._key.sign(signed_text(head, signed_at, purpose))
        signed = SignedHead(
            head=head, signed_at=signed_at, key_id=self._key.key_id, purpose=purpose, signature=signature
        )
        await put_signed_head(connection, signed)
        _log.info(
            "audit_head_signed",
            chain=str(head.tenant),
            purpose=purpose,
            number=head.number,
            head=head.chain.hex(),
            signed_at=signed_at.isoformat(timespec="microseconds"),
            signed_by=self._key.key_id,
            signature=signature.hex(),
        )

    @asynccontextmanager
    async def running(self, interval_s: float = SIGN_INTERVAL_S) -> AsyncIterator[HeadSigner]:
        """Sign every `interval_s` seconds for the time of the block, and once at its end."""
        task = asyncio.create_task(self._serve(interval_s), name="audit-signer")
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self._sign_or_say()

    async def _serve(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            await self._sign_or_say()

    async def _sign_or_say(self) -> None:
        try:
            await self.sign()
        except (CatalogError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            # What is not signed now is signed with the next head: it stands for everything before it.
            _log.error("audit_heads_not_signed", reason=str(error))


def load_signing_key(directory: Path) -> bytes:
    """Read the key of 32 bytes from the data directory, making it first if there is none.

    Raises:
        KeyFileInvalid: F0000, it has another length, or others may read it.
    """
    return load_key(directory / KEY_FILE)


def signed_text(head: Head, signed_at: datetime, purpose: str) -> bytes:
    """Return what is signed: the purpose, the head's chain, number and value, and the time, a line each."""
    lines = (f"omnisql audit {purpose} 1", str(head.tenant), str(head.number), head.chain.hex())
    return "\n".join((*lines, signed_at.astimezone(UTC).isoformat(timespec="microseconds"))).encode()


def is_signed(signed: SignedHead, key: Ed25519PublicKey) -> bool:
    """Say whether a head's signature is the key's."""
    try:
        key.verify(signed.signature, signed_text(signed.head, signed.signed_at, signed.purpose))
    except InvalidSignature:
        return False
    return True


def key_id(key: Ed25519PublicKey) -> str:
    """Name a public key by 16 hexadecimal digits of its digest."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def public_text(key: Ed25519PublicKey) -> str:
    """Return a public key in hexadecimal."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
