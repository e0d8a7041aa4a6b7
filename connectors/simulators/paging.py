"""Numbers and opaque tokens that requests carry from page to page; pure functions."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json


def whole_number(text: str | None, default: int) -> int:
    """Read a query parameter leniently: what is absent or no number counts as the default."""
    if text is None:
        return default
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        return default
    return int(text)


def page_token(offset: int, *bound_to: object) -> str:
    """Return an opaque token for the page that starts at `offset` of the listing given by `bound_to`."""
    payload = json.dumps([offset, _digest(bound_to)]).encode()
    return base64.urlsafe_b64encode(payload).decode().rstrip("=")


def token_offset(token: str, *bound_to: object) -> int | None:
    """Return the offset in a token, or None when the token was not made for this listing."""
    try:
        payload = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError):
        return None
    if not (isinstance(payload, list) and len(payload) == 2 and isinstance(payload[0], int)):
        return None
    offset, digest = payload
    return offset if digest == _digest(bound_to) and offset >= 0 else None


def _digest(bound_to: tuple[object, ...]) -> str:
    return hashlib.sha256(json.dumps(bound_to, default=str).encode()).hexdigest()[:24]
