"""One conjunct of a bound tree as conditions `source.column operator constant`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from connectors.sdk.scan import Operator, Value
from omnisql_server.plan.constants import NotConstant, constant_value, parse_text_array
from omnisql_server.plan.texts import text_of

TypeOf = Callable[[exp.Column], int | None]
"""Gives the PostgreSQL type OID of a column, None where it does not come straight from a relation."""

BOOLEAN_OID = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`source.column operator value`, with the SQL it was recognized in."""

    source: str
    column: str
    operator: Operator
    value: Value
    type_oid: int
    sql: str

    def renamed(self, source: str, column: str) -> Condition:
        """Return the same condition on another column."""
        return replace(self, source=source, column=column)


_COMPARISONS: dict[type[exp.Expr], Operator] = {
    exp.EQ: Operator.EQ,
    exp.NEQ: Operator.NE,
    exp.LT: Operator.LT,
    exp.LTE: Operator.LE,
    exp.GT: Operator.GT,
    exp.GTE: Operator.GE,
}
_MIRRORED = {
    Operator.LT: Operator.GT,
    Operator.LE: Operator.GE,
    Operator.GT: Operator.LT,
    Operator.GE: Operator.LE,
}


def recognize(conjunct: exp.Expr, type_of: TypeOf) -> list[Condition]:
    """Return the conditions that a conjunct is equivalent to, or an empty list where it has another form."""
    try:
        return _recognize(conjunct.unnest(), type_of)
    except NotConstant:
        return []


def _recognize(node: exp.Expr, type_of: TypeOf) -> list[Condition]:
    if type(node) in _COMPARISONS:
        return _comparison(node, type_of)
    if isinstance(node, exp.In):
        return _membership(node, Operator.IN, type_of)
    if isinstance(node, exp.Between) and not node.args.get("symmetric"):
        low = _condition(node.this, Operator.GE, node.args["low"], node, type_of)
        return [low, _condition(node.this, Operator.LE, node.args["high"], node, type_of)]
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        return [_null_test(node, node, type_of, negated=False)]
    if isinstance(node, exp.Like | exp.ILike) and not node.args.get("negate"):
        operator = Operator.LIKE if isinstance(node, exp.Like) else Operator.ILIKE
        return [_condition(node.this, operator, node.expression, node, type_of)]
    if isinstance(node, exp.ArrayContainsAll):
        return [_condition(node.this, Operator.CONTAINS, node.expression, node, type_of)]
    if isinstance(node, exp.Column):
        return [_boolean(node, value=True, whole=node, type_of=type_of)]
    if isinstance(node, exp.Not):
        return _negation(node, type_of)
    if isinstance(node, exp.Or):
        return _alternatives(node, type_of)
    raise NotConstant


def _comparison(node: exp.Expr, type_of: TypeOf) -> list[Condition]:
    operator = _COMPARISONS[type(node)]
    left, right = node.this.unnest(), node.expression.unnest()
    if operator in (Operator.EQ, Operator.NE):
        left, right = _uncollated(left), _uncollated(right)
    if isinstance(right, exp.Any):
        return [_any(left, right.this.unnest(), operator, node, type_of)]
    if isinstance(left, exp.Column):
        return [_condition(left, operator, right, node, type_of)]
    return [_condition(right, _MIRRORED.get(operator, operator), left, node, type_of)]


def _uncollated(node: exp.Expr) -> exp.Expr:
    """Take `COLLATE "C"` off what is compared for equality, which it does not change."""
    return node.this.unnest() if isinstance(node, exp.Collate) and node.expression.name == "C" else node


def _any(left: exp.Expr, array: exp.Expr, operator: Operator, node: exp.Expr, type_of: TypeOf) -> Condition:
    if operator is not Operator.EQ:
        raise NotConstant
    if isinstance(array, exp.Column):
        return _bare(array, Operator.CONTAINS, (constant_value(left, 25),), node, type_of)
    if isinstance(left, exp.Column):
        type_oid = _type(left, type_of)
        values = tuple(constant_value(item, type_oid) for item in _elements(array))
        return _bare(left, Operator.IN, values, node, type_of)
    raise NotConstant


