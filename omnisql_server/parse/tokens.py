"""The words of a text as PostgreSQL's scanner tells them apart, and the hints in its comments. Pure."""

from __future__ import annotations

import re
from typing import Any

import postgast

from omnisql_server.model.custom_settings import PREFIX

_HINT = re.compile(rb"\b(max_staleness|stale_if_error)(_ms)?\s*\(([^)]*)\)", re.IGNORECASE)


def tokens_of(body: bytes) -> list[tuple[bytes, int, int]]:
    """List the tokens of a text, without its comments: their bytes in lower case, where they start and end."""
    found = [(body[token.start : token.end].lower(), token.start, token.end) for token in _scan(body)]
    return [token for token in found if not token[0].startswith((b"--", b"/*"))]


def closing_of(tokens: list[tuple[bytes, int, int]], opening: int) -> int:
    """Return the place of the parenthesis that closes the one at `opening`, or of the last token."""
    depth = 0
    for index in range(opening, len(tokens)):
        depth += {b"(": 1, b")": -1}.get(tokens[index][0], 0)
        if depth == 0:
            return index
    return len(tokens) - 1


def hints_in(text: bytes) -> tuple[tuple[str, str], ...]:
    """List the bounds that hint comments give, as custom settings; other hints are left to whom they are for."""
    if b"/*+" not in text:
        return ()
    comments = [text[token.start : token.end] for token in _scan(text)]
    return tuple(
        (f"{PREFIX}{found[1].decode().lower()}", f"{found[3].decode().strip()}{' ms' if found[2] else ''}")
        for comment in comments
        if comment.startswith(b"/*+")
        for found in _HINT.finditer(comment)
    )


def _scan(body: bytes) -> Any:
    return postgast.scan(body.decode()).tokens
