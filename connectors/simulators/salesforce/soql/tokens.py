"""SOQL text to tokens; a query ends with an empty one.

After the SOQL and SOSL Reference: quoted string escape sequences, date formats, reserved characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from connectors.simulators.salesforce.soql.errors import SoqlError

STATEMENT_CHARACTERS_MAX = 100_000
STRING_CHARACTERS_MAX = 4_000
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_PATTERNS = (
    ("space", r"\s+"),
    ("string", r"'(?:[^'\\]|\\.)*'"),
    ("datetime", r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})"),
    ("date", r"\d{4}-\d{2}-\d{2}(?![\dT])"),
    ("number", r"[+-]?\d+(?:\.\d+)?(?![\w.])"),
    ("name", r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*"),
    ("sign", r"<=|>=|!=|<>|=|<|>"),
    ("mark", r"[(),]"),
)
_TOKEN = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _PATTERNS), re.DOTALL)


class Kind(StrEnum):
    """What a token is."""

    STRING = "string"
    DATETIME = "datetime"
    DATE = "date"
    NUMBER = "number"
    NAME = "name"
    SIGN = "sign"
    MARK = "mark"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token; of a string, `text` is the inside as it was written."""

    kind: Kind
    text: str
    position: int

    def is_word(self, *words: str) -> bool:
        """Tell whether this is one of some words, which are written in upper case here and in any case there."""
        return self.kind is Kind.NAME and self.text.upper() in words


def tokens(text: str) -> list[Token]:
    """Return the tokens of a query.

    Raises:
        SoqlError: MALFORMED_QUERY, it has characters that belong to none.
    """
    if len(text) > STATEMENT_CHARACTERS_MAX:
        raise SoqlError("MALFORMED_QUERY", "SOQL statements cannot be longer than 100000 characters.")
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise unexpected(text[position : position + 1], position)
        kind, written = str(match.lastgroup), match.group()
        if kind == "string":
            written = written[1:-1]
            if len(written) > STRING_CHARACTERS_MAX:
                raise SoqlError("MALFORMED_QUERY", "a string in the WHERE clause is longer than 4000 characters")
        if kind != "space":
            found.append(Token(kind=Kind(kind), text=written, position=position))
        position = match.end()
    return [*found, Token(kind=Kind.END, text="", position=position)]


def unescaped(inside: str, *, in_pattern: bool = False) -> str:
    r"""Return the text that the inside of a string stands for; of a pattern, `\%` and `\_` stay as they are.

    Raises:
        SoqlError: MALFORMED_QUERY, a backslash stands before anything else.
    """
    written: list[str] = []
    position = 0
    while position < len(inside):
        character = inside[position]
        if character != "\\":
            written.append(character)
            position += 1
            continue
        following = inside[position + 1]
        code = re.match(r"[0-9A-Fa-f]{4}", inside[position + 2 : position + 6])
        if following in "uU" and code is not None:
            written.append(chr(int(code.group(), 16)))
            position += 6
            continue
        if in_pattern and following in "%_":
            written.append("\\" + following)
        elif (plain := _ESCAPED.get(following.lower())) is not None:
            # Within a pattern a backslash is a sign, so that it stays two of them.
            written.append("\\\\" if in_pattern and plain == "\\" else plain)
        else:
            raise SoqlError("MALFORMED_QUERY", f"Illegal escape sequence: \\{following}")
        position += 2
    return "".join(written)


def unexpected(text: str, position: int) -> SoqlError:
    """Return the refusal of what does not belong where it stands."""
    return SoqlError("MALFORMED_QUERY", f"\nERROR at Row:1:Column:{position + 1}\nunexpected token: '{text}'")
