"""Cuts JQL text into tokens, following the reserved characters, words and escapes of Atlassian's documentation."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.simulators.jira.jql.errors import syntax_error

QUERY_CHARACTERS_MAX = 50_000
OPERATORS = ("!=", "!~", "<=", ">=", "&&", "||", "=", "<", ">", "~", "!", "&", "|")
_SPECIAL = frozenset("=!<>()~,[]|&'\"")
_RESERVED_CHARACTERS = frozenset("{}*/%+^$#@?;")
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\", "'": "'", '"': '"', " ": " "}
_KEYWORDS = "and or not in is empty null order by asc desc was changed on before after from to during"
KEYWORDS = frozenset(_KEYWORDS.split())
_RESERVED_WORDS = (
    "abort access add alias all alter any as audit avg begin between boolean break byte catch cf char character check "
    "checkpoint collate collation column commit connect continue count create current date decimal declare decrement "
    "default defaults define delete delimiter difference distinct divide do double drop else encoding end equals "
    "escape exclusive exec execute exists explain false fetch file field first float for function go goto grant "
    "greater group having identified if immediate increment index initial inner inout input insert int integer "
    "intersect intersection into isempty isnull join last left less like limit lock long max min minus mode modify "
    "modulo more multiply next noaudit notin nowait number object of option outer output power previous prior "
    "privileges public raise raw remainder rename resource return returns revoke right row rowid rownum rows select "
    "session set share size sqrt start strict string subtract sum synonym table then trans transaction trigger true "
    "uid union unique unlist update user validate values view when whenever where while with"
)
RESERVED_WORDS = frozenset(_RESERVED_WORDS.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """`kind` is word, string, operator, mark (one of `( ) , [ ]`) or end; `text` is unescaped."""

    kind: str
    text: str
    position: int

    def is_word(self, *words: str) -> bool:
        """Return whether this is one of the given keywords, in any case and not quoted."""
        return self.kind == "word" and self.text.lower() in words


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a query, ending with one of kind `end`.

    Raises:
        JqlError: a reserved character, an unknown escape, an open string or an overlong query.
    """
    if len(text) > QUERY_CHARACTERS_MAX:
        raise syntax_error(text, 0, "The query is too long.")
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        token, position = _token(text, position)
        tokens.append(token)
    tokens.append(Token(kind="end", text="", position=len(text)))
    return tokens


def _token(text: str, position: int) -> tuple[Token, int]:
    character = text[position]
    if character in "'\"":
        value, after = _quoted(text, position)
        return Token(kind="string", text=value, position=position), after
    if character in "(),[]":
        return Token(kind="mark", text=character, position=position), position + 1
    operator = next((operator for operator in OPERATORS if text.startswith(operator, position)), None)
    if operator is not None:
        return Token(kind="operator", text=operator, position=position), position + len(operator)
    value, after = _word(text, position)
    return Token(kind="word", text=value, position=position), after


def _word(text: str, start: int) -> tuple[str, int]:
    value: list[str] = []
    position = start
    while position < len(text):
        character = text[position]
        if character.isspace() or character in _SPECIAL:
            break
        if character in _RESERVED_CHARACTERS or not character.isprintable():
            raise syntax_error(
                text,
                position,
                f"The character '{character}' is a reserved JQL character. You must enclose it in a string or use the "
                f"escape '\\u{ord(character):04x}' instead.",
            )
        if character == "\\":
            character, position = _escaped(text, position)
        else:
            position += 1
        value.append(character)
    return "".join(value), position


def _quoted(text: str, start: int) -> tuple[str, int]:
    quote = text[start]
    value: list[str] = []
    position = start + 1
    while position < len(text):
        character = text[position]
        if character == quote:
            return "".join(value), position + 1
        if character == "\\":
            character, position = _escaped(text, position)
        else:
            position += 1
        value.append(character)
    raise syntax_error(text, start, f"The quoted string '{text[start + 1 :][:50]}' has not been completed.")


def _escaped(text: str, position: int) -> tuple[str, int]:
    """Return the character that an escape at `position` stands for, and where it ends."""
    following = text[position + 1 : position + 2]
    if following in _ESCAPES and following:
        return _ESCAPES[following], position + 2
    digits = text[position + 2 : position + 6]
    is_number = len(digits) == 4 and all(digit in "0123456789abcdefABCDEF" for digit in digits)
    # Half of a surrogate pair is no character.
    if following == "u" and is_number and not 0xD800 <= int(digits, 16) <= 0xDFFF:
        return chr(int(digits, 16)), position + 6
    valid = "\\', \\\", \\t, \\n, \\r, \\\\, '\\ ' and \\uXXXX"
    raise syntax_error(
        text,
        position,
        f"'\\{following}' is an illegal JQL escape sequence. The valid escape sequences are {valid}.",
    )
