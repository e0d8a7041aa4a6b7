"""Trees as the statements that a source carries out, over its tables as policy shows them. Pure.

A row filter is a condition of the table itself, below which nothing of the statement is evaluated; it goes there if the
source evaluates all of it exactly. A mask goes if what it shows depends on no value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from connectors.sdk.scan import Operator, Predicate, Value
from connectors.sdk.table import Grade, Table
from connectors.sdk.whole import WholeRelation, WholeStatement
from omnisql_server.model.mask import MaskKind
from omnisql_server.model.plan import Pushed, ScanPlan
from omnisql_server.model.query import Occurrence
from omnisql_server.plan.domains import Wanted
from omnisql_server.plan.paths import sent_exactly
from omnisql_server.plan.policy_filters import wanted_of

CARRIED = frozenset(
    {"bool", "int2", "int4", "int8", "float8", "numeric", "text", "varchar", "date", "timestamp", "timestamptz", "uuid"}
)
"""Types of columns and outputs whose values are the same at both ends."""

_ORDERED = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE})
_WITH_NAN = frozenset({"float4", "float8", "numeric"})


@dataclass(slots=True)
class _Parameters:
    """The strings of a statement; equal ones are one parameter, so that equal expressions stay equal."""

    numbers: dict[str, int] = field(default_factory=dict)

    def instead(self, node: exp.Expr) -> exp.Expr:
        if not (isinstance(node, exp.Literal) and node.is_string):
            return node
        number = self.numbers.setdefault(node.name, len(self.numbers) + 1)
        return exp.cast(exp.Parameter(this=exp.Literal.number(number)), "TEXT", dialect="postgres")


def relation_of(scan: ScanPlan, occurrence: Occurrence) -> WholeRelation | None:
    """Return what a statement reads in one place as policy shows it.

    None where a column has not the type that it has at the source, or where policy cannot be followed there.
    """
    columns = []
    for name in occurrence.columns:
        attribute = occurrence.relation.attribute(name)
        if attribute is None or attribute.api_column is None:
            return None
        column = scan.table.column(attribute.api_column)
        if column.type.oid != attribute.type_oid or column.type_name not in CARRIED:
            return None
        columns.append((name, column.name, column.type_name))
    filters, masks = policy_filters(scan), _instead(scan, {own for _, own, _ in columns})
    if filters is None or masks is None:
        return None
    hides = bool(scan.filters)
    return WholeRelation(
        name=occurrence.scan_name,
        table=scan.table.name,
        columns=tuple(columns),
        conditions=(*_plain(filters), *(_beside(scan) if hides else ())),
        shields=hides,
        instead=masks,
    )


def policy_filters(scan: ScanPlan) -> tuple[Pushed, ...] | None:
    """Return all that policy's filters say of a table, None where its source evaluates not all of it exactly."""
    wanted = []
    for rule in scan.filters:
        asked, is_all = wanted_of(rule, scan.table)
        plain = [each for each in asked if isinstance(each, Wanted)]
        # PostgreSQL takes NaN for the greatest number, policy for none.
        if not is_all or len(plain) < len(asked) or any(_orders_numbers(each.predicate, scan.table) for each in plain):
            return None
        wanted += plain
    return sent_exactly(scan.table.access_paths[0], wanted)


def _orders_numbers(predicate: Predicate, table: Table) -> bool:
    return predicate.operator in _ORDERED and table.column(predicate.column).type_name in _WITH_NAN


def _plain(pushed: Iterable[Pushed]) -> Iterator[Predicate]:
    return (each.predicate for each in pushed if isinstance(each.predicate, Predicate))


def _beside(scan: ScanPlan) -> Iterable[Predicate]:
    """Yield what else rows have to meet to matter: where rows are hidden, no condition gets to a table by itself."""
    yield from _plain(each for each in scan.pushed if each.policy is None and each.grade is Grade.EXACT)
    if len(scan.scans) == 1:
        for column, value in scan.scans[0].keys.items():
            yield Predicate(column=column, operator=Operator.IN, value=value if isinstance(value, tuple) else (value,))


def _instead(scan: ScanPlan, used: set[str]) -> Mapping[str, Value] | None:
    masks = {column: mask for column, mask in scan.masks.items() if column in used}
    if any(mask.needs_value for mask in masks.values()):
        return None
    return {column: mask.value if mask.kind is MaskKind.CONST else None for column, mask in masks.items()}


def written(
    tree: exp.Expr, relations: Sequence[WholeRelation], type_oids: Sequence[int], names: Sequence[str] = ()
) -> WholeStatement:
    """Write a tree as a statement; every string is a parameter.

    Raises:
        SqlglotError: a part of it has no text.
    """
    parameters = _Parameters()
    plain = tree.transform(parameters.instead)
    queries = plain.args.get("with_")
    plain.set("with_", None)

    def text(node: exp.Expr) -> str:
        return node.sql("postgres", copy=False, unsupported_level=ErrorLevel.RAISE)

    return WholeStatement(
        sql=text(plain),
        relations=tuple(relations),
        type_oids=tuple(type_oids),
        queries=tuple(text(each) for each in queries.expressions) if queries is not None else (),
        parameters=tuple(parameters.numbers),
        names=tuple(names),
    )
