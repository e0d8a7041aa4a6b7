"""Under which conditions a node that DuckDB may execute means the same there: a check per node type. Pure.

A check returns the reason against the node, or None. Types are those that `bind` annotated; an unknown one is a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from omnisql_server.execute.allowed_functions import FUNCTION_CONDITIONS, integer_literal, is_text, moved
from omnisql_server.execute.lower_json import looks_alike
from omnisql_server.execute.lowered import is_proved
from omnisql_server.execute.output_types import COMPARED, INTEGERS, alike, output_type, sort_key

_Type = exp.DType
_INT8_MAX = (1 << 63) - 1


def _comparison(node: exp.Expr) -> str | None:
    left, right = node.this, node.expression
    if not isinstance(right, exp.Any):
        return alike((left, right))
    listed = right.this.unnest()
    if isinstance(listed, exp.Column):
        return None if is_text(left) else "an array compared with another type than text"
    return alike((left, listed))


def _membership(node: exp.Expr) -> str | None:
    query = node.args.get("query")
    return alike((node.this, *node.expressions, query))


def _between(node: exp.Expr) -> str | None:
    if node.args.get("symmetric"):
        return "BETWEEN SYMMETRIC"
    return alike((node.this, node.args["low"], node.args["high"]))


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
    if isinstance(parent, exp.Add | exp.Sub | exp.Mul | exp.Div):
        sides = [
            side for side in (parent.this, parent.expression) if not isinstance(side.unnest(), exp.Literal | exp.Neg)
        ]
        compared = len(sides) == 1 and output_type(sides[0]) is _Type.DOUBLE
    plain = node.name.isdigit() and int(node.name) <= _INT8_MAX
    return None if plain or compared else "a numeric constant outside a comparison"


def _case(node: exp.Expr) -> str | None:
    branches = node.args["ifs"]
    subject = node.this
    if subject is not None and (reason := alike((subject, *(branch.this for branch in branches)))):
        return reason
    return alike((*(branch.args["true"] for branch in branches), node.args.get("default")))


def _arguments(node: exp.Expr) -> str | None:
    return alike((node.this, *node.expressions))


def _both(node: exp.Expr) -> str | None:
    return alike((node.this, node.expression))


def _set_operation(node: exp.Expr) -> str | None:
    left, right = (side.unnest() for side in (node.this, node.expression))
    if node.args.get("by_name") or node.args.get("match_by"):
        return "a set operation by name"
    if not (isinstance(left, exp.Query) and isinstance(right, exp.Query)):
        return "a set operation of another form"
    sides = [output_type(output.unalias()) for output in (*left.selects, *right.selects)]
    if _Type.DOUBLE in sides and isinstance(node, exp.Except | exp.Intersect) and not node.args.get("distinct"):
        # DuckDB counts rows by a window over them, and gives back a zero without its sign.
        return f"{node.key} all over float8"
    pairs = zip(left.selects, right.selects, strict=True)
    return next((reason for pair in pairs if (reason := alike(side.unalias() for side in pair))), None)


def _integers(*nodes: exp.Expr) -> bool:
    return all(output_type(node) in INTEGERS for node in nodes)


def _arithmetic(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Add | exp.Sub) and moved(node):
        return None
    sides = (node.this, node.expression)
    if isinstance(node, exp.Sub) and all(output_type(side) is _Type.DATE for side in sides):
        return None
    if _Type.DOUBLE in map(output_type, sides) and alike(sides) is None:
        return "float8 % float8" if isinstance(node, exp.Mod) else None
    if not _integers(*sides):
        return "arithmetic on other types than integers and float8"
    parent = node.parent
    while isinstance(parent, exp.Paren | exp.Neg):
        parent = parent.parent
    # DuckDB turns x + 1 = 5 into x = 4, and with it loses the overflow that PostgreSQL reports.
    constant = any(isinstance(side.unnest(), exp.Literal | exp.Cast) for side in sides)
    return "a sum with a constant in a comparison" if constant and isinstance(parent, exp.Predicate) else None


def _integer_argument(node: exp.Expr) -> str | None:
    argument = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    return None if _integers(argument) else f"{node.key} of another type than integers"


def _extreme(node: exp.Expr) -> str | None:
    return None if output_type(node.this) in COMPARED else f"{node.key} of this type"


def _distinct(node: exp.Expr) -> str | None:
    chosen = node.args.get("on")
    select = node.parent
    if chosen is None:
        values = select.selects if isinstance(select, exp.Select) else node.expressions
        if any(map(_is_ungrouped, (value.unalias() for value in values))):
            return "distinct values of a type that DuckDB compares differently"
        return "DISTINCT of a row" if len(node.expressions) > 1 else None
    ordered = isinstance(select, exp.Select) and select.args.get("order") is not None
    known = all(output_type(key) in COMPARED - {_Type.DOUBLE} for key in chosen.expressions)
    return None if ordered and known else "DISTINCT ON without an order"


_UNGROUPED = (_Type.DECIMAL, _Type.FLOAT, _Type.INTERVAL, _Type.JSON)
"""Types of whose values equal ones may look different, or that are only shown."""


def _is_ungrouped(node: exp.Expr) -> bool:
    kind = output_type(node)
    return kind in _UNGROUPED or (kind is _Type.JSONB and not looks_alike(node))


def _single_keys(node: exp.Expr) -> list[exp.Expr]:
    """Return what is grouped by, out of sets and rows of keys."""
    if isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets | exp.Tuple):
        return [key for part in node.expressions for key in _single_keys(part)]
    return [node]


def _group(node: exp.Expr) -> str | None:
    keys = [
        *node.expressions,
        *(one for key in ("cube", "rollup", "grouping_sets") for one in node.args.get(key) or ()),
    ]
    sets = [key for key in keys if isinstance(key, exp.Rollup | exp.Cube | exp.GroupingSets)]
    if node.args.get("totals") or node.args.get("all") is not None or len(sets) > 1:
        return "a mixture of grouping sets"
    query = node.find_ancestor(exp.Query)
    if any(_is_ungrouped(sort_key(key, query) or key) for part in keys for key in _single_keys(part)):
        return "a group by a type that DuckDB compares differently"
    return None


def _beside_constant(node: exp.Expr) -> bool:
    sides = (node.this, node.expression) if isinstance(node, exp.EQ | exp.LT | exp.LTE | exp.GT | exp.GTE) else ()
    return [type(side) for side in sides] == [exp.Column, exp.Literal]


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
    equal = [
        part
        for part in columns
        if isinstance(part, exp.EQ) and isinstance(part.this, exp.Column) and isinstance(part.expression, exp.Column)
    ]
    joinable = equal and all(part in equal or _beside_constant(part) for part in columns)
    return None if joinable else "a FULL JOIN over more than equal columns"


def _recursive(node: exp.Expr) -> str | None:
    """PostgreSQL computes no more of a recursion than a LIMIT asks for, DuckDB all of it."""
    query = node.parent
    cut = query is not None and query.find(exp.Limit, exp.Fetch) is not None
    return "WITH RECURSIVE below a LIMIT" if node.args.get("recursive") and cut else None


def _limit(node: exp.Expr) -> str | None:
    if node.args.get("limit_options"):
        return "WITH TIES"
    count = node.expression
    value = count.this if isinstance(count, exp.Cast) else count
    known = isinstance(value, exp.Null) or (isinstance(value, exp.Literal) and value.name.isdigit())
    return None if known else "a LIMIT or OFFSET that is not a plain number"


def _select(node: exp.Expr) -> str | None:
    return None if node.expressions else "a SELECT of nothing"


def _positive(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit() and int(node.name) > 0


def _non_empty(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and node.is_string and node.name != ""


def _split_part(node: exp.Expr) -> str | None:
    known = is_text(node.this) and _non_empty(node.args.get("delimiter")) and _positive(node.args.get("part_index"))
    return None if known else "split_part with computed arguments, or from the end"


def _length(node: exp.Expr) -> str | None:
    return None if is_text(node.this) else "length of another type than text"


def _left(node: exp.Expr) -> str | None:
    known = is_text(node.this) and integer_literal(node.expression, -1_000_000)
    return None if known else f"{node.key} with a computed length"


def _substring(node: exp.Expr) -> str | None:
    length = node.args.get("length")
    known = is_text(node.this) and _positive(node.args.get("start")) and (length is None or _positive(length))
    return None if known else "substring with computed places"


def _position(node: exp.Expr) -> str | None:
    known = is_text(node.this) and _non_empty(node.args.get("substr"))
    others = any(node.args.get(key) for key in ("position", "occurrence"))
    return None if known and not others else "position of a computed text"


def _absolute(node: exp.Expr) -> str | None:
    return None if output_type(node.this) in (*INTEGERS, _Type.DOUBLE) else "abs of another type"


def _ordered(node: exp.Expr) -> str | None:
    """DuckDB gives back a float8 that it sorts by as 0 where it was -0: the sort key must be another expression."""
    key = sort_key(node)
    known = output_type(key) if key is not None else None
    if known not in COMPARED or node.args.get("with_fill"):
        return "an order by a value whose type is not known"
    select = node.find_ancestor(exp.Query)
    if known is _Type.DOUBLE and (select is None or not isinstance(select, exp.Select) or select.args.get("distinct")):
        return "an order by float8 over distinct rows"
    return None


def _column(node: exp.Expr) -> str | None:
    """Values of some types are only shown, counted and tested for null."""
    kind = output_type(node)
    if kind in (*_UNGROUPED, _Type.JSONB):
        shown = isinstance(node.parent, exp.Alias | exp.Select | exp.Is | exp.Count | exp.Ordered | exp.Coalesce)
        known = shown or (isinstance(node.parent, exp.Expr) and is_proved(node.parent))
        return None if known else "a value of this type in an expression"
    if kind is not _Type.ARRAY:
        return None
    parent = node.parent.parent if isinstance(node.parent, exp.Paren) else node.parent
    usable = isinstance(
        parent, exp.Any | exp.Alias | exp.Select | exp.Predicate | exp.Ordered | exp.Group | exp.AggFunc
    )
    return None if usable or (parent is not None and is_proved(parent)) else "an array in an expression"


CONDITIONS: Mapping[type[exp.Expr], Callable[[exp.Expr], str | None]] = {
    **FUNCTION_CONDITIONS,
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE), _comparison),
    **dict.fromkeys((exp.NullSafeEQ, exp.NullSafeNEQ, exp.Nullif), _both),
    **dict.fromkeys((exp.Coalesce, exp.Greatest, exp.Least), _arguments),
    **dict.fromkeys((exp.Union, exp.Intersect, exp.Except), _set_operation),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod), _arithmetic),
    exp.Sum: _integer_argument,
    exp.Abs: _absolute,
    **dict.fromkeys((exp.Min, exp.Max), _extreme),
    **dict.fromkeys((exp.Limit, exp.Offset), _limit),
    exp.Select: _select,
    exp.In: _membership,
    exp.Between: _between,
    exp.Is: _is,
    exp.Literal: _literal,
    exp.Case: _case,
    exp.Distinct: _distinct,
    exp.Group: _group,
    exp.Join: _join,
    exp.With: _recursive,
    exp.SplitPart: _split_part,
    exp.Length: _length,
    **dict.fromkeys((exp.Left, exp.Right), _left),
    exp.Substring: _substring,
    exp.StrPosition: _position,
    exp.Ordered: _ordered,
    exp.Column: _column,
}
"""The check of each node type that has one."""
