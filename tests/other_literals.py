"""Statements that differ from others in literals alone: each is replaced by another, mostly one of the same kind."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import postgast

STRINGS = (
    *("'open'", "'a'", "''", "'É'", "'it''s'", "'50%_'", "'web/app'", "'2026-03-08'", "'2026-02-30'", "'5'", "'7x'"),
    *("'now'", "'today'", "'snow'", "'infinity'", "'NaN'", "'t'", "'{a,b}'", "'1 day'", "'a'\n'b'", "E'a\\tb'", "'\\'"),
    *("U&'\\0061'", "$$x$$", "'omnisql literal 0'", "'$1'", "'fold_0'", "'literal_0'", "'--'", "'/*'", "'\U0001d4b3'"),
    *("'11111111-2222-3333-4444-555555555555'", "'2026-03-08 07:00Z'", "'12:30'", "B'101'", "'C'"),
)
NUMBERS = (
    *("0", "1", "2", "3", "7", "42", "007", "32767", "32768", "2147483647", "2147483648", "9223372036854775807"),
    *("9223372036854775808", "1.5", "1.50", "0.0", ".5", "1.", "1e2", "1e400", "1_000", "0x1F", "2070700000"),
)
_TOKEN = postgast.pg_query_pb2.Token
_STRINGS = {_TOKEN.Value(name) for name in ("SCONST", "USCONST", "BCONST")}
_NUMBERS = {_TOKEN.Value(name) for name in ("ICONST", "FCONST")}


def with_other_literals(sql: str, random: Random, share: float = 0.6, more: Sequence[str] = ()) -> str:
    """Replace a share of a statement's literals by others, mostly of the same kind; `more` are preferred."""
    body, parts, done = sql.encode(), list[bytes](), 0
    strings = [literal for literal in more if literal.startswith("'")]
    numbers = [literal for literal in more if literal.isdigit()]
    for token in postgast.scan(sql).tokens:
        known = (strings, STRINGS) if token.token in _STRINGS else (numbers, NUMBERS) if token.token in _NUMBERS else ()
        if known and random.random() < share:
            pool = random.choice((STRINGS, NUMBERS)) if random.random() < 0.05 else known[1]
            chosen = random.choice(known[0] if known[0] and random.random() < 0.8 else pool)
            parts += (body[done : token.start], chosen.encode())
            done = token.end
    return b"".join((*parts, body[done:])).decode()
