"""Arithmetic, comparisons and aggregates of numeric by `numeric_functions`. Pure.

In DuckDB a numeric is its text. INT128 is the type of numerics that are whole numbers and stay numbers there: the sum
of bigints, and what extract gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

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
from omnisql_server.execute.output_types import INTEGERS, output_type, sort_key

_Type = exp.DType
_WHOLE = (*INTEGERS, _Type.INT128)
_EXACT = (*_WHOLE, _Type.DECIMAL)
_PLAIN = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_SPECIAL = ("NaN", "Infinity", "-Infinity")
_OPERATORS: Mapping[type[exp.Expr], str] = {
    exp.Add: "omnisql_n_add",
    exp.Sub: "omnisql_n_sub",
    exp.Mul: "omnisql_n_mul",
    exp.Div: "omnisql_n_div",
    exp.Mod: "omnisql_n_mod",
}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)


def is_literal(node: exp.Expr) -> bool:
    """Say whether a node is a number that is written down, with its sign."""
    node = node.unnest()
    if isinstance(node, exp.Neg):
        node = node.this.unnest()
    return isinstance(node, exp.Literal) and not node.is_string


def _is_numeric(node: exp.Expr | None) -> bool:
    return node is not None and output_type(node) is _Type.DECIMAL


def _text_of(node: exp.Expr) -> exp.Expr | None:
    """Give an exact number as numeric's text, None where it has none here."""
    inner = node if isinstance(node, exp.Subquery) else node.unnest()
    if isinstance(inner, exp.Null):
        return inner.copy()
    if is_literal(inner):
        return _constant(inner)
    if isinstance(inner, exp.Cast) and not is_proved(inner) and inner.to.is_type(_Type.DECIMAL):
        return _typed_constant(inner)
    kind = output_type(inner)
    if kind is _Type.DECIMAL:
        return inner.copy()
    return cast(inner, "VARCHAR", _Type.DECIMAL) if kind in _WHOLE else None


def _constant(node: exp.Expr) -> exp.Expr | None:
    sign, number = ("-", node.this.unnest()) if isinstance(node, exp.Neg) else ("", node)
    text = number.name
    if not re.fullmatch(r"([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,2})?", text, re.IGNORECASE):
        return None
    shown = format(Decimal(sign + text), "f")
    return text_literal(shown, _Type.DECIMAL) if _PLAIN.fullmatch(shown) else None


def _typed_constant(node: exp.Cast) -> exp.Expr | None:
    plain = node.this.is_string and not node.to.expressions and _PLAIN.fullmatch(node.this.name)
    return text_literal(node.this.name, _Type.DECIMAL) if plain else None


def _floating(node: exp.Expr) -> exp.Expr:
    return cast(node, "DOUBLE", _Type.DOUBLE) if _is_numeric(node) and not is_literal(node) else node.copy()


def _arithmetic(node: exp.Expr, _zone: str) -> exp.Expr | None:
    sides = (node.this, node.expression)
    kinds = [output_type(side) for side in sides]
    if _Type.DOUBLE in kinds:
        if not any(_is_numeric(side) and not is_literal(side) for side in sides):
            return None
        return typed(type(node)(this=_floating(sides[0]), expression=_floating(sides[1])), _Type.DOUBLE)
    exact = all(kind in _EXACT for kind in kinds) and not all(kind in INTEGERS for kind in kinds)
    texts = [_text_of(side) for side in sides] if exact else [None]
    known = [text for text in texts if text is not None]
    if len(known) < 2:
        return None
    made = call(_OPERATORS[type(node)], _Type.DECIMAL, *known)
    whole = all(kind in _WHOLE for kind in kinds) and isinstance(node, exp.Add | exp.Sub | exp.Mul)
    return _whole(made) if whole else made


def _whole(text: exp.Expr) -> exp.Expr:
    """Make a numeric that is a whole number one for DuckDB: equal ones then look alike."""
    return cast(text, "DECIMAL(38, 0)", _Type.INT128)


