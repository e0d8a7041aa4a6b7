"""The rules that may concern the tables of a question, their patterns replaced by the names they find in it. Pure.

To look for names by patterns is most of what a decision costs, and it is the same for every principal. Whom a rule
binds, and what it says, is left to the decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

BY_ROWS, BY_COLUMNS = "row_filters", "masks"
SECTIONS = ("denials", BY_ROWS, BY_COLUMNS, "shares")

Resources = tuple[tuple[str, str, tuple[str, ...]], ...]
"""Of each table of a question: its name with its connector's, its server, and the columns that are used."""


def resources_of(document: Mapping[str, Any]) -> Resources:
    """Read the tables of a question's document."""
    tables = [resource["table"] for resource in document["action"]["filterResources"]]
    return tuple(
        (f"{table['catalogName']}.{table['tableName']}", str(table["schemaName"]), tuple(table["columns"]))
        for table in tables
    )


def narrowed(data: Mapping[str, Any], resources: Resources) -> dict[str, Any]:
    """Return a policy's data without what cannot concern the resources; a section that it lacks stays absent."""
    sections = {
        name: [rule for rule in (_narrowed(rule, resources, name) for rule in data[name]) if rule["targets"]]
        for name in SECTIONS
        if name in data
    }
    return {**data, **sections}


def _narrowed(rule: Mapping[str, Any], resources: Resources, section: str) -> dict[str, Any]:
    targets = []
    for target in rule["targets"]:
        meant = [each for each in resources if _is_meant(target, each[0], each[1])]
        used = sorted({column for _, _, columns in meant for column in columns if _is_column(target, column)})
        if meant and (section != BY_COLUMNS or used or target["columns"]):
            targets.append(
                {
                    **target,
                    "tables": {name: True for name, _, _ in meant},
                    "table_patterns": [],
                    "columns_if_used": used,
                    "column_patterns": [],
                }
            )
    node = _node(rule["rows"]) if targets and section == BY_ROWS else None
    return {**rule, "targets": targets, **({"node": node} if node is not None else {})}


def _node(rows: Mapping[str, Any]) -> dict[str, Any] | None:
    """Write a condition out as a UCAST node, as `node` of the decision does; None if it speaks of an attribute."""
    if rows.get("parts"):
        parts = [_node(part) for part in rows["parts"]]
        if any(part is None for part in parts):
            return None
        return {"type": "compound", "operator": rows["operator"], "value": parts}
    if rows.get("attribute") or "value" not in rows or not isinstance(rows.get("column"), str):
        return None
    return {"type": "field", "operator": rows["operator"], "field": rows["column"], "value": rows["value"]}


def _is_meant(target: Mapping[str, Any], name: str, server: str) -> bool:
    if name not in target["tables"] and not _matches_any(target["table_patterns"], name):
        return False
    return not target["server_patterns"] or _matches_any(target["server_patterns"], server)


def _is_column(target: Mapping[str, Any], column: str) -> bool:
    return column in target["columns_if_used"] or _matches_any(target["column_patterns"], column)


def _matches_any(patterns: Iterable[Mapping[str, Any]], text: str) -> bool:
    return any(_matches(pattern, text) for pattern in patterns)


def _matches(pattern: Mapping[str, Any], text: str) -> bool:
    if "regex" in pattern:
        return _compiled(pattern["regex"]).search(text) is not None
    fits = text.startswith(pattern["prefix"]) and text.endswith(pattern["suffix"])
    return fits and len(text) >= int(pattern["least"])


@lru_cache(maxsize=4096)
def _compiled(regex: str) -> re.Pattern[str]:
    # In RE2 a dollar sign is the end of the text alone.
    return re.compile(regex.removesuffix("$") + r"\Z" if regex.endswith("$") else regex)
