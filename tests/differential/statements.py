"""Random SELECTs over the arena's tables, as a Hypothesis strategy: small, of many shapes, never ambiguous."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Draw = Any
"""Hypothesis's draw function."""

T_COLUMNS = {
    "id": "int",
    "n4": "int",
    "n8": "int",
    "f": "float",
    "t": "text",
    "v": "text",
    "b": "bool",
    "ts": "instant",
}
T_MORE = {"d": "date", "labels": "array"}
U_COLUMNS = {"id": "int", "tid": "int", "name": "text", "n8": "int", "score": "float", "at": "instant", "flag": "bool"}
MIXED = {"id": "int", "n4": "int", "t": "text", "b": "bool"}

CONSTANTS = {
    "int": ("0", "1", "5", "42", "-1", "2147483647", "3", "7"),
    "float": ("0", "1.5", "42", "-2.25", "'NaN'", "'Infinity'", "0.1"),
    "text": ("''", "'a'", "'abc'", "'ß'", "'web/app'", "'😀'", "'é'", "'it''s'"),
    "instant": ("'2026-03-08 07:00:00+00'", "'2026-01-01'", "timestamptz '1970-01-01'", "now()"),
    "date": ("'2026-03-08'", "date '1970-01-01'", "current_date"),
}
OPERATORS = ("=", "<>", "<", "<=", ">", ">=")
PATTERNS = ("'a%'", "'%b%'", "'_'", "'web/%'", "'abc'", "'%'")


@dataclass(frozen=True, kw_only=True)
class Select:
    """A statement; `unlimited` is the same without its LIMIT, `key` the place of the only ORDER BY column."""

    text: str
    unlimited: str
    limited: bool
    key: int | None


@dataclass(kw_only=True)
class Scope:
    """The columns that can be named, by alias, with their kinds."""

    columns: dict[str, dict[str, str]] = field(default_factory=dict)

    def pick(self, draw: Draw, kind: str | None = None) -> tuple[str, str] | None:
        """Choose a column of a kind."""
        found = [
            (f"{alias}.{name}", known)
            for alias, columns in self.columns.items()
            for name, known in columns.items()
            if kind in (None, known)
        ]
        return draw(st.sampled_from(found)) if found else None


@st.composite
def selects(draw: Draw) -> Select:
    """Make a statement over one to three relations."""
    scope = Scope()
    prefix, source = draw(st.sampled_from((_plain, _joined, _derived, _nested, _union, _cte, _grouped)))(draw, scope)
    where = f" WHERE {_condition(draw, scope, 2)}" if draw(st.booleans()) else ""
    if draw(st.integers(0, 4)) == 4:
        return _aggregate(draw, scope, prefix, source, where)
    columns = [found[0] for _ in range(draw(st.integers(1, 3))) if (found := scope.pick(draw)) is not None]
    body = f"{prefix}SELECT {', '.join(columns)} FROM {source}{where}"
    key = None
    if not prefix and draw(st.integers(0, 7)) == 7:
        body = f"{body} UNION ALL {body}"
    elif draw(st.booleans()):
        key = draw(st.integers(0, len(columns) - 1))
        if columns[key].endswith((".labels", ".f", ".score")):
            key = None
        else:
            body += f" ORDER BY {columns[key]}{draw(st.sampled_from(('', ' DESC', ' ASC NULLS FIRST')))}"
    limit = draw(st.sampled_from((None, None, 1, 3, 10)))
    offset = draw(st.sampled_from((0, 0, 2))) if limit else 0
    text = body + (f" LIMIT {limit}" if limit else "") + (f" OFFSET {offset}" if offset else "")
    return Select(text=text, unlimited=body, limited=limit is not None, key=key)


def _aggregate(draw: Draw, scope: Scope, prefix: str, source: str, where: str) -> Select:
    found = scope.pick(draw, draw(st.sampled_from(("bool", "text", "int"))))
    by = found[0] if found else "1 = 1"
    number = scope.pick(draw, "int")
    over = f"count({number[0]}), min({number[0]}), sum({number[0]})" if number else "count(*)"
    text = f"{prefix}SELECT {by}, {over} FROM {source}{where} GROUP BY {by}"
    return Select(text=text, unlimited=text, limited=False, key=None)


def _plain(draw: Draw, scope: Scope) -> tuple[str, str]:
    scope.columns["a"] = T_COLUMNS | T_MORE
    return "", draw(st.sampled_from(("t a", "app.t AS a")))


