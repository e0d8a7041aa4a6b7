"""A statement of which sources carry out parts: each is a scan of a relation in its place. Pure but for planning anew.

The rest is planned as any statement: keys go to a part as they go to a table, by the columns that are a table's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from catalog.types import BY_SQL_NAME
from connectors.sdk.table import Table
from omnisql_server.bind.tree import typed_again
from omnisql_server.errors import KeyColumnRequired, LimitExceeded
from omnisql_server.execute.run import DUCKDB, POSTGRES, Engine, reason_against
from omnisql_server.model.meaning import meaning_of
from omnisql_server.model.plan import QueryPlan, ScanPlan
from omnisql_server.model.query import AuthorizedQuery, BoundQuery, Occurrence, ParsedQuery
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.parse.tree import parse_query
from omnisql_server.part_joins import cut_joins
from omnisql_server.part_tables import SentPart, sent_part
from omnisql_server.part_trees import Cutting, inner_queries, outputs_of
from omnisql_server.whole_meaning import NODES, means_the_same
from omnisql_server.whole_statement import relation_of
from wire.backend import Field

PlanAnew = Callable[[AuthorizedQuery, Callable[[Relation], Table | None]], QueryPlan]
"""Plans a query; some of its relations have tables that only the caller knows."""

_WRITTEN_ALIKE = NODES | {exp.Lower, exp.Upper, exp.DPipe, exp.ILike}
"""What is written anew for PostgreSQL here as it is sent to another one."""

_NO_TEXT = ParsedQuery(text="", references=(), named_columns=frozenset(), tree=None)


def plan_by_parts(plan: QueryPlan, may_be_sent: frozenset[str], plan_anew: PlanAnew) -> tuple[QueryPlan, Engine] | None:
    """Return the plan that has sources carry out the largest parts of a statement, and the engine for the rest.

    None where there are no such parts, or where that is expected to take more calls than the scans of `plan`. Of these,
    those that `may_be_sent` may be read in parts.
    """
    query = plan.authorized.query
    if query.tree is None or query.as_owners.reads or _merges(query):
        return None
    scans = {scan.scan_name: scan for scan in plan.scans if scan.scan_name in may_be_sent}
    places = {one.scan_name: one for one in query.occurrences}
    found = {name: relation_of(scan, places[name]) for name, scan in scans.items()}
    relations = {name: relation for name, relation in found.items() if relation is not None}
    servers = {name: scans[name].relation.server for name in relations}
    tree = query.tree.copy()

    def sendable(part: exp.Query, scan_names: Sequence[str]) -> bool:
        return _means_the_same(query, part, [places[name] for name in scan_names])

    unique = frozenset(each for name in relations for each in _unique(scans[name]))
    cutting = Cutting(tree=tree, servers=servers, unique=unique, sendable=sendable)
    if not servers or not cutting.is_clear:
        return None
    _cut(cutting, tree, is_outermost=True)
    tree = _without_unread_queries(tree, cutting)
    if not cutting.parts:
        return None
    try:
        sent = [sent_part(each, number, scans, relations) for number, each in enumerate(cutting.parts)]
        rewritten = _rewritten(query, tree, sent)
    except SqlglotError:
        return None
    engine = _engine(rewritten)
    planned = _planned(plan, rewritten, sent, plan_anew) if engine is not None else None
    return None if planned is None or engine is None else (planned, engine)


def _unique(scan: ScanPlan) -> Iterator[tuple[str, str]]:
    """Yield the attributes that alone tell the rows of a scan apart."""
    for path in scan.table.access_paths:
        if path.single and len(path.keys) == 1:
            yield from (
                (scan.scan_name, each.name) for each in scan.relation.attributes if each.api_column in path.keys
            )


def _merges(query: BoundQuery) -> bool:
    """Say whether columns are merged by USING under a star: which there are, and where, only PostgreSQL says."""
    for parsed in (query.parsed, *query.views.values()):
        joins = parsed.tree.find_all(exp.Join) if parsed.tree is not None else ()
        if "*" in parsed.named_columns and any(join.args.get("using") or join.method for join in joins):
            return True
    return False


def _means_the_same(query: BoundQuery, part: exp.Query, occurrences: Sequence[Occurrence]) -> bool:
    outputs = outputs_of(part)
    if outputs is None:
        return False
    fields = tuple(Field(name="", type_oid=BY_SQL_NAME[each.type_name].oid) for each in outputs)
    own = replace(
        query,
        parsed=_NO_TEXT,
        views={},
        meaning=meaning_of(part),
        occurrences=tuple(occurrences),
        fields=fields,
        derived={},
        origin=None,
    )
    return means_the_same(own, part)


def _cut(cutting: Cutting, query: exp.Expr, *, is_outermost: bool) -> None:
    """Cut parts out of a query: itself, what its FROM joins, what is below; WITH queries last, those that are left."""
    if isinstance(query, exp.Query) and not is_outermost and cutting.cut_query(query):
        return
    if isinstance(query, exp.Select):
        cut_joins(cutting, query)
    for inner in list(inner_queries(query)):
        _cut(cutting, inner, is_outermost=False)
    if is_outermost:
        for cte in reversed(list(cutting.queries.values())):
            if _is_named(cutting.tree, cte):
                _cut(cutting, cte.this, is_outermost=False)


def _is_named(tree: exp.Expr, cte: exp.CTE) -> bool:
    return any(table.name == cte.alias for table in tree.find_all(exp.Table))


def _without_unread_queries(tree: exp.Expr, cutting: Cutting) -> exp.Expr:
    """Drop the WITH queries that went with parts, and what they alone named."""
    for cte in reversed(list(cutting.queries.values())):
        if not _is_named(tree, cte):
            queries = cte.parent
            cte.pop()
            if isinstance(queries, exp.With) and not queries.expressions:
                queries.pop()
    return tree


def _rewritten(query: BoundQuery, tree: exp.Expr, sent: Sequence[SentPart]) -> BoundQuery:
    """Bind a tree that reads parts: as a statement of its own, whose text names every relation once.

    Raises:
        SqlglotError: it has no text.
    """
    used = {table.name for table in tree.find_all(exp.Table)}
    occurrences = [one for one in query.occurrences if one.scan_name in used]
    occurrences += [each.occurrence for each in sent]
    typed = typed_again(tree, {one.scan_name: one.relation for one in occurrences})
    local = {one.scan_name: one.relation for one in occurrences if one.relation.kind is not RelationKind.API}

    def named(node: exp.Expr) -> exp.Expr:
        relation = local.get(node.name) if isinstance(node, exp.Table) else None
        if relation is not None:
            node.set("this", exp.to_identifier(relation.name, quoted=True))
            node.set("db", exp.to_identifier(relation.schema, quoted=True))
        return node

    text = typed.transform(named).sql("postgres", unsupported_level=ErrorLevel.RAISE)
    parsed = parse_query(text)
    places = {reference.name: (reference.position,) for reference in parsed.references if reference.schema is None}
    relations: dict[tuple[str | None, str], Relation] = {
        (None, one.scan_name): one.relation for one in occurrences if one.scan_name not in local
    }
    return replace(
        query,
        parsed=parsed,
        meaning=meaning_of(typed),
        occurrences=tuple(replace(one, place=places.get(one.scan_name)) for one in occurrences),
        relations=relations,
        views={},
        parameter_oids=(),
        derived={},
        origin=None,
        unvalued=None,
    )


def _engine(query: BoundQuery) -> Engine | None:
    """Choose the engine for what is left of a statement, None where its text might mean something else."""
    reason = reason_against(query)
    if reason is None:
        return Engine(name=DUCKDB, reason="every part of the statement is proved to mean the same")
    tree = query.tree
    alike = tree is not None and all(type(node) in _WRITTEN_ALIKE for node in tree.walk())
    if query.settings.engine == DUCKDB or not alike or not query.settings.catalog_first:
        return None
    return Engine(name=POSTGRES, reason=reason)


def _planned(plan: QueryPlan, rewritten: BoundQuery, sent: Sequence[SentPart], plan_anew: PlanAnew) -> QueryPlan | None:
    """Plan what is left, with parts as relations; None where that takes more calls than `plan`, or has no keys."""
    authorized = plan.authorized
    left = {one.scan_name for one in rewritten.occurrences}
    asked = replace(
        authorized,
        query=rewritten,
        filters={name: each for name, each in authorized.filters.items() if name in left},
        masks={name: each for name, each in authorized.masks.items() if name in left},
    )
    tables = {each.relation.oid: each.table for each in sent}
    try:
        planned = plan_anew(asked, lambda relation: tables.get(relation.oid))
    except (KeyColumnRequired, LimitExceeded):
        return None
    if planned.calls_expected > plan.calls_expected:
        return None
    by_name = {each.part.name: each for each in sent}
    scans = tuple(
        _carrying(scan, by_name[scan.scan_name]) if scan.scan_name in by_name else scan for scan in planned.scans
    )
    streaming = planned.streaming
    if streaming is not None and not by_name.keys().isdisjoint(streaming.scans):
        # A source may refuse a part, and then no row may be out.
        streaming = None
    return replace(planned, scans=scans, streaming=streaming)


def _carrying(scan: ScanPlan, sent: SentPart) -> ScanPlan:
    """Have a scan read what stands for a part."""
    return replace(
        scan,
        scans=tuple(replace(each, whole=sent.statement) for each in scan.scans),
        pushed=(*scan.pushed, *sent.pushed),
        otherwise=_carrying(scan.otherwise, sent) if scan.otherwise is not None else None,
    )
