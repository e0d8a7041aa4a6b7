"""A statement's text without anything a user wrote as a value or a remark, and its fingerprint. Pure.

PostgreSQL's own scanner says what is a constant (SQL:2023, 5.3), so that options of SQL/MED statements and bodies
between dollar signs lose their values, too.
"""

from __future__ import annotations

from functools import lru_cache

import postgast

TEXT_CHARACTERS_MAX = 8_192
KEPT_TEXT_CHARACTERS_MAX = 2_000
WITHHELD = "(a text that cannot be scanned)"
_VALUES = frozenset(
    postgast.pg_query_pb2.Token.Value(name) for name in ("SCONST", "USCONST", "BCONST", "XCONST", "FCONST", "ICONST")
)
_REMARKS = frozenset(postgast.pg_query_pb2.Token.Value(name) for name in ("SQL_COMMENT", "C_COMMENT"))


def redacted(text: str) -> tuple[str, str]:
    """Return a text's fingerprint (hexadecimal, empty where PostgreSQL cannot parse it) and the text redacted.

    Every constant becomes `?`, comments go, white space becomes one space; what is longer than `TEXT_CHARACTERS_MAX`
    is cut.
    """
    return _kept(text) if len(text) <= KEPT_TEXT_CHARACTERS_MAX else _redacted(text)


def _redacted(text: str) -> tuple[str, str]:
    try:
        fingerprint = postgast.fingerprint(text).hex
    except postgast.PgQueryError:
        fingerprint = ""
    try:
        tokens = postgast.scan(text).tokens
    except postgast.PgQueryError:
        return fingerprint, WITHHELD
    source = text.encode()
    words: list[bytes] = []
    end = 0
    for token in tokens:
        if token.token in _REMARKS:
            continue
        if words and token.start > end:
            words.append(b" ")
        words.append(b"?" if token.token in _VALUES else source[token.start : token.end])
        end = token.end
    return fingerprint, b"".join(words).decode()[:TEXT_CHARACTERS_MAX]


_kept = lru_cache(maxsize=4_096)(_redacted)
