"""The shape of a connector's tables, and what a change of it means for those who query them. Pure.

`connectors/shapes` holds the shape that each manifest had last; `docs/shapes.py` renews it. A breaking change needs a
higher `version` in the manifest, and the manifest before it kept beside it as `NAME.vN.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.sdk.table import Table

SHAPES = Path(__file__).parent / "shapes"

Shape = Mapping[str, Any]
"""By table: types of columns by name, the primary key, and the keys without which it cannot be read, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What differs between two shapes; a breaking one makes statements fail that worked, or mean something else."""

    is_breaking: bool
    text: str


def refusal_of(known: Mapping[str, Any], version: int, shape: Shape, kept: Mapping[int, Shape]) -> str | None:
    """Say why a manifest may not come after the one that is known, by its version and tables; None where it may.

    `kept` are the shapes of the earlier versions that are kept, by version.
    """
    broken = [change.text for change in changes(known["tables"], shape) if change.is_breaking]
    if not broken:
        return None
    if version <= known["version"]:
        return f"{'; '.join(broken)}: raise version in the manifest above {known['version']}"
    if kept.get(known["version"]) != known["tables"]:
        return f"{'; '.join(broken)}: keep the manifest of version {known['version']} as NAME.v{known['version']}.yaml"
    return None


def shape_of(tables: Iterable[Table]) -> dict[str, Any]:
    """Return the shape of some tables."""
    return {
        table.name: {
            "columns": {column.name: column.type_name for column in table.columns},
            "primary_key": list(table.primary_key),
            "keys": _keys(table),
        }
        for table in tables
    }


def _keys(table: Table) -> list[list[str]]:
    """Return the combinations of keys that a table can be read by, nothing where it can be read without."""
    listed = [path for path in table.access_paths if not path.counts]
    if any(not path.keys for path in listed):
        return []
    return sorted({tuple(sorted(path.keys)): sorted(path.keys) for path in listed}.values())


def changes(old: Shape, new: Shape) -> list[Change]:
    """Return how a shape differs from what it was, table by table."""
    found = [_broken(f"table {name} is gone") for name in old if name not in new]
    for name, table in new.items():
        if name not in old:
            found.append(Change(is_breaking=False, text=f"table {name} is new"))
        else:
            found += _changed(name, old[name], table)
    return found


def _changed(name: str, old: Shape, new: Shape) -> list[Change]:
    found: list[Change] = []
    before, after = old["columns"], new["columns"]
    for column, type_name in before.items():
        if column not in after:
            found.append(_broken(f"column {name}.{column} is gone"))
        elif after[column] != type_name:
            found.append(_broken(f"column {name}.{column} was {type_name} and is {after[column]}"))
    for column in after.keys() - before.keys():
        found.append(Change(is_breaking=False, text=f"column {name}.{column} is new"))
    if old["primary_key"] != new["primary_key"]:
        found.append(_broken(f"the primary key of {name} is another"))
    # Without one of the combinations that it could be read by, some statements find no way any more.
    if new["keys"] and (not old["keys"] or any(keys not in new["keys"] for keys in old["keys"])):
        found.append(_broken(f"{name} cannot be read any more without values that were not needed"))
    return found


def _broken(text: str) -> Change:
    return Change(is_breaking=True, text=text)
