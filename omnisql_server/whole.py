"""A statement that one source carries out whole, as a plan with one scan: its rows are the answer's. Pure.

All that it reads is of one server, whose connector takes statements, and policy hides nothing of it. What is sent is
the bound tree, never the user's text; DuckDB is proved to evaluate it as PostgreSQL does, and what remains means the
same in every PostgreSQL:

- texts come from the source's tables with `COLLATE "C"`; a comparison by order in which no such text takes part would
  be by the source's own collation, as what is upper and lower case would, and is not sent;
- every string is a parameter of type text; what depends on the session's time zone is sent in UTC alone;
- sums of floating point numbers depend on the order of rows, and stay here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from catalog.quoting import identifier
from catalog.types import BY_OID
from connectors.sdk.scan import Scan
from connectors.sdk.table import AccessPath, Column, Table
from connectors.sdk.whole import WHOLE, WholeRelation, WholeStatement
from omnisql_server.execute.output_types import output_type, sort_key
from omnisql_server.execute.run import DUCKDB, Engine
from omnisql_server.model.meaning import meaning_of
from omnisql_server.model.plan import QueryPlan, ScanPlan, Streaming
from omnisql_server.model.query import BoundQuery, Occurrence, ParsedQuery
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.model.statement import RelationReference, Statement, StatementKind

_KINDS = frozenset({StatementKind.SELECT, StatementKind.EXPLAIN, StatementKind.COPY_TO})
_CARRIED = frozenset(
    {"bool", "int2", "int4", "int8", "float8", "numeric", "text", "varchar", "date", "timestamp", "timestamptz", "uuid"}
)
"""Types of columns and outputs whose values are the same at both ends."""

_UTC = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT"})
_TEXTS = (exp.DType.TEXT, exp.DType.VARCHAR)
_FLOATS = (exp.DType.DOUBLE, exp.DType.FLOAT)
_NODES = frozenset(
    {
        *(exp.Select, exp.Subquery, exp.Table, exp.TableAlias, exp.Alias, exp.Column, exp.Identifier, exp.Star),
        *(exp.From, exp.Where, exp.Join, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset),
        *(exp.Distinct, exp.Union, exp.Intersect, exp.Except, exp.With, exp.CTE, exp.Exists, exp.In, exp.Any),
        *(exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.Is),
        *(exp.NullSafeEQ, exp.NullSafeNEQ, exp.Null, exp.Boolean, exp.Literal, exp.Neg, exp.Like, exp.Case, exp.If),
        *(exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max),
        *(exp.LogicalAnd, exp.LogicalOr, exp.Filter, exp.Cast, exp.DataType, exp.Add, exp.Sub, exp.Mul, exp.Div),
        *(exp.Mod, exp.Abs, exp.Length, exp.Left, exp.Right, exp.Substring, exp.Window, exp.WindowSpec),
        *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.Cube, exp.Rollup, exp.GroupingSets, exp.Tuple),
        *(exp.TimestampTrunc, exp.Extract, exp.Var),
    }
)
_BY_ORDER = (exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.Greatest, exp.Least)
_EXTREMES = (exp.Min, exp.Max)
_SOURCE_NAME = "whole"


@dataclass(slots=True)
class _Parameters:
    """The strings of a statement; equal ones are one parameter, so that equal expressions stay equal."""

    numbers: dict[str, int] = field(default_factory=dict)

    def instead(self, node: exp.Expr) -> exp.Expr:
        if not (isinstance(node, exp.Literal) and node.is_string):
            return node
        number = self.numbers.setdefault(node.name, len(self.numbers) + 1)
        return exp.cast(exp.Parameter(this=exp.Literal.number(number)), "TEXT", dialect="postgres")


def whole_plan(plan: QueryPlan, statement: Statement, engine: Engine) -> QueryPlan | None:
    """Return the plan that has a statement carried out by its only source, None where the scans of `plan` are read.

    It is worth it where the source joins, groups or counts: it then sends the answer instead of what it is made of.
    """
    if engine.name != DUCKDB or statement.kind not in _KINDS or not _is_alone(plan):
        return None
    query = plan.authorized.query
    tree = query.tree
    if tree is None:
        return None
    relations = [_relation(scan, one) for scan, one in _read(plan)]
    outputs = [BY_OID[each.type_oid].name if each.type_oid in BY_OID else "" for each in query.fields]
    if None in relations or not outputs or not _CARRIED.issuperset(outputs):
        return None
    if not _gathers(tree) or not _means_the_same(tree, query.settings.time_zone):
        return None
    try:
        whole = _statement(tree, [each for each in relations if each is not None], query)
    except SqlglotError:
        return None
    return _planned(plan, whole, outputs)


def _is_alone(plan: QueryPlan) -> bool:
    """Say whether one source has all that a statement reads, with nothing of it hidden and nothing older wanted."""
    authorized = plan.authorized
    query, settings = authorized.query, authorized.query.settings
    plain = settings.catalog_first and settings.plain_input and settings.on_source_error != "partial"
    hidden = any(authorized.filters.values()) or any(authorized.masks.values()) or query.shields
    if not plain or hidden or query.as_owners.reads or query.parsed.written or not query.returns_rows:
        return False
    servers = {(one.relation.server, one.relation.kind) for one in query.occurrences}
    takes = all(scan.table.takes_statements and scan.empty is None for scan in plan.scans)
    return takes and len(servers) == 1 and len(plan.scans) == len(query.occurrences)


def _read(plan: QueryPlan) -> list[tuple[ScanPlan, Occurrence]]:
    by_name = {scan.scan_name: scan for scan in plan.scans}
    return [(by_name[one.scan_name], one) for one in plan.authorized.query.occurrences if one.scan_name in by_name]


def _relation(scan: ScanPlan, occurrence: Occurrence) -> WholeRelation | None:
    """Return what a statement reads in one place, None where a column has not the type that it has at the source."""
    columns = []
    for name in occurrence.columns:
        attribute = occurrence.relation.attribute(name)
        if attribute is None or attribute.api_column is None:
            return None
        column = scan.table.column(attribute.api_column)
        if column.type.oid != attribute.type_oid or column.type_name not in _CARRIED:
            return None
        columns.append((name, column.name, column.type_name))
    return WholeRelation(name=occurrence.scan_name, table=scan.table.name, columns=tuple(columns))


def _gathers(tree: exp.Expr) -> bool:
    """Say whether a statement makes fewer rows of many, or joins by conditions."""
    if tree.find(exp.AggFunc, exp.Group, exp.Distinct) is not None:
        return True
    joins = list(tree.find_all(exp.Join))
    return bool(joins) and all(join.args.get("on") is not None for join in joins)


def _means_the_same(tree: exp.Expr, time_zone: str) -> bool:
    plain = _Texts(tree)
    for node in tree.walk():
        if type(node) not in _NODES or (isinstance(node, exp.With) and node.args.get("recursive")):
            return False
        if isinstance(node, exp.Sum | exp.Avg) and output_type(_argument(node)) in (*_FLOATS, None):
            return False
        if isinstance(node, exp.Cast) and time_zone not in _UTC and _by_zone(node):
            return False
        if not plain.sorts_alike(node):
            return False
    return True


def _argument(node: exp.Expr) -> exp.Expr:
    found: exp.Expr = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    return found


def _by_zone(cast: exp.Cast) -> bool:
    """Say whether a value is cast to or from a moment; bind writes constants with their distance from UTC."""
    if output_type(cast.this) is exp.DType.TIMESTAMPTZ:
        return True
    return cast.to.is_type(exp.DType.TIMESTAMPTZ) and not isinstance(cast.this, exp.Literal)


class _Texts:
    """Which texts of a tree have the collation of the source's tables as they are read: byte by byte."""

    def __init__(self, tree: exp.Expr) -> None:
        # A column of a derived table is one of a table only if all texts of derived tables are.
        inner = [one for one in tree.find_all(exp.Select) if one is not tree and not isinstance(one.parent, exp.Exists)]
        outputs = [output.unalias() for one in inner for output in one.selects]
        self._are_columns = all(self._is_column(output) for output in outputs if self._may_be_text(output))

    def sorts_alike(self, node: exp.Expr) -> bool:
        """Say whether a node that compares by order does so by bytes."""
        if isinstance(node, exp.Ordered):
            compared = [sort_key(node)]
        elif isinstance(node, _EXTREMES):
            compared = [_argument(node)]
        elif isinstance(node, _BY_ORDER):
            compared = [part for part in node.iter_expressions() if not isinstance(part, exp.Any)]
            if any(isinstance(part, exp.Any) for part in node.iter_expressions()):
                return False
        else:
            return True
        texts = [part for part in compared if part is None or self._may_be_text(part)]
        settled = [part for part in texts if part is not None and self._are_columns and self._is_column(part)]
        constants = [part for part in texts if isinstance(part, exp.Literal)]
        return len(settled) + len(constants) == len(texts) and (not texts or bool(settled))

    @staticmethod
    def _may_be_text(node: exp.Expr) -> bool:
        if isinstance(node, exp.Literal) and not node.is_string:
            return False
        return not isinstance(node, exp.Null | exp.Star) and output_type(node) in (*_TEXTS, None)

    def _is_column(self, node: exp.Expr) -> bool:
        node = node.unnest()
        if isinstance(node, _EXTREMES):
            return self._is_column(_argument(node))
        return isinstance(node, exp.Column)


