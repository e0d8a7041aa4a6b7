"""What policy adds to a scan, by the types of its table's columns, and what of it can be asked of the API. Pure.

Policy's literals come as JSON has them, a principal's attributes as texts; here they become values of columns' types.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from catalog.types import BY_SQL_NAME, PgType
from connectors.sdk.scan import Operator, Predicate, Value
from connectors.sdk.table import Column, Table
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.model.mask import Mask, MaskKind
from omnisql_server.model.row_filter import (
    SETS,
    TEXT_PARTS,
    Comparison,
    Condition,
    Connective,
    FilterOperator,
    RowFilter,
)
from omnisql_server.plan.alternatives import BRANCHES_MAX
from omnisql_server.plan.disjunctions import WantedAny
from omnisql_server.plan.domains import Wanted

TEXTS = frozenset({"text", "varchar", "bpchar", "char", "name"})
_INTEGERS = {"int2": 16, "int4": 32, "int8": 64}
_ORDERED = frozenset({FilterOperator.LT, FilterOperator.LE, FilterOperator.GT, FilterOperator.GE})
_ASKED = {
    FilterOperator.EQ: Operator.EQ,
    FilterOperator.NE: Operator.NE,
    FilterOperator.LT: Operator.LT,
    FilterOperator.LE: Operator.LE,
    FilterOperator.GT: Operator.GT,
    FilterOperator.GE: Operator.GE,
    FilterOperator.IN: Operator.IN,
    FilterOperator.NOT_IN: Operator.NOT_IN,
}


def typed_filters(table: Table, filters: Iterable[RowFilter]) -> tuple[RowFilter, ...]:
    """Give the values of filters the types of their columns.

    Raises:
        ConfigurationInvalid: F0000, the table has no such column, or it cannot be compared so.
    """
    return tuple(replace(rule, condition=_typed(rule.condition, table, rule.policy)) for rule in filters)


def typed_masks(table: Table, masks: Mapping[str, Mask]) -> dict[str, Mask]:
    """Give the values that masks show the types of their columns.

    Raises:
        ConfigurationInvalid: F0000, the table has no such column, or it has no such value.
    """
    typed: dict[str, Mask] = {}
    for name, mask in masks.items():
        column = _column(table, name, mask.policy)
        if mask.kind is MaskKind.CONST:
            typed[name] = replace(mask, value=_value(mask.value, column.type, name, mask.policy))
        else:
            typed[name] = mask
    return typed


def wanted_of(rule: RowFilter, table: Table) -> tuple[list[Wanted | WantedAny], bool]:
    """Return what follows from a typed filter and can be asked for, and whether that is all that it says."""
    wanted: list[Wanted | WantedAny] = []
    complete = True
    for conjunct in rule.conjuncts:
        branches, whole = _branches(conjunct, table)
        complete = complete and whole and bool(branches)
        if not branches or not all(branches):
            continue
        asked = [
            tuple(Wanted(predicate=each, sql=f"policy {rule.policy}", policy=rule.policy) for each in branch)
            for branch in branches
        ]
        if len(asked) == 1:
            wanted += asked[0]
        else:
            wanted.append(WantedAny(branches=tuple(asked), sql=f"policy {rule.policy}", policy=rule.policy))
    return wanted, complete


def _branches(condition: Condition, table: Table) -> tuple[list[tuple[Predicate, ...]], bool]:
    """Return conjunctions of which one is true where a condition is, and whether they say all of it.

    What is never true is no branch; one without predicates is true of any row. Nothing is said of what is below NOT.
    """
    if isinstance(condition, Comparison):
        if condition.value is None:
            return [], True
        predicate = _predicate(condition, table)
        return ([()], False) if predicate is None else ([(predicate,)], True)
    listed = _membership(condition)
    if listed is not None:
        return [(listed,)], True
    if condition.connective is Connective.NOT:
        return [()], False
    parts = [_branches(part, table) for part in condition.parts]
    whole = all(of_part for _, of_part in parts)
    if condition.connective is Connective.ANY:
        found = [branch for part, _ in parts for branch in part]
        return (found, whole) if all(found) and len(found) <= BRANCHES_MAX else ([()], False)
    found = [()]
    for part, _ in parts:
        joined = [(*before, *branch) for before in found for branch in part]
        if len(joined) <= BRANCHES_MAX:
            found = joined
        else:
            whole = False
    return found, whole and all(found)


def _predicate(condition: Comparison, table: Table) -> Predicate | None:
    """Say a comparison as the SDK does, None where it has no words for it."""
    column, operator, value = condition.column, condition.operator, condition.value
    if value is None:
        return None
    if operator is FilterOperator.EXISTS:
        return Predicate(column=column, operator=Operator.IS_NOT_NULL if value else Operator.IS_NULL, value=None)
    if operator in TEXT_PARTS:
        return _pattern(column, operator, value if isinstance(value, tuple) else (value,), table.column(column).type)
    if operator in _ORDERED and table.column(column).type.name in TEXTS:
        # Policy orders texts by their characters' codes, whatever the collation.
        return None
    return Predicate(column=column, operator=_ASKED[operator], value=value)


def _membership(condition: Condition) -> Predicate | None:
    """Say `a = 1 OR a IN (2, 3)` as one membership."""
    if isinstance(condition, Comparison) or condition.connective is not Connective.ANY:
        return None
    columns: set[str] = set()
    values: list[Value] = []
    for part in condition.parts:
        if not isinstance(part, Comparison) or part.operator not in (FilterOperator.EQ, FilterOperator.IN):
            return None
        columns.add(part.column)
        given = part.value if isinstance(part.value, tuple) else (part.value,)
        values += [value for value in given if value is not None]
    if len(columns) != 1 or not values:
        return None
    return Predicate(column=columns.pop(), operator=Operator.IN, value=tuple(dict.fromkeys(values)))


def _pattern(column: str, operator: FilterOperator, parts: tuple[Value, ...], of_type: PgType) -> Predicate | None:
    if len(parts) != 1:
        return None
    if of_type.element is not None:
        return Predicate(column=column, operator=Operator.CONTAINS, value=parts)
    escaped = str(parts[0]).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    before = "" if operator is FilterOperator.STARTS_WITH else "%"
    after = "" if operator is FilterOperator.ENDS_WITH else "%"
    return Predicate(column=column, operator=Operator.LIKE, value=before + escaped + after)


def _typed(condition: Condition, table: Table, policy: str) -> Condition:
    if not isinstance(condition, Comparison):
        return replace(condition, parts=tuple(_typed(part, table, policy) for part in condition.parts))
    column, operator = _column(table, condition.column, policy), condition.operator
    if condition.value is None or operator is FilterOperator.EXISTS:
        return condition
    element = _element(column.type)
    if element is not None and operator is not FilterOperator.CONTAINS:
        raise _unfit(policy, column.name, f"an array knows contains and exists, not {operator}")
    if element is None and operator in TEXT_PARTS and column.type.name not in TEXTS:
        raise _unfit(policy, column.name, f"{operator} is for texts")
    compared = element or column.type
    if operator in SETS | TEXT_PARTS:
        given = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        typed: Value = tuple(_value(value, compared, column.name, policy) for value in given)
    else:
        typed = _value(condition.value, compared, column.name, policy)
    return replace(condition, value=typed)


def _element(of_type: PgType) -> PgType | None:
    return BY_SQL_NAME[of_type.element] if of_type.element is not None else None


def _column(table: Table, name: str, policy: str) -> Column:
    """Return a column; one that is not there closes the table, for what should be hidden is not known."""
    try:
        return table.column(name)
    except KeyError:
        raise ConfigurationInvalid(message=f"policy {policy} names column {name}, which {table.name} has not") from None


def _value(value: Any, of_type: PgType, column: str, policy: str) -> Value:
    """Read a literal as a value of a type."""
    reader = _READERS.get(of_type.name)
    if reader is None:
        raise _unfit(policy, column, f"values of type {of_type.name} cannot be compared")
    try:
        return reader(value)
    except (ValueError, TypeError, InvalidOperation, OverflowError):
        raise _unfit(policy, column, f"it is of type {of_type.name}, and the value is not") from None


def _unfit(policy: str, column: str, reason: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        message=f"policy {policy} cannot be applied to column {column}", detail=reason, hint="correct the policy file"
    )


def _text(value: Any) -> Value:
    if not isinstance(value, str):
        raise TypeError
    return value


def _integer(bits: int) -> Callable[[Any], Value]:
    def read(value: Any) -> Value:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise TypeError
        number = int(value)
        if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
            raise ValueError
        return number

    return read


def _float(value: Any) -> Value:
    number = float(_decimal(value))
    if not math.isfinite(number):
        raise ValueError
    return number


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise TypeError
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        raise ValueError
    return number


def _truth(value: Any) -> Value:
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise ValueError
    return bool(value == "true")


def _uuid(value: Any) -> Value:
    return str(UUID(str(_text(value))))


def _date(value: Any) -> Value:
    return value if type(value) is date else date.fromisoformat(value)


def _instant(value: Any) -> Value:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _local_time(value: Any) -> Value:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    if moment.tzinfo is not None:
        raise ValueError
    return moment


_READERS: dict[str, Callable[[Any], Value]] = {
    **dict.fromkeys(TEXTS, _text),
    **{name: _integer(bits) for name, bits in _INTEGERS.items()},
    "oid": _integer(33),
    "float4": _float,
    "float8": _float,
    "numeric": _decimal,
    "bool": _truth,
    "date": _date,
    "timestamp": _local_time,
    "timestamptz": _instant,
    "uuid": _uuid,
}
