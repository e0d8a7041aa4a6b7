"""What is sent to an API, written as SQL for people. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

from catalog.quoting import literal
from connectors.sdk.scan import Disjunction, Operator, Predicate, Value
from omnisql_server.plan.constants import Unknown

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")


def predicate_text(predicate: Predicate | Disjunction) -> str:
    """Write a predicate, or several that are joined by OR, as SQL with quoted literals."""
    if isinstance(predicate, Disjunction):
        return " OR ".join(map(_branch_text, predicate.branches))
    column, operator, value = name_text(predicate.column), predicate.operator, predicate.value
    if operator in (Operator.IS_NULL, Operator.IS_NOT_NULL):
        return f"{column} {operator.value.upper()}"
    if operator in (Operator.IN, Operator.NOT_IN) and isinstance(value, tuple):
        return f"{column} {operator.value.upper()} ({', '.join(map(literal_text, value))})"
    return f"{column} {operator.value.upper()} {literal_text(value)}"


def _branch_text(branch: tuple[Predicate, ...]) -> str:
    text = " AND ".join(map(predicate_text, branch))
    return text if len(branch) == 1 else f"({text})"


def name_text(column: str) -> str:
    """Write a column's name, in quotes where it needs them."""
    return column if _PLAIN_NAME.fullmatch(column) else '"' + column.replace('"', '""') + '"'


def literal_text(value: Value) -> str:
    """Write a value as a literal."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Unknown):
        return value
    if isinstance(value, int | float | Decimal):
        text = str(value)
        return text if text.lstrip("-")[:1].isdigit() else f"'{text}'"
    if isinstance(value, tuple):
        return f"ARRAY[{', '.join(map(literal_text, value))}]"
    if isinstance(value, datetime):
        text = value.isoformat(sep=" ")
        # PostgreSQL writes a zone of whole hours without minutes.
        return f"'{text.removesuffix(':00') if value.tzinfo is not None else text}'"
    return literal(str(value))
