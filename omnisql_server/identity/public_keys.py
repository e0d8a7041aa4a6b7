"""Public keys of JWK sets (RFC 7517), and which of them a token may have been signed with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key that the server does not hold. Codes under a shared secret and `none` cannot be allowed."""
KEYS_MAX = 100
_RSA = frozenset(name for name in ALGORITHMS if name[:1] in {"R", "P"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key with the algorithms that it is for; `id` may be missing, and need not be another for each key."""

    id: str | None
    algorithms: frozenset[str]
    key: Any


class NoPublicKey(ValueError):
    """An entry of a JWK set is no key to verify a signature with."""


def read_key(entry: Any) -> PublicKey:
    """Read an entry of a JWK set.

    Raises:
        NoPublicKey: it is a shared secret, a private key, for encryption, or of an unknown kind.
    """
    if not isinstance(entry, Mapping) or "d" in entry or entry.get("kty") == "oct":
        raise NoPublicKey("A shared secret or a private key does not belong here: give the public key.")
    if entry.get("use", "sig") != "sig":
        raise NoPublicKey("A key is not for signatures.")
    try:
        read = jwt.PyJWK.from_dict(dict(entry))
    except (jwt.PyJWTError, TypeError, ValueError, AttributeError) as error:
        raise NoPublicKey("A key is of an unknown kind.") from error
    # Of RSA's algorithms a key is for all, unless it says for which; a curve has one.
    several = read.key_type == "RSA" and entry.get("alg") is None
    algorithms = _RSA if several else frozenset({read.algorithm_name}) & frozenset(ALGORITHMS)
    return PublicKey(id=read.key_id, algorithms=algorithms, key=read.key)


def read_keys(entries: Iterable[Any]) -> tuple[PublicKey, ...]:
    """Read the entries that are keys to verify with; others are another client's."""
    keys = []
    for entry, _ in zip(entries, range(KEYS_MAX), strict=False):
        try:
            keys.append(read_key(entry))
        except NoPublicKey:
            continue
    return tuple(keys)


def chosen(keys: Iterable[PublicKey], key_id: str | None, algorithm: str) -> PublicKey | None:
    """Return the key that a token names, or without a name the only one for its algorithm."""
    fitting = [key for key in keys if algorithm in key.algorithms and key_id in (None, key.id)]
    return fitting[0] if len(fitting) == 1 or (fitting and key_id is not None) else None
