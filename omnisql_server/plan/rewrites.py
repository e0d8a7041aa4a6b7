"""What to write instead of a condition that no API evaluates: the commonest forms, and what each comes to. Pure.

A rewrite means something else than the condition, or the planner would use it itself: whoever knows the data decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from connectors.sdk.scan import Operator
from omnisql_server.plan.constants import NotConstant, constant_value
from omnisql_server.plan.recognize import Condition, TypeOf, recognize
from omnisql_server.plan.texts import text_of

_BRANCHES_MAX = 4
_SPELLINGS = (exp.Lower, exp.Upper, exp.Trim)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Another way to write a condition: `text`, and the conditions of each of the queries that it comes to.

    `condition` is the SQL of what it stands for, `branches` are more than one where a query is written for each side
    of an OR; `aside` says when the rewrite means the same.
    """

    condition: str
    text: str
    branches: tuple[tuple[Condition, ...], ...]
    aside: str = ""


def advise(conjunct: exp.Expr, type_of: TypeOf) -> Advice | None:
    """Return the rewrite of a conjunct, None where there is no common one."""
    node = conjunct.unnest()
    if isinstance(node, exp.Or):
        return _alternatives(node, type_of)
    if isinstance(node, exp.EQ):
        sides = ((node.left.unnest(), node.right), (node.right.unnest(), node.left))
        for function, constant in sides:
            if advice := _bare_column(node, function, constant, type_of):
                return advice
    if isinstance(node, exp.Like | exp.ILike) and not node.args.get("negate"):
        return _whole_text(node, type_of)
    return None


def _bare_column(node: exp.EQ, function: exp.Expr, constant: exp.Expr, type_of: TypeOf) -> Advice | None:
    """`lower(x) = 'a'`, `x::text = '5'`: the column itself can be sent."""
    if not isinstance(function, (*_SPELLINGS, exp.Cast)) or not isinstance(function.this.unnest(), exp.Column):
        return None
    literal = constant.unnest()
    if isinstance(function, exp.Cast) and isinstance(literal, exp.Cast):
        literal = literal.this
    aside = "if that is how it is spelled" if isinstance(function, _SPELLINGS) else "with a constant of its own type"
    return _comparison(node, function.this.unnest(), literal, aside, type_of)


def _whole_text(node: exp.Expr, type_of: TypeOf) -> Advice | None:
    """`x LIKE 'abc'` and `x ILIKE 'abc'` without any wildcard are equalities."""
    column, pattern = node.this.unnest(), node.expression.unnest()
    if not isinstance(column, exp.Column) or not isinstance(pattern, exp.Literal) or set(pattern.name) & set("%_\\"):
        return None
    return _comparison(
        node, column, pattern, "if that is how it is spelled" if isinstance(node, exp.ILike) else "", type_of
    )


def _comparison(node: exp.Expr, column: exp.Column, constant: exp.Expr, aside: str, type_of: TypeOf) -> Advice | None:
    type_oid = type_of(column)
    if type_oid is None:
        return None
    try:
        value = constant_value(constant, type_oid)
    except NotConstant:
        return None
    plain = isinstance(constant, exp.Cast) and constant.to.is_type(*exp.DataType.TEXT_TYPES)
    shown = constant.this if plain else constant
    written = exp.EQ(this=exp.column(column.name), expression=shown.copy()).sql("postgres")
    condition = Condition(
        source=column.table, column=column.name, operator=Operator.EQ, value=value, type_oid=type_oid, sql=written
    )
    return Advice(condition=text_of(node), text=written, branches=((condition,),), aside=aside)


def _alternatives(node: exp.Or, type_of: TypeOf) -> Advice | None:
    """`x = 1 OR y = 2` over one relation: a query for each side, of which UNION takes every row once."""
    sides = list(node.flatten())
    if len(sides) > _BRANCHES_MAX:
        return None
    branches = tuple(
        tuple(found for part in _parts(side.unnest()) for found in recognize(part, type_of)) for side in sides
    )
    if not all(branches) or len({condition.source for branch in branches for condition in branch}) > 1:
        return None
    text = "a query for each side of the OR, with UNION between them"
    return Advice(condition=text_of(node), text=text, branches=branches)


def _parts(node: exp.Expr) -> list[exp.Expr]:
    return [part.unnest() for part in node.flatten()] if isinstance(node, exp.And) else [node]
