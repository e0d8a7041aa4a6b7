"""What an import made of a document, part by part: converted, converted with warnings, or refused and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from connectors.declarative.load import load_text
from connectors.sdk.errors import ManifestInvalid

HEAD = "# Made by omnisql connector import; read docs/importing.md before it is relied on.\n"


class Refused(Exception):
    """A part of a document cannot be converted; the message says what stopped it."""


@dataclass(slots=True, kw_only=True)
class Part:
    """A table that a document may become; `refused` says what stopped it, `unused` what might narrow it further."""

    name: str
    source: str
    warnings: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    refused: str | None = None

    @property
    def outcome(self) -> str:
        """Return how it went, in a word or two."""
        if self.refused is not None:
            return "refused"
        return "with warnings" if self.warnings else "converted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A manifest as text, None when no table is left, with what became of each part and of the whole."""

    text: str | None
    parts: Sequence[Part]
    warnings: Sequence[str] = ()

    def count(self, outcome: str) -> int:
        """Return how many parts went a way."""
        return sum(part.outcome == outcome for part in self.parts)


def finished(
    head: Mapping[str, Any], tables: Mapping[str, Any], parts: Sequence[Part], notes: Iterable[str]
) -> Imported:
    """Write the manifest with those tables that the loader accepts; the others are refused in its words."""
    name = f"{head['name']}.yaml"
    by_name = {part.name: part for part in parts if part.refused is None}
    kept: dict[str, Any] = {}
    for table, declared in tables.items():
        alone = {key: value for key, value in declared.items() if key != "references"}
        try:
            load_text(_text({**head, "tables": {table: alone}}), name)
        except ManifestInvalid as error:
            by_name[table].refused = error.plain or error.message
        else:
            kept[table] = declared
    for table, declared in kept.items():
        known = {key: to for key, to in declared.get("references", {}).items() if to.split(".")[0] in kept}
        kept[table] = {key: value for key, value in declared.items() if key != "references"}
        if known:
            kept[table]["references"] = known
    if not kept:
        return Imported(text=None, parts=parts, warnings=tuple(notes))
    text = _text({**head, "tables": kept})
    load_text(text, name)
    return Imported(text=HEAD + text, parts=parts, warnings=tuple(notes))


def _text(manifest: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(manifest), sort_keys=False, width=118, allow_unicode=True, default_flow_style=None)
