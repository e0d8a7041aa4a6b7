"""Relay or run, decided from a message's text alone: a byte test first, then the grammar. Pure; cached by text.

The decision is a hint: what a run statement really touches is what PostgreSQL locked for it (see `bind`), and a
relayed statement that reaches an API table all the same is refused by PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

from catalog.carriers import Carriers, makes_sql
from catalog.name_pattern import shape
from omnisql_server.model.custom_settings import PREFIX, refusal
from omnisql_server.model.definition import NotGrammatical
from omnisql_server.model.remembered import Remembered
from omnisql_server.model.statement import (
    DERIVED_KINDS,
    MANAGED_KINDS,
    NAMING_KINDS,
    READING_KINDS,
    Part,
    Statement,
    StatementKind,
)
from omnisql_server.parse.grammar import NotParsed, parse_statements
from omnisql_server.parse.shaped import statements_of

_MANAGED_WORDS = frozenset({b"server", b"mapping", b"import", b"foreign", b"call", b"refresh"})
"""Key words without which no statement is of a managed kind."""

_RIGHTS_WORDS = frozenset(
    {b"grant", b"revoke", b"role", b"user", b"group", b"owner", b"owned", b"privileges", b"policy", b"security"}
) | {b"function", b"procedure", b"routine"}
"""Key words without which no statement changes rights or roles; most texts that have them are relayed all the same."""
_RIGHTS_VERBS = frozenset({b"grant", b"revoke", b"create", b"alter", b"drop", b"reassign"})

_MAPPING, _SERVER, _OPTIONS = (
    re.compile(rb"\b" + word + rb"\b", re.IGNORECASE) for word in (b"mapping", b"server", b"options")
)
_CANDIDATES = MANAGED_KINDS - NAMING_KINDS | {StatementKind.REFRESH, StatementKind.RIGHTS}
"""Kinds that are run whatever they name: the pipeline decides."""

_GIVING_WORDS = _RIGHTS_WORDS | {b"inherit", b"attach", b"trigger", b"aggregate", b"operator", b"cast", b"domain"}
_GIVING_WORDS |= {b"default", b"check", b"generated"}
"""Key words without which no statement gives what it names to something else to read, but for views and rules."""
UNSEEN = "("
"""In a session's overlay, no name: what it reads cannot be told from a text until its transaction ends."""

_ROLE_WORDS = frozenset({b"role", b"user", b"group", b"password", b"owned", b"grant", b"revoke"})
_LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789_"
_WORDS = bytes(code if code in _LETTERS else ord(" ") for code in bytes(range(256)).lower())


class Derivation(Protocol):
    """What was written from API tables: by which names it is read, directly and by functions."""

    @property
    def derived_names(self) -> frozenset[str]:
        """Name the relations, and the views over them."""

    @property
    def carriers(self) -> Carriers:
        """Name what reads them by functions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Derived:
    derived_names: frozenset[str] = frozenset()
    carriers: Carriers = field(default_factory=Carriers)


_NOTHING_DERIVED = _Derived()
_OURS = PREFIX.rstrip(".").encode()
_plain, _without_roles = Remembered(), Remembered()


def route(
    text: bytes,
    may_reach: Callable[[bytes], bool],
    reaching: frozenset[str],
    overlay: frozenset[str],
    derivation: Derivation = _NOTHING_DERIVED,
) -> tuple[Part, ...] | None:
    """Split a message into parts to relay and to run; None when all of it is to be relayed untouched.

    `may_reach` is the byte test over the snapshot's names: `reaching` are API tables, `derivation` tells of what was
    written from some, `overlay` are the session's own. What only reads derived ones is relayed, once that is on record.
    A SET of one of our custom settings that has to be refused is a part to run, too.
    """
    derived = derivation.derived_names
    under = (reaching, derived, derivation.carriers.names)
    key = shape(text) if not overlay and _have_no_digits(*under) else text
    if not overlay and (key, under) in _plain:
        return None
    lowered = text.lower()
    named = _OURS in lowered or UNSEEN in overlay or any(name.encode().lower() in lowered for name in overlay)
    words = _words(text)
    rights = not (_RIGHTS_WORDS.isdisjoint(words) or _RIGHTS_VERBS.isdisjoint(words))
    by_name = bool(derived or overlay) and (b"do" in words or b"execute" in words)
    watched = named or rights or by_name or may_reach(text)
    if not watched and _MANAGED_WORDS.isdisjoint(words):
        # A text with a password is not kept.
        if not overlay and _ROLE_WORDS.isdisjoint(words):
            _plain.add(key, under)
        return None
    secret = _may_hold_secret(text)
    try:
        # A password is not kept.
        statements = parse_statements(text.decode()) if secret or b"password" in words else statements_of(text.decode())
    except (NotParsed, UnicodeDecodeError) as error:
        return (_not_grammatical(text, error),) if secret else None
    names = reaching | overlay
    parts: list[Part] = []
    for each in statements:
        statement = _unseen(each, derivation, overlay)
        reaches = _reaches(statement, names) or _reads(statement, derivation, overlay)
        parts.append(
            Part(
                text=statement.text,
                offset=statement.offset,
                statement=statement if reaches else None,
                parameter=statement.parameter,
            )
        )
        if reaches:
            names |= statement.creates
            overlay |= statement.creates & {UNSEEN}
    return tuple(parts) if any(part.statement for part in parts) else None


def may_change_roles(text: bytes) -> bool:
    """Say whether a text names what statements about roles are made of; what a function does stays unseen."""
    key = shape(text)
    if key in _without_roles:
        return False
    if _ROLE_WORDS.isdisjoint(_words(text)):
        _without_roles.add(key)
        return False
    return True


@lru_cache(maxsize=256)
def _have_no_digits(
    reaching: frozenset[str], derived: frozenset[str], carriers: frozenset[tuple[str, frozenset[int]]]
) -> bool:
    """Say whether texts that differ in digits alone name the same of these; escapes count as names anyway."""
    names = {*reaching, *derived, *(name for name, _ in carriers)}
    return not any(character.isdigit() for name in names for character in name)


def _words(text: bytes) -> list[bytes]:
    """List a text's runs of ASCII letters, digits and underscores, in lower case."""
    return text.translate(_WORDS).split()