def _key(node: exp.Expr) -> exp.Expr | None:
    inner = node.unnest()
    special = isinstance(inner, exp.Cast) and inner.to.is_type(_Type.DECIMAL) and inner.this.name in _SPECIAL
    text = text_literal(inner.this.name, _Type.DECIMAL) if special else _text_of(node)
    if text is None or isinstance(text, exp.Null):
        return text
    return call("omnisql_n_key", _Type.TEXT, text)


def _keys(nodes: list[exp.Expr]) -> list[exp.Expr] | None:
    """Give what compares as the values do, where a numeric other than a constant is among them; None if it cannot."""
    if not any(_is_numeric(node) and not is_literal(node) for node in nodes):
        return None
    if any(output_type(node) is _Type.DOUBLE for node in nodes):
        return [_floating(node) for node in nodes]
    keys = [_key(node) for node in nodes]
    known = [key for key in keys if key is not None]
    return known if len(known) == len(nodes) else None


def _comparison(node: exp.Expr, _zone: str) -> exp.Expr | None:
    if isinstance(node.expression, exp.Any | exp.All | exp.Query):
        return None
    keys = _keys([node.this, node.expression])
    return typed(type(node)(this=keys[0], expression=keys[1]), _Type.BOOLEAN) if keys else None


def _between(node: exp.Expr, _zone: str) -> exp.Expr | None:
    keys = None if node.args.get("symmetric") else _keys([node.this, node.args["low"], node.args["high"]])
    return typed(exp.Between(this=keys[0], low=keys[1], high=keys[2]), _Type.BOOLEAN) if keys else None


def _membership(node: exp.Expr, _zone: str) -> exp.Expr | None:
    keys = None if node.args.get("query") is not None else _keys([node.this, *node.expressions])
    return typed(exp.In(this=keys[0], expressions=keys[1:]), _Type.BOOLEAN) if keys else None


def _ordered(node: exp.Expr, _zone: str) -> exp.Expr | None:
    key = sort_key(node)
    if key is None or not _is_numeric(key) or isinstance(node.find_ancestor(exp.Query), exp.SetOperation):
        return None
    made = node.copy()
    made.set("this", call("omnisql_n_key", _Type.TEXT, key))
    return made


def _unary(name: str) -> Rule:
    def rule(node: exp.Expr, _zone: str) -> exp.Expr | None:
        argument = node.this
        if is_literal(argument) or output_type(argument) not in (_Type.DECIMAL, _Type.INT128):
            return None
        text = _text_of(argument)
        if text is None:
            return None
        made = call(name, _Type.DECIMAL, text)
        return _whole(made) if name in ("omnisql_n_ceil", "omnisql_n_floor") else made

    return rule


def _places(name: str) -> Rule:
    def rule(node: exp.Expr, _zone: str) -> exp.Expr | None:
        places = node.args.get("decimals")
        number = _number(places) if places is not None else 0
        kind = output_type(node.this)
        if kind is _Type.DOUBLE and places is None:
            return call("omnisql_f_round" if name == "omnisql_n_round" else "trunc", _Type.DOUBLE, node.this)
        exact = kind in (_Type.DECIMAL, _Type.INT128) or (kind in INTEGERS and places is not None)
        text = _text_of(node.this) if exact and number is not None and abs(number) <= 15 else None
        if text is None:
            return None
        made = call(name, _Type.DECIMAL, text, whole_literal(number or 0))
        return _whole(made) if places is None else made

    return rule


