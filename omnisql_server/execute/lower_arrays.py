"""Arrays of one dimension by DuckDB's lists: an array that is null or empty, and null elements, as in PostgreSQL. Pure.

PostgreSQL 18, 9.19. A list here never has more dimensions, and its first element has the number 1.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from omnisql_server.execute.lower_rows import array_elements
from omnisql_server.execute.lowered import Rule, call, cast, is_proved, native, proved, whole_literal
from omnisql_server.execute.output_types import INTEGERS, alike, output_type

_Type = exp.DType
_TEXTS = (_Type.TEXT, _Type.VARCHAR)
_ELEMENTS = (*_TEXTS, *INTEGERS)


def element_type(node: exp.Expr | None) -> exp.DType | None:
    """Return the type of an array's elements, None where it is no array of texts or integers."""
    if node is None or output_type(node) is not _Type.ARRAY or node.type is None or not node.type.expressions:
        return None
    inner = node.type.expressions[0]
    kind = inner.this if isinstance(inner, exp.DataType) else None
    return kind if kind in _ELEMENTS else None


def array_of(node: exp.Expr, element: exp.DType) -> exp.Expr:
    """Mark a list of a type of elements as right."""
    proved(node, _Type.ARRAY)
    node.type = exp.DataType(this=_Type.ARRAY, expressions=[exp.DataType(this=element)], nested=True)
    return node


def _list(name: str, element: exp.DType, *arguments: exp.Expr) -> exp.Expr:
    return array_of(call(name, _Type.ARRAY, *arguments), element)


def _column(node: exp.Expr) -> exp.Expr:
    """Let an array column stand as an argument."""
    inner = node.unnest()
    element = element_type(inner)
    return array_of(inner.copy(), element) if element is not None else inner.copy()


def _same(array: exp.Expr | None, value: exp.Expr | None) -> exp.DType | None:
    element = element_type(array)
    kind = output_type(value) if value is not None else None
    known = element is not None and (kind is element or (kind in _TEXTS and element in _TEXTS))
    return element if known else None


def _constructed(node: exp.Expr, _zone: str) -> exp.Expr | None:
    values = node.expressions
    kind = output_type(values[0]) if values else None
    scalar = kind in _ELEMENTS and not any(isinstance(value, exp.Null | exp.Query) for value in values)
    if not scalar or kind is None or alike(values) is not None or isinstance(node.parent, exp.Any):
        return None
    kinds = {output_type(value) for value in values}
    wide = max(kinds, key=_ELEMENTS.index) if kinds <= set(INTEGERS) else kind
    return _list("list_value", wide or kind, *values)


