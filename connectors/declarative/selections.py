"""GraphQL selections as trees: read, merged, and written again (GraphQL, October 2021, sections 2.4 to 2.8). Pure.

What is selected twice is one field in an answer (section 5.3.2), but an API may count it twice: it is sent once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from connectors.sdk.errors import ManifestInvalid

_TOKEN = re.compile(r'[\s,]*(?:("(?:\\.|[^"\\])*"|\.\.\.|\$?[A-Za-z_]\w*|-?\d[\w.+-]*|[{}()\[\]:@=!])|$)')
_OPENED = {"(": ")", "[": "]", "{": "}"}
SPREAD = "..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """A field, or an inline fragment: what is written of it before its own fields, and these."""

    head: str
    fields: tuple[Selected, ...] = ()

    @property
    def is_fragment(self) -> bool:
        """Say whether it only says of which type its fields are."""
        return self.head.startswith(SPREAD)


def read_selection(text: str) -> tuple[Selected, ...]:
    """Read the fields of a selection, each once.

    Raises:
        ManifestInvalid: it is no selection.
    """
    tokens = list(_tokens(text))
    fields, end = _fields(tokens, 0)
    if end != len(tokens):
        raise _unreadable(text)
    return merged(fields)


def merged(fields: Iterable[Selected]) -> tuple[Selected, ...]:
    """Put together what is selected twice."""
    found: dict[str, tuple[Selected, ...]] = {}
    for each in fields:
        found[each.head] = (*found.get(each.head, ()), *each.fields)
    return tuple(Selected(head=head, fields=merged(inner)) for head, inner in found.items())


def written(fields: Iterable[Selected]) -> str:
    """Write a selection."""
    return " ".join(each.head + (f"{{{written(each.fields)}}}" if each.fields else "") for each in fields)


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _unreadable(text)
        at = found.end()
        if found.group(1):
            yield found.group(1)


def _fields(tokens: list[str], at: int) -> tuple[list[Selected], int]:
    """Read fields up to the brace that closes them, or the end."""
    found = []
    while at < len(tokens) and tokens[at] != "}":
        head, at = _head(tokens, at)
        inner: list[Selected] = []
        if at < len(tokens) and tokens[at] == "{":
            inner, at = _fields(tokens, at + 1)
            if at == len(tokens) or not inner:
                raise _unreadable(" ".join(tokens))
            at += 1
        found.append(Selected(head=head, fields=tuple(inner)))
    return found, at


def _head(tokens: list[str], at: int) -> tuple[str, int]:
    """Read a field up to its own fields: an alias, its name, arguments and directives; or `... on Type`."""
    start = at
    if tokens[at] == SPREAD:
        at += 3 if tokens[at + 1 : at + 2] == ["on"] else 1
    elif _is_name(tokens[at]):
        at += 3 if tokens[at + 1 : at + 2] == [":"] else 1
    else:
        raise _unreadable(" ".join(tokens))
    while at < len(tokens) and tokens[at] in {"(", "@"}:
        at = _closed(tokens, at) if tokens[at] == "(" else at + 2
    if at > len(tokens):
        raise _unreadable(" ".join(tokens))
    return _joined(tokens[start:at]), at


def _closed(tokens: list[str], at: int) -> int:
    """Return the place behind what the token at a place opens."""
    opened = []
    while at < len(tokens):
        token = tokens[at]
        if token in _OPENED:
            opened.append(_OPENED[token])
        elif token in _OPENED.values() and (not opened or opened.pop() != token):
            break
        at += 1
        if not opened:
            return at
    raise _unreadable(" ".join(tokens))


def _is_name(token: str) -> bool:
    return token[0].isalpha() or token[0] == "_"


def _joined(tokens: list[str]) -> str:
    text = ""
    for token in tokens:
        parts = bool(text) and (text[-1].isalnum() or text[-1] in '_"]}.') and (token[0].isalnum() or token[0] in '_$"')
        text += f" {token}" if parts else token
    return text


def _unreadable(text: str) -> ManifestInvalid:
    return ManifestInvalid(message=f"{text} is no selection of GraphQL")
