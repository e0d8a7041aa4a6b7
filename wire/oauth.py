"""OAUTHBEARER, the server's side (RFC 7628; PostgreSQL 18, chapter 54.3.2): one message with a token, JSON."""

import json
import re
from dataclasses import dataclass

from wire.errors import ProtocolViolation

OAUTHBEARER = "OAUTHBEARER"
DUMMY_ANSWER = b"\x01"
"""What a client answers to a refusal before the exchange ends."""

_SEPARATOR = "\x01"
_PAIR = re.compile(r"([A-Za-z]+)=([^\x01]*)")
# RFC 6750, section 2.1; the scheme's name is case-insensitive.
_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerResponse:
    """A client's first message: its token, None where it only asks which provider to get one from."""

    token: str | None


def parse_bearer_response(data: bytes | None) -> BearerResponse:
    """Parse the initial response of the mechanism.

    Raises:
        ProtocolViolation: 08P01, malformed, an authorization identity, or channel binding, which the mechanism has not.
    """
    try:
        text = (data or b"").decode("ascii")
    except UnicodeDecodeError:
        raise _malformed() from None
    header, _, rest = text.partition(_SEPARATOR)
    if header not in ("n,,", "y,,"):
        raise ProtocolViolation(
            message="malformed OAUTHBEARER message",
            detail="Channel binding and authorization identities are not supported.",
        )
    if not rest.endswith(_SEPARATOR * 2) and rest != _SEPARATOR:
        raise _malformed()
    values: dict[str, str] = {}
    for pair in filter(None, rest[:-1].split(_SEPARATOR)):
        match = _PAIR.fullmatch(pair)
        if match is None or match[1] in values:
            raise _malformed()
        values[match[1]] = match[2]
    authorization = values.get("auth")
    if authorization is None:
        raise _malformed()
    if not authorization:
        return BearerResponse(token=None)
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None:
        raise _malformed()
    return BearerResponse(token=bearer[1])


def bearer_refusal(*, discovery_url: str | None, scope: str | None) -> bytes:
    """Say that no usable token came, and where to get one, if strangers may know."""
    answer = {"status": "invalid_token"}
    if discovery_url is not None:
        answer["openid-configuration"] = discovery_url
        answer["scope"] = scope or ""
    return json.dumps(answer).encode()


def _malformed() -> ProtocolViolation:
    # Nothing is quoted: what is malformed may still hold a token.
    return ProtocolViolation(message="malformed OAUTHBEARER message")
