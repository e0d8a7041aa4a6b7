"""Quotes identifiers and literals for SQL text (PostgreSQL 18, chapter 4.1). Pure.

Used where PostgreSQL takes no parameters: DDL. Whatever goes in, one token comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from catalog.errors import InvalidName

# NAMEDATALEN - 1: PostgreSQL cuts longer names silently, so that two of them could become one.
IDENTIFIER_BYTES_MAX = 63


def identifier(name: str) -> str:
    """Quote one identifier.

    Raises: InvalidName (42602) for an empty name, a NUL character or more than 63 bytes.
    """
    _refuse_nul(name)
    if not name:
        raise InvalidName("an identifier is empty")
    if len(name.encode()) > IDENTIFIER_BYTES_MAX:
        raise InvalidName("an identifier is too long", detail=f"The limit is {IDENTIFIER_BYTES_MAX} bytes: {name[:80]}")
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """Quote a name with its schema."""
    return f"{identifier(schema)}.{identifier(name)}"


def literal(text: str) -> str:
    """Quote a string so that it means the same under either value of standard_conforming_strings."""
    _refuse_nul(text)
    doubled = text.replace("'", "''")
    if "\\" in doubled:
        return "E'" + doubled.replace("\\", "\\\\") + "'"
    return f"'{doubled}'"


def text_array(values: Iterable[str]) -> str:
    """Write a text array as a constructor whose elements are quoted literals."""
    return "ARRAY[" + ", ".join(literal(value) for value in values) + "]::pg_catalog.text[]"


def option_list(options: Mapping[str, str]) -> str:
    """Write an `OPTIONS (...)` clause, or nothing when there are no options."""
    if not options:
        return ""
    return " OPTIONS (" + ", ".join(f"{identifier(key)} {literal(value)}" for key, value in options.items()) + ")"


def option_changes(existing: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """Write the `OPTIONS (ADD .., SET .., DROP ..)` clause between two states, or nothing when they agree."""
    changes = [f"DROP {identifier(key)}" for key in existing if key not in wanted]
    for key, value in wanted.items():
        if key not in existing:
            changes.append(f"ADD {identifier(key)} {literal(value)}")
        elif existing[key] != value:
            changes.append(f"SET {identifier(key)} {literal(value)}")
    return " OPTIONS (" + ", ".join(changes) + ")" if changes else ""


def options_from_array(entries: Iterable[str] | None) -> dict[str, str]:
    """Read PostgreSQL's `name=value` option array; values may hold further equals signs, names may not."""
    pairs = (entry.partition("=") for entry in entries or ())
    return {key: value for key, _, value in pairs}


def _refuse_nul(text: str) -> None:
    if "\0" in text:
        raise InvalidName("a NUL character cannot be part of SQL text")