def _statement(tree: exp.Expr, relations: Sequence[WholeRelation], query: BoundQuery) -> WholeStatement:
    """Write a tree as a statement.

    Raises:
        SqlglotError: a part of it has no text.
    """
    parameters = _Parameters()
    written = tree.transform(parameters.instead)
    queries = written.args.get("with_")
    written.set("with_", None)

    def text(node: exp.Expr) -> str:
        return node.sql("postgres", copy=False, unsupported_level=ErrorLevel.RAISE)

    return WholeStatement(
        sql=text(written),
        relations=tuple(relations),
        type_oids=tuple(each.type_oid for each in query.fields),
        queries=tuple(text(each) for each in queries.expressions) if queries is not None else (),
        parameters=tuple(parameters.numbers),
    )


def _planned(plan: QueryPlan, whole: WholeStatement, outputs: Sequence[str]) -> QueryPlan:
    first = plan.scans[0].relation
    names = tuple(f"c{number}" for number in range(1, len(outputs) + 1))
    others = dict.fromkeys(scan.relation.qualified_name for scan in plan.scans if scan.relation.oid != first.oid)
    relation = Relation(
        oid=0,
        schema=first.schema,
        name=", ".join((first.name, *others)),
        kind=RelationKind.API,
        owner=first.owner,
        attributes=tuple(
            Attribute(number=number, name=name, type_oid=oid, type_sql=BY_OID[oid].sql_name, api_column=name)
            for number, (name, oid) in enumerate(zip(names, whole.type_oids, strict=True), 1)
        ),
        server=first.server,
        wrapper=first.wrapper,
        api_table=WHOLE,
    )
    path = AccessPath(name=WHOLE, request=whole.shown)
    columns = tuple(Column(name=name, type_name=kind, path=name) for name, kind in zip(names, outputs, strict=True))
    table = Table(name=WHOLE, description="", columns=columns, primary_key=(), access_paths=(path,))
    scan = ScanPlan(
        scan_name=_SOURCE_NAME,
        relation=relation,
        table=table,
        path=path,
        columns=names,
        scans=(Scan(table=WHOLE, access_path=WHOLE, columns=names, whole=whole),),
        rows_expected=table.rows_expected,
    )
    asked = replace(plan.authorized, query=_rows_of(relation, plan.authorized.query), filters={}, masks={})
    return QueryPlan(authorized=asked, scans=(scan,), streaming=Streaming(scans=(_SOURCE_NAME,)))


def _rows_of(relation: Relation, query: BoundQuery) -> BoundQuery:
    """Write the query that is left here: all columns of the answer's rows, as they come."""
    names = tuple(attribute.name for attribute in relation.attributes)
    source = exp.Table(this=exp.to_identifier(_SOURCE_NAME, quoted=True))
    columns = [exp.column(name, table=_SOURCE_NAME, quoted=True) for name in names]
    tree = exp.Select(expressions=columns, from_=exp.From(this=source))
    before = f"SELECT {', '.join(identifier(name) for name in names)} FROM "
    reference = RelationReference(schema=None, name=_SOURCE_NAME, alias=None, position=len(before.encode()))
    text = before + identifier(_SOURCE_NAME)
    parsed = ParsedQuery(text=text, references=(reference,), named_columns=frozenset(names), tree=tree, tree_text=text)
    return replace(
        query,
        parsed=parsed,
        meaning=meaning_of(tree),
        occurrences=(Occurrence(scan_name=_SOURCE_NAME, relation=relation, columns=names),),
        relations={(None, _SOURCE_NAME): relation},
        views={},
        parameter_oids=(),
        derived={},
        origin=None,
        unvalued=None,
    )
