"""Verifies a provider's token: signature, issuer, audience and times (RFC 7519, RFC 8725).

The algorithm is one that the tenant allows, whatever the token says, and the key one of the provider's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt

from omnisql_server.identity.key_sets import KeySets
from omnisql_server.identity.rules import IdentityProvider
from omnisql_server.session.entrance import LogInRefused

TOKEN_CHARACTERS_MAX = 16_384
REQUIRED = ("exp", "iss", "aud")


async def verified_claims(token: str, provider: IdentityProvider, keys: KeySets) -> Mapping[str, Any]:
    """Return the claims of a token that counts now.

    Raises:
        LogInRefused: it does not; the reason holds nothing of the token.
    """
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise LogInRefused("the token is too long")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise LogInRefused("it is no signed token") from error
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in provider.algorithms:
        raise LogInRefused("the token's algorithm is not allowed")
    key = await keys.key(provider, key_id if isinstance(key_id, str) else None, algorithm)
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=list(provider.audience),
            issuer=provider.issuer,
            leeway=provider.clock_skew_s,
            options={"require": list(REQUIRED)},
        )
    except jwt.PyJWTError as error:
        raise LogInRefused(_reason(error)) from error
    return claims


def _reason(error: jwt.PyJWTError) -> str:
    """Say what is wrong without the library's words, which may quote the token."""
    reasons: dict[type[jwt.PyJWTError], str] = {
        jwt.ExpiredSignatureError: "the token has expired",
        jwt.ImmatureSignatureError: "the token is not valid yet",
        jwt.InvalidAudienceError: "the token is for another audience",
        jwt.InvalidIssuerError: "the token is of another issuer",
        jwt.InvalidSignatureError: "the signature is wrong",
        jwt.MissingRequiredClaimError: "the token lacks a claim it must have",
    }
    return reasons.get(type(error), "the token cannot be verified")
