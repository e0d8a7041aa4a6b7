"""The statements of a message that has one of some words in it; others are not parsed at all. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import postgast


def statements_mentioning(words: Iterable[bytes], text: bytes) -> list[Any]:
    """Return a message's statements as PostgreSQL's nodes; none without a word, or where it cannot be parsed."""
    lowered = text.lower()
    if not any(word in lowered for word in words):
        return []
    try:
        return [raw.stmt for raw in postgast.parse(text.decode("utf-8", "replace")).stmts]
    except postgast.PgQueryError:
        return []