def _joined(draw: Draw, scope: Scope) -> tuple[str, str]:
    scope.columns |= {"a": T_COLUMNS, "b": U_COLUMNS}
    join = draw(st.sampled_from(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", ",", "CROSS JOIN")))
    if join in (",", "CROSS JOIN"):
        return "", f"t a {join} u b"
    on = draw(st.sampled_from(("a.id = b.tid", "b.tid = a.n4", "a.n8 = b.n8 AND a.id = b.id", "a.t = b.name")))
    if join != "FULL JOIN" and draw(st.booleans()):
        on += f" AND {_condition(draw, scope, 0)}"
    return "", f"t a {join} u b ON {on}"


def _nested(draw: Draw, scope: Scope) -> tuple[str, str]:
    scope.columns |= {"a": T_COLUMNS, "b": U_COLUMNS, "c": T_COLUMNS}
    outer, inner = (draw(st.sampled_from(("JOIN", "LEFT JOIN", "RIGHT JOIN"))) for _ in range(2))
    if draw(st.booleans()):
        return "", f"t a {outer} (u b {inner} t c ON c.id = b.tid) ON a.id = b.id"
    return "", f"t a {outer} u b ON a.id = b.id {inner} t c ON c.id = b.tid"


def _derived(draw: Draw, scope: Scope) -> tuple[str, str]:
    inner = Scope(columns={"x": T_COLUMNS})
    where = f" WHERE {_condition(draw, inner, 1)}" if draw(st.booleans()) else ""
    cut = draw(st.sampled_from(("", "", " ORDER BY x.id LIMIT 9", " ORDER BY x.id OFFSET 3")))
    distinct = "DISTINCT " if not cut and draw(st.booleans()) else ""
    scope.columns["a"] = MIXED
    return "", f"(SELECT {distinct}x.id, x.n4, x.t, x.b FROM t x{where}{cut}) a"


def _union(draw: Draw, scope: Scope) -> tuple[str, str]:
    operator = draw(st.sampled_from(("UNION ALL", "UNION", "EXCEPT", "INTERSECT", "EXCEPT ALL")))
    scope.columns["a"] = MIXED
    return "", f"(SELECT id, n4, t, b FROM t {operator} SELECT tid, id, name, flag FROM u) a"


def _cte(draw: Draw, scope: Scope) -> tuple[str, str]:
    inner = Scope(columns={"x": T_COLUMNS})
    prefix = f"WITH c AS (SELECT x.id, x.n4, x.t, x.b FROM t x WHERE {_condition(draw, inner, 1)}) "
    scope.columns["a"] = MIXED
    if draw(st.booleans()):
        return prefix, "c a"
    scope.columns["d"] = MIXED
    return prefix, f"c a {draw(st.sampled_from(('JOIN', 'LEFT JOIN')))} c d ON a.id = d.n4"


def _grouped(draw: Draw, scope: Scope) -> tuple[str, str]:
    scope.columns["a"] = {"n4": "int", "b": "bool", "n": "int"}
    return "", "(SELECT x.n4, x.b, count(*) AS n FROM t x GROUP BY x.n4, x.b) a"


def _condition(draw: Draw, scope: Scope, depth: int) -> str:
    if depth and draw(st.booleans()):
        left, right = (_condition(draw, scope, depth - 1) for _ in range(2))
        form = draw(st.sampled_from(("({0} AND {1})", "({0} AND {1})", "({0} OR {1})", "NOT ({0} AND {1})")))
        return str(form.format(left, right))
    return _with_subquery(draw, scope) if draw(st.integers(0, 7)) == 7 else _simple(draw, scope)


def _simple(draw: Draw, scope: Scope) -> str:
    found = scope.pick(draw)
    assert found is not None
    column, kind = found
    if draw(st.integers(0, 5)) == 5:
        return f"{column} IS {draw(st.sampled_from(('', 'NOT ')))}NULL"
    return _COMPARISONS.get(kind, _compared)(draw, column, kind, scope)


def _with_subquery(draw: Draw, scope: Scope) -> str:
    found = scope.pick(draw, "int")
    number = found[0] if found else "1"
    inner = Scope(columns={"z": U_COLUMNS})
    where = _simple(draw, inner)
    forms = (
        "EXISTS (SELECT 1 FROM u z WHERE z.tid = {0} AND {1})",
        "NOT EXISTS (SELECT 1 FROM u z WHERE z.id = {0} AND {1})",
        "{0} IN (SELECT z.tid FROM u z WHERE {1})",
        "{0} NOT IN (SELECT z.id FROM u z WHERE {1})",
        "{0} > (SELECT min(z.id) FROM u z WHERE {1})",
    )
    return str(draw(st.sampled_from(forms))).format(number, where)


def _compared(draw: Draw, column: str, kind: str, scope: Scope) -> str:
    one, two = (draw(st.sampled_from(CONSTANTS[kind])) for _ in range(2))
    operator = draw(st.sampled_from(OPERATORS))
    other = scope.pick(draw, kind)
    same = other[0] if other else column
    forms = [f"{column} {operator} {one}", f"{one} {operator} {column}", f"{column} {operator} {same}"]
    if kind in ("int", "text"):
        forms += [
            f"{column} IN ({one}, {two})",
            f"{column} NOT IN ({one}, {two})",
            f"({column} = {one} OR {column} = {two})",
        ]
        forms += [f"{column} = ANY (ARRAY[{one}, {two}])", f"({column}) = ({one})"]
    if kind == "int":
        forms += [f"{column} BETWEEN {one} AND {two}", f"{column} = ANY ('{{1,5,42}}')", f"{column} = '5'"]
    if kind == "text":
        forms += [f"{column} {draw(st.sampled_from(('', 'NOT ')))}LIKE {draw(st.sampled_from(PATTERNS))}"]
    return str(draw(st.sampled_from(forms)))


def _truth(draw: Draw, column: str, kind: str, scope: Scope) -> str:
    forms = ("{0}", "NOT {0}", "{0} IS TRUE", "{0} IS NOT FALSE", "{0} = true", "{0} <> 'f'")
    return str(draw(st.sampled_from(forms))).format(column)


def _array(draw: Draw, column: str, kind: str, scope: Scope) -> str:
    forms = ("'a' = ANY ({0})", "NOT ('a' = ANY ({0}))", "{0} @> '{{a}}'", "{0} @> ARRAY['bug', 'web/app']")
    return str(draw(st.sampled_from((*forms, "{0} @> '{{\"x,y\"}}'")))).format(column)


_COMPARISONS = {"bool": _truth, "array": _array}