def _whole_quotient(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """`div` is of numerics, and whole."""
    texts = [_text_of(side) if output_type(side) in _EXACT else None for side in (node.this, node.expression)]
    known = [text for text in texts if text is not None]
    return call("omnisql_n_quot", _Type.DECIMAL, *known) if len(known) == 2 else None


def _number(node: exp.Expr) -> int | None:
    inner = node.unnest()
    sign, number = (-1, inner.this.unnest()) if isinstance(inner, exp.Neg) else (1, inner)
    plain = isinstance(number, exp.Literal) and not number.is_string and number.name.isdigit()
    return sign * int(number.name) if plain and len(number.name) < 5 else None


def _cast(node: exp.Expr, _zone: str) -> exp.Expr | None:
    if is_proved(node) or isinstance(node.this, exp.Null):
        return None
    to, value = node.args["to"], node.this
    if to.is_type(_Type.DECIMAL):
        return _to_numeric(to, value)
    if not _is_numeric(value) or is_literal(value) or to.expressions:
        return None
    if to.this in INTEGERS:
        name = {_Type.SMALLINT: "SMALLINT", _Type.INT: "INTEGER", _Type.BIGINT: "BIGINT"}[to.this]
        return cast(call("omnisql_n_round", _Type.DECIMAL, value, whole_literal(0)), name, to.this)
    if to.this is _Type.DOUBLE:
        return cast(value, "DOUBLE", _Type.DOUBLE)
    return typed(value.copy(), to.this) if to.is_type(_Type.TEXT, _Type.VARCHAR) and is_proved(value) else None


def _to_numeric(to: exp.DataType, value: exp.Expr) -> exp.Expr | None:
    limits = [_number(limit.this) for limit in to.expressions]
    text = _typed_constant(exp.Cast(this=value, to=exp.DataType(this=_Type.DECIMAL))) if value.is_string else None
    text = text or _text_of(value)
    if text is None or None in limits:
        return None
    if not limits:
        return proved(exp.Paren(this=text), _Type.DECIMAL)
    digits, places = limits[0] or 0, (limits[1] if len(limits) > 1 else 0) or 0
    if not 0 <= places <= 15 or digits > 30:
        return None
    return call("omnisql_n_limited", _Type.DECIMAL, text, whole_literal(digits), whole_literal(places))


def _choice(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """Give every branch of COALESCE or CASE the text of its number, where one of them is numeric."""
    made = node.copy()
    branches = (
        [*(("true", branch) for branch in made.args["ifs"]), ("default", made)]
        if isinstance(made, exp.Case)
        else [("this", made)]
    )
    places = [(holder, key) for key, holder in branches if holder.args.get(key) is not None]
    values = [holder.args[key] for holder, key in places] + list(made.expressions)
    kinds = {output_type(value) for value in values if not isinstance(value, exp.Null)}
    if not kinds <= set(_EXACT) or _Type.DECIMAL not in kinds:
        return None
    if isinstance(made, exp.Case) and made.this is not None:
        return None
    for value in values:
        text = _text_of(value)
        if text is None:
            return None
        value.replace(text)
    return proved(made, _Type.DECIMAL)


def _whole_call(node: exp.Expr) -> exp.Expr:
    """Return an aggregate with the FILTER and OVER that belong to it."""
    while isinstance(node.parent, exp.Filter | exp.Window) and node.arg_key == "this":
        node = node.parent
    return node


def outermost(inner: exp.Expr, make: Callable[[Callable[[exp.Expr], exp.Expr]], exp.Expr]) -> exp.Expr | None:
    """Build an expression of several aggregates that all have the FILTER and OVER that a node holds."""
    found = inner.this if isinstance(inner, exp.Filter | exp.Window) else inner
    while isinstance(found, exp.Filter | exp.Window):
        found = found.this

    def like(aggregate: exp.Expr) -> exp.Expr:
        if found is inner:
            return aggregate
        copied = inner.copy()
        place = copied.this
        while isinstance(place, exp.Filter | exp.Window):
            place = place.this
        place.replace(aggregate)
        return copied

    return make(like)


def _aggregate(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """Sum and average numerics, and average integers: at the FILTER or OVER that encloses the aggregate."""
    if _whole_call(node) is not node:
        return None
    found = node
    while isinstance(found, exp.Filter | exp.Window):
        found = found.this
    if not isinstance(found, exp.Sum | exp.Avg | exp.Min | exp.Max) or isinstance(found.this, exp.Distinct):
        return None
    value = found.this
    kind = output_type(value)
    if isinstance(found, exp.Avg) and kind in INTEGERS:
        return outermost(node, lambda like: _mean(_whole_sum(value, like), value, like))
    if isinstance(found, exp.Min | exp.Max):
        if kind is not _Type.DECIMAL or is_literal(value) or node.find(exp.Window):
            return None
        name = f"omnisql_n_{found.key}"
        return outermost(node, lambda like: call(name, kind, answered(like(native("list", _Type.ARRAY, value)))))
    if kind is _Type.DOUBLE and not node.find(exp.Window):
        return outermost(node, lambda like: _float_aggregate(value, like, mean=isinstance(found, exp.Avg)))
    if kind is not _Type.DECIMAL or is_literal(value) or node.find(exp.Window):
        return None
    return outermost(node, lambda like: _numeric_aggregate(value, like, mean=isinstance(found, exp.Avg)))


def answered(node: exp.Expr) -> exp.Expr:
    """Mark an aggregate as right, with its type."""
    return proved(node, output_type(node) or _Type.INT128)


def _whole_sum(value: exp.Expr, like: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    total = like(proved(exp.Sum(this=cast(value, "HUGEINT", _Type.INT128)), _Type.INT128))
    return cast(answered(total), "VARCHAR", _Type.DECIMAL)


def _mean(total: exp.Expr, value: exp.Expr, like: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    count = answered(like(typed(exp.Count(this=value.copy()), _Type.BIGINT)))
    some = call("nullif", _Type.BIGINT, count, typed(exp.Literal.number(0), _Type.INT))
    return call("omnisql_n_div", _Type.DECIMAL, total, cast(some, "VARCHAR", _Type.DECIMAL))


def _numeric_aggregate(value: exp.Expr, like: Callable[[exp.Expr], exp.Expr], *, mean: bool) -> exp.Expr:
    whole = call("omnisql_n_total", _Type.DECIMAL, answered(like(native("list", _Type.ARRAY, value))))
    return _mean(whole, value, like) if mean else whole


def _float_aggregate(value: exp.Expr, like: Callable[[exp.Expr], exp.Expr], *, mean: bool) -> exp.Expr:
    """Sum float8 as PostgreSQL does, which reports an overflow and starts from the first value, be it minus zero."""
    double = _Type.DOUBLE
    total = answered(like(proved(exp.Sum(this=cast(value, "DOUBLE", double)), double)))
    count = answered(like(typed(exp.Count(this=value.copy()), _Type.BIGINT)))
    largest = answered(like(proved(exp.Max(this=call("omnisql_f_size", double, value)), double)))
    if mean:
        return call("omnisql_f_mean", double, total, count, largest)
    negative = like(proved(exp.LogicalAnd(this=call("omnisql_f_minus_zero", _Type.BOOLEAN, value)), _Type.BOOLEAN))
    return call("omnisql_f_sum", double, total, count, largest, answered(negative))


def _signed(node: exp.Expr, _zone: str) -> exp.Expr | None:
    made = _unary("omnisql_n_sign")(node, _zone)
    if made is not None or output_type(node.this) not in (*INTEGERS, _Type.DOUBLE):
        return made
    return cast(native("sign", _Type.INT, node.this), "DOUBLE", _Type.DOUBLE)


NUMERIC_RULES: Mapping[type[exp.Expr], Rule] = {
    **dict.fromkeys(_OPERATORS, _arithmetic),
    **dict.fromkeys(_COMPARISONS, _comparison),
    exp.Between: _between,
    exp.In: _membership,
    exp.Ordered: _ordered,
    exp.Neg: _unary("omnisql_n_neg"),
    exp.Abs: _unary("omnisql_n_abs"),
    exp.Sign: _signed,
    exp.Ceil: _unary("omnisql_n_ceil"),
    exp.Floor: _unary("omnisql_n_floor"),
    exp.Round: _places("omnisql_n_round"),
    exp.Trunc: _places("omnisql_n_trunc"),
    exp.IntDiv: _whole_quotient,
    exp.Cast: _cast,
    exp.Coalesce: _choice,
    exp.Case: _choice,
    **dict.fromkeys((exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Filter, exp.Window), _aggregate),
}
"""The rule of each kind of node."""
