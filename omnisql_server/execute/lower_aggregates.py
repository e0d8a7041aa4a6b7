"""Ordered-set and hypothetical-set aggregates, and deviations of integers, over lists and sums. Pure.

PostgreSQL 18, 9.21: percentiles are places in the sorted values, a mode is the first of the most frequent ones, the
deviations of integers are numerics of exact sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from omnisql_server.execute.lower_arrays import array_of
from omnisql_server.execute.lower_numeric import answered, outermost
from omnisql_server.execute.lowered import Rule, call, cast, native, proved, text_literal, typed, whole_literal
from omnisql_server.execute.output_types import INTEGERS, output_type

_Type = exp.DType
_TEXTS = (_Type.TEXT, _Type.VARCHAR)
_PLACED = (*INTEGERS, *_TEXTS, _Type.DATE, _Type.TIMESTAMP, _Type.TIMESTAMPTZ)
_DEVIATIONS: Mapping[type[exp.Expr], tuple[str, int]] = {
    exp.Variance: ("variance", 1),
    exp.VariancePop: ("variance", 0),
    exp.Stddev: ("deviation", 1),
    exp.StddevSamp: ("deviation", 1),
    exp.StddevPop: ("deviation", 0),
}
_Like = Callable[[exp.Expr], exp.Expr]


def _whole(node: exp.Expr) -> exp.Expr:
    return node.this if isinstance(node, exp.Filter) else node


def _aggregate(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """At the FILTER that encloses the aggregate, if there is one."""
    if isinstance(node.parent, exp.Filter) and node.arg_key == "this":
        return None
    found = _whole(node)
    if isinstance(found, exp.WithinGroup):
        return _ordered_set(node, found)
    known = _DEVIATIONS.get(type(found))
    if known is None or output_type(found.this) not in INTEGERS or isinstance(node.parent, exp.Window):
        return None
    return outermost(node, lambda like: _deviation(found.this, like, *known))


def _ordered_set(node: exp.Expr, group: exp.WithinGroup) -> exp.Expr | None:
    keys = group.expression.expressions if isinstance(group.expression, exp.Order) else []
    key = keys[0] if len(keys) == 1 else None
    kind = output_type(key.this) if key is not None else None
    if key is None or kind not in _PLACED or kind is None:
        return None
    function, descending = group.this, bool(key.args.get("desc"))
    if isinstance(function, exp.Mode) and not descending:
        return outermost(node, lambda like: _most_frequent(key.this, kind, like))
    if isinstance(function, exp.PercentileCont | exp.PercentileDisc):
        return (
            outermost(node, lambda like: _percentile(function, key.this, kind, descending, like))
            if _fits(function)
            else None
        )
    counted = isinstance(function, exp.Rank | exp.DenseRank) and len(function.expressions) == 1
    if counted and kind in INTEGERS and not descending and not isinstance(node, exp.Filter):
        return _hypothetical(function, key.this)
    return None


def _fits(function: exp.Expr) -> bool:
    wanted = function.this
    shares = wanted.expressions if wanted is not None and isinstance(function, exp.PercentileDisc) else []
    plain = isinstance(wanted, exp.Anonymous) and bool(shares) and all(map(_is_share, shares))
    return plain or (isinstance(wanted, exp.Literal) and _is_share(wanted))


def _is_share(node: exp.Expr) -> bool:
    name = node.name
    return not node.expressions and name.replace(".", "", 1).isdigit() and len(name) < 17 and 0 <= float(name) <= 1


def _share(node: exp.Expr) -> exp.Expr:
    return cast(text_literal(node.name), "DOUBLE", _Type.DOUBLE)


def _percentile(function: exp.Expr, value: exp.Expr, kind: exp.DType, descending: bool, like: _Like) -> exp.Expr:
    direction = text_literal("DESC" if descending else "ASC")
    known = call("omnisql_known", _Type.ARRAY, answered(like(native("list", _Type.ARRAY, value))))
    ordered = native("list_sort", _Type.ARRAY, known, direction)
    if isinstance(function, exp.PercentileDisc):
        if isinstance(function.this, exp.Literal):
            return call("omnisql_percentile_disc", kind, ordered, _share(function.this))
        shares = [call("omnisql_percentile_disc", kind, ordered, _share(one)) for one in function.this.expressions]
        whole = call("omnisql_percentiles", _Type.ARRAY, ordered, native("list_value", _Type.ARRAY, *shares))
        return array_of(whole, kind)
    return call("omnisql_percentile_cont", _Type.DOUBLE, ordered, _share(function.this))


def _most_frequent(value: exp.Expr, kind: exp.DType, like: _Like) -> exp.Expr:
    return call("omnisql_mode", kind, answered(like(native("histogram", _Type.MAP, value))))


def _hypothetical(function: exp.Expr, value: exp.Expr) -> exp.Expr | None:
    """The rank that a value would have: nulls come last."""
    sought = function.expressions[0]
    if output_type(sought) not in INTEGERS:
        return None
    less = typed(exp.LT(this=value.copy(), expression=sought.copy()), _Type.BOOLEAN)
    counted: exp.Expr = (
        exp.Distinct(expressions=[value.copy()]) if isinstance(function, exp.DenseRank) else value.copy()
    )
    count = exp.Filter(this=exp.Count(this=counted), expression=exp.Where(this=less))
    return proved(
        exp.Paren(this=proved(exp.Add(this=answered(count), expression=whole_literal(1)), _Type.BIGINT)), _Type.BIGINT
    )


def _deviation(value: exp.Expr, like: _Like, name: str, sample: int) -> exp.Expr:
    wide = cast(value, "HUGEINT", _Type.INT128)
    square = proved(exp.Mul(this=wide.copy(), expression=wide.copy()), _Type.INT128)
    sums = [answered(like(proved(exp.Sum(this=summed), _Type.INT128))) for summed in (wide, square)]
    count = answered(like(typed(exp.Count(this=value.copy()), _Type.BIGINT)))
    texts = [cast(part, "VARCHAR", _Type.DECIMAL) for part in (count, *sums)]
    return call(f"omnisql_n_{name}", _Type.DECIMAL, native("list_value", _Type.ARRAY, *texts), whole_literal(sample))


def _distinct_rows(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """Count distinct rows of values that compare alike; a row is counted even if all of it is null."""
    inner = (
        node.this.expressions[0] if isinstance(node.this, exp.Distinct) and len(node.this.expressions) == 1 else None
    )
    fields = inner.expressions if isinstance(inner, exp.Tuple) else []
    if not fields or not all(output_type(field) in (*_PLACED, _Type.BOOLEAN) for field in fields):
        return None
    row = native("row", _Type.STRUCT, *fields)
    return proved(exp.Count(this=exp.Distinct(expressions=[row])), _Type.BIGINT)


AGGREGATE_RULES: Mapping[type[exp.Expr], Rule] = {
    **dict.fromkeys((exp.WithinGroup, exp.Filter, *_DEVIATIONS), _aggregate),
    exp.Count: _distinct_rows,
}
"""The rule of each kind of node."""
