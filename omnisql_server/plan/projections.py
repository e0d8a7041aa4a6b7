"""What a derived relation gives under a name, and conditions on it said of what it reads. Pure."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from connectors.sdk.scan import Operator
from omnisql_server.plan.conjuncts import may_be_null_supplied
from omnisql_server.plan.limit import is_cut
from omnisql_server.plan.recognize import Condition


def outputs(expression: exp.Expr) -> list[exp.Expr]:
    """Return what a query gives, nothing for anything else."""
    return list(expression.selects) if isinstance(expression, exp.Query) else []


def projection(scope: Scope, name: str) -> exp.Expr | None:
    """Return what a derived relation gives under an output name."""
    for projection in outputs(scope.expression):
        if projection.alias_or_name == name:
            return projection.unalias()
    return None


def through_projection(scope: Scope, condition: Condition) -> Condition | None:
    """Express a condition on a derived relation's output by its input, where filtering commutes with the relation."""
    select = scope.expression
    if not isinstance(select, exp.Select) or is_cut(select):
        return None
    distinct = select.args.get("distinct")
    if (distinct is not None and distinct.args.get("on")) or select.find(exp.Window):
        return None
    inner = projection(scope, condition.column)
    if not isinstance(inner, exp.Column) or not inner.table:
        return None
    group = select.args.get("group")
    grouped = group is not None or any(p.find(exp.AggFunc) for p in select.selects)
    if grouped and (group is None or inner not in group.expressions or (len(group.args) > 1 and _has_sets(group))):
        return None
    if condition.operator is Operator.IS_NULL and may_be_null_supplied(select, inner.table):
        return None
    return condition.renamed(inner.table, inner.name)


def _has_sets(group: exp.Group) -> bool:
    return any(group.args.get(key) for key in ("cube", "rollup", "grouping_sets"))
