"""Functions and operators of integers, and what is asked of a numeric's digits. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from omnisql_server.execute.lowered import Rule, call, cast, is_proved, native, proved
from omnisql_server.execute.output_types import INTEGERS, output_type

_Type = exp.DType
_SMALL = (_Type.SMALLINT, _Type.INT)
_BITS = {_Type.INT: 32, _Type.BIGINT: 64}
_DUCKDB = {_Type.SMALLINT: "SMALLINT", _Type.INT: "INTEGER", _Type.BIGINT: "BIGINT"}


def _shifted(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """Shift by fewer bits than there are; to the left, what leaves the type's range is PostgreSQL's."""
    kind, count = output_type(node.this), node.expression
    plain = isinstance(count, exp.Literal) and not count.is_string and count.name.isdigit()
    if kind not in _BITS or kind is None or not plain or int(count.name) >= _BITS[kind]:
        return None
    power = exp.Literal.number(1 << int(count.name))
    wide = cast(node.this, "HUGEINT", _Type.INT128)
    if isinstance(node, exp.BitwiseLeftShift):
        return cast(proved(exp.Mul(this=wide, expression=power), _Type.INT128), _DUCKDB[kind], kind)
    return cast(call("omnisql_floored", _Type.INT128, wide, power), _DUCKDB[kind], kind)


def _named(node: exp.Expr, _zone: str) -> exp.Expr | None:
    if is_proved(node):
        return None
    name, arguments = node.name.upper(), node.expressions
    kinds = [output_type(argument) for argument in arguments]
    if name in ("GCD", "LCM") and len(kinds) == 2 and all(kind in _SMALL for kind in kinds):
        wide = [cast(argument, "BIGINT", _Type.BIGINT) for argument in arguments]
        return cast(native("abs", _Type.BIGINT, native(name.lower(), _Type.BIGINT, *wide)), "INTEGER", _Type.INT)
    if name in ("TO_BIN", "TO_OCT", "TO_HEX") and kinds == [_Type.INT]:
        return call(f"omnisql_{name.lower()}", _Type.TEXT, *arguments)
    if kinds != [_Type.DECIMAL] or isinstance(arguments[0], exp.Literal):
        return None
    if name == "TRIM_SCALE":
        return call("omnisql_n_trim", _Type.DECIMAL, *arguments)
    if name in ("SCALE", "MIN_SCALE"):
        return cast(call(f"omnisql_n_{name.lower()}", _Type.TEXT, *arguments), "INTEGER", _Type.INT)
    return None


def _hexadecimal(node: exp.Expr, _zone: str) -> exp.Expr | None:
    return call("omnisql_to_hex", _Type.TEXT, node.this) if output_type(node.this) is _Type.INT else None


def _factorial(node: exp.Expr, _zone: str) -> exp.Expr | None:
    return call("omnisql_n_factorial", _Type.DECIMAL, node.this) if output_type(node.this) in INTEGERS else None


def _root(node: exp.Expr, _zone: str) -> exp.Expr | None:
    known = output_type(node.this) is _Type.DECIMAL and not isinstance(node.this, exp.Literal)
    return call("omnisql_n_sqrt", _Type.DECIMAL, node.this) if known else None


INTEGER_RULES: Mapping[type[exp.Expr], Rule] = {
    **dict.fromkeys((exp.BitwiseLeftShift, exp.BitwiseRightShift), _shifted),
    exp.Factorial: _factorial,
    exp.Hex: _hexadecimal,
    exp.Sqrt: _root,
    exp.Anonymous: _named,
}
"""The rule of each kind of node."""
