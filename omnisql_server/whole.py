"""A statement that one source carries out whole, as a plan with one scan: its rows are the answer's. Pure.

All that it reads is of one server, whose connector takes statements, as policy shows it (`whole_statement`). What is
sent is the bound tree, never the user's text, if it means the same there (`whole_meaning`); strings are parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp
from sqlglot.errors import SqlglotError

from catalog.quoting import identifier
from catalog.types import BY_OID
from connectors.sdk.scan import Scan
from connectors.sdk.table import AccessPath, Column, Table
from connectors.sdk.whole import WHOLE, WholeStatement
from omnisql_server.execute.run import DUCKDB, POSTGRES, Engine
from omnisql_server.model.meaning import meaning_of
from omnisql_server.model.plan import QueryPlan, ScanPlan, Streaming
from omnisql_server.model.query import BoundQuery, Occurrence, ParsedQuery
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.model.statement import RelationReference, Statement, StatementKind
from omnisql_server.whole_meaning import means_the_same
from omnisql_server.whole_statement import CARRIED, policy_filters, relation_of, written

_KINDS = frozenset({StatementKind.SELECT, StatementKind.EXPLAIN, StatementKind.COPY_TO})
_SOURCE_NAME = "whole"
SENT_WHOLE = Engine(name=DUCKDB, reason="the source carries out the statement, its rows are sent on")


def may_send(plan: QueryPlan, statement: Statement) -> bool:
    """Say whether a session would have anything of a statement carried out by a source."""
    query, settings = plan.authorized.query, plan.authorized.query.settings
    plain = settings.catalog_first and settings.plain_input and settings.on_source_error != "partial"
    own = not (query.shields or query.as_owners.reads or query.parsed.written) and query.returns_rows
    reads = statement.kind in _KINDS and not statement.writes
    return plain and own and reads and settings.engine != POSTGRES


def may_be_sent(scan: ScanPlan) -> bool:
    """Say whether the source of a scan may carry out what reads it.

    Not where it is read by texts that an index finds: over texts in another order that would not be used. Policy's
    conditions, and those beside them, are written as for scans.
    """
    names = [*(name for one in scan.scans for name in one.keys), *(key.column for key in scan.deferred)]
    are_texts = any(scan.table.column(name).type_name in {"text", "varchar"} for name in names)
    looks_up_text = are_texts and not scan.filters
    return scan.table.takes_statements and scan.empty is None and not looks_up_text


def whole_plan(plan: QueryPlan) -> QueryPlan | None:
    """Return the plan that has a statement carried out by its only source, None where the scans of `plan` are read.

    It is worth it where the source joins, groups or counts: it then sends the answer instead of what it is made of.
    """
    query = plan.authorized.query
    if not _is_alone(plan):
        return None
    tree = query.tree
    if tree is None:
        return None
    relations = [relation_of(scan, one) for scan, one in _read(plan)]
    outputs = [BY_OID[each.type_oid].name if each.type_oid in BY_OID else "" for each in query.fields]
    if None in relations or not outputs or not CARRIED.issuperset(outputs):
        return None
    if not _gathers(tree) or not means_the_same(query, tree):
        return None
    try:
        shown = [each for each in relations if each is not None]
        whole = written(tree, shown, tuple(each.type_oid for each in query.fields))
    except SqlglotError:
        return None
    return _planned(plan, whole, outputs)


def _is_alone(plan: QueryPlan) -> bool:
    """Say whether one source has all that a statement reads."""
    query = plan.authorized.query
    servers = {(one.relation.server, one.relation.kind) for one in query.occurrences}
    takes = all(map(may_be_sent, plan.scans))
    return takes and len(servers) == 1 and len(plan.scans) == len(query.occurrences)


def _read(plan: QueryPlan) -> list[tuple[ScanPlan, Occurrence]]:
    by_name = {scan.scan_name: scan for scan in plan.scans}
    return [(by_name[one.scan_name], one) for one in plan.authorized.query.occurrences if one.scan_name in by_name]


def _gathers(tree: exp.Expr) -> bool:
    """Say whether a statement makes fewer rows of many, or joins by conditions."""
    if tree.find(exp.AggFunc, exp.Group, exp.Distinct) is not None:
        return True
    joins = list(tree.find_all(exp.Join))
    return bool(joins) and all(join.args.get("on") is not None for join in joins)


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
        pushed=tuple(each for scan in plan.scans for each in policy_filters(scan) or ()),
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
