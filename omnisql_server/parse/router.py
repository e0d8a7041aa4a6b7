"""Relay or run, decided from a message's text alone: a byte test first, then the grammar. Pure; cached by text.

The decision is a hint: what a run statement really touches is what PostgreSQL locked for it (see `bind`), and a
relayed statement that reaches an API table all the same is refused by PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from omnisql_server.model.statement import MANAGED_KINDS, NAMING_KINDS, Part, Statement
from omnisql_server.parse.grammar import NotParsed, parse_statements

_MANAGED_WORDS = re.compile(rb"\b(?:server|mapping|import|call)\b", re.IGNORECASE)
"""Key words without which no statement is of a managed kind."""

_parse = lru_cache(maxsize=4096)(parse_statements)


def route(
    text: bytes, may_reach: Callable[[bytes], bool], reaching: frozenset[str], overlay: frozenset[str]
) -> tuple[Part, ...] | None:
    """Split a message into parts to relay and to run; None when all of it is to be relayed untouched.

    `may_reach` is the byte test over the snapshot's names, `reaching` those names, `overlay` the session's own.
    """
    named = may_reach(text) or any(name.encode().lower() in text.lower() for name in overlay)
    if not named and _MANAGED_WORDS.search(text) is None:
        return None
    try:
        statements = _parse(text.decode())
    except (NotParsed, UnicodeDecodeError):
        return None
    names = reaching | overlay
    parts = tuple(
        Part(text=statement.text, offset=statement.offset, statement=statement if _reaches(statement, names) else None)
        for statement in statements
    )
    return parts if any(part.statement for part in parts) else None


def _reaches(statement: Statement, names: frozenset[str]) -> bool:
    return statement.kind in MANAGED_KINDS - NAMING_KINDS or any(
        reference.name in names for reference in statement.references
    )
