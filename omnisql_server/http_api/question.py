"""What a request asks: one JSON object, checked and made into a statement, parameters and start-up parameters. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from omnisql_server.errors import OmniSQLError

NAME_CHARACTERS_MAX = 255
MILLISECONDS_MAX = 1_000_000_000_000
PARAMETERS_MAX = 65_535
"""What a Bind message can count."""
_FIXED = frozenset({"client_encoding", "omnisql.log_in"})
"""What this way in depends on."""
_SPECIAL = frozenset("\\ \t\n\r\f\v")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=MILLISECONDS_MAX)]
Parameter = bool | int | float | str | list[object] | dict[str, object] | None


class RequestInvalid(OmniSQLError):
    """The request is not one; SQLSTATE 22023 unless the text itself is broken."""

    sqlstate = "22023"


class _Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    tenant: Name
    user: Name
    sql: Annotated[str, msgspec.Meta(min_length=1)]
    parameters: Annotated[list[Parameter], msgspec.Meta(max_length=PARAMETERS_MAX)] = []
    max_staleness_ms: Milliseconds | None = None
    stale_if_error_ms: Milliseconds | None = None
    settings: dict[Name, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A statement with its parameters in PostgreSQL's text form, and what its session starts with."""

    sql: bytes
    parameters: tuple[bytes | None, ...]
    startup: dict[str, str]


def read_question(content: bytes) -> Question:
    """Read the body of a request.

    Raises:
        RequestInvalid: 22023, it is not the JSON object that is wanted; 22021, a text of it cannot be PostgreSQL's.
    """
    try:
        body = msgspec.json.decode(content, type=_Body)
    except msgspec.ValidationError as error:
        raise RequestInvalid(message=f"the request is not valid: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestInvalid(message=f"the request is not JSON in UTF-8: {error}") from error
    settings = dict(body.settings)
    for name in settings:
        if _folded(name) in _FIXED:
            raise RequestInvalid(message=f'parameter "{name}" cannot be set by HTTP')
    bounds = {"omnisql.max_staleness": body.max_staleness_ms, "omnisql.stale_if_error": body.stale_if_error_ms}
    for name, given_ms in bounds.items():
        if given_ms is None:
            continue
        if name in map(_folded, settings):
            raise RequestInvalid(message=f'"{name}" is given twice', hint="Leave it out of settings.")
        settings[name] = f"{given_ms}ms"
    options = " ".join(f"-c {_escaped(f'{name}={value}')}" for name, value in settings.items())
    texts = [body.tenant, body.user, body.sql, options]
    if any("\0" in text for text in texts):
        raise RequestInvalid(message="a text holds the character U+0000, which PostgreSQL cannot", sqlstate="22021")
    startup = {
        "user": body.user,
        "database": body.tenant,
        "client_encoding": "UTF8",
        "omnisql.log_in": "token",
        **({"options": options} if options else {}),
    }
    return Question(sql=body.sql.encode(), parameters=tuple(map(_text, body.parameters)), startup=startup)


def _folded(name: str) -> str:
    """Return a setting's name as PostgreSQL reads it in `options`."""
    return name.lower().replace("-", "_")


def _text(value: object) -> bytes | None:
    """Write a value as PostgreSQL reads it: what is nested in JSON stays JSON."""
    match value:
        case None:
            return None
        case str():
            return value.encode()
        case bool():
            return b"true" if value else b"false"
        case _:
            return msgspec.json.encode(value)


def _escaped(word: str) -> str:
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in word)