def _reaches(statement: Statement, names: frozenset[str]) -> bool:
    return (
        statement.kind in _CANDIDATES
        or any(reference.name in names for reference in statement.references)
        or statement.executes in names
        or (statement.movement is not None and statement.movement.portal in names)
        or _sets_wrongly(statement)
    )


def _reads(statement: Statement, derivation: Derivation, overlay: frozenset[str]) -> bool:
    """Say whether a statement may read what was derived from API tables; a DO block may do anything.

    What was prepared under a name may have come to read it since.
    """
    if UNSEEN in statement.creates:
        return True
    if not (derivation.derived_names or overlay) or statement.kind not in DERIVED_KINDS:
        return False
    return (
        statement.reads_unseen
        or statement.kind is StatementKind.BLOCK
        or statement.executes is not None
        or any(reference.name in derivation.derived_names for reference in statement.references)
        or bool(derivation.carriers.roots(statement.text.encode()))
    )


def _unseen(statement: Statement, derivation: Derivation, overlay: frozenset[str]) -> Statement:
    """Mark a statement of which a text does not tell what it reads, or what later ones of its transaction read.

    They may read by a function, a parent or an operator that the catalog as last read does not know yet.
    """
    block, lowered = statement.kind is StatementKind.BLOCK, statement.text.lower()
    # Of temporary tables, which a block may read, the catalog has no names.
    own = overlay - derivation.derived_names if block else overlay & {UNSEEN}
    if statement.kind in DERIVED_KINDS and any(name == UNSEEN or name.lower() in lowered for name in own):
        statement = replace(statement, reads_unseen=True)
    if not (derivation.derived_names or overlay) or (statement.kind in READING_KINDS and not block):
        return statement
    text = statement.text.encode()
    words = set(_words(text))
    if words.isdisjoint({b"create", b"alter"}):
        return statement
    carries = bool(derivation.carriers.roots(text)) or makes_sql(statement.text)
    if statement.kind is not StatementKind.DEFINITION and not words.isdisjoint(_GIVING_WORDS):
        carries = carries or any(name.lower() in lowered for name in derivation.derived_names | overlay)
    return replace(statement, creates=statement.creates | {UNSEEN}) if carries else statement


def _sets_wrongly(statement: Statement) -> bool:
    """Say whether a statement sets a custom setting as it cannot be: it is run, which refuses it."""
    return any(refusal(name, value) is not None for name, value in statement.settings)


def _may_hold_secret(text: bytes) -> bool:
    """Say whether a text has the key words of statements whose options may be secrets.

    Such a text is not kept in the cache, nor relayed to PostgreSQL as long as it is not understood.
    """
    if _MAPPING.search(text) is not None:
        return True
    return _SERVER.search(text) is not None and _OPTIONS.search(text) is not None


def _not_grammatical(text: bytes, error: NotParsed | UnicodeDecodeError) -> Part:
    """Keep a text from PostgreSQL that it would refuse, but not before showing it in its activity."""
    fault = NotGrammatical(message="the statement is not encoded in UTF-8", sqlstate="22021", position=None)
    if isinstance(error, NotParsed):
        fault = NotGrammatical(message=error.message, sqlstate="42601", position=error.position)
    whole = text.decode(errors="replace")
    statement = Statement(text=whole, kind=StatementKind.NOT_GRAMMATICAL, references=(), definition=fault)
    return Part(text=whole, offset=0, statement=statement)
