"""The tables of docs/compatibility.md: what the corpus uses, by which engines it is executed, and where it is tested.

Names are those of PostgreSQL's own parse tree. Whatever stands in a `duckdb` section is executed by both engines with
equal answers, whatever only stands in a `postgres` section by PostgreSQL: `test_corpus` holds both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import postgast
from corpus import CASES, Case

BOTH, ONE = "DuckDB, PostgreSQL", "PostgreSQL"
START = "<!-- generated from the corpus by docs/compatibility.py -->"
KINDS = ("clause", "function", "operator", "type")

_JOINS = ("", "JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN")
_CLAUSES = {
    "where_clause": "WHERE",
    "group_clause": "GROUP BY",
    "having_clause": "HAVING",
    "window_clause": "WINDOW",
    "sort_clause": "ORDER BY",
    "limit_count": "LIMIT",
    "limit_offset": "OFFSET",
    "distinct_clause": "DISTINCT",
    "into_clause": "INTO",
}
_NODES = {
    "CaseExpr": "CASE",
    "CoalesceExpr": "COALESCE",
    "MinMaxExpr": "GREATEST, LEAST",
    "NullTest": "IS NULL",
    "BooleanTest": "IS TRUE",
    "RowExpr": "row constructor",
    "A_ArrayExpr": "ARRAY constructor",
    "GroupingFunc": "GROUPING",
    "GroupingSet": "GROUPING SETS, ROLLUP, CUBE",
    "CollateClause": "COLLATE",
    "RangeSubselect": "subquery in FROM",
    "RangeFunction": "function in FROM",
    "A_Indirection": "subscript or field",
    "SQLValueFunction": "CURRENT_DATE and the like",
    "InsertStmt": "INSERT",
    "UpdateStmt": "UPDATE",
    "DeleteStmt": "DELETE",
    "MergeStmt": "MERGE",
    "CreateTableAsStmt": "CREATE TABLE AS",
    "JsonTable": "JSON_TABLE",
    "JsonFuncExpr": "JSON_VALUE, JSON_QUERY, JSON_EXISTS",
    "TableLikeClause": "LIKE",
}
_LINKS = ("EXISTS", "ALL (subquery)", "IN, ANY (subquery)", "row (subquery)", "scalar subquery", "", "ARRAY (subquery)")
_OPERATIONS = ("", "", "UNION", "INTERSECT", "EXCEPT")
_WORDS = {"~~": "LIKE", "~~*": "ILIKE", "!~~": "LIKE", "!~~*": "ILIKE"}


def page_tables() -> str:
    """Write a table for each kind of thing: name, engines, and the files of the corpus that hold it."""
    found: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: {"duckdb": set(), "postgres": set()})
    for case in CASES:
        if case.section in ("duckdb", "postgres") and case.setting is None:
            for used in uses(case):
                found[used][case.section].add(case.area)
    parts = [START, ""]
    for kind in KINDS:
        names = sorted(name for found_kind, name in found if found_kind == kind)
        parts += [f"## {kind.capitalize()}s", "", f"| {kind} | engines | corpus |", "|---|---|---|"]
        parts += [_row(name, found[kind, name]) for name in names]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _row(name: str, areas: dict[str, set[str]]) -> str:
    own = sorted(areas["duckdb"] or areas["postgres"])
    cited = ", ".join(f"{area}.sql" for area in own[:3])
    shown = name.replace("|", "\\|")
    return f"| `{shown}` | {BOTH if areas['duckdb'] else ONE} | {cited} |"


def uses(case: Case) -> set[tuple[str, str]]:
    """Return every clause, function, operator and type of a statement, each as (kind, name)."""
    return set(_walk(postgast.parse(case.sql)))


def _walk(message: Any) -> Iterator[tuple[str, str]]:
    kind = message.DESCRIPTOR.name
    yield from _named(kind, message)
    for descriptor, value in message.ListFields():
        if kind == "SelectStmt" and descriptor.name in _CLAUSES:
            yield "clause", _clause(descriptor.name, message)
        if descriptor.message_type is not None:
            for child in value if descriptor.is_repeated else (value,):
                yield from _walk(child)


def _clause(field: str, message: Any) -> str:
    if field == "distinct_clause" and message.distinct_clause[0].WhichOneof("node") is not None:
        return "DISTINCT ON"
    return _CLAUSES[field]


def _named(kind: str, message: Any) -> Iterator[tuple[str, str]]:
    if kind in _NODES:
        yield "clause", _NODES[kind]
    elif kind == "FuncCall":
        yield "function", message.funcname[-1].string.sval
        for field, word in (("agg_filter", "FILTER"), ("over", "OVER"), ("agg_within_group", "WITHIN GROUP")):
            if message.HasField(field) if field != "agg_within_group" else message.agg_within_group:
                yield "clause", word
    elif kind == "A_Expr":
        yield "operator", _operator(message)
    elif kind == "TypeName" and message.names:
        yield "type", message.names[-1].string.sval + ("[]" if message.array_bounds else "")
    elif kind == "JoinExpr":
        yield "clause", "NATURAL JOIN" if message.is_natural else _JOINS[message.jointype]
        if message.using_clause:
            yield "clause", "JOIN USING"
    elif kind == "SubLink":
        yield "clause", _LINKS[message.sub_link_type - 1]
    elif kind == "SelectStmt" and message.op > 1:
        yield "clause", _OPERATIONS[message.op] + (" ALL" if message.all else "")
    elif kind == "SelectStmt" and message.values_lists:
        yield "clause", "VALUES"
    elif kind == "WithClause":
        yield "clause", "WITH RECURSIVE" if message.recursive else "WITH"


def _operator(message: Any) -> str:
    name = message.DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number[message.kind].name
    sign = message.name[-1].string.sval if message.name else ""
    words = {
        "AEXPR_OP_ANY": f"{sign} ANY (array)",
        "AEXPR_OP_ALL": f"{sign} ALL (array)",
        "AEXPR_DISTINCT": "IS DISTINCT FROM",
        "AEXPR_NOT_DISTINCT": "IS NOT DISTINCT FROM",
        "AEXPR_IN": "IN (list)",
        "AEXPR_SIMILAR": "SIMILAR TO",
        "AEXPR_NULLIF": "NULLIF",
    }
    between = name.removeprefix("AEXPR_").replace("_", " ").replace("NOT ", "").replace(" SYM", " SYMMETRIC")
    return words.get(name) or (between if "BETWEEN" in name else _WORDS.get(sign, sign))
