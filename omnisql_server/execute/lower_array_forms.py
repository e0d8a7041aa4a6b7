"""More of arrays of one dimension: comparisons with what is written down, ANY and ALL over a column, slices, texts.

PostgreSQL 18, 8.15 and 9.25. Pure. Nulls within compared arrays are equal, and come last, in both engines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp

from omnisql_server.execute.lower_arrays import array_of, element_type, is_output
from omnisql_server.execute.lowered import (
    Rule,
    call,
    cast,
    is_proved,
    native,
    proved,
    text_literal,
    typed,
    whole_literal,
)
from omnisql_server.execute.output_types import INTEGERS, alike, output_type

_Type = exp.DType
_TEXTS = (_Type.TEXT, _Type.VARCHAR)
_DUCKDB = {_Type.SMALLINT: "SMALLINT", _Type.INT: "INTEGER", _Type.BIGINT: "BIGINT"}
_WRITTEN = re.compile(r"\{([A-Za-z0-9_/-]+(,[A-Za-z0-9_/-]+)*)?\}")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)


def _empty(element: exp.DType) -> exp.Expr:
    return array_of(
        cast(native("list_value", _Type.ARRAY), f"{_DUCKDB.get(element, 'VARCHAR')}[]", _Type.ARRAY), element
    )


def _array(node: exp.Expr | None, element: exp.DType) -> exp.Expr | None:
    """Give an array as an argument beside one of a type of elements; a string that is written down is one too."""
    inner = node.unnest() if node is not None and not isinstance(node, exp.Subquery) else node
    if isinstance(inner, exp.Literal) and inner.is_string:
        return _written(inner.name, element)
    known = element_type(inner)
    same = known is not None and (known is element or {known, element} <= set(_TEXTS))
    return array_of(inner.copy(), known) if same and known is not None and inner is not None else None


def _written(text: str, element: exp.DType) -> exp.Expr | None:
    if text == "{}":
        return _empty(element)
    found = _WRITTEN.fullmatch(text)
    words = text[1:-1].split(",")
    if found is None or any(word.upper() == "NULL" for word in words):
        return None
    if element in _TEXTS:
        return array_of(native("list_value", _Type.ARRAY, *map(text_literal, words)), element)
    if not all(re.fullmatch("-?[0-9]{1,4}", word) for word in words):
        return None
    numbers = [cast(whole_literal(int(word)), _DUCKDB[element], element) for word in words]
    return array_of(native("list_value", _Type.ARRAY, *numbers), element)


def _known_element(*nodes: exp.Expr | None) -> exp.DType | None:
    return next((known for node in nodes if (known := element_type(node.unnest() if node else None)) is not None), None)


def _compared(node: exp.Expr, _zone: str) -> exp.Expr | None:
    over = node.expression
    if isinstance(over, exp.Any | exp.All) or (isinstance(over, exp.Anonymous) and over.name.upper() == "ALL"):
        return _quantified(node)
    element = _known_element(node.this, over)
    if element is None or is_proved(node):
        return None
    left, right = _array(node.this, element), _array(over, element)
    if left is None or right is None:
        return None
    return proved(type(node)(this=left, expression=right), _Type.BOOLEAN)


def _quantified(node: exp.Expr) -> exp.Expr | None:
    """`x = ANY (array)` and `x <> ALL (array)` over an array that is computed, or a column of integers."""
    over = node.expression
    inner = (
        over.this.unnest() if isinstance(over, exp.Any) else over.expressions[0].unnest() if over.expressions else None
    )
    element = element_type(inner)
    every = not isinstance(over, exp.Any)
    if element is None or inner is None or not isinstance(node, exp.NEQ if every else exp.EQ):
        return None
    if alike((node.this, typed(exp.Null(), element), _of(element))) is not None:
        return None
    found = call("omnisql_a_any", _Type.BOOLEAN, array_of(inner.copy(), element), node.this)
    return proved(exp.Not(this=found), _Type.BOOLEAN) if every else found


def _of(element: exp.DType) -> exp.Expr:
    return typed(exp.column("element"), element)


def _matched(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """LIKE over the elements of an array."""
    over, negated = node.expression, bool(node.args.get("negate"))
    if not isinstance(over, exp.Any | exp.All) or output_type(node.this) not in _TEXTS or isinstance(node, exp.ILike):
        return None
    inner = over.this.unnest()
    inner = inner if element_type(inner) is not None else _listed(inner)
    if inner is None or element_type(inner) not in _TEXTS:
        return None
    # With ALL, what is sought is an element that does not fit.
    sought = negated != isinstance(over, exp.All)
    name = "omnisql_a_unlike" if sought else "omnisql_a_like"
    found = call(name, _Type.BOOLEAN, array_of(inner.copy(), _Type.TEXT), node.this)
    return proved(exp.Not(this=found), _Type.BOOLEAN) if isinstance(over, exp.All) else found


def _listed(node: exp.Expr) -> exp.Expr | None:
    plain = isinstance(node, exp.Array) and all(output_type(one) in _TEXTS for one in node.expressions)
    return (
        array_of(native("list_value", _Type.ARRAY, *node.expressions), _Type.TEXT)
        if plain and node.expressions
        else None
    )


def _constructed(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """ARRAY[] of a type, and constants without elements."""
    to = node.args["to"]
    kind = to.expressions[0].this if to.is_type(_Type.ARRAY) and to.expressions else None
    value = node.this
    if is_proved(node) or kind not in (*_TEXTS, *_DUCKDB) or to.expressions[0].expressions:
        return _shown(node)
    if (isinstance(value, exp.Array) and not value.expressions) or (
        isinstance(value, exp.Literal) and value.name == "{}"
    ):
        return _empty(kind)
    element = element_type(value.unnest())
    if element is None:
        return None
    if kind in _TEXTS and (element in _TEXTS or element in INTEGERS):
        return array_of(cast(value, "VARCHAR[]", _Type.ARRAY), kind)
    return array_of(value.copy(), kind) if element is kind else None


def _shown(node: exp.Expr) -> exp.Expr | None:
    """The text of an array."""
    to, element = node.args["to"], element_type(node.this.unnest())
    if is_proved(node) or element is None or not to.is_type(*_TEXTS) or to.expressions:
        return None
    texts = node.this.copy() if element in _TEXTS else cast(node.this, "VARCHAR[]", _Type.ARRAY)
    return call("omnisql_a_shown", _Type.TEXT, texts)


def _sliced(node: exp.Expr, _zone: str) -> exp.Expr | None:
    part = node.expressions[0] if len(node.expressions) == 1 else None
    element = element_type(node.this)
    if element is None or not isinstance(part, exp.Slice):
        return None
    ends = [part.this, part.expression]
    if not all(
        end is None or (isinstance(end, exp.Literal) and not end.is_string and end.name.isdigit()) for end in ends
    ):
        return None
    first = whole_literal(max(int(ends[0].name), 1)) if ends[0] is not None else whole_literal(1)
    last = ends[1].copy() if ends[1] is not None else native("len", _Type.BIGINT, node.this)
    return array_of(call("omnisql_a_slice", _Type.ARRAY, node.this, first, last), element)


def _chosen(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """COALESCE or CASE of arrays, some of which may be written down."""
    made = node.copy()
    if isinstance(made, exp.Case) and made.this is not None:
        return None
    branches = [branch.args["true"] for branch in made.args["ifs"]] if isinstance(made, exp.Case) else [made.this]
    branches += [made.args["default"]] if made.args.get("default") is not None else made.expressions
    element = _known_element(*branches)
    if element is None:
        return None
    for branch in branches:
        value = branch if isinstance(branch, exp.Null) else _array(branch, element)
        if value is None:
            return None
        branch.replace(value.copy())
    return array_of(made, element)


def _operator(name: str, *, swapped: bool = False) -> Rule:
    """`@>`, `<@` and `&&` with an array that is written down."""

    def rule(node: exp.Expr, _zone: str) -> exp.Expr | None:
        element = _known_element(node.this, node.expression)
        if element is None:
            return None
        left, right = _array(node.this, element), _array(node.expression, element)
        if left is None or right is None:
            return None
        return call(name, _Type.BOOLEAN, *((right, left) if swapped else (left, right)))

    return rule


def _same_array(name: str) -> Rule:
    def rule(node: exp.Expr, _zone: str) -> exp.Expr | None:
        element = element_type(node.this.unnest())
        plain = len([value for value in node.args.values() if value is not None]) == 1
        return array_of(call(name, _Type.ARRAY, node.this), element) if element is not None and plain else None

    return rule


def _length(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """The length of a dimension that there is not."""
    dimension = node.expression
    other = isinstance(dimension, exp.Literal) and dimension.name.isdigit() and dimension.name != "1"
    return _nothing(_Type.INT) if other and element_type(node.this) is not None else None


def _nothing(kind: exp.DType) -> exp.Expr:
    return cast(exp.Null(), "INTEGER", kind)


def _named(node: exp.Expr, _zone: str) -> exp.Expr | None:
    name, arguments = node.name.upper(), node.expressions
    if is_proved(node) or not arguments:
        return None
    if name == "ARRAY_FILL" and len(arguments) == 2:
        return _filled(*arguments)
    element = element_type(arguments[0].unnest())
    if element is None:
        return None
    if name in ("ARRAY_NDIMS", "ARRAY_DIMS") and len(arguments) == 1:
        kind = _Type.INT if name == "ARRAY_NDIMS" else _Type.TEXT
        return call("omnisql_a_lower" if kind is _Type.INT else "omnisql_a_dims", kind, arguments[0])
    first = len(arguments) == 2 and isinstance(arguments[1], exp.Literal) and arguments[1].name == "1"
    if name == "GENERATE_SUBSCRIPTS" and first and is_output(node):
        return cast(native("generate_subscripts", _Type.BIGINT, arguments[0], whole_literal(1)), "INTEGER", _Type.INT)
    if name == "TRIM_ARRAY" and len(arguments) == 2 and output_type(arguments[1]) in (_Type.SMALLINT, _Type.INT):
        return array_of(call("omnisql_a_trimmed", _Type.ARRAY, *arguments), element)
    return None


def _filled(value: exp.Expr, sizes: exp.Expr) -> exp.Expr | None:
    kind = output_type(value)
    size = sizes.expressions[0] if is_proved(sizes) and len(sizes.expressions) == 1 else None
    known = (
        kind in (*_TEXTS, *INTEGERS) and isinstance(size, exp.Literal) and size.name.isdigit() and len(size.name) < 4
    )
    if not known or kind is None or size is None:
        return None
    return array_of(call("omnisql_a_filled", _Type.ARRAY, value, size), kind)


ARRAY_FORM_RULES: Mapping[type[exp.Expr], Rule] = {
    **dict.fromkeys(_COMPARISONS, _compared),
    exp.Like: _matched,
    exp.Cast: _constructed,
    exp.Bracket: _sliced,
    **dict.fromkeys((exp.Coalesce, exp.Case), _chosen),
    exp.ArrayContainsAll: _operator("omnisql_a_contains"),
    exp.ArrayContainedBy: _operator("omnisql_a_contains", swapped=True),
    exp.ArrayOverlaps: _operator("omnisql_a_overlaps"),
    exp.ArraySort: _same_array("omnisql_a_sorted"),
    exp.ArrayReverse: _same_array("list_reverse"),
    exp.ArraySize: _length,
    exp.Anonymous: _named,
}
"""The rule of each kind of node."""
