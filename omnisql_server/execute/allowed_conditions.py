"""Under which conditions a node that DuckDB may execute means the same there: a check per node type. Pure.

A check returns the reason against the node, or None. Types are those that `bind` annotated; an unknown one is a reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from sqlglot import exp

_Type = exp.DType
INTEGERS = (_Type.SMALLINT, _Type.INT, _Type.BIGINT)
_CAST_TYPES = (
    *INTEGERS,
    _Type.TEXT,
    _Type.VARCHAR,
    _Type.BOOLEAN,
    _Type.DATE,
    _Type.TIMESTAMPTZ,
    _Type.TIMESTAMP,
    _Type.DOUBLE,
)
_FAMILIES = (
    frozenset((*INTEGERS, _Type.DOUBLE, _Type.DECIMAL)),
    frozenset((_Type.TEXT, _Type.VARCHAR)),
    frozenset((_Type.BOOLEAN,)),
    frozenset((_Type.DATE,)),
    frozenset((_Type.TIMESTAMPTZ,)),
    frozenset((_Type.TIMESTAMP,)),
)
"""Types that compare with each other the same way in both engines."""

_INT8_MAX = (1 << 63) - 1


def output_type(node: exp.Expr) -> exp.DType | None:
    """Return the type of an expression or of a query's only column, None where it is not known."""
    while isinstance(node, exp.Subquery | exp.SetOperation):
        node = node.this
    if isinstance(node, exp.Select):
        return output_type(node.selects[0].unalias()) if len(node.selects) == 1 else None
    found = node.type.this if node.type is not None else None
    return found if isinstance(found, _Type) and found is not _Type.UNKNOWN else None


def _alike(nodes: Iterable[exp.Expr | None]) -> str | None:
    """Want all of some expressions, nulls apart, to be of one family."""
    types = {output_type(node) for node in nodes if node is not None and not isinstance(node, exp.Null)}
    if None in types:
        return "values whose types are not known"
    return None if any(types <= family for family in _FAMILIES) else "values of different types"


def _comparison(node: exp.Expr) -> str | None:
    left, right = node.this, node.expression
    if not isinstance(right, exp.Any):
        return _alike((left, right))
    listed = right.this.unnest()
    if isinstance(listed, exp.Column):
        return None if _texts(left) else "an array compared with another type than text"
    return _alike((left, listed))


def _membership(node: exp.Expr) -> str | None:
    query = node.args.get("query")
    return _alike((node.this, *node.expressions, query))


def _between(node: exp.Expr) -> str | None:
    if node.args.get("symmetric"):
        return "BETWEEN SYMMETRIC"
    return _alike((node.this, node.args["low"], node.args["high"]))


def _is(node: exp.Expr) -> str | None:
    return None if isinstance(node.expression, exp.Null | exp.Boolean) else "a test other than for null or truth"


def _literal(node: exp.Expr) -> str | None:
    """A number in decimal or scientific form is numeric in PostgreSQL; it keeps its digits only in a comparison."""
    if not isinstance(node, exp.Literal) or node.is_string:
        return None
    if not node.name.replace(".", "", 1).isdigit() or not node.name.isascii():
        return "a number in a form that DuckDB reads differently"
    parent = node.parent
    while isinstance(parent, exp.Neg | exp.Paren):
        parent = parent.parent
    compared = isinstance(parent, exp.Predicate) and not isinstance(parent, exp.NullSafeEQ | exp.NullSafeNEQ)
    plain = node.name.isdigit() and int(node.name) <= _INT8_MAX
    return None if plain or compared else "a numeric constant outside a comparison"


def _case(node: exp.Expr) -> str | None:
    branches = node.args["ifs"]
    subject = node.this
    if subject is not None and (reason := _alike((subject, *(branch.this for branch in branches)))):
        return reason
    return _alike((*(branch.args["true"] for branch in branches), node.args.get("default")))


def _arguments(node: exp.Expr) -> str | None:
    return _alike((node.this, *node.expressions))


def _both(node: exp.Expr) -> str | None:
    return _alike((node.this, node.expression))


def _set_operation(node: exp.Expr) -> str | None:
    left, right = (side.unnest() for side in (node.this, node.expression))
    if node.args.get("by_name") or node.args.get("match_by"):
        return "a set operation by name"
    if not (isinstance(left, exp.Query) and isinstance(right, exp.Query)):
        return "a set operation of another form"
    pairs = zip(left.selects, right.selects, strict=True)
    return next((reason for pair in pairs if (reason := _alike(side.unalias() for side in pair))), None)


def _like(node: exp.Expr) -> str | None:
    pattern = node.expression
    if not (isinstance(pattern, exp.Literal) and pattern.is_string) or "\\" in pattern.name:
        return "a LIKE pattern that is not a plain literal"
    return None


