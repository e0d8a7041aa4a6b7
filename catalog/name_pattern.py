"""Compiles the byte test of routing: does a statement's text hold any of these names? Pure.

It may say yes for no reason, but never no where PostgreSQL's lexer (PostgreSQL 18, chapter 4.1.1) could read one of
the names. Texts are UTF-8 or any encoding in which ASCII letters are themselves; other names than ASCII ones are
compared as UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from catalog.quoting import IDENTIFIER_BYTES_MAX

Trie: TypeAlias = "dict[int, Trie]"

# Bytes that continue an unquoted identifier. `$` is left out: in $$name$$ it ends a string that may be executed.
WORD = rb"[A-Za-z0-9_\x80-\xff]"
# An identifier with Unicode escapes can spell any name.
ESCAPED_IDENTIFIER = rb'[Uu]&"'
_ESCAPED = re.compile(ESCAPED_IDENTIFIER)
# Lowers letters as the lexer does, and makes of all that is not WORD the end of one.
_WORD_BYTES = re.compile(WORD)
WORDS = bytes(code if _WORD_BYTES.match(bytes([code])) else ord(" ") for code in bytes(range(256)).lower())
DIGITS = bytes.maketrans(b"123456789", b"000000000")
# Never matches: the pattern of a database without API tables.
NOTHING = rb"(?!)"
# PostgreSQL cuts longer identifiers to 63 bytes, at the start of a character: up to three bytes less.
CUT_BYTES_MIN = IDENTIFIER_BYTES_MAX - 3

# The key under which a trie's node says that a name ends there: not a byte value.
WHOLE_WORD_END = -1
ANY_END = -2


def shape(text: bytes) -> bytes:
    """Return a text with every digit as 0: the same for texts that differ in digits alone."""
    return text.translate(DIGITS)


def name_pattern(names: Iterable[str]) -> re.Pattern[bytes]:
    """Compile the test for a set of names as spelled in pg_class; without names it never matches."""
    root: Trie = {}
    for name in names:
        _insert(root, name)
    if not root:
        return re.compile(NOTHING)
    return re.compile(rb"(?<!" + WORD + rb")" + _expression(root) + rb"|" + ESCAPED_IDENTIFIER, re.IGNORECASE)


class NameTest:
    """The same test made fast: names that are one word are looked for among a text's words, others by the pattern."""

    def __init__(self, names: Iterable[str]) -> None:
        spelled = {name: name.encode().lower() for name in names}
        plain = {name for name, word in spelled.items() if len(word) < CUT_BYTES_MIN and word.translate(WORDS) == word}
        self._words = frozenset(spelled[name] for name in plain if b" " not in spelled[name])
        others = [name for name in spelled if spelled[name] not in self._words]
        self._others = name_pattern(others) if others else None
        self._escaped = _ESCAPED if self._words else None

    def hits(self, text: bytes) -> bool:
        """Say whether a text could name one of them."""
        if not self._words.isdisjoint(text.translate(WORDS).split()):
            return True
        if self._escaped is not None and b'&"' in text and self._escaped.search(text) is not None:
            return True
        return self._others is not None and self._others.search(text) is not None


def _insert(root: Trie, name: str) -> None:
    # Inside a quoted identifier a double quote is written twice; ASCII letters are compared without case.
    spelled = name.replace('"', '""').encode().lower()
    node = root
    for byte in spelled:
        node = node.setdefault(byte, {})
    node[ANY_END if len(name.encode()) >= CUT_BYTES_MIN else WHOLE_WORD_END] = {}


def _expression(node: Trie) -> bytes:
    """Write a trie as nested groups, so that the cost of a search does not grow with the number of names."""
    if ANY_END in node:
        return b""
    branches = [re.escape(bytes([byte])) + _expression(child) for byte, child in node.items() if byte >= 0]
    if WHOLE_WORD_END in node:
        branches.append(rb"(?!" + WORD + rb")")
    return branches[0] if len(branches) == 1 else b"(?:" + b"|".join(branches) + b")"
