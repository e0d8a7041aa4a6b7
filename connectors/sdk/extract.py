"""Where a value sits in a decoded row: the path language and the closed set of functions over it. Pure.

A path is `a.b`, `a[*].b` (a list of the `b` of every element, or of every value of an object) or `a['x y']`; what is
missing on the way is None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from connectors.sdk.errors import ManifestInvalid

Extract = Callable[[object], object]
"""Takes a decoded row and returns one value in JSON's terms."""

MISFIT: Final = object()
"""Stands for a value whose surroundings are not what its place says, a text with fields, say; it fits no type."""

_STEP = re.compile(r"\.?([A-Za-z_][\w-]*)|(\[\*\])|\['([^']*)'\]")


@lru_cache(maxsize=4096)
def path(text: str) -> Extract:
    """Compile a path; the empty path is the row itself, and where there is no such place, its value is None.

    Raises:
        ManifestInvalid: the text is not a path.
    """
    return _compiled(_steps(text), None)


@lru_cache(maxsize=4096)
def column_path(text: str) -> Extract:
    """Compile the path of a column, which is missing or null, or it is where the path says: else it is MISFIT.

    Raises:
        ManifestInvalid: the text is not a path.
    """
    return _compiled(_steps(text), MISFIT)


def _steps(text: str) -> tuple[str | None, ...]:
    steps: list[str | None] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or (position == 0 and text[0] == "."):
            raise ManifestInvalid(message=f"path {text} is not understood at character {position + 1}")
        name, star, quoted = match.groups()
        steps.append(None if star else name if name is not None else quoted)
        position = match.end()
    return tuple(steps)


def const(value: object) -> Extract:
    """Give the same value for every row."""
    return lambda _row: value


def present(text: str) -> Extract:
    """Tell whether there is a value other than null at a path."""
    inner = column_path(text)

    def extract(row: object) -> object:
        value = inner(row)
        return value if value is MISFIT else value is not None

    return extract


def matched(text: str, pattern: str, *, always: bool = False) -> Extract:
    """Give the first group of a regular expression found in the text at a path, None without a match.

    With `always` every text there has one: MISFIT without.
    """
    inner, compiled = column_path(text), re.compile(pattern)

    def extract(row: object) -> object:
        value = inner(row)
        if value is not None and not isinstance(value, str):
            return MISFIT
        found = compiled.search(value) if isinstance(value, str) else None
        if found is None:
            return MISFIT if always and value is not None else None
        return found.group(1)

    return extract


def joined(text: str) -> Extract:
    """Give the texts at a path as one text, None where there are none."""
    inner = column_path(text)

    def extract(row: object) -> object:
        found = list(_leaves(inner(row)))
        if not all(isinstance(each, str) for each in found):
            return MISFIT
        return "".join(map(str, found)) if found else None

    return extract


def _leaves(value: object) -> Iterator[object]:
    """Give what is not null in a value, or in a list and the lists within."""
    if isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif value is not None:
        yield value


def number(inner: str | Extract) -> Extract:
    """Give the integer that a text spells; anything else stays as it is and meets the column's type."""
    read = column_path(inner) if isinstance(inner, str) else inner

    def extract(row: object) -> object:
        value = read(row)
        if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) <= 20:
            return int(value)
        return value

    return extract


def first_of(*texts: str) -> Extract:
    """Give the first value that is not null among several paths."""
    inners = tuple(column_path(text) for text in texts)

    def extract(row: object) -> object:
        misfit = None
        for inner in inners:
            value = inner(row)
            if value is MISFIT:
                # Another of the places may be the one of this kind of row.
                misfit = value
            elif value is not None:
                return value
        return misfit

    return extract


def adf_text(text: str) -> Extract:
    """Give the plain text of an Atlassian Document Format value: blocks end lines, everything else is joined."""
    inner = column_path(text)

    def extract(row: object) -> object:
        value = inner(row)
        if not isinstance(value, dict):
            return value
        if not isinstance(value.get("type"), str):
            return MISFIT
        parts: list[str] = []
        _adf(value, parts, 0)
        return "".join(parts).strip("\n")

    return extract


_ADF_BLOCKS = frozenset({"paragraph", "heading", "codeBlock", "listItem", "blockquote", "tableRow", "rule", "panel"})
_ADF_DEPTH_MAX = 100


def _adf(node: dict[str, object], parts: list[str], depth: int) -> None:
    kind = node.get("type")
    attributes = node.get("attrs")
    if kind == "text":
        parts.append(str(node.get("text", "")))
    elif kind == "hardBreak":
        parts.append("\n")
    elif kind in {"mention", "emoji", "status", "date", "inlineCard"} and isinstance(attributes, dict):
        shown = next((attributes[name] for name in ("text", "shortName", "timestamp", "url") if name in attributes), "")
        parts.append(str(shown))
    children = node.get("content")
    if isinstance(children, list) and depth < _ADF_DEPTH_MAX:
        for child in children:
            if isinstance(child, dict):
                _adf(child, parts, depth + 1)
    if kind in _ADF_BLOCKS and parts and not parts[-1].endswith("\n"):
        parts.append("\n")


def _compiled(steps: tuple[str | None, ...], otherwise: object) -> Extract:
    """Compile steps; where a value other than null is none that the next step can be taken from, give `otherwise`."""
    if None in steps:
        cut = steps.index(None)
        outer, inner = _compiled(steps[:cut], otherwise), _compiled(steps[cut + 1 :], otherwise)
        return lambda row: _each(outer(row), inner, otherwise)
    names = tuple(step for step in steps if step is not None)
    if len(names) == 1:
        only = names[0]
        return lambda row: row.get(only) if isinstance(row, dict) else None if row is None else otherwise
    return lambda row: _descend(row, names, otherwise)


def _each(values: object, inner: Extract, otherwise: object) -> object:
    if isinstance(values, dict):
        # The values of an object are of several kinds, and those without such a place are others.
        return [found for value in values.values() if (found := inner(value)) is not MISFIT]
    if not isinstance(values, list):
        return None if values is None else otherwise
    return [inner(value) for value in values]


def _descend(row: object, names: tuple[str, ...], otherwise: object) -> object:
    for name in names:
        if not isinstance(row, dict):
            return None if row is None else otherwise
        row = row.get(name)
    return row
