"""jsonb by the functions of `json_functions`: its operators, comparisons, casts, and texts that are made JSON. Pure.

PostgreSQL 18, 9.16. A column holds any JSON text until it is shown; where rows are grouped by it, values whose
equals may look different are PostgreSQL's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp

from omnisql_server.execute import json_values
from omnisql_server.execute.json_functions import SEPARATOR
from omnisql_server.execute.lower_arrays import element_type, is_output
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
from omnisql_server.execute.output_types import INTEGERS, output_type

_Type = exp.DType
_JSONB = _Type.JSONB
_TEXTS = (_Type.TEXT, _Type.VARCHAR)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_PATH = re.compile(r"\{[A-Za-z0-9_-]+(,[A-Za-z0-9_-]+)*\}")


def _is_jsonb(node: exp.Expr | None) -> bool:
    return node is not None and output_type(node) is _JSONB


def _is_text(node: exp.Expr | None) -> bool:
    return node is not None and output_type(node) in _TEXTS


def _is_string(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and node.is_string


def _value(node: exp.Expr | None) -> exp.Expr | None:
    """Give a jsonb as an argument, be it a string that is written down; None where PostgreSQL would not read it."""
    inner = node.unnest() if node is not None and not isinstance(node, exp.Subquery) else node
    written = inner.this if isinstance(inner, exp.Cast) and inner.to.is_type(_JSONB) else inner
    if isinstance(written, exp.Literal) and written.is_string:
        try:
            return text_literal(json_values.write(json_values.read(written.name)), _JSONB)
        except (ValueError, RecursionError):
            return None
    return inner.copy() if inner is not None and _is_jsonb(inner) else None


def _column(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """Write a column as jsonb is shown; `_is_alone` where equal values have to look alike."""
    if not _is_jsonb(node) or isinstance(node.parent, exp.Is | exp.Count):
        return None
    return call("omnisql_j_alone" if _is_alone(node) else "omnisql_j_read", _JSONB, node)


def _is_alone(node: exp.Expr) -> bool:
    select = node.find_ancestor(exp.Query)
    within = node.find_ancestor(exp.SetOperation) is not None
    grouped = isinstance(select, exp.Select) and (select.args.get("group") or select.args.get("distinct"))
    return within or bool(grouped) or node.find_ancestor(exp.Window) is not None


def looks_alike(node: exp.Expr) -> bool:
    """Say whether equal values of a jsonb are the same text."""
    inner = node.unalias().unnest()
    if not isinstance(inner, exp.Anonymous) or not is_proved(inner):
        return False
    return inner.name == "omnisql_j_alone" or (inner.name in _PARTS and looks_alike(inner.expressions[0]))


_PARTS = ("omnisql_j_get", "omnisql_j_at", "omnisql_j_path")


def _extracted(*, shown: bool) -> Rule:
    def rule(node: exp.Expr, _zone: str) -> exp.Expr | None:
        value, path = _value(node.this), node.expression
        if value is None or _is_string(node.this):
            return None
        name, kind = ("omnisql_j_{}", _JSONB) if shown else ("omnisql_j_{}_text", _Type.TEXT)
        steps = path.expressions if isinstance(path, exp.JSONPath) else []
        step = steps[1] if len(steps) == 2 and isinstance(steps[0], exp.JSONPathRoot) else None
        if isinstance(step, exp.JSONPathKey) and isinstance(step.this, str):
            return call(name.format("get"), kind, value, text_literal(step.this))
        if isinstance(step, exp.JSONPathSubscript) and isinstance(step.this, int):
            return call(name.format("at"), kind, value, whole_literal(step.this))
        if not isinstance(path, exp.Literal) and _is_text(path):
            return call(name.format("get"), kind, value, path)
        small = output_type(path) in INTEGERS[:2]
        return call(name.format("at"), kind, value, path) if small else None

    return rule


def _steps(node: exp.Expr | None) -> exp.Expr | None:
    """Give a path, or a list of names, as a list of texts."""
    if node is not None and _is_string(node) and _PATH.fullmatch(node.name):
        words = node.name[1:-1].split(",")
        plain = [word for word in words if word.upper() != "NULL"]
        return native("list_value", _Type.ARRAY, *map(text_literal, words)) if len(plain) == len(words) else None
    if node is not None and _is_string(node) and node.name == "{}":
        return cast(native("list_value", _Type.ARRAY), "VARCHAR[]", _Type.ARRAY)
    return node.copy() if node is not None and is_proved(node) and element_type(node) in _TEXTS else None


def _followed(name: str, kind: exp.DType) -> Rule:
    def rule(node: exp.Expr, _zone: str) -> exp.Expr | None:
        value, path = _value(node.this), _steps(node.expression)
        known = value is not None and path is not None and not _is_string(node.this)
        return call(name, kind, value, path) if known and value is not None and path is not None else None

    return rule


def _told(name: str, *arguments: exp.Expr) -> exp.Expr:
    return cast(call(name, _Type.TEXT, *arguments), "BOOLEAN", _Type.BOOLEAN)


def _contained(*, swapped: bool = False) -> Rule:
    def rule(node: exp.Expr, _zone: str) -> exp.Expr | None:
        if not (_is_jsonb(node.this) or _is_jsonb(node.expression)):
            return None
        left, right = _value(node.this), _value(node.expression)
        if left is None or right is None:
            return None
        return _told("omnisql_j_contains", *((right, left) if swapped else (left, right)))

    return rule


def _has(node: exp.Expr, _zone: str) -> exp.Expr | None:
    known = _is_jsonb(node.this) and _is_text(node.expression)
    return _told("omnisql_j_has", node.this, node.expression) if known else None


def _has_some(name: str) -> Rule:
    def rule(node: exp.Expr, _zone: str) -> exp.Expr | None:
        names = _steps(node.expression)
        return _told(name, node.this, names) if _is_jsonb(node.this) and names is not None else None

    return rule


def _joined(node: exp.Expr, _zone: str) -> exp.Expr | None:
    left, right = _value(node.this), _value(node.expression)
    known = (_is_jsonb(node.this) or _is_jsonb(node.expression)) and left is not None and right is not None
    return call("omnisql_j_joined", _JSONB, left, right) if known and left is not None and right is not None else None


def _without(node: exp.Expr, _zone: str) -> exp.Expr | None:
    if not _is_jsonb(node.this):
        return None
    if _is_text(node.expression):
        return call("omnisql_j_without", _JSONB, node.this, node.expression)
    small = output_type(node.expression) in INTEGERS[:2]
    return call("omnisql_j_without_place", _JSONB, node.this, node.expression) if small else None


def _key(node: exp.Expr) -> exp.Expr | None:
    value = node.copy() if isinstance(node, exp.Null) else _value(node)
    return value if value is None or isinstance(value, exp.Null) else call("omnisql_j_key", _Type.TEXT, value)


def _compared(node: exp.Expr, _zone: str) -> exp.Expr | None:
    if isinstance(node.expression, exp.Any | exp.All | exp.Query) or not any(
        _is_jsonb(side) for side in (node.this, node.expression)
    ):
        return None
    left, right = _key(node.this), _key(node.expression)
    if left is None or right is None:
        return None
    return typed(type(node)(this=left, expression=right), _Type.BOOLEAN)


def _ordered(node: exp.Expr, _zone: str) -> exp.Expr | None:
    value = node.this
    if not _is_jsonb(value) or isinstance(node.find_ancestor(exp.Query), exp.SetOperation):
        return None
    made = node.copy()
    made.set("this", call("omnisql_j_key", _Type.TEXT, value))
    return made


def _distinct(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """Count distinct values by their keys."""
    plain = isinstance(node.parent, exp.Count) and len(node.expressions) == 1 and _is_jsonb(node.expressions[0])
    return exp.Distinct(expressions=[call("omnisql_j_key", _Type.TEXT, node.expressions[0])]) if plain else None


def _cast(node: exp.Expr, _zone: str) -> exp.Expr | None:
    to, value = node.args["to"], node.this
    if is_proved(node) or to.expressions:
        return None
    if to.is_type(_Type.JSON) and _is_string(value):
        return (
            text_literal(value.name, _Type.JSON)
            if _value(exp.Cast(this=value, to=exp.DType.JSONB.into_expr()))
            else None
        )
    if to.is_type(_JSONB) and (_is_text(value) and not isinstance(value, exp.Null)):
        return _value(node) if isinstance(value, exp.Literal) else call("omnisql_j_read", _JSONB, value)
    if not _is_jsonb(value):
        return None
    if to.is_type(*_TEXTS):
        return call("omnisql_j_read", _Type.TEXT, value)
    if to.is_type(_Type.BOOLEAN):
        return _told("omnisql_j_boolean", value)
    number = call("omnisql_j_number", _Type.DECIMAL, value)
    if to.is_type(_Type.DECIMAL):
        return number
    names = {_Type.SMALLINT: "SMALLINT", _Type.INT: "INTEGER", _Type.BIGINT: "BIGINT"}
    if to.this not in names:
        return None
    return cast(call("omnisql_n_round", _Type.DECIMAL, number, whole_literal(0)), names[to.this], to.this)


def json_text(node: exp.Expr) -> exp.Expr | None:
    """Write a value as JSON as `to_json` and `to_jsonb` do, null as null; None for a type whose form is another."""
    kind = output_type(node)
    if isinstance(node, exp.Null):
        return text_literal("null", _JSONB)
    if kind in _TEXTS:
        return call("omnisql_j_quote", _JSONB, node)
    if kind in INTEGERS or kind is _Type.BOOLEAN:
        return cast(node, "VARCHAR", _JSONB)
    if kind is _Type.DATE:
        return call("omnisql_j_quote", _JSONB, cast(call("omnisql_near", kind, node), "VARCHAR", _Type.TEXT))
    return node.copy() if kind is _JSONB else None


def _element(node: exp.Expr) -> exp.Expr | None:
    text = json_text(node)
    return native("coalesce", _JSONB, text, text_literal("null")) if text is not None else None


def _made(value: exp.Expr, kind: exp.DType = _JSONB) -> exp.Expr:
    return proved(value, kind)


def _collected(node: exp.Expr) -> exp.Expr | None:
    """`json_agg` and `jsonb_agg`: null over no rows."""
    inner = node.this if isinstance(node, exp.JSONArrayAgg) else node.expressions[0]
    value = inner.this if isinstance(inner, exp.Order) else inner
    element = _element(value) if not isinstance(value, exp.Distinct) else None
    if element is None or isinstance(node.parent, exp.Filter | exp.Window) or node.args.get("null_handling"):
        return None
    listed: exp.Expr = element
    if isinstance(inner, exp.Order):
        listed = inner.copy()
        listed.set("this", element)
    whole = native("array_to_string", _Type.TEXT, native("list", _Type.ARRAY, listed), text_literal(", "))
    return native("omnisql_j_array", _Type.JSON if isinstance(node, exp.JSONArrayAgg) else _JSONB, whole)


def _listed(node: exp.Expr, _zone: str) -> exp.Expr | None:
    return _collected(node)


def _fields(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """`jsonb_object_agg`: of equal names the last counts, whose order is open."""
    element = _element(node.expression)
    name = node.this
    if (
        element is None
        or isinstance(node.parent, exp.Filter | exp.Window)
        or output_type(name) not in (*_TEXTS, *INTEGERS)
    ):
        return None
    word = name.copy() if _is_text(name) else cast(name, "VARCHAR", _Type.TEXT)
    pair = call("omnisql_j_pair", _Type.TEXT, call("omnisql_j_quote", _Type.TEXT, word), element)
    whole = native("array_to_string", _Type.TEXT, native("list", _Type.ARRAY, pair), text_literal(", "))
    return call("omnisql_j_read", _JSONB, call("omnisql_j_object", _Type.TEXT, whole))


def _built(name: str, values: list[exp.Expr]) -> exp.Expr | None:
    """`json_build_object` and its like."""
    plural = name.endswith("OBJECT")
    known = [element for value in values if (element := _element(value)) is not None]
    if len(known) < len(values) or not values or (plural and len(values) % 2):
        return None
    if plural and not all(_is_string(value) for value in values[::2]):
        return None
    between, marks = (" : " if name.startswith("JSON_") else ": "), "{}" if plural else "[]"
    parts: list[exp.Expr] = [text_literal(marks[0])]
    for place, element in enumerate(known):
        sign = "" if place == 0 else between if plural and place % 2 else ", "
        parts += [text_literal(sign), element]
    whole = native("concat", _Type.TEXT, *parts, text_literal(marks[1]))
    return _made(whole, _Type.JSON) if name.startswith("JSON_") else call("omnisql_j_read", _JSONB, whole)


def _named(node: exp.Expr, _zone: str) -> exp.Expr | None:
    if is_proved(node):
        return None
    name, arguments = node.name.upper(), node.expressions
    if name in ("JSONB_BUILD_OBJECT", "JSONB_BUILD_ARRAY", "JSON_BUILD_OBJECT", "JSON_BUILD_ARRAY"):
        return _built(name, arguments)
    if name == "JSONB_AGG" and len(arguments) == 1:
        return _collected(node)
    if name in ("TO_JSONB", "TO_JSON") and len(arguments) == 1 and not _is_string(arguments[0]):
        made = json_text(arguments[0])
        plain = name == "TO_JSONB" or output_type(arguments[0]) is not _JSONB
        return typed(made, _JSONB if name == "TO_JSONB" else _Type.JSON) if made is not None and plain else None
    if len(arguments) != 1 or not _is_jsonb(arguments[0]):
        return None
    if name == "JSONB_ARRAY_LENGTH":
        return cast(call("omnisql_j_length", _Type.TEXT, arguments[0]), "INTEGER", _Type.INT)
    if name in _SERIES:
        return _series(_SERIES[name], arguments[0]) if is_output(node) else None
    known = _OF_ONE.get(name)
    return call(known[0], known[1], arguments[0]) if known is not None else None


def _series(name: tuple[str, exp.DType], value: exp.Expr) -> exp.Expr:
    """Give a row for each element or key, and none for null."""
    parts = native("string_split", _Type.ARRAY, call(name[0], _Type.TEXT, value), text_literal(SEPARATOR))
    return native("unnest", name[1], parts)


def _chosen(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """COALESCE or CASE of jsonb, some of whose branches may be written down."""
    made = node.copy()
    branches = [*(branch.args["true"] for branch in made.args["ifs"])] if isinstance(made, exp.Case) else [made.this]
    branches += [made.args["default"]] if made.args.get("default") is not None else made.expressions
    if not any(_is_jsonb(branch) for branch in branches) or (isinstance(made, exp.Case) and made.this is not None):
        return None
    for branch in branches:
        value = branch if isinstance(branch, exp.Null) else _value(branch)
        if value is None:
            return None
        branch.replace(value.copy())
    return proved(made, _JSONB)


def _part(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """`value['name']` is `value -> 'name'`."""
    step = node.expressions[0] if len(node.expressions) == 1 else None
    if not _is_jsonb(node.this) or not isinstance(step, exp.Literal):
        return None
    if step.is_string:
        return call("omnisql_j_get", _JSONB, node.this, text_literal(step.name))
    return call("omnisql_j_at", _JSONB, node.this, step) if output_type(step) is _Type.INT else None


_SERIES: Mapping[str, tuple[str, exp.DType]] = {
    "JSONB_ARRAY_ELEMENTS": ("omnisql_j_elements", _JSONB),
    "JSONB_ARRAY_ELEMENTS_TEXT": ("omnisql_j_element_texts", _Type.TEXT),
    "JSONB_OBJECT_KEYS": ("omnisql_j_keys", _Type.TEXT),
}
_OF_ONE: Mapping[str, tuple[str, exp.DType]] = {
    "JSONB_TYPEOF": ("omnisql_j_kind", _Type.TEXT),
    "JSONB_PRETTY": ("omnisql_j_pretty", _Type.TEXT),
    "JSONB_STRIP_NULLS": ("omnisql_j_without_nulls", _JSONB),
}

JSON_RULES: Mapping[type[exp.Expr], Rule] = {
    exp.Column: _column,
    exp.JSONExtract: _extracted(shown=True),
    exp.JSONExtractScalar: _extracted(shown=False),
    exp.JSONBExtract: _followed("omnisql_j_path", _JSONB),
    exp.JSONBExtractScalar: _followed("omnisql_j_path_text", _Type.TEXT),
    exp.JSONBDeleteAtPath: _followed("omnisql_j_without_path", _JSONB),
    exp.ArrayContainsAll: _contained(),
    exp.ArrayContainedBy: _contained(swapped=True),
    exp.JSONBContainsTopKey: _has,
    exp.JSONBContainsAnyTopKeys: _has_some("omnisql_j_has_any"),
    exp.JSONBContainsAllTopKeys: _has_some("omnisql_j_has_all"),
    exp.DPipe: _joined,
    exp.Sub: _without,
    **dict.fromkeys(_COMPARISONS, _compared),
    exp.Ordered: _ordered,
    exp.Distinct: _distinct,
    exp.Cast: _cast,
    **dict.fromkeys((exp.Coalesce, exp.Case), _chosen),
    exp.Bracket: _part,
    exp.JSONArrayAgg: _listed,
    exp.JSONBObjectAgg: _fields,
    exp.Anonymous: _named,
}
"""The rule of each kind of node."""
