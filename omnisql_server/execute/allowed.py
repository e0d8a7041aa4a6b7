"""What DuckDB may execute: node types, functions and types whose meaning there is proved to be PostgreSQL's. Pure.

Whatever is not listed goes to PostgreSQL by the splice. Every entry has its proof in `tests/differential`, where both
engines run it over the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlglot import exp

from catalog.types import BY_OID
from omnisql_server.execute.allowed_conditions import CONDITIONS
from omnisql_server.execute.lower import lowered
from omnisql_server.execute.lowered import is_proved
from omnisql_server.execute.zones import is_alike
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.relation import RelationKind

TYPES = frozenset(
    {
        "bool",
        "int2",
        "int4",
        "int8",
        "float8",
        "text",
        "varchar",
        "date",
        "timestamptz",
        "timestamp",
        "_text",
        "numeric",
    }
)
"""Column types that DuckDB holds, compares and shows without change."""

SHOWN = frozenset({"uuid", "time", "interval", "float4", "json", "_int4", "_int8", "_varchar", "_bool", "jsonb"})
"""Column types that it holds and shows, and does no more with."""

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
    exp.NullSafeEQ,
    exp.NullSafeNEQ,
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
    exp.Greatest,
    exp.Least,
    exp.Count,
    exp.Sum,
    exp.Min,
    exp.Max,
    exp.LogicalAnd,
    exp.LogicalOr,
    exp.Star,
    exp.DPipe,
    exp.Any,
    exp.Cast,
    exp.DataType,
    exp.Filter,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Div,
    exp.Mod,
    exp.Abs,
    exp.SplitPart,
    exp.Length,
    exp.Left,
    exp.Substring,
    exp.StrPosition,
    exp.Window,
    exp.RowNumber,
    exp.Rank,
    exp.DenseRank,
    exp.WindowSpec,
    exp.Lag,
    exp.Lead,
    exp.FirstValue,
    exp.LastValue,
    exp.NthValue,
    exp.Ntile,
    exp.PercentRank,
    exp.CumeDist,
    exp.Cube,
    exp.Rollup,
    exp.GroupingSets,
    exp.Grouping,
    exp.Tuple,
    exp.Values,
    exp.Lateral,
    exp.Fetch,
    exp.LimitOptions,
    exp.Lower,
    exp.Upper,
    exp.ILike,
    exp.Escape,
    exp.Trim,
    exp.Replace,
    exp.Repeat,
    exp.Pad,
    exp.Right,
    exp.StartsWith,
    exp.Ascii,
    exp.MD5,
    exp.Concat,
    exp.ConcatWs,
    exp.Anonymous,
    exp.Interval,
    exp.Var,
    exp.TimestampTrunc,
    exp.Extract,
    exp.AtTimeZone,
    exp.GroupConcat,
    exp.ArrayAgg,
    exp.BitwiseAnd,
    exp.BitwiseOr,
    exp.BitwiseXor,
    exp.BitwiseNot,
    exp.BitwiseAndAgg,
    exp.BitwiseOrAgg,
    exp.Ceil,
    exp.Floor,
    exp.Sqrt,
)
"""Node types that DuckDB evaluates as PostgreSQL does, under the conditions of `CONDITIONS` for some of them."""


def refusal(query: BoundQuery) -> str | None:
    """Say why a query must be executed by PostgreSQL, None when DuckDB may do it."""
    if query.tree is None:
        return query.reason
    return refusal_of(query, lowered(query) or query.tree)


def refusal_elsewhere(query: BoundQuery, known: Callable[[exp.Expr], bool]) -> str | None:
    """Say why a query may mean something else in another PostgreSQL than in DuckDB; nodes that are `known` do not."""
    if query.tree is None:
        return query.reason
    return refusal_of(query, query.tree, known)


def refusal_of(query: BoundQuery, tree: exp.Expr, known: Callable[[exp.Expr], bool] = lambda _: False) -> str | None:
    """Say the same of another tree that a query may have."""
    if not query.settings.plain_output:
        return "the session shows values in another style than this server's own"
    if not query.settings.plain_input:
        return "the session reads backslashes or = NULL in another way than the standard"
    if not is_alike(query.settings.time_zone):
        return "the session's time zone has no name, or other rules in DuckDB"
    outputs = {BY_OID[field.type_oid].name if field.type_oid in BY_OID else "" for field in query.fields}
    if not outputs <= TYPES | SHOWN:
        return "the result has a type that DuckDB shows differently"
    reasons = (_relation_refusal(query), _name_refusal(tree), _using_refusal(query))
    found = next((reason for reason in reasons if reason is not None), None)
    return found or next((reason for node in tree.walk() if not known(node) and (reason := _refusal(node))), None)


def expression_refusal(expression: exp.Expr) -> str | None:
    """Say why DuckDB may not compute an expression over a relation's columns, None when it may."""
    return next((reason for node in expression.walk() if (reason := _refusal(node)) is not None), None)


def _refusal(node: exp.Expr) -> str | None:
    if is_proved(node):
        return None
    if type(node) not in NODES:
        return f"{node.key} is not proved to mean the same in DuckDB"
    check = CONDITIONS.get(type(node))
    return check(node) if check is not None else None


def _relation_refusal(query: BoundQuery) -> str | None:
    for occurrence in query.occurrences:
        if occurrence.relation.kind is not RelationKind.API:
            return f"{occurrence.relation.qualified_name} is a local table"
        for name in occurrence.columns:
            attribute = occurrence.relation.attribute(name)
            known = BY_OID.get(attribute.type_oid) if attribute is not None else None
            if known is None or known.name not in TYPES | SHOWN:
                return f"column {name} has a type that DuckDB shows differently"
        if _differ_in_case(occurrence.columns):
            return "column names differ only in case"
    return None


def _name_refusal(tree: exp.Expr) -> str | None:
    """Refuse names that DuckDB, which takes upper and lower case for the same, would confuse."""
    if _differ_in_case(alias.name for alias in tree.find_all(exp.TableAlias)):
        return "names of relations differ only in case"
    for select in tree.find_all(exp.Select):
        names = [projection.alias_or_name for projection in select.selects]
        repeated = select is not tree and len(set(names)) != len(names)
        if _differ_in_case(names) or repeated:
            return "output columns have the same name"
    return None


def _using_refusal(query: BoundQuery) -> str | None:
    """Refuse a star over USING or NATURAL: which columns it gives, and in which order, only PostgreSQL says."""
    for parsed in (query.parsed, *query.views.values()):
        joins = parsed.tree.find_all(exp.Join) if parsed.tree is not None else ()
        merges = any(join.args.get("using") or join.method == "NATURAL" for join in joins)
        if merges and parsed.tree is not None and "*" in parsed.named_columns and not _named_alike(query):
            return "a star over columns merged by USING"
    return None


def _named_alike(query: BoundQuery) -> bool:
    """Say whether the outputs of the tree have the names that PostgreSQL gives, each only once."""
    names = [output.alias_or_name for output in query.tree.selects] if isinstance(query.tree, exp.Select) else []
    return names == [field.name for field in query.fields] and len(set(names)) == len(names)


def _differ_in_case(names: Iterable[str]) -> bool:
    spelled = set(names)
    return len({name.lower() for name in spelled}) != len(spelled)
