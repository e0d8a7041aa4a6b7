"""Reading signed assertions: JWT (RFC 7519) in the compact form of RFC 7515, by RS256 (RFC 7518)."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256


def claims_of(assertion: str, public_key: RSAPublicKey | None) -> dict[str, Any] | None:
    """Return what an assertion says, None where it is malformed or not signed by the key's owner."""
    try:
        head, body, signature = assertion.split(".")
        if public_key is None or json.loads(_decoded(head))["alg"] != "RS256":
            return None
        public_key.verify(_decoded(signature), f"{head}.{body}".encode(), PKCS1v15(), SHA256())
        claims = json.loads(_decoded(body))
    except (ValueError, KeyError, TypeError, InvalidSignature):
        return None
    return claims if isinstance(claims, dict) else None


def _decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
