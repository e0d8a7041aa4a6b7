"""What DuckDB may execute: node types, functions and types whose meaning there is proved to be PostgreSQL's. Pure.

Whatever is not listed goes to PostgreSQL by the splice. Every entry has its proof in `tests/differential`, where both
engines run it over the same rows.
"""

from __future__ import annotations

from sqlglot import exp

from catalog.types import BY_OID
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.relation import RelationKind

TYPES = frozenset(
    {"bool", "int2", "int4", "int8", "float8", "text", "varchar", "date", "timestamptz", "timestamp", "_text"}
)
"""Column types that DuckDB holds and shows without change."""

NODES: tuple[type[exp.Expr], ...] = (
    exp.Select,
    exp.Subquery,
    exp.Table,
    exp.TableAlias,
    exp.Alias,
    exp.Column,
    exp.Identifier,
    exp.From,
    exp.Where,
    exp.Join,
    exp.Group,
    exp.Having,
    exp.Order,
    exp.Ordered,
    exp.Limit,
    exp.Offset,
    exp.Distinct,
    exp.Union,
    exp.Intersect,
    exp.Except,
    exp.With,
    exp.CTE,
    exp.And,
    exp.Or,
    exp.Not,
    exp.Paren,
    exp.EQ,
    exp.NEQ,
    exp.LT,
    exp.LTE,
    exp.GT,
    exp.GTE,
    exp.In,
    exp.Exists,
    exp.Between,
    exp.Is,
    exp.Null,
    exp.Boolean,
    exp.Literal,
    exp.Neg,
    exp.Like,
    exp.Case,
    exp.If,
    exp.Coalesce,
    exp.Nullif,
    exp.Count,
    exp.Sum,
    exp.Min,
    exp.Max,
    exp.Star,
    exp.DPipe,
    exp.Any,
    exp.Cast,
    exp.DataType,
    exp.Filter,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.SplitPart,
)
"""Node types that DuckDB evaluates as PostgreSQL does, under the conditions that `_refusal` adds for some of them."""

_NUMBERS = (exp.DataType.Type.SMALLINT, exp.DataType.Type.INT, exp.DataType.Type.BIGINT)
_CAST_TYPES = (
    *_NUMBERS,
    exp.DataType.Type.TEXT,
    exp.DataType.Type.VARCHAR,
    exp.DataType.Type.BOOLEAN,
    exp.DataType.Type.DATE,
    exp.DataType.Type.TIMESTAMPTZ,
    exp.DataType.Type.DOUBLE,
)
_COMPARABLE = (
    frozenset((*_NUMBERS, exp.DataType.Type.DOUBLE, exp.DataType.Type.DECIMAL)),
    frozenset((exp.DataType.Type.TEXT, exp.DataType.Type.VARCHAR)),
    frozenset((exp.DataType.Type.BOOLEAN,)),
    frozenset((exp.DataType.Type.DATE,)),
    frozenset((exp.DataType.Type.TIMESTAMPTZ,)),
    frozenset((exp.DataType.Type.TIMESTAMP,)),
)


def refusal(query: BoundQuery) -> str | None:
    """Say why a query must be executed by PostgreSQL, None when DuckDB may do it."""
    if query.tree is None:
        return query.reason
    if not query.settings.plain_output:
        return "the session shows values in another style than this server's own"
    for occurrence in query.occurrences:
        if occurrence.relation.kind is not RelationKind.API:
            return f"{occurrence.relation.qualified_name} is a local table"
        for name in occurrence.columns:
            attribute = occurrence.relation.attribute(name)
            known = BY_OID.get(attribute.type_oid) if attribute is not None else None
            if known is None or known.name not in TYPES:
                return f"column {name} has a type that DuckDB shows differently"
        lowered = [name.lower() for name in occurrence.columns]
        if len(set(lowered)) != len(lowered):
            return "column names differ only in case"
    outputs = {BY_OID[field.type_oid].name if field.type_oid in BY_OID else "" for field in query.fields}
    if not outputs <= TYPES | {"numeric"}:
        return "the result has a type that DuckDB shows differently"
    return next((reason for node in query.tree.walk() if (reason := _refusal(node)) is not None), None)


def _refusal(node: exp.Expr) -> str | None:
    if type(node) not in NODES:
        return f"{node.key} is not proved to mean the same in DuckDB"
    check = _CONDITIONS.get(type(node))
    return check(node) if check is not None else None


