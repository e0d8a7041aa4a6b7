"""Access tokens for a signed assertion instead of a secret (RFC 7523, section 2.1), signed by RS256 (RFC 7518)."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from connectors.sdk.auth import Grant, OAuth2, PostForm
from connectors.sdk.errors import OptionInvalid

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_KEY_BITS = range(2048, 8193)
"""RFC 7518, section 3.3 asks for 2048 bits; much longer keys would keep the event loop from its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an assertion says: who vouches, for whom, to whom, and for how many seconds it is good."""

    issuer: str
    subject: str
    audience: str
    lifetime_s: int = 180


class JwtBearer(OAuth2):
    """An access token got for a signed assertion; each one that expires or is rejected is got anew.

    `now_s` is the wall clock, which the token endpoint compares the assertion with.
    """

    def __init__(
        self,
        *,
        grant: Grant,
        claims: Claims,
        private_key: RSAPrivateKey,
        post_form: PostForm,
        now_s: Callable[[], float],
    ) -> None:
        super().__init__(
            grant=grant,
            refresh_token=None,
            post_form=post_form,
            persist=_nothing_rotates,
        )
        self._claims = claims
        self._private_key: RSAPrivateKey | None = private_key
        self._now_s = now_s

    def forget(self) -> None:
        """Forget the key and the token."""
        super().forget()
        self._private_key = None

    def _fields(self) -> dict[str, str]:
        if self._private_key is None:
            return super()._fields()
        return {"grant_type": GRANT_TYPE, "assertion": signed(self._claims, self._private_key, self._now_s())}


def signed(claims: Claims, private_key: RSAPrivateKey, now_s: float) -> str:
    """Return a JWT (RFC 7519) with the claims, in the compact form of RFC 7515."""
    body = {
        "iss": claims.issuer,
        "sub": claims.subject,
        "aud": claims.audience,
        "iat": int(now_s),
        "exp": int(now_s) + claims.lifetime_s,
        # An assertion may be refused when it was seen before.
        "jti": secrets.token_urlsafe(16),
    }
    return compact(json.dumps(body), private_key)


def compact(claims: str, private_key: RSAPrivateKey) -> str:
    """Return claims in JSON as a signed JWT."""
    said = f"{_segment(json.dumps({'alg': 'RS256', 'typ': 'JWT'}))}.{_segment(claims)}"
    return f"{said}.{_encoded(private_key.sign(said.encode(), PKCS1v15(), SHA256()))}"


def rsa_key(pem: str, *, server: str, option: str) -> RSAPrivateKey:
    """Read an RSA private key without a passphrase (PKCS #8 or PKCS #1, in PEM).

    Raises:
        OptionInvalid: SQLSTATE HV00D, it is none, or too short or too long; the message does not show it.
    """
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's message may quote what it read.
        key = None
    if not isinstance(key, RSAPrivateKey) or key.key_size not in _KEY_BITS:
        raise OptionInvalid(
            message=f'secret {option} of server "{server}" is not an RSA private key',
            hint="Give the whole PEM file, not encrypted, of a key of 2048 to 8192 bits.",
        )
    return key


async def _nothing_rotates(_refresh_token: str) -> None:
    """Store nothing: an assertion is answered without a refresh token (RFC 7521, section 4.1)."""


def _segment(text: str) -> str:
    return _encoded(text.encode())


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