def _integers(*nodes: exp.Expr) -> bool:
    return all(output_type(node) in INTEGERS for node in nodes)


def _arithmetic(node: exp.Expr) -> str | None:
    if not _integers(node.this, node.expression):
        return "arithmetic on other types than integers"
    parent = node.parent
    while isinstance(parent, exp.Paren | exp.Neg):
        parent = parent.parent
    # DuckDB turns x + 1 = 5 into x = 4, and with it loses the overflow that PostgreSQL reports.
    constant = any(isinstance(side.unnest(), exp.Literal | exp.Cast) for side in (node.this, node.expression))
    return "a sum with a constant in a comparison" if constant and isinstance(parent, exp.Predicate) else None


def _division(node: exp.Expr) -> str | None:
    """Want a divisor that is a constant other than zero: DuckDB divides by zero without an error."""
    divisor = node.expression.unnest()
    constant = isinstance(divisor, exp.Literal) and not divisor.is_string and divisor.name.strip("0") != ""
    return _arithmetic(node) if constant else "a division by a computed value"


def _integer_argument(node: exp.Expr) -> str | None:
    argument = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    return None if _integers(argument) else f"{node.key} of another type than integers"


def _extreme(node: exp.Expr) -> str | None:
    known = output_type(node.this)
    return None if known is not None and known is not _Type.ARRAY else f"{node.key} of this type"


def _cast(node: exp.Expr) -> str | None:
    """Only constants as bind writes them, in PostgreSQL's own spelling, are read alike."""
    constant = isinstance(node.this, exp.Null) or (isinstance(node.this, exp.Literal) and node.this.is_string)
    to = node.args["to"]
    if not constant or not to.is_type(*_CAST_TYPES) or to.expressions:
        return "a cast whose text or rounding differs in DuckDB"
    moment = to.is_type(_Type.DATE, _Type.TIMESTAMP, _Type.TIMESTAMPTZ) and isinstance(node.this, exp.Literal)
    return "a moment far off" if moment and _NEAR.fullmatch(node.this.name) is None else None


_NEAR = re.compile(r"\d{4}-[-0-9 :.+]*")
"""Moments as PostgreSQL writes those of the years 1 to 9999; of others the engines have not the same."""


def _distinct(node: exp.Expr) -> str | None:
    if node.args.get("on"):
        return "DISTINCT ON"
    return "DISTINCT of a row" if len(node.expressions) > 1 else None


def _group(node: exp.Expr) -> str | None:
    keys = ("cube", "rollup", "grouping_sets", "totals", "all")
    return "grouping sets" if any(node.args.get(key) for key in keys) else None


def _join(node: exp.Expr) -> str | None:
    if node.args.get("using") or node.text("method") or node.text("kind") not in ("", "INNER", "OUTER", "CROSS"):
        return "a join form that is resolved by PostgreSQL"
    condition = node.args.get("on")
    if node.text("side") and condition is not None and condition.find(exp.Query):
        return "a subquery in the condition of an outer join"
    if node.text("side") != "FULL":
        return None
    conjuncts = condition.flatten() if isinstance(condition, exp.And) else (condition,)
    columns = [part.unnest() for part in conjuncts if part is not None]
    joinable = columns and all(
        isinstance(part, exp.EQ) and isinstance(part.this, exp.Column) and isinstance(part.expression, exp.Column)
        for part in columns
    )
    return None if joinable else "a FULL JOIN over more than equal columns"


def _recursive(node: exp.Expr) -> str | None:
    return "WITH RECURSIVE" if node.args.get("recursive") else None


def _limit(node: exp.Expr) -> str | None:
    if node.args.get("limit_options"):
        return "WITH TIES"
    count = node.expression
    value = count.this if isinstance(count, exp.Cast) else count
    known = isinstance(value, exp.Null) or (isinstance(value, exp.Literal) and value.name.isdigit())
    return None if known else "a LIMIT or OFFSET that is not a plain number"


def _texts(*nodes: exp.Expr) -> bool:
    return all(output_type(node) in (_Type.TEXT, _Type.VARCHAR) for node in nodes)


def _concatenation(node: exp.Expr) -> str | None:
    return None if _texts(node.this, node.expression) else "|| of other types than text"


def _select(node: exp.Expr) -> str | None:
    return None if node.expressions else "a SELECT of nothing"


