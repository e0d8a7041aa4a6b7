"""Random queries of every shape, as a Hypothesis strategy: joins of all kinds, aggregates with FILTER, windows, set
operations, subqueries, CASE and casts. Each has a total order or none; nothing in one depends on an order that is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Draw = Any
"""Hypothesis's draw function."""

TABLES: dict[str, dict[str, str]] = {
    "t": {
        "id": "int",
        "n2": "int",
        "n4": "int",
        "n8": "big",
        "f": "float",
        "t": "text",
        "v": "text",
        "b": "bool",
        "d": "date",
        "ts": "instant",
        "lt": "time",
        "num": "numeric",
        "labels": "array",
        "j": "json",
    },
    "u": {"id": "int", "tid": "int", "name": "text", "n8": "big", "score": "float", "at": "instant", "flag": "bool"},
    "m": {"id": "int", "num": "numeric", "uu": "uuid", "ints": "ints", "j": "json"},
}
CONSTANTS = {
    "int": ("0", "1", "5", "42", "-1", "32767", "2147483647"),
    "big": ("0", "2", "2147483648", "-7"),
    "float": ("0.5", "'-0'::float8", "1e10", "'NaN'::float8", "42"),
    "text": ("''", "'a'", "'É'", "'web/app'", "'x,y'", "'%'"),
    "bool": ("true", "false"),
    "date": ("date '2026-03-08'", "date '1970-01-01'"),
    "instant": ("timestamptz '2026-03-08 07:00Z'", "timestamptz '2026-11-01 05:30Z'"),
    "time": ("timestamp '2026-03-08 02:30'", "timestamp '1970-01-01'"),
    "numeric": ("0.00", "1.5", "-3.14159", "100000000000000000000"),
    "array": ("ARRAY['a']", "'{bug,web/app}'::text[]"),
    "uuid": ("'11111111-2222-3333-4444-555555555555'::uuid",),
    "ints": ("ARRAY[1, 2, 3]",),
    "json": ("'{\"a\": 1}'::jsonb", "'[1, 2]'::jsonb", "'\"x\"'::jsonb"),
}
COMPARED = ("=", "<>", "<", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")
UNITS = ("year", "month", "week", "day", "hour", "minute")
FIELDS = ("year", "month", "day", "hour", "dow", "epoch", "second", "week")

FORMS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "int": (
        ("length({0})", ("text",)),
        ("({0})::int", ("bool",)),
        ("coalesce({0}, {1})", ("int", "int")),
        ("CASE WHEN {0} THEN {1} ELSE {2} END", ("bool", "int", "int")),
        ("nullif({0}, {1})", ("int", "int")),
        ("{0} / {1}", ("int", "int")),
        ("{0} % {1}", ("int", "int")),
        ("cardinality({0})", ("array",)),
        ("strpos({0}, {1})", ("text", "text")),
        ("{0} - {1}", ("date", "date")),
        ("{0} >> 2", ("int",)),
        ("gcd({0}, {1})", ("int", "int")),
        ("array_length({0}, 1)", ("array",)),
    ),
    "big": (("{0}::bigint + {1}", ("int", "int")), ("abs({0}::bigint)", ("int",))),
    "float": (
        ("{0} + {1}", ("float", "float")),
        ("{0} * 2", ("float",)),
        ("({0})::float8", ("int",)),
        ("round({0})", ("float",)),
        ("({0})::float8", ("numeric",)),
    ),
    "numeric": (
        ("{0} + {1}", ("numeric", "numeric")),
        ("{0} * {1}", ("numeric", "int")),
        ("{0} / 7", ("numeric",)),
        ("round({0}, 2)", ("numeric",)),
        ("trunc({0}, 1)", ("numeric",)),
        ("{0} * 1.50", ("int",)),
        ("{0} / 3.0", ("int",)),
        ("({0})::numeric(30, 3)", ("int",)),
        ("extract({field} FROM {0})", ("instant",)),
        ("extract({field} FROM {0})", ("time",)),
        ("coalesce({0}, {1})", ("numeric", "int")),
        ("-{0}", ("numeric",)),
        ("abs({0})", ("numeric",)),
        ("mod({0}, 7)", ("numeric",)),
        ("trim_scale({0})", ("numeric",)),
        ("sqrt(abs({0}))", ("numeric",)),
    ),
    "text": (
        ("{0} || {1}", ("text", "text")),
        ("upper({0})", ("text",)),
        ("replace({0}, 'a', 'bb')", ("text",)),
        ("substr({0}, {1}, 3)", ("text", "int")),
        ("split_part({0}, '/', 1)", ("text",)),
        ("reverse({0})", ("text",)),
        ("left({0}, -1)", ("text",)),
        ("lpad({0}, 4, 'xy')", ("text",)),
        ("concat({0}, {1}, {2})", ("text", "int", "bool")),
        ("({0})::text", ("int",)),
        ("({0})::text", ("numeric",)),
        ("({0})::text", ("instant",)),
        ("to_char({0}, 'YYYY-MM-DD HH24:MI')", ("instant",)),
        ("array_to_string({0}, ',', '*')", ("array",)),
        ("({0})[1]", ("array",)),
        ("({0})::varchar(3)", ("text",)),
        ("quote_literal({0})", ("text",)),
        ("({0})::text", ("array",)),
        ("({0})::text", ("json",)),
        ("{0} ->> 'a'", ("json",)),
        ("{0} #>> '{{a,b}}'", ("json",)),
        ("jsonb_typeof({0})", ("json",)),
    ),
    "bool": (
        ("{0} {compare} {1}", ("int", "int")),
        ("{0} {compare} {1}", ("big", "int")),
        ("{0} {compare} {1}", ("float", "float")),
        ("{0} {compare} {1}", ("numeric", "numeric")),
        ("{0} {compare} {1}", ("numeric", "int")),
        ("{0} {compare} {1}", ("text", "text")),
        ("{0} {compare} {1}", ("instant", "instant")),
        ("{0} {compare} {1}", ("instant", "date")),
        ("{0} {compare} {1}", ("time", "date")),
        ("{0} {compare} {1}", ("array", "array")),
        ("{0} {compare} {1}", ("uuid", "uuid")),
        ("({0}, {1}) < ({2}, {3})", ("int", "text", "int", "text")),
        ("({0}, {1}) IN ((1, 'a'), ({2}, ''))", ("int", "text", "int")),
        ("{0} = ANY (ARRAY[{1}, 5, NULL])", ("int", "int")),
        ("{0} <> ALL ('{{1,5,42}}'::int[])", ("int",)),
        ("{0} = ANY ({1})", ("text", "array")),
        ("{0} @> {1}", ("array", "array")),
        ("{0} && {1}", ("array", "array")),
        ("{0} LIKE 'a%'", ("text",)),
        ("{0} LIKE ANY ({1})", ("text", "array")),
        ("{0} NOT LIKE ALL ({1})", ("text", "array")),
        ("{0} = ANY ({1})", ("int", "ints")),
        ("{0} = '{{a}}'", ("array",)),
        ("{0} {compare} {1}", ("json", "json")),
        ("{0} @> {1}", ("json", "json")),
        ("{0} ? 'a'", ("json",)),
        ("{0} ILIKE {1}", ("text", "text")),
        ("{0} ~ '^[a-c]+'", ("text",)),
        ("{0} BETWEEN {1} AND {2}", ("numeric", "int", "int")),
        ("{0} IS NULL", ("text",)),
        ("NOT {0}", ("bool",)),
        ("({0} AND {1})", ("bool", "bool")),
        ("({0} OR {1})", ("bool", "bool")),
    ),
    "date": (("{0} + 1", ("date",)), ("({0})::date", ("instant",)), ("({0})::date", ("time",))),
    "instant": (
        ("date_trunc('{unit}', {0})", ("instant",)),
        ("{0} + interval '1 month'", ("instant",)),
        ("{0} - interval '1 day 2 hours'", ("instant",)),
        ("({0})::timestamptz", ("date",)),
        ("{0} AT TIME ZONE 'Europe/Berlin'", ("time",)),
    ),
    "time": (
        ("{0} AT TIME ZONE 'America/New_York'", ("instant",)),
        ("date_trunc('{unit}', {0})", ("time",)),
        ("{0} + interval '90 minutes'", ("time",)),
    ),
    "array": (
        ("{0} || {1}", ("array", "array")),
        ("array_append({0}, {1})", ("array", "text")),
        ("array_remove({0}, 'a')", ("array",)),
        ("string_to_array({0}, '/')", ("text",)),
        ("({0})[1:2]", ("array",)),
        ("array_sort({0})", ("array",)),
        ("coalesce({0}, '{{}}')", ("array",)),
    ),
    "json": (
        ("{0} -> 'a'", ("json",)),
        ("{0} -> 0", ("json",)),
        ("{0} || {1}", ("json", "json")),
        ("coalesce({0}, {1})", ("json", "json")),
        ("to_jsonb({0})", ("text",)),
        ("jsonb_build_object('k', {0})", ("int",)),
    ),
    "uuid": (),
    "ints": (),
}
AGGREGATES: tuple[tuple[str, str], ...] = (
    ("count({0})", "text"),
    ("count(DISTINCT {0})", "int"),
    ("sum({0})", "int"),
    ("sum({0})", "big"),
    ("sum({0})", "numeric"),
    ("avg({0})", "int"),
    ("avg({0})", "numeric"),
    ("min({0})", "text"),
    ("max({0})", "instant"),
    ("bool_and({0})", "bool"),
    ("round(avg({0}), 2)", "int"),
    ("min({0})", "date"),
    ("percentile_disc(0.5) WITHIN GROUP (ORDER BY {0})", "int"),
    ("percentile_cont(0.25) WITHIN GROUP (ORDER BY {0})", "big"),
    ("mode() WITHIN GROUP (ORDER BY {0})", "text"),
    ("stddev({0})", "int"),
    ("var_pop({0})", "big"),
    ("count(DISTINCT {0})", "json"),
)
WINDOWS = ("row_number()", "rank()", "count(*)", "lag({int})", "sum({int})", "first_value({text})", "ntile(3)")


