"""A policy over every connector's tables for one user, and the same as SQL over copies of the tables in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import psycopg
from plain_tables import TYPES, PlainTable

from catalog.types import BY_SQL_NAME
from connectors.registry import all_connectors
from connectors.sdk.table import Table

USER = "eve"
PREFIX = "shown"
MOMENT = "2025-09-01T00:00:00Z"
Leaf = tuple[dict[str, Any], str]
"""A comparison as a policy file has it, and as SQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a user sees of a table: a condition as SQL, and what is shown in the place of columns."""

    condition: str
    masks: Mapping[str, str]


def policy(seed: int) -> tuple[dict[str, Any], dict[str, Shown]]:
    """Write a policy document at random, and what it shows by the names of tables."""
    filters: list[dict[str, Any]] = []
    masks: list[dict[str, Any]] = []
    shown: dict[str, Shown] = {}
    for connector in all_connectors():
        for table in connector.tables:
            name = f"{connector.name}.{table.name}"
            random = Random(f"{seed} {name}")
            rule = {"tables": [name], "subjects": {"users": [USER]}}
            condition = "true"
            if random.random() < 0.7:
                tree, condition = _tree(random, _columns(table))
                filters.append({"name": f"rows of {name}", **rule, "rows": tree})
            hidden = {}
            for column, kind in _masked(random, table):
                mask, sql = _mask(random, column, kind)
                masks.append({"name": f"{name} {column}", **rule, "column": column, "mask": mask})
                hidden[column] = sql
            shown[name] = Shown(condition=condition, masks=hidden)
    return {"version": 1, "row_filters": filters, "masks": masks}, shown


def make_views(owner: psycopg.Connection, tables: Sequence[PlainTable], shown: Mapping[str, Shown]) -> None:
    """Make a view of what the user sees of each copy."""
    names = {table.name: table.copy.replace("plain_", f"{PREFIX}_", 1) for table in tables}
    made = []
    for table in tables:
        seen = shown.get(table.name, Shown(condition="true", masks={}))
        outputs = ", ".join(f'{seen.masks.get(column, _name(column))} AS "{column}"' for column in table.columns)
        name = names[table.name]
        made += [f"CREATE VIEW {name} AS SELECT {outputs} FROM {table.copy} WHERE {seen.condition}"]
    granted = f"GRANT SELECT ON {', '.join(names.values())} TO {USER}"
    owner.execute(";".join([*made, granted]).encode())


def _columns(table: Table) -> dict[str, str]:
    kinds = {column.name: BY_SQL_NAME[column.type_name].name for column in table.columns if column.hydrate is None}
    return {name: TYPES[kind] for name, kind in kinds.items() if TYPES.get(kind) in _LEAVES}


def _masked(random: Random, table: Table) -> list[tuple[str, str]]:
    """Choose columns to hide, none that a table may have to be asked by."""
    keys = {key for path in table.access_paths for key in path.keys}
    free = sorted((name, kind) for name, kind in _columns(table).items() if name not in keys)
    return random.sample(free, k=min(len(free), random.randint(0, 2)))


def _tree(random: Random, columns: Mapping[str, str]) -> Leaf:
    form = random.choice(("leaf", "leaf", "all", "any", "any", "not"))
    if form == "leaf":
        return _leaf(random, columns)
    if form == "not":
        tree, sql = _leaf(random, columns)
        return {"not": tree}, f"NOT ({sql})"
    parts = [_leaf(random, columns) for _ in range(2)]
    if form == "any" and random.randint(0, 1):
        inner = [_leaf(random, columns) for _ in range(2)]
        parts.append(({"all": [tree for tree, _ in inner]}, " AND ".join(f"({sql})" for _, sql in inner)))
    word = " AND " if form == "all" else " OR "
    return {form: [tree for tree, _ in parts]}, word.join(f"({sql})" for _, sql in parts)


def _leaf(random: Random, columns: Mapping[str, str]) -> Leaf:
    column = random.choice(sorted(columns))
    if random.randint(0, 5) == 0:
        exists = random.choice((True, True, False))
        return {"column": column, "exists": exists}, f"{_name(column)} IS {'NOT ' if exists else ''}NULL"
    operator, value, sql = random.choice(_LEAVES[columns[column]])
    return {"column": column, operator: value}, f"{_name(column)} {sql}"


_LEAVES: Mapping[str, tuple[tuple[str, Any, str], ...]] = {
    "text": (
        ("contains", "e", "LIKE '%e%'"),
        ("not_equals", "open", "<> 'open'"),
        ("in", ["open", "active", "resolved", "closed"], "IN ('open', 'active', 'resolved', 'closed')"),
    ),
    "number": (("at_least", 3, ">= 3"), ("less_than", 10_000, "< 10000")),
    "bool": (("equals", False, "= false"), ("not_equals", True, "<> true")),
    "instant": (("at_least", MOMENT, f">= '{MOMENT}'"), ("less_than", MOMENT, f"< '{MOMENT}'")),
}


def _mask(random: Random, column: str, kind: str) -> tuple[Any, str]:
    """Return a mask as a policy file has it, and what it shows as SQL."""
    name = _name(column)
    if kind == "text":
        return random.choice(
            (
                ("redact", f"CASE WHEN {name} IS NOT NULL THEN '***' END"),
                ({"kind": "const", "value": "hidden"}, "'hidden'::text"),
                ("null", "NULL::text"),
            )
        )
    if kind == "instant":
        return {"kind": "truncate_date", "unit": "month"}, f"date_trunc('month', {name}, 'UTC')"
    return "null", f"nullif({name}, {name})"


def _name(column: str) -> str:
    return f'"{column}"'
