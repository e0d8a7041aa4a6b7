"""Random statements over API tables whose conditions, orders, limits and joins the planner may push.

Needs no server: tables are described by `plain_tables`. A statement is text that names API tables. Choices are those of
a random number generator with a seed: as strategies of Hypothesis they would take longer than the statements.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from plain_tables import PlainColumn, PlainTable

COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
UNITS = ("day", "week", "month", "hour", "minute")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushable:
    """A statement; with a `limit`, `order` says how many of its first outputs it is sorted by."""

    text: str
    order: int = 0
    limit: str = ""

    @property
    def sql(self) -> str:
        """Return the whole statement."""
        return self.text + self.limit


Tables = Mapping[str, PlainTable]

# Who is joined with whom: driver, driven and the condition between aliases a and b.
JOINS = (
    ("github.repositories", "github.labels", "b.owner = a.owner AND b.repo = a.name"),
    ("github.repositories", "github.issues", "b.owner = a.owner AND b.repo = a.name"),
    ("github.pull_requests", "github.issues", "b.owner = a.owner AND b.repo = a.repo AND b.number = a.number"),
    ("github.issues", "github.issue_comments", "b.owner = a.owner AND b.repo = a.repo AND b.issue_number = a.number"),
    ("github.commits", "github.workflow_runs", "b.owner = a.owner AND b.repo = a.repo AND b.head_sha = a.sha"),
    ("github.org_members", "github.issues", "b.user_login = a.login"),
    ("github.pull_requests", "jira.issues", "b.key = split_part(a.title, ':', 1)"),
    ("github.pull_requests", "jira.issues", "b.key = upper(split_part(a.head_ref, '/', 2))"),
    ("jira.projects", "jira.issues", "b.project_key = a.key"),
    ("jira.issues", "jira.issues", "b.key = a.parent_key"),
    ("jira.issues", "jira.issue_comments", "b.issue_key = a.key"),
    ("jira.issues", "jira.issue_worklogs", "b.issue_key = a.key"),
    ("jira.boards", "jira.sprints", "b.board_id = a.id"),
    ("jira.users", "jira.issues", "b.assignee_account_id = a.account_id"),
)


def statements(random: Random, tables: Tables, joins: Sequence[tuple[str, str, str]] = JOINS) -> Pushable:
    """Write a statement over one table or two."""
    if random.randint(0, 2) == 0:
        return _joined(random, tables, joins)
    table = tables[random.choice(sorted(tables))]
    where = f"{_qualified(table.required, 'a')} AND {conditions(random, table, 'a')}"
    shape = random.choice(("rows", "rows", "ordered", "counted", "grouped"))
    source = f"FROM {table.name} a WHERE {where}"
    if shape == "counted":
        return Pushable(text=f"SELECT count(*) {source}")
    if shape == "grouped":
        column = random.choice(sorted(table.columns))
        return Pushable(text=f"SELECT a.{column}, count(*) {source} GROUP BY a.{column}")
    outputs = [f"a.{name}" for name in _some_columns(random, table)]
    if shape == "rows":
        first = random.choice(("", "", f" LIMIT {random.randint(1, 12)} OFFSET {random.randint(0, 9)}"))
        return Pushable(text=f"SELECT {', '.join(outputs)} {source}", limit=first)
    return _ordered(random, table, outputs, source)


def _ordered(random: Random, table: PlainTable, outputs: list[str], source: str) -> Pushable:
    sortable = sorted(name for name, column in table.columns.items() if column.kind != "texts")
    keys = random.sample(sortable, k=random.randint(1, 2))
    order = ", ".join(f"a.{key}{random.choice(['', '', ' DESC', ' DESC NULLS LAST'])}" for key in keys)
    limit = f" LIMIT {random.randint(0, 12)}" + random.choice(["", "", " OFFSET 3"])
    columns = ", ".join([*(f"a.{key}" for key in keys), *outputs])
    return Pushable(text=f"SELECT {columns} {source} ORDER BY {order}", order=len(keys), limit=limit)


def _joined(random: Random, tables: Tables, joins: Sequence[tuple[str, str, str]]) -> Pushable:
    first, second, on = random.choice(joins)
    a, b = tables[first], tables[second]
    where = f"{_qualified(a.required, 'a')} AND {conditions(random, a, 'a')}"
    if a.driving and second != first:
        where += f" AND a.{a.driving}"
    # Without it, keys have to come from the other table.
    lacking = [key for key in re.findall(r"(\w+) (?:=|IN) ", b.required) if f"b.{key} = " not in on]
    own = _qualified(b.required, "b") if random.random() < 0.5 or lacking else "true"
    inner = f"{own} AND {conditions(random, b, 'b')}"
    outputs = ", ".join([*(f"a.{name}" for name in a.identity), *(f"b.{name}" for name in _some_columns(random, b))])
    form = random.choice(("inner", "left", "exists", "not exists", "in", "counted"))
    both = f"{where} AND {_across(random, a, b)}" if random.random() < 0.3 else where
    if form == "inner":
        return Pushable(text=f"SELECT {outputs} FROM {first} a JOIN {second} b ON {on} WHERE {both} AND {inner}")
    if form == "left":
        return Pushable(text=f"SELECT {outputs} FROM {first} a LEFT JOIN {second} b ON {on} AND {inner} WHERE {both}")
    if form == "counted":
        name = random.choice(a.identity)
        joined = f"{first} a JOIN {second} b ON {on} WHERE {where} AND {inner}"
        return Pushable(text=f"SELECT a.{name}, count(*) FROM {joined} GROUP BY a.{name}")
    if form == "in" and " AND " not in on:
        driven, _, driver = on.partition(" = ")
        outer = f"SELECT {', '.join(f'b.{name}' for name in b.identity)} FROM {second} b"
        return Pushable(text=f"{outer} WHERE {inner} AND {driven} IN (SELECT {driver} FROM {first} a WHERE {where})")
    negation = "NOT " if form == "not exists" else ""
    subquery = f"SELECT 1 FROM {second} b WHERE {on} AND {inner}"
    identity = ", ".join(f"a.{name}" for name in a.identity)
    return Pushable(text=f"SELECT {identity} FROM {first} a WHERE {where} AND {negation}EXISTS ({subquery})")


def _across(random: Random, a: PlainTable, b: PlainTable) -> str:
    """Write OR between conditions on both of the joined tables."""
    sides = (f"{_compared(random, a, 'a')} AND {_condition(random, b, 'b')}" for _ in range(2))
    return f"({' OR '.join(f'({side})' for side in sides)})"


def _some_columns(random: Random, table: PlainTable) -> list[str]:
    return random.sample(sorted(table.columns), k=random.randint(1, min(4, len(table.columns))))


def _qualified(required: str, alias: str) -> str:
    if required == "true":
        return "true"
    return " AND ".join(f"{alias}.{part}" for part in required.split(" AND "))


def conditions(random: Random, table: PlainTable, alias: str) -> str:
    """Write up to three conditions on a table, some of them alternatives or negated."""
    parts = [_term(random, table, alias) for _ in range(random.randint(0, 3))]
    return " AND ".join(parts) or "true"


def either(random: Random, table: PlainTable) -> Pushable:
    """Write a statement over one table whose only condition, beside what it requires, is OR between columns."""
    outputs = ", ".join(f"a.{name}" for name in dict.fromkeys((*table.identity, *_some_columns(random, table))))
    where = f"{_qualified(table.required, 'a')} AND {alternatives(random, table, 'a')}"
    return Pushable(text=f"SELECT {outputs} FROM {table.name} a WHERE {where}")


def _term(random: Random, table: PlainTable, alias: str) -> str:
    one = _condition(random, table, alias)
    wrap = random.randint(0, 9)
    if wrap == 0:
        return f"NOT ({one})"
    if wrap < 4:
        return alternatives(random, table, alias)
    return one


def alternatives(random: Random, table: PlainTable, alias: str, *, nested: bool = False) -> str:
    """Write OR between columns: of what compares them and no more, of anything, or of both; with AND on some sides."""
    first, others = random.choice(((_compared, _compared), (_compared, _condition), (_condition, _condition)))
    sides = []
    for _ in range(random.randint(2, 3)):
        parts = [first(random, table, alias)]
        if random.randint(0, 2) == 0:
            within = not nested and random.randint(0, 3) == 0
            parts += [alternatives(random, table, alias, nested=True) if within else others(random, table, alias)]
        sides.append(parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})")
    negation = "NOT " if random.randint(0, 7) == 0 else ""
    return f"({negation}({' OR '.join(sides)}))"


def _compared(random: Random, table: PlainTable, alias: str) -> str:
    """Write a comparison with a literal, of a column on which some source takes them below OR, if any does."""
    known = {name: found for name, found in table.columns.items() if found.literals or found.kind == "bool"}
    name = random.choice(sorted(name for name, found in known.items() if found.below_or) or sorted(known))
    column, found = f"{alias}.{name}", known[name]
    if found.kind == "bool":
        return random.choice((column, f"NOT {column}"))
    if found.kind == "texts":
        return f"{random.choice(found.literals)} = ANY ({column})"
    value = random.choice(found.literals)
    signs = {"text": ("=", "=", "<>"), "instant": (">=", "<", ">")}.get(found.kind, ("=", ">=", "<"))
    null = random.randint(0, 9)
    return f"{column} IS {'NOT ' if null else ''}NULL" if null < 2 else f"{column} {random.choice(signs)} {value}"


def _condition(random: Random, table: PlainTable, alias: str) -> str:
    name = random.choice(sorted(table.columns))
    column, found = f"{alias}.{name}", table.columns[name]
    null = random.randint(0, 7)
    if null < 2:
        return f"{column} IS {'NOT ' if null else ''}NULL"
    return _KINDS[found.kind](random, column, found)


def _values(random: Random, literals: Sequence[str]) -> str:
    return ", ".join(random.choices(literals, k=random.randint(1, 3)))


def _text(random: Random, column: str, found: PlainColumn) -> str:
    value, word = random.choice(found.literals), random.choice(found.words)
    negation = random.choice(["", "", "NOT "])
    return random.choice(
        (
            f"{column} = {value}",
            f"{column} = {value}",
            f"{column} <> {value}",
            f"{column} {negation}IN ({_values(random, found.literals)})",
            f"{column} {negation}LIKE '{word[:2]}%'",
            f"{column} LIKE '%{word}%'",
            f"{column} ILIKE '% {word} %'",
            f"lower({column}) = lower({value})",
            f"{column} = ANY (ARRAY[{_values(random, found.literals)}])",
            f"{column} >= {value}",
            f"({column} = {value} OR {column} = {random.choice(found.literals)})",
        )
    )


def _number(random: Random, column: str, found: PlainColumn) -> str:
    value, other = (random.choice(found.literals) for _ in range(2))
    return random.choice(
        (
            *(f"{column} {sign} {value}" for sign in COMPARISONS),
            f"{column} = {value}",
            f"{column} IN ({_values(random, found.literals)})",
            f"{column} BETWEEN {value} AND {other}",
            f"{column} + 1 = {value}",
            f"{value} < {column}",
        )
    )


def _instant(random: Random, column: str, found: PlainColumn) -> str:
    value, other = (random.choice(found.literals) for _ in range(2))
    sign, unit = random.choice(COMPARISONS), random.choice(UNITS)
    day = f"({value})::date"
    return random.choice(
        (
            f"{column} {sign} {value}",
            f"{column} {sign} {value}",
            f"{column} BETWEEN {value} AND {other}",
            f"{column} {sign} {value} - interval '3 days'",
            f"date_trunc('{unit}', {column}) {sign} {value}",
            f"date_trunc('{unit}', {column}) {sign} date_trunc('{unit}', {value})",
            f"{column}::date {sign} {day}",
            f"{day} {sign} {column}::date",
            f"{column}::date BETWEEN {day} AND ({other})::date",
        )
    )


def _day(random: Random, column: str, found: PlainColumn) -> str:
    value, other = (random.choice(found.literals) for _ in range(2))
    sign = random.choice(COMPARISONS)
    return random.choice(
        (
            f"{column} {sign} {value}",
            f"{column} BETWEEN {value} AND {other}",
            f"{column} {sign} {value} + 7",
            f"date_trunc('month', {column}) {sign} {value}",
        )
    )


def _bool(random: Random, column: str, found: PlainColumn) -> str:
    return random.choice((column, f"NOT {column}", f"{column} = true", f"{column} IS TRUE", f"{column} <> true"))


def _texts(random: Random, column: str, found: PlainColumn) -> str:
    return random.choice(
        (
            f"{column} @> ARRAY[{_values(random, found.literals)}]",
            f"{random.choice(found.literals)} = ANY ({column})",
            f"{column} && ARRAY[{_values(random, found.literals)}]",
        )
    )


_KINDS = {"text": _text, "number": _number, "instant": _instant, "day": _day, "bool": _bool, "texts": _texts}
