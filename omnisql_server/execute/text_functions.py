"""Functions that give texts as PostgreSQL writes them, where DuckDB has none like them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

_PLAIN = re.compile(r'[^\s{}",\\]+', re.ASCII)


def _element(text: str | None) -> str:
    """Write an element of an array: `array_out`."""
    if text is None:
        return "NULL"
    if _PLAIN.fullmatch(text) and text.upper() != "NULL":
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _array(texts: list[str | None]) -> str:
    return "{" + ",".join(map(_element, texts)) + "}"


TEXT_FUNCTIONS: dict[str, tuple[Callable[..., str | None], tuple[str, ...]]] = {
    "omnisql_a_shown": (_array, ("VARCHAR[]",)),
}
"""Each function over values that are not null, and the types of its arguments; all give a text."""
