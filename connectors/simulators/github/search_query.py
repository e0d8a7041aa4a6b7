"""The query language of issue search: words, quoted phrases and `qualifier:value`, each of which `-` negates.

Follows GitHub's documentation "Searching issues and pull requests". Parsing is pure; boolean
operators are not supported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TEXT_CHARACTERS_MAX = 256
_QUALIFIERS = (
    "repo org user is type state author assignee mentions label milestone no created updated closed merged comments in "
    "draft reason head base archived"
)
QUALIFIERS = frozenset(_QUALIFIERS.split())
_TOKEN = re.compile(r'(-?)(?:([A-Za-z-]+):)?((?:"(?:\\.|[^"\\])*"|[^\s"])+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One part of a query; `name` is None for text. `values` has more than one entry where commas mean "or"."""

    name: str | None
    values: tuple[str, ...]
    is_negated: bool


def parse_query(text: str) -> tuple[Term, ...]:
    """Split a query into its terms; a qualifier that does not exist is text, as it is for GitHub."""
    terms = []
    for match in _TOKEN.finditer(text):
        minus, name, value = match.groups()
        lowered = name.lower() if name else None
        if lowered in QUALIFIERS:
            values = _split(value) if lowered == "label" else (_unquoted(value),)
            terms.append(Term(name=lowered, values=values, is_negated=bool(minus)))
        else:
            words = _unquoted(value) if name is None else f"{name}:{_unquoted(value)}"
            terms.append(Term(name=None, values=(words,), is_negated=bool(minus)))
    return tuple(terms)


def text_length(terms: tuple[Term, ...]) -> int:
    """Return the number of characters that count towards the limit, which leaves qualifiers out."""
    return sum(len(value) for term in terms if term.name is None for value in term.values)


def words_of(text: str) -> list[str]:
    """Return the words of a text as search compares them."""
    return re.findall(r"\w+", text.lower())


def _split(value: str) -> tuple[str, ...]:
    return tuple(_unquoted(part) for part in re.findall(r'"(?:\\.|[^"\\])*"|[^,]+', value))


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value.startswith('"') and value.endswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value