_RANGE = " RANGE BETWEEN 3 PRECEDING AND 1 FOLLOWING"


@dataclass(frozen=True, kw_only=True)
class Query:
    """A statement, and whether its ORDER BY fixes the order of all rows."""

    text: str
    ordered: bool


@st.composite
def queries(draw: Draw) -> Query:
    """Make a query of one of several shapes."""
    made: Query = draw(st.sampled_from((_plain, _plain, _grouped, _windowed, _set_operation, _derived)))(draw)
    return made


def expression(draw: Draw, kind: str, columns: dict[str, str], depth: int) -> str:
    """Make an expression of a kind over some columns."""
    named = [name for name, known in columns.items() if known == kind]
    forms = FORMS[kind] if depth else ()
    choice = draw(st.integers(0, 5))
    if forms and choice > 1:
        form, kinds = draw(st.sampled_from(forms))
        parts = [expression(draw, part, columns, depth - 1) for part in kinds]
        words = {"compare": draw(st.sampled_from(COMPARED)), "unit": draw(st.sampled_from(UNITS))}
        return f"({form.format(*parts, field=draw(st.sampled_from(FIELDS)), **words)})"
    if named and choice:
        return str(draw(st.sampled_from(named)))
    return f"({draw(st.sampled_from(CONSTANTS[kind]))})"


