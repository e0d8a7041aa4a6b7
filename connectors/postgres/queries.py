"""Queries for scans: every name quoted, every literal a parameter, every operator PostgreSQL's own. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from catalog.quoting import identifier, qualified
from connectors.postgres.kinds import Kind
from connectors.sdk.scan import Direction, Operator, Predicate, Scan, Value
from connectors.sdk.table import Table

COUNT = "count"

Parameter = str | list[str | None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTable:
    """A table of the source as it is declared here, and how its columns are read and compared."""

    schema: str
    name: str
    table: Table
    kinds: Mapping[str, Kind]

    @property
    def shown(self) -> str:
        """Name the table as SQL does, with the alias that its columns are written with."""
        return f"{qualified(self.schema, self.name)} AS r"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query with its parameters, all of them texts or lists of texts; `shown` has no value of theirs."""

    sql: str
    parameters: tuple[Parameter, ...]
    shown: str


def rows_query(remote: RemoteTable, scan: Scan) -> Query:
    """Write the query of a scan: its columns in order, its keys and predicates, its order and limit."""
    outputs = ", ".join(remote.kinds[name].read.format(_column(name)) for name in scan.columns)
    parameters: list[Parameter] = []
    conditions = conditions_of(remote.kinds, scan, parameters)
    order = ", ".join(_sorted(remote, key.column, key.direction) for key in scan.order)
    sorting = f" ORDER BY {order}" if order else ""
    cut = "" if scan.limit is None else f" LIMIT {int(scan.limit)}"
    sql = f"SELECT {outputs} FROM {remote.shown}{conditions}{sorting}{cut}"
    return Query(sql=sql, parameters=tuple(parameters), shown=f"SELECT .. FROM {remote.schema}.{remote.name}")


def count_query(remote: RemoteTable, scan: Scan) -> Query:
    """Write the query that counts the rows of each kind: by the scan's columns, the count behind them."""
    outputs = [remote.kinds[name].read.format(_column(name)) for name in scan.columns]
    groups = f" GROUP BY {', '.join(str(place + 1) for place in range(len(outputs)))}" if outputs else ""
    sql = f"SELECT {', '.join([*outputs, 'pg_catalog.count(*)'])} FROM {remote.shown}{groups}"
    return Query(sql=sql, parameters=(), shown=f"SELECT count(*) FROM {remote.schema}.{remote.name}")


def as_text(value: Value) -> str:
    """Write a literal as PostgreSQL reads it, whatever its settings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    return str(value)


def conditions_of(kinds: Mapping[str, Kind], scan: Scan, parameters: list[Parameter]) -> str:
    """Write what a scan wants of the rows of `r` as a WHERE clause, empty without any; literals are new parameters."""

    def one(asked: Predicate) -> str:
        return _condition(kinds[asked.column], asked, parameters)

    written = [one(each) for each in _all(kinds, scan)]
    for each in scan.disjunctions:
        branches = (" AND ".join(map(one, branch)) for branch in each.branches)
        written.append(f"({' OR '.join(f'({branch})' for branch in branches)})")
    return f" WHERE {' AND '.join(written)}" if written else ""


def _all(kinds: Mapping[str, Kind], scan: Scan) -> Iterable[Predicate]:
    for column, value in scan.keys.items():
        # A key that no value of the type can be equal to finds nothing, and must not fail the others.
        asked = value if isinstance(value, tuple) else (value,)
        found = tuple(each for each in asked if kinds[column].can_be(each))
        yield Predicate(column=column, operator=Operator.IN, value=found)
    yield from scan.predicates


def _condition(kind: Kind, predicate: Predicate, parameters: list[Parameter]) -> str:
    plain = _column(predicate.column)
    if predicate.operator is Operator.IS_NULL:
        return f"{plain} IS NULL"
    if predicate.operator is Operator.IS_NOT_NULL:
        return f"{plain} IS NOT NULL"
    operator = predicate.operator
    compared = kind.compared
    if operator in _BY_ORDER and kind.sorted_as is not None:
        compared = kind.sorted_as
    left = compared.format(plain)
    place = len(parameters) + 1
    if isinstance(predicate.value, tuple):
        parameters.append([None if each is None else as_text(each) for each in predicate.value])
        if operator is Operator.CONTAINS:
            return f"{left} OPERATOR(pg_catalog.@>) (${place}::pg_catalog.text[])::{kind.cast}"
        if operator is Operator.NOT_IN:
            return f"{left} OPERATOR(pg_catalog.<>) ALL ((${place}::pg_catalog.text[])::{kind.cast}[])"
        return f"{left} OPERATOR(pg_catalog.=) ANY ((${place}::pg_catalog.text[])::{kind.cast}[])"
    parameters.append(as_text(predicate.value))
    return f"{left} OPERATOR(pg_catalog.{_SYMBOLS[operator]}) (${place}::pg_catalog.text)::{kind.cast}"


def _column(name: str) -> str:
    # Without the table, ORDER BY would take the name for that of an output, which may be the column as text.
    return f"r.{identifier(name)}"


def _sorted(remote: RemoteTable, column: str, direction: Direction) -> str:
    template = remote.kinds[column].sorted_as or "{}"
    return f"{template.format(_column(column))} {direction.upper()}"


_BY_ORDER = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE})
_SYMBOLS = {
    Operator.EQ: "=",
    Operator.NE: "<>",
    Operator.LT: "<",
    Operator.LE: "<=",
    Operator.GT: ">",
    Operator.GE: ">=",
    Operator.LIKE: "~~",
}
