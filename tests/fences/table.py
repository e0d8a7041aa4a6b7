"""The table of fences: what each stands against, its text in the product, and the tests that fail without it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TABLES = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One text that is taken out of a file, and what stands there instead."""

    file: str
    text: str
    instead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """One fence; more than one cut where another fence stands behind the first, which `behind` explains."""

    id: str
    against: str
    cuts: tuple[Cut, ...]
    tests: tuple[str, ...]
    behind: str | None = None

    def without(self, root: Path) -> dict[str, str]:
        """Return the text of each file that the fence stands in, without it.

        Raises: ValueError when a text to be taken out does not occur exactly once.
        """
        texts: dict[str, str] = {}
        for cut in self.cuts:
            whole = texts.get(cut.file) or (root / cut.file).read_text(encoding="utf-8")
            if whole.count(cut.text) != 1:
                raise ValueError(f"{cut.file} holds {whole.count(cut.text)} times: {cut.text}")
            texts[cut.file] = whole.replace(cut.text, cut.instead)
        return texts


def read_fences() -> tuple[Fence, ...]:
    """Read every table, in the order of their names.

    Raises: ValueError, KeyError for a table that is not one.
    """
    return tuple(fence for path in sorted(TABLES.glob("*.toml")) for fence in _fences(path))


def _fences(path: Path) -> Iterator[Fence]:
    with path.open("rb") as file:
        rows = tomllib.load(file)["fence"]
    for row in rows:
        yield Fence(
            id=f"{path.stem}/{row['id']}",
            against=row["against"],
            cuts=tuple(_cut(part) for part in [row, *row.get("also", ())]),
            tests=tuple(row["tests"]),
            behind=row.get("behind"),
        )


def _cut(part: Mapping[str, Any]) -> Cut:
    return Cut(file=part["file"], text=part["text"], instead=part["instead"])
