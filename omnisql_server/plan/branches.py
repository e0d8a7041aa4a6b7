"""Which branches of a UNION ALL a condition rules out: those that give another constant in its column. Pure.

Views over sources of one kind name the source of a row in such a column.
"""

from __future__ import annotations

from sqlglot import exp

from connectors.sdk.scan import Operator
from omnisql_server.plan.recognize import Condition

TEXT_OID = 25


def constant_text(output: exp.Expr | None) -> str | None:
    """Return the text that an output column is in every row, None where it is anything else."""
    if isinstance(output, exp.Cast) and output.to.is_type(exp.DataType.Type.TEXT):
        output = output.this
    return output.name if isinstance(output, exp.Literal) and output.is_string else None


def verdict_on_constant(output: exp.Expr | None, condition: Condition) -> bool | None:
    """Say whether an output column meets a condition in every row or in none; None where that is not known."""
    text = constant_text(output)
    if text is None or condition.type_oid != TEXT_OID:
        return None
    value = condition.value
    if condition.operator is Operator.EQ:
        return text == value
    if condition.operator is Operator.NE:
        return value is not None and text != value
    if condition.operator is Operator.IN and isinstance(value, tuple):
        return text in value
    if condition.operator is Operator.NOT_IN and isinstance(value, tuple):
        return None not in value and text not in value
    return None
