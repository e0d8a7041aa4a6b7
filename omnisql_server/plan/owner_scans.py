"""What is read as the owners of views, and which of its rows can matter. Pure.

A condition is sent along only where PostgreSQL's own operator compares a column of a plain type with a constant: it
cannot fail, runs no code of a user's, and means the same to whoever evaluates it. The statement evaluates all of its
conditions again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime

from connectors.sdk.scan import Operator, Predicate, Value
from omnisql_server.model.plan import OwnerScan
from omnisql_server.model.query import BoundQuery, OwnerRead
from omnisql_server.plan.found import ScanConditions
from omnisql_server.plan.recognize import Condition

_BOOL, _INT8, _INT2, _INT4, _TEXT, _VARCHAR, _DATE, _TIMESTAMPTZ = 16, 20, 21, 23, 25, 1043, 1082, 1184
_INTEGERS, _TEXTS = frozenset({_INT2, _INT4, _INT8}), frozenset({_TEXT, _VARCHAR})
_ORDERED = _INTEGERS | {_DATE, _TIMESTAMPTZ}
_EQUALITY = frozenset({Operator.EQ, Operator.IN})
_ORDER = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE})
_NULLNESS = frozenset({Operator.IS_NULL, Operator.IS_NOT_NULL})
_INT8_MAX = 2**63 - 1
_KINDS: dict[int, type] = {_BOOL: bool, _TEXT: str, _VARCHAR: str, _DATE: date, _TIMESTAMPTZ: datetime}


def owner_scans(query: BoundQuery, found: dict[str, ScanConditions]) -> tuple[OwnerScan, ...]:
    """Return one scan for each reading: places that share it share the conditions that hold for all of them."""
    reads: dict[object, OwnerRead] = {}
    sent: dict[object, tuple[Predicate, ...]] = {}
    for place, read in query.as_owners.reads.items():
        own = tuple(dict.fromkeys(_sent(read, _conditions(place, read, query, found), query)))
        known = sent.get(read.key)
        reads[read.key] = read
        sent[read.key] = own if known is None else tuple(each for each in known if each in own)
    return tuple(OwnerScan(read=read, predicates=sent[key]) for key, read in reads.items())


def _conditions(
    place: tuple[int, ...], read: OwnerRead, query: BoundQuery, found: dict[str, ScanConditions]
) -> Iterable[Condition]:
    for occurrence in query.occurrences:
        if occurrence.relation.oid == read.relation.oid and occurrence.place == place:
            return found[occurrence.scan_name].conditions
    return ()


def _sent(read: OwnerRead, conditions: Iterable[Condition], query: BoundQuery) -> Iterator[Predicate]:
    if not (query.settings.catalog_first and query.settings.plain_input):
        # Under another search_path, an operator of that name may be a user's own.
        return
    for condition in conditions:
        attribute = read.relation.attribute(condition.column)
        if attribute is None or not _is_safe(attribute.type_oid, condition.operator, condition.value):
            continue
        yield Predicate(column=condition.column, operator=condition.operator, value=condition.value)


def _is_safe(type_oid: int, operator: Operator, value: Value) -> bool:
    if operator in _NULLNESS:
        return type_oid in _ORDERED | _TEXTS | {_BOOL}
    # Whatever a column's collation: texts that are equal by their bytes are equal, but which is the greater depends.
    comparable = operator in _EQUALITY or (operator in _ORDER and type_oid in _ORDERED)
    values = value if isinstance(value, tuple) else (value,)
    return comparable and all(_is_of(type_oid, each) for each in values)


def _is_of(type_oid: int, value: Value) -> bool:
    if type_oid in _INTEGERS:
        return type(value) is int and abs(value) <= _INT8_MAX
    # A parameter that is not known is a kind of text, and so is no value here.
    return type(value) is _KINDS.get(type_oid)
