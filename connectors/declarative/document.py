"""A YAML text as plain values with the place of each, read strictly: no tags, no duplicate keys, `yes` is a text.

After YAML 1.2's core schema for plain scalars. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml
from yaml.reader import ReaderError

from connectors.sdk.errors import ManifestInvalid

Path = tuple[str | int, ...]
CHARACTERS_MAX = 1_000_000
VALUES_MAX = 200_000
"""The most values of a document, those that aliases repeat counted each time."""

_DEPTH_MAX = 40
_DEEP = "values are nested too deeply"
_DIGITS_MAX = 40
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None, "~": None, "": None}


class _Loader(yaml.SafeLoader):
    """Composes nodes to a bounded depth."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node.

        Raises:
            MarkedYAMLError: it is nested too deeply.
        """
        self._depth += 1
        if self._depth > _DEPTH_MAX + 2:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem=_DEEP, problem_mark=mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document's value, and line and column (from 1) of every value and, one step longer by its name, key."""

    file: str
    value: object
    places: Mapping[Path, tuple[int, int]]

    def refusal(self, path: Path, message: str, hint: str | None = None) -> ManifestInvalid:
        """Return the error for what stands at a path, or at the nearest place above it."""
        while path not in self.places and path:
            path = path[:-1]
        line, column = self.places.get(path, (1, 1))
        return ManifestInvalid(
            message=f"manifest {self.file}, line {line}, column {column}: {message}",
            detail=f"At {'.'.join(map(str, path))}." if any(path) else None,
            hint=hint,
            place=(line, column),
            plain=message,
        )


def read_document(text: str, file: str) -> Document:
    """Read one YAML document.

    Raises:
        ManifestInvalid: SQLSTATE HV00R, it is no YAML, or uses what manifests do without; line and column are told.
    """
    if len(text) > CHARACTERS_MAX:
        raise ManifestInvalid(message=f"manifest {file} has more than {CHARACTERS_MAX} characters")
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ManifestInvalid(
            message=f"manifest {file}{place}: {error.problem}",
            place=(mark.line + 1, mark.column + 1) if mark else None,
            plain=error.problem,
        ) from None
    except ReaderError as error:
        raise unreadable(file, text[: error.position], "YAML does not allow this character") from None
    places: dict[Path, tuple[int, int]] = {}
    value = _value(node, (), places, Document(file=file, value=None, places=places)) if node is not None else None
    return Document(file=file, value=value, places=places)


def unreadable(file: str, before: str, message: str, hint: str | None = None) -> ManifestInvalid:
    """Return the error for what stands after a text."""
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return ManifestInvalid(
        message=f"manifest {file}, line {line}, column {column}: {message}",
        hint=hint,
        place=(line, column),
        plain=message,
    )


def _value(node: yaml.Node, path: Path, places: dict[Path, tuple[int, int]], document: Document) -> object:
    places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if len(path) > _DEPTH_MAX:
        raise document.refusal(path, _DEEP)
    if len(places) > VALUES_MAX:
        raise document.refusal(path, f"a manifest has no more than {VALUES_MAX} values, those of aliases included")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, places, document)
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, (*path, at), places, document) for at, each in enumerate(node.value)]
    if (
        isinstance(node, yaml.ScalarNode)
        and node.style is None
        and (node.tag != "tag:yaml.org,2002:str" or node.value in _WORDS)
    ):
        return _plain(str(node.value))
    return str(node.value)


def _mapping(
    node: yaml.MappingNode, path: Path, places: dict[Path, tuple[int, int]], document: Document
) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in node.value:
        at = (key.start_mark.line + 1, key.start_mark.column + 1)
        name = str(key.value) if isinstance(key, yaml.ScalarNode) else None
        if name is None or name in found or name == "<<":
            places[(*path, name or "")] = at
            problem = "a key must be a text" if name is None else f"key {name} stands here twice"
            raise document.refusal((*path, name or ""), "merge keys are not used" if name == "<<" else problem)
        places[(*path, name)] = at
        found[name] = _value(value, (*path, name), places, document)
    return found


def _plain(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) <= _DIGITS_MAX:
        return int(text)
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else text