def _source(draw: Draw) -> tuple[str, dict[str, str], str]:
    """Make a FROM clause; return it, its columns, and the keys of its rows."""
    first = draw(st.sampled_from(tuple(TABLES)))
    columns = {f"a.{name}": kind for name, kind in TABLES[first].items()}
    text, keys = f"{first} a", "a.id"
    if draw(st.booleans()):
        second = draw(st.sampled_from(tuple(TABLES)))
        join = draw(st.sampled_from(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN")))
        text += f" {join} {second} b" + ("" if join == "CROSS JOIN" else " ON a.id = b.id")
        columns |= {f"b.{name}": kind for name, kind in TABLES[second].items()}
        keys = "a.id, b.id"
    elif draw(st.integers(0, 5)) == 5 and first == "t":
        text += ", unnest(a.labels) WITH ORDINALITY AS e(label, place)"
        columns |= {"e.label": "text"}
        keys = "a.id, e.place"
    return text, columns, keys


def _where(draw: Draw, columns: dict[str, str]) -> str:
    if draw(st.booleans()):
        return ""
    condition = expression(draw, "bool", columns, 2)
    inner = {f"z.{name}": kind for name, kind in TABLES["u"].items()}
    linked = draw(st.sampled_from(("", "", "EXISTS", "IN", "ALL", "ROW")))
    subqueries = {
        "": "true",
        "EXISTS": f"EXISTS (SELECT FROM u z WHERE z.tid = a.id AND {expression(draw, 'bool', inner, 1)})",
        "IN": f"a.id NOT IN (SELECT z.tid FROM u z WHERE {expression(draw, 'bool', inner, 1)})",
        "ALL": f"a.id > ALL (SELECT z.tid FROM u z WHERE {expression(draw, 'bool', inner, 1)})",
        "ROW": f"(a.id, a.id) IN (SELECT z.id, z.tid FROM u z WHERE {expression(draw, 'bool', inner, 1)})",
    }
    return f" WHERE {condition} AND {subqueries[linked]}"


def _outputs(draw: Draw, columns: dict[str, str], count: int) -> list[tuple[str, str]]:
    kinds = [draw(st.sampled_from(tuple(FORMS))) for _ in range(draw(st.integers(1, count)))]
    return [(kind, expression(draw, kind, columns, 2)) for kind in kinds]


def _plain(draw: Draw) -> Query:
    source, columns, keys = _source(draw)
    listed = ", ".join(f"{text} AS c{place}" for place, (_, text) in enumerate(_outputs(draw, columns, 3)))
    return Query(text=f"SELECT {listed} FROM {source}{_where(draw, columns)} ORDER BY {keys}", ordered=True)


def _grouped(draw: Draw) -> Query:
    source, columns, _ = _source(draw)
    key = expression(draw, draw(st.sampled_from(("bool", "text", "int", "instant", "json"))), columns, 1)
    listed = []
    for place in range(draw(st.integers(1, 3))):
        form, kind = draw(st.sampled_from(AGGREGATES))
        filtered = f" FILTER (WHERE {expression(draw, 'bool', columns, 1)})" if draw(st.integers(0, 3)) == 3 else ""
        value = form.format(expression(draw, kind, columns, 1))
        if filtered and value.startswith("round("):
            filtered = ""
        listed.append(f"{value}{filtered} AS c{place}")
    where = _where(draw, columns)
    if draw(st.integers(0, 3)) == 3:
        return Query(text=f"SELECT {', '.join(listed)} FROM {source}{where}", ordered=True)
    having = " HAVING count(*) > 1" if draw(st.booleans()) else ""
    text = f"SELECT {key} AS k, {', '.join(listed)} FROM {source}{where} GROUP BY {key}{having}"
    return Query(text=text, ordered=False)


def _windowed(draw: Draw) -> Query:
    source, columns, keys = _source(draw)
    part = expression(draw, "bool", columns, 1)
    chosen = draw(st.sampled_from(WINDOWS))
    function = chosen.format(
        int=expression(draw, "int", columns, 1), text=expression(draw, "text", columns, 0), bool=part
    )
    frame = draw(st.sampled_from(("", " ROWS 2 PRECEDING", " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING", _RANGE)))
    frame = "" if frame == _RANGE and "," in keys else frame
    frame = frame if chosen.startswith(("count", "sum", "first")) else ""
    text = f"SELECT {function} OVER (PARTITION BY {part} ORDER BY {keys}{frame}) AS w FROM {source} ORDER BY {keys}"
    return Query(text=text, ordered=True)


def _set_operation(draw: Draw) -> Query:
    source, columns, _ = _source(draw)
    other, more, _ = _source(draw)
    kinds = [kind for kind, _ in _outputs(draw, columns, 2)]
    sides = [
        ", ".join(expression(draw, kind, known, 1) for kind in kinds) + f" FROM {text}"
        for text, known in ((source, columns), (other, more))
    ]
    operator = draw(st.sampled_from(("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL")))
    return Query(text=f"SELECT {sides[0]} {operator} SELECT {sides[1]}", ordered=False)


def _derived(draw: Draw) -> Query:
    source, columns, _ = _source(draw)
    outputs = _outputs(draw, columns, 3)
    listed = ", ".join(f"{text} AS c{place}" for place, (_, text) in enumerate(outputs))
    named = {f"s.c{place}": kind for place, (kind, _) in enumerate(outputs)}
    shown = ", ".join(expression(draw, kind, named, 1) for kind, _ in outputs)
    where = f" WHERE {expression(draw, 'bool', named, 1)}" if draw(st.booleans()) else ""
    with_form = draw(st.booleans())
    inner = f"SELECT {listed} FROM {source}{_where(draw, columns)}"
    if with_form:
        return Query(text=f"WITH s AS ({inner}) SELECT {shown} FROM s{where}", ordered=False)
    return Query(text=f"SELECT {shown} FROM ({inner}) s{where}", ordered=False)
