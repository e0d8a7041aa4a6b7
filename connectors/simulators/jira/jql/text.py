"""How `~` compares texts: by whole words without case, by prefix with a trailing `*`, by phrase within quotes.

Real Jira also reduces English words to their stems; this does not, so that it finds no more than Jira would.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from connectors.simulators.jira.jql.errors import JqlError

_WORD = re.compile(r"\w+")
_TERM = re.compile(r'"([^"]*)"|([\w*?]+)')


def text_matcher(field: str, query: str) -> Callable[[str], bool]:
    """Return whether a text has every word and every phrase of the query.

    Raises:
        JqlError: the query is empty or starts a word with a wildcard.
    """
    terms = [_term(field, query, phrase, word) for phrase, word in _TERM.findall(query)]
    patterns = [pattern for pattern in terms if pattern]
    if not patterns:
        raise JqlError(f"The field '{field}' does not support searching for an empty string.")

    def matches(text: str) -> bool:
        words = _WORD.findall(text.lower())
        return all(_occurs(pattern, words) for pattern in patterns)

    return matches


def _term(field: str, query: str, phrase: str, word: str) -> list[re.Pattern[str]]:
    """Return one pattern for each word of a phrase, or the one of a single word, which may have wildcards."""
    if phrase:
        return [re.compile(re.escape(part)) for part in _WORD.findall(phrase.lower())]
    if word[:1] in {"*", "?"}:
        raise JqlError(
            f"The text query '{query}' for field '{field}' is not allowed to start with character '{word[0]}'."
        )
    if not word:
        return []
    wildcards = {"*": ".*", "?": "."}
    parts = (wildcards.get(part) or re.escape(part) for part in re.split(r"([*?])", word.lower()))
    return [re.compile("".join(parts))]


def _occurs(patterns: list[re.Pattern[str]], words: list[str]) -> bool:
    return any(
        all(pattern.fullmatch(words[start + offset]) for offset, pattern in enumerate(patterns))
        for start in range(len(words) - len(patterns) + 1)
    )
