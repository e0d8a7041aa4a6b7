"""Constants, casts to text, and functions of numbers and moments that one call of DuckDB's stands for. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from sqlglot import exp

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
from omnisql_server.execute.output_types import COMPARED, INTEGERS, output_type

_Type = exp.DType
_TEXTS = (_Type.TEXT, _Type.VARCHAR)
_MOMENTS = (_Type.DATE, _Type.TIMESTAMP, _Type.TIMESTAMPTZ)
_NUMBER = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,2})?", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?")


def _literal(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """A number that is shown is numeric's text; one with an exponent is written out."""
    if not isinstance(node, exp.Literal) or node.is_string or not _NUMBER.fullmatch(node.name):
        return None
    shown = format(Decimal(node.name), "f")
    alone = output_type(node) is _Type.DECIMAL and isinstance(node.parent, exp.Alias | exp.Select)
    if alone and node.find_ancestor(exp.SetOperation, exp.Group) is None and len(shown) < 60:
        return text_literal(shown, _Type.DECIMAL)
    written = "e" in node.name.lower() and len(shown) < 30
    return typed(exp.Literal.number(shown), _Type.DECIMAL) if written else None


def _cast(node: exp.Expr, _zone: str) -> exp.Expr | None:
    to, value = node.args["to"], node.this
    if is_proved(node) or isinstance(value, exp.Null):
        return None
    if isinstance(value, exp.Literal) and value.is_string:
        return _constant(to, value.name)
    kind = output_type(value)
    if kind is _Type.UUID and to.is_type(*_TEXTS) and not to.expressions:
        return proved(exp.Paren(this=value.copy()), _Type.TEXT)
    if kind is _Type.DOUBLE and to.is_type(*_TEXTS) and not to.expressions:
        return call("omnisql_f_text", _Type.TEXT, value)
    if kind is _Type.DOUBLE and to.is_type(_Type.DECIMAL) and not to.expressions:
        return call("omnisql_f_numeric", _Type.DECIMAL, value)
    if kind in _TEXTS and to.is_type(_Type.DOUBLE):
        return cast(call("omnisql_f_read", _Type.TEXT, value), "DOUBLE", _Type.DOUBLE)
    return _rounded_moment(to, value) if kind in _MOMENTS[1:] and to.is_type(kind) else None


def _constant(to: exp.DataType, text: str) -> exp.Expr | None:
    if to.is_type(_Type.UUID) and _UUID.fullmatch(text):
        return text_literal(text, _Type.UUID)
    if to.is_type(_Type.TIME) and not to.expressions and _CLOCK.fullmatch(text):
        return cast(text_literal(text), "TIME", _Type.TIME)
    return None


def _rounded_moment(to: exp.DataType, value: exp.Expr) -> exp.Expr | None:
    places = to.expressions[0].this if len(to.expressions) == 1 else None
    known = isinstance(places, exp.Literal) and places.name in "0123456" and places.name
    if not known or places is None:
        return None
    unit = whole_literal(10 ** (6 - int(places.name)))
    name = "omnisql_rounded_zoned" if to.is_type(_Type.TIMESTAMPTZ) else "omnisql_rounded"
    return call(name, to.this, value, unit)


def _any_value(node: exp.Expr, _zone: str) -> exp.Expr | None:
    kind = output_type(node.this)
    plain = kind in COMPARED and not isinstance(node.this, exp.Order | exp.Distinct)
    return native("any_value", kind, node.this) if plain and kind is not None else None


def _exclusive(node: exp.Expr, _zone: str) -> exp.Expr | None:
    kind = output_type(node.this)
    return native("bit_xor", kind, node.this) if kind in INTEGERS and kind is not None else None


def _named(node: exp.Expr, _zone: str) -> exp.Expr | None:
    if is_proved(node):
        return None
    name, arguments = node.name.upper(), node.expressions
    kinds = [output_type(argument) for argument in arguments]
    if name == "EVERY" and kinds == [_Type.BOOLEAN]:
        return typed(exp.LogicalAnd(this=arguments[0].copy()), _Type.BOOLEAN)
    if name == "ISFINITE" and len(kinds) == 1 and kinds[0] in _MOMENTS:
        return native("isfinite", _Type.BOOLEAN, *arguments)
    if name == "MAKE_DATE" and len(kinds) == 3 and all(kind in INTEGERS[:2] for kind in kinds):
        return call("omnisql_make_date", _Type.DATE, *arguments)
    return None


def _endless(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """LIMIT ALL is no limit; a fraction is rounded, and a subquery of a constant is the constant."""
    count = node.expression
    inner = count.unnest() if isinstance(count, exp.Subquery) else count
    if isinstance(inner, exp.Select) and len(inner.selects) == 1 and set(map(type, inner.walk())) <= _CONSTANT_SELECT:
        return type(node)(expression=inner.selects[0].unalias().copy())
    if isinstance(count, exp.Literal) and not count.is_string and re.fullmatch(r"[0-9]{1,9}\.[0-9]{1,9}", count.name):
        return type(node)(expression=whole_literal(int(Decimal(count.name).quantize(Decimal(1), ROUND_HALF_UP))))
    return exp.Limit(expression=exp.Null()) if isinstance(count, exp.Var) else None


def _read_as_number(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """A string that is written down beside integers, in COALESCE or NULLIF or a set operation, is an integer."""
    sides = [node.this, node.args.get("expression"), *node.expressions]
    if isinstance(node, exp.SetOperation):
        selects = [side.unnest() for side in (node.this, node.expression)]
        sides = [
            side.selects[0].unalias() for side in selects if isinstance(side, exp.Select) and len(side.selects) == 1
        ]
        if len(sides) != 2:
            return None
    known = [side for side in sides if side is not None and not isinstance(side, exp.Null)]
    strings = [side for side in known if isinstance(side, exp.Literal) and side.is_string]
    kinds = {output_type(side) for side in known if not any(side is string for string in strings)}
    if not strings or len(kinds) != 1 or not kinds <= set(INTEGERS):
        return None
    if not all(re.fullmatch(r"[0-9]{1,9}", string.name) for string in strings):
        return None
    (kind,) = kinds
    for string in strings:
        string.replace(cast(whole_literal(int(string.name)), _WHOLE_TYPES[kind or _Type.INT], kind or _Type.INT))
    return node.copy()


_CONSTANT_SELECT = {exp.Select, exp.Alias, exp.Literal, exp.Identifier}
_WHOLE_TYPES = {_Type.SMALLINT: "SMALLINT", _Type.INT: "INTEGER", _Type.BIGINT: "BIGINT"}


VALUE_RULES: Mapping[type[exp.Expr], Rule] = {
    exp.Literal: _literal,
    exp.Cast: _cast,
    exp.AnyValue: _any_value,
    exp.BitwiseXorAgg: _exclusive,
    exp.Anonymous: _named,
    **dict.fromkeys((exp.Coalesce, exp.Nullif, exp.Union, exp.Intersect, exp.Except), _read_as_number),
    **dict.fromkeys((exp.Limit, exp.Offset), _endless),
}
"""The rule of each kind of node."""