def _elements(array: exp.Expr) -> list[exp.Expr]:
    """Return the elements of `ARRAY[..]` or of a constant of an array type; an array that is not known is its own."""
    if isinstance(array, exp.Parameter):
        return [array]
    if isinstance(array, exp.Array):
        return list(array.expressions)
    if array.is_string:
        return [exp.Literal.string(item) for item in parse_text_array(array.name)]
    if isinstance(array, exp.Cast) and array.to.is_type(exp.DataType.Type.ARRAY) and array.this.is_string:
        return [exp.Literal.string(item) for item in parse_text_array(array.this.name)]
    raise NotConstant


def _membership(node: exp.In, operator: Operator, type_of: TypeOf) -> list[Condition]:
    if node.args.get("query") or not node.expressions:
        raise NotConstant
    type_oid = _type(node.this, type_of)
    values = tuple(constant_value(_uncollated(item.unnest()), type_oid) for item in node.expressions)
    return [_bare(node.this, operator, values, node, type_of)]


def _null_test(test: exp.Is, whole: exp.Expr, type_of: TypeOf, *, negated: bool) -> Condition:
    """Recognize `x IS NULL` and `x IS NOT NULL`, which differ in a flag only, perhaps inside NOT."""
    wants_null = bool(test.args.get("negate")) == negated
    return _bare(test.this, Operator.IS_NULL if wants_null else Operator.IS_NOT_NULL, None, whole, type_of)


def _negation(node: exp.Not, type_of: TypeOf) -> list[Condition]:
    inner = node.this.unnest()
    if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
        return [_null_test(inner, node, type_of, negated=True)]
    if isinstance(inner, exp.In):
        return _membership(inner, Operator.NOT_IN, type_of)
    if isinstance(inner, exp.EQ):
        return [replace(c, operator=Operator.NE) for c in _comparison(inner, type_of) if c.operator is Operator.EQ]
    if isinstance(inner, exp.Column):
        return [_boolean(inner, value=False, whole=node, type_of=type_of)]
    raise NotConstant


def _alternatives(node: exp.Or, type_of: TypeOf) -> list[Condition]:
    """Recognize `x = 1 OR x = 2 OR x IN (3)`, which restricts one column to a set."""
    sides = [_recognize(side.unnest(), type_of) for side in (node.left, node.right)]
    if any(len(side) != 1 or side[0].operator not in (Operator.EQ, Operator.IN) for side in sides):
        raise NotConstant
    first, second = sides[0][0], sides[1][0]
    if (first.source, first.column) != (second.source, second.column):
        raise NotConstant
    return [in_one_list([first, second], text_of(node))]


def in_one_list(conditions: Sequence[Condition], sql: str) -> Condition:
    """Return equalities and memberships of one column as one membership, for a row that meets some of them."""
    values = dict.fromkeys(value for condition in conditions for value in _as_set(condition))
    return replace(conditions[0], operator=Operator.IN, value=tuple(values), sql=sql)


def _as_set(condition: Condition) -> tuple[Value, ...]:
    value = condition.value
    return value if condition.operator is Operator.IN and isinstance(value, tuple) else (value,)


def _boolean(column: exp.Column, *, value: bool, whole: exp.Expr, type_of: TypeOf) -> Condition:
    if _type(column, type_of) != BOOLEAN_OID:
        raise NotConstant
    return _bare(column, Operator.EQ, value, whole, type_of)


def _condition(column: exp.Expr, operator: Operator, value: exp.Expr, whole: exp.Expr, type_of: TypeOf) -> Condition:
    return _bare(column, operator, constant_value(value, _type(column, type_of)), whole, type_of)


def _bare(column: exp.Expr, operator: Operator, value: Value, whole: exp.Expr, type_of: TypeOf) -> Condition:
    type_oid = _type(column, type_of)
    return Condition(
        source=column.text("table"),
        column=column.name,
        operator=operator,
        value=value,
        type_oid=type_oid,
        sql=text_of(whole),
    )


def _type(column: exp.Expr, type_of: TypeOf) -> int:
    type_oid = type_of(column) if isinstance(column, exp.Column) else None
    if type_oid is None:
        raise NotConstant
    return type_oid