def _constant(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """Read a constant array from its text form."""
    to = node.args["to"]
    kind = to.expressions[0].this if to.is_type(_Type.ARRAY) and to.expressions else None
    if is_proved(node) or kind not in _ELEMENTS or isinstance(node.parent, exp.Any):
        return None
    elements = array_elements(node)
    return _list("list_value", kind, *elements) if elements else None


def _length(node: exp.Expr, _zone: str) -> exp.Expr | None:
    dimension = node.expression
    first = isinstance(dimension, exp.Literal) and dimension.name == "1"
    return call("omnisql_a_length", _Type.INT, _column(node.this)) if first and element_type(node.this) else None


def _element(node: exp.Expr, _zone: str) -> exp.Expr | None:
    place = node.expressions[0] if len(node.expressions) == 1 else None
    sign, number = (-1, place.this) if isinstance(place, exp.Neg) else (1, place)
    element = element_type(node.this)
    if element is None or not isinstance(number, exp.Literal) or number.is_string or not number.name.isdigit():
        return None
    place_number = sign * int(number.name) + 1
    if place_number < 1:
        return proved(exp.Cast(this=exp.Null(), to=_duckdb(element)), element)
    return native("list_extract", element, _column(node.this), whole_literal(place_number))


def _duckdb(kind: exp.DType) -> exp.DataType:
    return proved(exp.DataType(this=kind), kind)  # type: ignore[return-value]


def _joined(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """`||` of arrays, or of an array and an element."""
    left, right = node.this, node.expression
    one, other = element_type(left), element_type(right)
    if one is not None and (one is other or {one, other} <= set(_TEXTS)):
        return _list("omnisql_a_cat", one, _column(left), _column(right))
    if one is not None and _same(left, right):
        return _list("omnisql_a_append", one, _column(left), right)
    if other is not None and _same(right, left):
        return _list("omnisql_a_prepend", other, left, _column(right))
    return None


def _appended(node: exp.Expr, _zone: str) -> exp.Expr | None:
    element = _same(node.this, node.expression)
    return _list("omnisql_a_append", element, _column(node.this), node.expression) if element else None


def _prepended(node: exp.Expr, _zone: str) -> exp.Expr | None:
    element = _same(node.this, node.expression)
    return _list("omnisql_a_prepend", element, node.expression, _column(node.this)) if element else None


def _concatenated(node: exp.Expr, _zone: str) -> exp.Expr | None:
    others, element = node.expressions, element_type(node.this)
    if len(others) != 1 or element is None or element_type(others[0]) is not element:
        return None
    return _list("omnisql_a_cat", element, _column(node.this), _column(others[0]))


def _compared(name: str, *, swapped: bool = False) -> Rule:
    def rule(node: exp.Expr, _zone: str) -> exp.Expr | None:
        sides = [node.this, node.expression]
        kinds = [element_type(side) for side in sides]
        if kinds[0] is None or (kinds[0] is not kinds[1] and not set(kinds) <= set(_TEXTS)):
            return None
        left, right = reversed(sides) if swapped else sides
        return call(name, _Type.BOOLEAN, _column(left), _column(right))

    return rule


def _text(node: exp.Expr, _zone: str) -> exp.Expr | None:
    sign, filler = node.expression, node.args.get("null")
    texts = element_type(node.this) in _TEXTS and sign is not None and output_type(sign) in _TEXTS
    if not texts or (filler is not None and output_type(filler) not in _TEXTS):
        return None
    if filler is None:
        return call("omnisql_a_text", _Type.TEXT, _column(node.this), sign)
    return call("omnisql_a_text_with", _Type.TEXT, _column(node.this), sign, filler)


def _split(node: exp.Expr, _zone: str) -> exp.Expr | None:
    sign, none = node.expression, node.args.get("null")
    if output_type(node.this) not in _TEXTS or sign is None:
        return None
    separator = exp.Cast(this=sign.copy(), to=_duckdb(_Type.TEXT)) if isinstance(sign, exp.Null) else sign
    if not isinstance(sign, exp.Null) and output_type(sign) not in _TEXTS:
        return None
    if none is None:
        return _list("omnisql_a_split", _Type.TEXT, node.this, proved(separator.copy(), _Type.TEXT))
    if output_type(none) not in _TEXTS:
        return None
    return _list("omnisql_a_split_null", _Type.TEXT, node.this, proved(separator.copy(), _Type.TEXT), none)


def _removed(node: exp.Expr, _zone: str) -> exp.Expr | None:
    element = _same(node.this, node.expression)
    return _list("omnisql_a_remove", element, _column(node.this), node.expression) if element else None


def _position(node: exp.Expr, _zone: str) -> exp.Expr | None:
    plain = _same(node.this, node.expression) and len([value for value in node.args.values() if value is not None]) == 2
    constant = isinstance(node.expression, exp.Literal)
    return call("omnisql_a_position", _Type.INT, _column(node.this), node.expression) if plain and constant else None


def _named(node: exp.Expr, _zone: str) -> exp.Expr | None:
    if is_proved(node):
        return None
    if node.name == "omnisql_ordinality" and element_type(node.expressions[0]) is not None:
        return native("generate_subscripts", _Type.BIGINT, _column(node.expressions[0]), whole_literal(1))
    name, arguments = node.name.upper(), node.expressions
    element = element_type(arguments[0]) if arguments else None
    if element is None:
        return None
    array, rest = _column(arguments[0]), arguments[1:]
    first = len(rest) == 1 and isinstance(rest[0], exp.Literal) and rest[0].name == "1"
    if name == "CARDINALITY" and not rest:
        return call("omnisql_a_cardinality", _Type.INT, array)
    if name in ("ARRAY_UPPER", "ARRAY_LOWER") and first:
        return call("omnisql_a_length" if name == "ARRAY_UPPER" else "omnisql_a_lower", _Type.INT, array)
    if name == "ARRAY_REPLACE" and len(rest) == 2 and all(_same(arguments[0], value) for value in rest):
        return _list("omnisql_a_replace", element, array, *rest)
    if (
        name == "ARRAY_POSITIONS"
        and len(rest) == 1
        and isinstance(rest[0], exp.Literal)
        and _same(arguments[0], rest[0])
    ):
        return _list("omnisql_a_positions", _Type.INT, array, *rest)
    return None


def _exploded(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """`unnest` among the outputs gives a row for each element, and none for an array that is null or empty."""
    element = element_type(node.this)
    return native("unnest", element, _column(node.this)) if element is not None and is_output(node) else None


def _series(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """`generate_series` of integers, by a step that is not 0."""
    ends = [node.args.get("start"), node.args.get("end")]
    step = node.args.get("step")
    bounds = [end for end in ends if end is not None and output_type(end) in (_Type.SMALLINT, _Type.INT)]
    number = step.this if isinstance(step, exp.Neg) else step
    stepped = number is None or (isinstance(number, exp.Literal) and number.name.isdigit() and int(number.name) > 0)
    if len(bounds) != 2 or not stepped or not is_output(node):
        return None
    series = native("generate_series", _Type.ARRAY, *bounds, *([step] if step is not None else []))
    return cast(native("unnest", _Type.INT, series), "INTEGER", _Type.INT)


def is_output(node: exp.Expr) -> bool:
    """Say whether a node is among the outputs of a query that neither groups nor aggregates its rows."""
    select = node.find_ancestor(exp.Select)
    output = node.parent if isinstance(node.parent, exp.Alias) else node
    if select is None or output.arg_key != "expressions" or output.parent is not select:
        return False
    shaped = any(select.args.get(key) for key in ("group", "distinct", "having"))
    return not shaped and not any(one.find(exp.AggFunc, exp.Window) for one in select.expressions)


def _every(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """`value = ALL (array)`."""
    over = node.expression
    if not isinstance(over, exp.Anonymous) or over.name.upper() != "ALL" or len(over.expressions) != 1:
        return None
    array = over.expressions[0].unnest()
    return call("omnisql_a_every", _Type.BOOLEAN, _column(array), node.this) if _same(array, node.this) else None


ARRAY_RULES: Mapping[type[exp.Expr], Rule] = {
    exp.Array: _constructed,
    exp.Cast: _constant,
    exp.ArraySize: _length,
    exp.Bracket: _element,
    exp.DPipe: _joined,
    exp.ArrayAppend: _appended,
    exp.ArrayPrepend: _prepended,
    exp.ArrayConcat: _concatenated,
    exp.ArrayContainsAll: _compared("omnisql_a_contains"),
    exp.ArrayContainedBy: _compared("omnisql_a_contains", swapped=True),
    exp.ArrayOverlaps: _compared("omnisql_a_overlaps"),
    exp.ArrayToString: _text,
    exp.StringToArray: _split,
    exp.ArrayRemove: _removed,
    exp.ArrayPosition: _position,
    exp.Anonymous: _named,
    exp.Explode: _exploded,
    exp.ExplodingGenerateSeries: _series,
    exp.EQ: _every,
}
"""The rule of each kind of node."""