def _comparison(node: exp.Expr) -> str | None:
    left, right = node.this, node.args.get("expression")
    if isinstance(right, exp.Any):
        return None
    sides = [side.type.this for side in (left, right) if side is not None and side.type is not None]
    known = [side for side in sides if isinstance(side, exp.DataType.Type) and side is not exp.DataType.Type.UNKNOWN]
    if any(isinstance(side, exp.Null) for side in (left, right)):
        return None
    if len(known) < 2 or any(set(known) <= family for family in _COMPARABLE):
        return None if len(known) == 2 else "a comparison of values whose types are not known"
    return "a comparison of different types"


def _like(node: exp.Expr) -> str | None:
    pattern = node.args["expression"]
    if not (isinstance(pattern, exp.Literal) and pattern.is_string) or "\\" in pattern.name:
        return "a LIKE pattern that is not a plain literal"
    return None


def _arithmetic(node: exp.Expr) -> str | None:
    for side in (node.this, node.args["expression"]):
        if side.type is None or not side.type.is_type(*_NUMBERS):
            return "arithmetic on other types than integers"
    return None


def _sum(node: exp.Expr) -> str | None:
    if node.this.type is None or not node.this.type.is_type(*_NUMBERS):
        return "sum of another type than integers"
    return None


def _extreme(node: exp.Expr) -> str | None:
    if node.this.type is None or node.this.type.is_type(exp.DataType.Type.ARRAY, exp.DataType.Type.UNKNOWN):
        return f"{node.key} of this type"
    return None


def _cast(node: exp.Expr) -> str | None:
    constant = isinstance(node.this, exp.Literal | exp.Null)
    if not constant or not node.args["to"].is_type(*_CAST_TYPES):
        return "a cast whose text or rounding differs in DuckDB"
    return None


def _distinct(node: exp.Expr) -> str | None:
    return "DISTINCT ON" if node.args.get("on") else None


def _group(node: exp.Expr) -> str | None:
    return "grouping sets" if any(node.args.get(key) for key in ("cube", "rollup", "grouping_sets")) else None


def _join(node: exp.Expr) -> str | None:
    known = not node.args.get("using") and node.args.get("method") in (None, "")
    return None if known else "a join form that is resolved by PostgreSQL"


def _recursive(node: exp.Expr) -> str | None:
    return "WITH RECURSIVE" if node.args.get("recursive") else None


def _limit(node: exp.Expr) -> str | None:
    return None if not node.args.get("limit_options") else "WITH TIES"


def _concatenation(node: exp.Expr) -> str | None:
    for side in (node.this, node.args["expression"]):
        if side.type is None or not side.type.is_type(exp.DataType.Type.TEXT, exp.DataType.Type.VARCHAR):
            return "|| of other types than text"
    return None


def _split_part(node: exp.Expr) -> str | None:
    delimiter, place = node.args.get("delimiter"), node.args.get("part_index")
    if not (isinstance(delimiter, exp.Literal) and delimiter.name and isinstance(place, exp.Literal)):
        return "split_part with computed arguments"
    return "split_part from the end" if place.name.startswith(("0", "-")) else None


def _array_column(node: exp.Expr) -> str | None:
    if node.type is None or not node.type.is_type(exp.DataType.Type.ARRAY):
        return None
    select = node.find_ancestor(exp.Select)
    parent = node.parent.parent if isinstance(node.parent, exp.Paren) else node.parent
    if isinstance(parent, exp.Any):
        return None
    if not isinstance(parent, exp.Alias | exp.Select) or select is None:
        return "an array in an expression"
    shaped = select.args.get("distinct") or select.args.get("group") or node.find_ancestor(exp.SetOperation)
    return "an array that is grouped or compared" if shaped else None


_CONDITIONS = {
    exp.EQ: _comparison,
    exp.NEQ: _comparison,
    exp.LT: _comparison,
    exp.LTE: _comparison,
    exp.GT: _comparison,
    exp.GTE: _comparison,
    exp.Like: _like,
    exp.Add: _arithmetic,
    exp.Sub: _arithmetic,
    exp.Mul: _arithmetic,
    exp.Sum: _sum,
    exp.Min: _extreme,
    exp.Max: _extreme,
    exp.Cast: _cast,
    exp.Distinct: _distinct,
    exp.Group: _group,
    exp.Join: _join,
    exp.With: _recursive,
    exp.Limit: _limit,
    exp.DPipe: _concatenation,
    exp.SplitPart: _split_part,
    exp.Column: _array_column,
}
