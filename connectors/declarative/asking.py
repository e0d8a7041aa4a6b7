"""Test queries of a manifest: SELECTs of one table with conditions joined by AND, read, asked and compared.

They are asked as a statement is, by the access path that takes most of it; what that does not take is evaluated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from connectors.declarative.questions import Question
from connectors.sdk.connector import Connection, FetchContext, RequestRecord
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.grades import grade_of
from connectors.sdk.scan import Direction, Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.table import AccessPath, Column, Grade, Table
from connectors.sdk.testing.reference import holds

_COMPARISONS: Mapping[type[exp.Expr], Operator] = {
    exp.EQ: Operator.EQ,
    exp.NEQ: Operator.NE,
    exp.LT: Operator.LT,
    exp.LTE: Operator.LE,
    exp.GT: Operator.GT,
    exp.GTE: Operator.GE,
    exp.Like: Operator.LIKE,
    exp.ILike: Operator.ILIKE,
}
_UNDERSTOOD = "A test query is SELECT columns FROM table WHERE column op literal AND .. ORDER BY column LIMIT n."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A test query as it was read; `order` is None or one key."""

    columns: tuple[str, ...]
    predicates: tuple[Predicate, ...]
    order: SortKey | None
    limit: int | None


@dataclass(slots=True)
class _Calls:
    """Counts requests; implements the SDK's Meter."""

    made: int = 0

    def request(self, _record: RequestRecord) -> None:
        """Count a request."""
        self.made += 1

    def page(self, _row_count: int) -> None:
        """Let a page pass."""


def read_query(text: str, table: Table) -> Asked:
    """Read the SQL of a test query.

    Raises:
        ManifestInvalid: it is none, or names what the table does not have.
    """
    try:
        tree = sqlglot.parse_one(text, read="postgres")
    except SqlglotError:
        raise _not_understood("it is no SQL") from None
    if not isinstance(tree, exp.Select):
        raise _not_understood("it is no SELECT")
    given = {name for name, value in tree.args.items() if value}
    if extra := given - {"expressions", "from_", "from", "where", "order", "limit", "kind"}:
        raise _not_understood(f"it has {min(extra)}")
    source = tree.args.get("from_") or tree.args.get("from")
    if source is None or source.this.name != table.name:
        raise _not_understood(f"it does not read {table.name} alone")
    where, order, limit = (tree.args.get(name) for name in ("where", "order", "limit"))
    conditions = list(where.this.flatten() if isinstance(where.this, exp.And) else [where.this]) if where else []
    return Asked(
        columns=_columns(tree, table),
        predicates=tuple(_predicate(each, table) for each in conditions),
        order=_order(order, table) if order else None,
        limit=int(limit.expression.name) if limit else None,
    )


async def failures_of(
    connection: Connection, table: Table, query: Question, keys: Mapping[str, Value], context: FetchContext
) -> list[str]:
    """Ask a test query and return what is not as it expects; `keys` are those that the query does not give."""
    asked = read_query(query.sql, table)
    chosen = _chosen(table, asked, keys)
    if chosen is None:
        return [f"{query.sql}: no access path can be read for it"]
    scan, is_whole = chosen
    calls = _Calls()
    rows: list[dict[str, Any]] = []
    metered = replace(context, meter=calls)
    pages: Any = connection.fetch(scan, metered)
    async with aclosing(pages) as opened:
        async for page in opened:
            rows += [row for row in page.rows.to_pylist() if all(holds(row, each) for each in asked.predicates)]
            if is_whole and asked.limit is not None and len(rows) >= asked.limit:
                break
    count = len(rows) if asked.limit is None else min(len(rows), asked.limit)
    wrong = []
    if count < query.rows_min:
        wrong.append(f"{query.sql}: {count} rows, {query.rows_min} are expected at least")
    if query.calls_max is not None and calls.made > query.calls_max:
        wrong.append(f"{query.sql}: {calls.made} calls by {scan.access_path}, {query.calls_max} are expected at most")
    return wrong


def _chosen(table: Table, asked: Asked, keys: Mapping[str, Value]) -> tuple[Scan, bool] | None:
    """Return the scan that takes most of a query, and whether nothing but its limit is left to do."""
    found = [_scan(table, path, asked, keys) for path in table.access_paths if not path.counts]
    best = max((each for each in found if each is not None), key=lambda each: each[0], default=None)
    return None if best is None else (best[1], best[2])


