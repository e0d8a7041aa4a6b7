"""Whether a bound tree means the same in every PostgreSQL, so that it may be sent to one. Pure.

DuckDB is proved to evaluate what it may as PostgreSQL does, with functions that are PostgreSQL's own and depend on
nothing but their arguments; with numbers, every PostgreSQL does more of it alike. Of that, what is in a closed list of
nodes is the same elsewhere but for these:

- texts come from the source's tables with `COLLATE "C"`; a comparison by order in which no such text takes part would
  be by the source's own collation, as what is upper and lower case would;
- days of moments depend on the session's time zone, which is UTC there;
- sums of floating point numbers depend on the order of rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlglot import exp

from omnisql_server.execute.allowed import refusal_elsewhere
from omnisql_server.execute.output_types import COMPARED, INTEGERS, output_type, sort_key
from omnisql_server.model.query import BoundQuery

_UTC = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT"})
_TEXTS = (exp.DType.TEXT, exp.DType.VARCHAR)
_FLOATS = (exp.DType.DOUBLE, exp.DType.FLOAT)
NODES = frozenset(
    {
        *(exp.Select, exp.Subquery, exp.Table, exp.TableAlias, exp.Alias, exp.Column, exp.Identifier, exp.Star),
        *(exp.From, exp.Where, exp.Join, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset),
        *(exp.Distinct, exp.Union, exp.Intersect, exp.Except, exp.With, exp.CTE, exp.Exists, exp.In, exp.Any),
        *(exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.Is),
        *(exp.NullSafeEQ, exp.NullSafeNEQ, exp.Null, exp.Boolean, exp.Literal, exp.Neg, exp.Like, exp.Case, exp.If),
        *(exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max),
        *(exp.LogicalAnd, exp.LogicalOr, exp.Filter, exp.Cast, exp.DataType, exp.Add, exp.Sub, exp.Mul, exp.Div),
        *(exp.Mod, exp.Abs, exp.Length, exp.Left, exp.Right, exp.Substring, exp.Window, exp.WindowSpec),
        *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.Cube, exp.Rollup, exp.GroupingSets, exp.Tuple),
        *(exp.TimestampTrunc, exp.Extract, exp.Var),
    }
)
"""What is written for another PostgreSQL as it is meant; it means the same there but for what is said above."""

_BY_ORDER = (exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.Greatest, exp.Least)
_EXTREMES = (exp.Min, exp.Max)
_PARTS = (exp.Left, exp.Right, exp.Substring)
"""Functions whose result has the collation of their first argument."""
_NUMBERS = (*INTEGERS, exp.DType.INT128, exp.DType.DECIMAL)
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
_OF_ALL_PARTS = (
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.Nullif),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Abs, exp.Coalesce, exp.Greatest, exp.Least, exp.In),
)


def means_the_same(query: BoundQuery, tree: exp.Expr) -> bool:
    """Say whether the bound tree of a query means the same in every PostgreSQL that has its tables."""
    plain, time_zone = _Texts(tree), query.settings.time_zone
    for node in tree.walk():
        if type(node) not in NODES or (isinstance(node, exp.With) and node.args.get("recursive")):
            return False
        if isinstance(node, exp.Sum | exp.Avg) and output_type(_argument(node)) in (*_FLOATS, None):
            return False
        if isinstance(node, exp.Cast) and time_zone not in _UTC and _by_zone(node):
            return False
        if not plain.sorts_alike(node):
            return False
    return refusal_elsewhere(query, _is_of_numbers) is None


def _argument(node: exp.Expr) -> exp.Expr:
    found: exp.Expr = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    return found


def _by_zone(cast: exp.Cast) -> bool:
    """Say whether a value is cast to or from a moment; bind writes constants with their distance from UTC."""
    if output_type(cast.this) is exp.DType.TIMESTAMPTZ:
        return True
    return cast.to.is_type(exp.DType.TIMESTAMPTZ) and not isinstance(cast.this, exp.Literal)


class _Texts:
    """Which texts of a tree have the collation of the source's tables as they are read: byte by byte."""

    def __init__(self, tree: exp.Expr) -> None:
        # A column of a derived table is one of a table only if all texts of derived tables are.
        inner = [one for one in tree.find_all(exp.Select) if one is not tree and not isinstance(one.parent, exp.Exists)]
        outputs = [output.unalias() for one in inner for output in one.selects]
        self._are_columns = all(self._is_column(output) for output in outputs if self._may_be_text(output))

    def sorts_alike(self, node: exp.Expr) -> bool:
        """Say whether a node that compares by order does so by bytes."""
        if isinstance(node, exp.Ordered):
            compared = [sort_key(node)]
        elif isinstance(node, _EXTREMES):
            compared = [_argument(node)]
        elif isinstance(node, _BY_ORDER):
            compared = [part for part in node.iter_expressions() if not isinstance(part, exp.Any)]
            if any(isinstance(part, exp.Any) for part in node.iter_expressions()):
                return False
        else:
            return True
        texts = [part for part in compared if part is None or self._may_be_text(part)]
        settled = [part for part in texts if part is not None and self._are_columns and self._is_column(part)]
        constants = [part for part in texts if isinstance(part, exp.Literal)]
        return len(settled) + len(constants) == len(texts) and (not texts or bool(settled))

    @staticmethod
    def _may_be_text(node: exp.Expr) -> bool:
        if isinstance(node, exp.Literal) and not node.is_string:
            return False
        return not isinstance(node, exp.Null | exp.Star) and output_type(node) in (*_TEXTS, None)

    def _is_column(self, node: exp.Expr) -> bool:
        node = node.unnest()
        if isinstance(node, _EXTREMES):
            return self._is_column(_argument(node))
        if isinstance(node, _PARTS):
            return self._is_column(node.this)
        return isinstance(node, exp.Column)


def _is_of_numbers(node: exp.Expr) -> bool:
    """Say whether a node works on integers and numerics alone, or only compares values for being equal."""
    if isinstance(node, exp.Literal):
        return not node.is_string and _NUMBER.fullmatch(node.name) is not None
    if isinstance(node, exp.Select):
        # It may have no outputs there; any other SELECT has no condition.
        return isinstance(node.parent, exp.Exists)
    if isinstance(node, exp.Column):
        return output_type(node) in _NUMBERS
    if isinstance(node, exp.Sum | exp.Avg | exp.Min | exp.Max):
        return output_type(_argument(node)) in _NUMBERS
    if isinstance(node, exp.Ordered):
        key = sort_key(node)
        return key is not None and output_type(key) in _NUMBERS and not node.args.get("with_fill")
    if isinstance(node, exp.Group):
        keys = [sort_key(key, node.find_ancestor(exp.Query)) for key in node.expressions]
        plain = not any(value for name, value in node.args.items() if name != "expressions")
        return plain and all(key is not None and output_type(key) in (*_NUMBERS, *COMPARED) for key in keys)
    if isinstance(node, exp.Case):
        given = [*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")]
        return node.this is None and _are_numbers(given)
    if isinstance(node, _OF_ALL_PARTS):
        return not node.args.get("symmetric") and _are_numbers(node.iter_expressions())
    return False


def _are_numbers(nodes: Iterable[exp.Expr | None]) -> bool:
    return all(isinstance(part, exp.Null) or output_type(part) in _NUMBERS for part in nodes if part is not None)