def _positive(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit() and int(node.name) > 0


def _non_empty(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and node.is_string and node.name != ""


def _split_part(node: exp.Expr) -> str | None:
    known = _texts(node.this) and _non_empty(node.args.get("delimiter")) and _positive(node.args.get("part_index"))
    return None if known else "split_part with computed arguments, or from the end"


def _length(node: exp.Expr) -> str | None:
    return None if _texts(node.this) else "length of another type than text"


def _left(node: exp.Expr) -> str | None:
    return None if _texts(node.this) and _positive(node.expression) else "left with a computed or negative length"


def _substring(node: exp.Expr) -> str | None:
    length = node.args.get("length")
    known = _texts(node.this) and _positive(node.args.get("start")) and (length is None or _positive(length))
    return None if known else "substring with computed places"


def _position(node: exp.Expr) -> str | None:
    known = _texts(node.this) and _non_empty(node.args.get("substr"))
    others = any(node.args.get(key) for key in ("position", "occurrence"))
    return None if known and not others else "position of a computed text"


def _window(node: exp.Expr) -> str | None:
    """Without a frame, DuckDB and PostgreSQL take the same rows; with one, groups and exclusion would need proof."""
    if node.args.get("spec") or node.args.get("alias") or not node.args.get("over"):
        return "a window with a frame or a name"
    function = node.this.this if isinstance(node.this, exp.Filter) else node.this
    known = isinstance(function, exp.RowNumber | exp.Rank | exp.DenseRank | exp.Count | exp.Sum | exp.Min | exp.Max)
    return None if known else f"{function.key} over a window"


def _ordered(node: exp.Expr) -> str | None:
    """DuckDB gives back a float8 that it sorts by as 0 where it was -0: the sort key must be another expression."""
    key = sort_key(node)
    known = output_type(key) if key is not None else None
    if known is None or node.args.get("with_fill"):
        return "an order by a value whose type is not known"
    select = node.find_ancestor(exp.Query)
    if known is _Type.DOUBLE and (select is None or not isinstance(select, exp.Select) or select.args.get("distinct")):
        return "an order by float8 over distinct rows"
    return None


def sort_key(node: exp.Expr) -> exp.Expr | None:
    """Return the expression that ORDER BY means: an output column may be given by its name or number."""
    key, query = node.this, node.find_ancestor(exp.Query)
    outputs = [projection.unalias() for projection in query.selects] if query is not None else []
    if isinstance(key, exp.Literal) and not key.is_string and node.find_ancestor(exp.Window, exp.Query) is query:
        return outputs[int(key.name) - 1] if 0 < int(key.name) <= len(outputs) else None
    if isinstance(key, exp.Column) and not key.table and query is not None:
        return next((p.unalias() for p in query.selects if p.alias_or_name == key.name), None)
    return key if isinstance(key, exp.Expr) else None


def _array_column(node: exp.Expr) -> str | None:
    if node.type is None or not node.type.is_type(_Type.ARRAY):
        return None
    select = node.find_ancestor(exp.Select)
    parent = node.parent.parent if isinstance(node.parent, exp.Paren) else node.parent
    if isinstance(parent, exp.Any):
        return None
    if not isinstance(parent, exp.Alias | exp.Select) or select is None:
        return "an array in an expression"
    shaped = select.args.get("distinct") or select.args.get("group") or node.find_ancestor(exp.SetOperation)
    return "an array that is grouped or compared" if shaped else None


CONDITIONS: Mapping[type[exp.Expr], Callable[[exp.Expr], str | None]] = {
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE), _comparison),
    **dict.fromkeys((exp.NullSafeEQ, exp.NullSafeNEQ, exp.Nullif), _both),
    **dict.fromkeys((exp.Coalesce, exp.Greatest, exp.Least), _arguments),
    **dict.fromkeys((exp.Union, exp.Intersect, exp.Except), _set_operation),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul), _arithmetic),
    **dict.fromkeys((exp.Div, exp.Mod), _division),
    **dict.fromkeys((exp.Sum, exp.Abs), _integer_argument),
    **dict.fromkeys((exp.Min, exp.Max), _extreme),
    **dict.fromkeys((exp.Limit, exp.Offset), _limit),
    exp.Select: _select,
    exp.In: _membership,
    exp.Between: _between,
    exp.Is: _is,
    exp.Literal: _literal,
    exp.Case: _case,
    exp.Like: _like,
    exp.Cast: _cast,
    exp.Distinct: _distinct,
    exp.Group: _group,
    exp.Join: _join,
    exp.With: _recursive,
    exp.DPipe: _concatenation,
    exp.SplitPart: _split_part,
    exp.Length: _length,
    exp.Left: _left,
    exp.Substring: _substring,
    exp.StrPosition: _position,
    exp.Window: _window,
    exp.Ordered: _ordered,
    exp.Column: _array_column,
}
"""The check of each node type that has one."""