def _scan(
    table: Table, path: AccessPath, asked: Asked, keys: Mapping[str, Value]
) -> tuple[tuple[int, int, int], Scan, bool] | None:
    equal = {each.column: each.value for each in asked.predicates if each.operator is Operator.EQ}
    if any(key not in equal and key not in keys for key in path.keys):
        return None
    own = {key: equal[key] if key in equal else keys[key] for key in path.keys}
    used = tuple(dict.fromkeys((*asked.columns, *(each.column for each in asked.predicates))))
    if path.columns is not None and not path.columns.issuperset(used):
        return None
    others = [each for each in asked.predicates if each.column not in own]
    graded = [(grade_of(path, each), each) for each in others]
    sent = tuple(each for grade, each in graded if grade is not Grade.NONE)
    exact = [each for grade, each in graded if grade is Grade.EXACT]
    order = asked.order
    is_ordered = order is None or order.direction in path.order.get(order.column, frozenset())
    is_whole = len(exact) == len(others) and is_ordered
    scan = Scan(
        table=table.name,
        access_path=path.name,
        columns=used,
        keys={key: (value,) if key == path.batch else value for key, value in own.items()},
        predicates=sent,
        order=(order,) if order is not None and is_ordered else (),
        limit=asked.limit if is_whole else None,
    )
    return (len(set(own) & set(equal)), len(exact) + is_ordered, len(sent)), scan, is_whole


def _columns(tree: exp.Select, table: Table) -> tuple[str, ...]:
    names = []
    for each in tree.expressions:
        if isinstance(each, exp.Star):
            names += [column.name for column in table.columns if column.hydrate is None]
        else:
            names.append(_column(each, table).name)
    return tuple(dict.fromkeys(names))


def _column(node: exp.Expr | None, table: Table) -> Column:
    if not isinstance(node, exp.Column):
        raise _not_understood(f"{node.sql() if node is not None else 'nothing'} is no column")
    try:
        return table.column(node.name)
    except KeyError:
        raise ManifestInvalid(message=f"there is no column {node.name}") from None


def _order(order: exp.Expr, table: Table) -> SortKey:
    (first, *more) = order.expressions
    if more:
        raise _not_understood("it has an order of several columns")
    direction = Direction.DESC if first.args.get("desc") else Direction.ASC
    return SortKey(column=_column(first.this, table).name, direction=direction)


def _predicate(node: exp.Expr, table: Table) -> Predicate:
    if isinstance(node, exp.Paren):
        return _predicate(node.this, table)
    is_not = isinstance(node, exp.Not)
    inner = node.this if is_not else node
    if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
        is_null = is_not is bool(inner.args.get("negate"))
        operator = Operator.IS_NULL if is_null else Operator.IS_NOT_NULL
        return Predicate(column=_column(inner.this, table).name, operator=operator, value=None)
    column = _column(inner.this, table)
    if isinstance(inner, exp.In) and inner.expressions:
        values = tuple(_literal(each, column) for each in inner.expressions)
        return Predicate(column=column.name, operator=Operator.NOT_IN if is_not else Operator.IN, value=values)
    compared = None if is_not else _COMPARISONS.get(type(inner))
    if compared is None:
        raise _not_understood(f"{node.sql()} is no comparison with a literal")
    return Predicate(column=column.name, operator=compared, value=_literal(inner.expression, column))


def _literal(node: exp.Expr, column: Column) -> Value:
    if isinstance(node, exp.Neg):
        node = exp.Literal.number(f"-{node.this.name}")
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if not isinstance(node, exp.Literal):
        raise _not_understood(f"{node.sql()} is no literal")
    text, kind = str(node.this), column.type_name
    try:
        if kind in {"int2", "int4", "int8"}:
            return int(text)
        if kind in {"float4", "float8"}:
            return float(text)
        if kind == "numeric":
            return Decimal(text)
        if kind == "date":
            return date.fromisoformat(text)
        if kind == "timestamptz":
            moment = datetime.fromisoformat(text)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, InvalidOperation):
        raise ManifestInvalid(message=f"a literal for column {column.name} is not of type {kind}") from None
    return text


def _not_understood(why: str) -> ManifestInvalid:
    return ManifestInvalid(message=f"this test query is not understood: {why}", hint=_UNDERSTOOD)
