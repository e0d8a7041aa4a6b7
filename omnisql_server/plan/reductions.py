"""Which rows of a table a statement needs, asked before columns are fetched that cost calls for each row. Pure.

A reduction is a query made of the statement's own tree: FROM and WHERE of the SELECT that reads the table, carried
outwards through plain derived tables, without what needs a column that is awaited. Restricting the table to the rows
that it names does not change the statement's answer:

- a row that is in no row of FROM and WHERE adds nothing to the SELECT, whatever that makes of its rows. Where an outer
  join would put nulls in the row's place, no condition after that join is used;
- where nothing of FROM and WHERE was left out and ORDER BY and LIMIT follow, any first rows by that order are an
  answer. Of several tables in one such SELECT, each keeps all rows up to the last of the first ones, equal ones
  included.

The awaited columns are not there when it is evaluated, so that one which was overlooked would be an error and no wrong
answer. What may give something else when it is evaluated again (LIMIT inside, windows, aggregates of an order) is not
used, nor what DuckDB is not proved to evaluate as PostgreSQL does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from omnisql_server.model.meaning import meaning_of
from omnisql_server.model.plan import Reduction
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.relation import ROW_NUMBER
from omnisql_server.model.trees import copied
from omnisql_server.plan.blocks import Block, block_of, from_items, where_of
from omnisql_server.plan.limit import count_of, order_output
from omnisql_server.plan.outer_rows import asked_by_outer_rows
from omnisql_server.plan.taint import Taint

_RANK = "omnisql_rank"
_STEADY = (exp.Count, exp.Min, exp.Max)
"""Aggregates that give the same for the same rows in any order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Says of an expression, and of a whole query, whether DuckDB is proved to evaluate it as PostgreSQL does."""

    expression: Callable[[exp.Expr], bool]
    query: Callable[[BoundQuery], bool]


def find_reductions(
    query: BoundQuery, awaited: Mapping[str, frozenset[str]], judge: Judge
) -> tuple[dict[str, frozenset[str]], tuple[Reduction, ...]]:
    """Return for which scans rows can be told before attributes that cost calls are there, and the queries that do.

    `awaited` are those attributes by scan name. A scan whose own conditions tell as much is not among the answer: its
    rows are told while it is read.
    """
    if query.tree is None or query.parsed.written or any(one.recursive for one in query.tree.find_all(exp.With)):
        return {}, ()
    left = {name: columns for name, columns in awaited.items() if columns}
    while left:
        found = {name: _reduction(query, name, left, judge) for name in left}
        if None not in found.values():
            return left, tuple(reduction for reduction in found.values() if reduction is not None)
        # What these scans fill is there for the others, then.
        left = {name: columns for name, columns in left.items() if found[name] is not None}
    return {}, ()


def _reduction(
    query: BoundQuery, scan_name: str, awaited: Mapping[str, frozenset[str]], judge: Judge
) -> Reduction | None:
    for keeps in (lambda _: True, judge.expression):
        made = _made(query, scan_name, awaited, keeps, judge)
        if made is not None and judge.query(made.query):
            return made
    return None


def _made(
    query: BoundQuery,
    scan_name: str,
    awaited: Mapping[str, frozenset[str]],
    keeps: Callable[[exp.Expr], bool],
    judge: Judge,
) -> Reduction | None:
    root = build_scope(copied(query.tree)) if query.tree is not None else None
    if root is None:
        return None
    taint = Taint(root, awaited)
    blocks = list(_chain(root, scan_name, taint, keeps, judge))
    if not blocks:
        return None
    first = _first_rows(blocks, scan_name, taint, judge)
    asked = asked_by_outer_rows(blocks[-1], taint, keeps) if first is None else None
    if first is None and asked is None and not _tells_more(blocks, judge):
        return None
    if asked is not None:
        blocks[-1] = replace(blocks[-1], where=(*blocks[-1].where, asked))
    _strip(root, taint)
    tree = _built(blocks, first)
    if not _is_steady(tree):
        return None
    ctes = _with(blocks[-1].select, tree)
    if ctes is not None:
        tree.set("with_", ctes)
    occurrences = tuple(
        replace(one, columns=tuple(c for c in one.columns if c not in awaited.get(one.scan_name, ())))
        for one in query.occurrences
        if any(table.name == one.scan_name for table in tree.find_all(exp.Table))
    )
    reduced = replace(query, meaning=meaning_of(tree), fields=(), occurrences=occurrences, derived={}, origin=None)
    return Reduction(scan_name=scan_name, query=reduced, rows_max=first.count if first is not None else None)


def _chain(
    root: Scope, scan_name: str, taint: Taint, keeps: Callable[[exp.Expr], bool], judge: Judge
) -> Iterator[Block]:
    """Yield the SELECT that reads a scan, and those around it that see its rows one by one."""
    place = next(
        (
            (scope, alias)
            for scope in root.traverse()
            for alias, (_, source) in scope.selected_sources.items()
            if isinstance(source, exp.Table) and source.name == scan_name
        ),
        None,
    )
    while place is not None:
        block = block_of(*place, taint, keeps)
        if block is None:
            return
        yield block
        place = _around(root, block, judge) if block.preserved else None


def _around(root: Scope, block: Block, judge: Judge) -> tuple[Scope, str] | None:
    """Return who reads the rows of a SELECT one by one, and under which name; None where that is not one place."""
    select, derived = block.select, block.select.parent
    readers = [
        (scope, alias)
        for scope in root.traverse()
        for alias, (_, source) in scope.selected_sources.items()
        if source is block.scope
    ]
    if len(readers) != 1 or block.scope.external_columns or not isinstance(derived, exp.Subquery | exp.CTE):
        return None
    alias = derived.args.get("alias")
    is_plain = not any(derived.args.get(name) for name in ("joins", "limit", "offset", "order"))
    if not is_plain or not isinstance(alias, exp.TableAlias) or alias.columns:
        return None
    if not _is_row_by_row(select, judge) or any(select.args.get(name) for name in ("limit", "offset", "with_")):
        return None
    return readers[0]


def _is_row_by_row(select: exp.Select, judge: Judge) -> bool:
    """Say whether a SELECT gives one row for each row of its FROM and WHERE."""
    if any(select.args.get(name) for name in ("group", "having", "distinct", "windows", "qualify")):
        return False
    return all(
        output.find(exp.AggFunc, exp.Window, exp.UDTF) is None and judge.expression(output) for output in select.selects
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FirstRows:
    """The first rows of an order; `ranked` keeps the rows that are equal to the last of them."""

    count: int
    order: tuple[exp.Expr, ...]
    ranked: bool


def _first_rows(blocks: list[Block], scan_name: str, taint: Taint, judge: Judge) -> _FirstRows | None:
    last = blocks[-1]
    limit, offset = last.select.args.get("limit"), last.select.args.get("offset")
    count = count_of(limit) if isinstance(limit, exp.Limit) else None
    skipped = count_of(offset) if offset is not None else 0
    if count is None or skipped is None or not _is_row_by_row(last.select, judge):
        return None
    if not all(block.exact and block.preserved for block in blocks):
        return None
    clause = last.select.args.get("order")
    wanted = list(clause.expressions) if clause is not None else []
    keys: list[exp.Expr] = []
    for ordered in wanted:
        key = order_output(last.select, ordered.this)
        named = {column.table for column in key.find_all(exp.Column)} if key is not None else {""}
        if key is None or taint.touches(key) or named & {"", *last.without} or key.find(exp.Query):
            break
        made = ordered.copy()
        made.set("this", key.copy())
        keys.append(made)
    others = [name for name in _scans_with_calls(last, taint) if name != scan_name]
    ranked = bool(others) or len(keys) < len(wanted)
    if ranked and not keys:
        return None
    return _FirstRows(count=count + skipped, order=tuple(keys), ranked=ranked)


def _scans_with_calls(block: Block, taint: Taint) -> Iterator[str]:
    """Yield the scans below a SELECT that wait for columns."""
    for table in block.select.find_all(exp.Table):
        if taint.outputs(table):
            yield table.name


def _tells_more(blocks: list[Block], judge: Judge) -> bool:
    """Say whether rows are told by more than conditions on their own columns, in the query that reads them.

    Those that are evaluated while a table is read have to be as they are, without a whole query around them.
    """
    if any(block.where for block in blocks[1:]) or any(not join.side for block in blocks for join in block.joins):
        return True
    own = {blocks[0].alias}
    return any(
        condition.find(exp.Query) is not None
        or {column.table for column in condition.find_all(exp.Column)} - own
        or not judge.expression(condition)
        for condition in blocks[0].where
    )


def _strip(root: Scope, taint: Taint) -> None:
    """Take the outputs that need an awaited column from derived tables."""
    for scope in root.traverse():
        outputs = taint.outputs(scope)
        if scope is root or not outputs or not isinstance(scope.expression, exp.Select):
            continue
        kept = [output for output in scope.expression.selects if output.alias_or_name not in outputs]
        scope.expression.set("expressions", kept or [exp.alias_(exp.Literal.number(1), "omnisql_none", quoted=True)])


def _built(blocks: list[Block], first: _FirstRows | None) -> exp.Select:
    item: exp.Expr | None = None
    for block, around in pairwise(blocks):
        outputs = [*(output.copy() for output in block.select.selects), _numbered(block.alias)]
        inner = exp.Subquery(this=_select(block, item, outputs))
        inner.set("alias", exp.TableAlias(this=exp.to_identifier(around.alias, quoted=True)))
        item = inner
    last = blocks[-1]
    if first is None:
        return _select(last, item, [_numbered(last.alias)])
    order = exp.Order(expressions=[key.copy() for key in first.order]) if first.order else None
    if not first.ranked:
        made = _select(last, item, [_numbered(last.alias)])
        made.set("order", order)
        made.set("limit", exp.Limit(expression=exp.Literal.number(first.count)))
        return made
    rank = exp.alias_(exp.Window(this=exp.Rank(), order=order, over="OVER"), _RANK, quoted=True)
    ranked = exp.Subquery(this=_select(last, item, [_numbered(last.alias), rank]))
    ranked.set("alias", exp.TableAlias(this=exp.to_identifier(_RANK, quoted=True)))
    place, last_one = exp.column(_RANK, table=_RANK, quoted=True), exp.Literal.number(first.count)
    within = exp.LTE(this=place, expression=last_one)
    place.type = last_one.type = exp.DataType.build("BIGINT")
    within.type = exp.DataType.build("BOOLEAN")
    return exp.Select(expressions=[_numbered(_RANK)], from_=exp.From(this=ranked), where=exp.Where(this=within))


def _select(block: Block, item: exp.Expr | None, outputs: list[exp.Expr]) -> exp.Select:
    source, joins = from_items(block, item)
    made = exp.Select(expressions=outputs, from_=source)
    if joins:
        made.set("joins", joins)
    if (where := where_of(block.where)) is not None:
        made.set("where", where)
    return made


def _numbered(alias: str) -> exp.Expr:
    column = exp.column(ROW_NUMBER, table=alias, quoted=True)
    column.type = exp.DataType.build("BIGINT")
    made = exp.alias_(column, ROW_NUMBER, quoted=True)
    made.type = exp.DataType.build("BIGINT")
    return made


def _is_steady(tree: exp.Select) -> bool:
    """Say whether a query gives the same whenever it is evaluated, but for equal rows at its own end."""
    for node in tree.walk():
        if isinstance(node, exp.Limit | exp.Offset | exp.Fetch) and node.parent is not tree:
            return False
        if isinstance(node, exp.Window) and not isinstance(node.this, exp.Rank):
            return False
        if isinstance(node, exp.Distinct) and node.args.get("on"):
            return False
        if isinstance(node, exp.AggFunc) and not isinstance(node, (*_STEADY, exp.Rank)):
            return False
    return True


def _with(select: exp.Select, tree: exp.Select) -> exp.With | None:
    """Return the WITH queries that a query reads, those that these read among them."""
    clauses: list[list[exp.CTE]] = []
    node: exp.Expr | None = select
    while node is not None:
        clause = node.args.get("with_")
        clauses += [clause.expressions] if clause is not None else []
        node = node.parent
    # Those further out come first, and stand behind inner ones of their name.
    known = {cte.alias: cte for clause in reversed(clauses) for cte in clause}
    read: set[str] = set()
    pending: list[exp.Expr] = [tree]
    while pending:
        names = {table.name for table in pending.pop().find_all(exp.Table)} & known.keys() - read
        read |= names
        pending += [known[name] for name in names]
    kept = [cte.copy() for name, cte in known.items() if name in read]
    return exp.With(expressions=kept) if kept else None
