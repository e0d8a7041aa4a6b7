"""Predicates of an owner's scan as SQL on its own backend: constant operators, values as parameters. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from catalog.quoting import identifier
from catalog.types import BY_OID
from connectors.sdk.scan import Operator, Predicate
from omnisql_server.errors import InternalError
from omnisql_server.model.relation import Relation

_INTEGERS = frozenset({"int2", "int4", "int8"})
_TEXTS = frozenset({"text", "varchar"})


def where_of(predicates: Iterable[Predicate], relation: Relation) -> tuple[str, tuple[object, ...]]:
    """Write a WHERE clause over a relation called `t`, empty without predicates, and the values of its parameters."""
    conditions: list[str] = []
    values: list[object] = []
    for predicate in predicates:
        column = f"t.{identifier(predicate.column)}"
        if predicate.operator in (Operator.IS_NULL, Operator.IS_NOT_NULL):
            conditions.append(f"{column} {predicate.operator.value.upper()}")
            continue
        type_sql = f"pg_catalog.{_type_name(predicate, relation)}"
        values.append(list(predicate.value) if isinstance(predicate.value, tuple) else predicate.value)
        if predicate.operator is Operator.IN:
            conditions.append(f"{column} OPERATOR(pg_catalog.=) ANY (${len(values)}::{type_sql}[])")
        else:
            conditions.append(f"{column} OPERATOR(pg_catalog.{predicate.operator.value}) ${len(values)}::{type_sql}")
    return (" WHERE " + " AND ".join(conditions) if conditions else ""), tuple(values)


def _type_name(predicate: Predicate, relation: Relation) -> str:
    """Name the type of a predicate's values: the widest of a column's family."""
    attribute = relation.attribute(predicate.column)
    known = BY_OID.get(attribute.type_oid) if attribute is not None else None
    if known is None:
        raise InternalError(message=f"{predicate.column} is no column that a condition may be sent for")
    return "int8" if known.name in _INTEGERS else "text" if known.name in _TEXTS else known.name
