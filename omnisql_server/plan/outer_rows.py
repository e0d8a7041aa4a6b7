"""A subquery's rows matter only where a row of the query around it asks for them: that as a condition. Pure.

For a row of the query around it, a subquery gives what its own rows give that meet its conditions with that row, under
EXISTS and NOT EXISTS alike. Rows that meet them with no such row change nothing; nor do those that meet them only with
rows which the query's own WHERE leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp

from omnisql_server.plan.blocks import Block, block_of, first_name, from_items, names_left, where_of
from omnisql_server.plan.conjuncts import flattened
from omnisql_server.plan.taint import Taint


def asked_by_outer_rows(block: Block, taint: Taint, keeps: Callable[[exp.Expr], bool]) -> exp.Expr | None:
    """Return a condition on the rows of a SELECT that is a subquery, None where nothing ties it to the query around."""
    parent = block.scope.parent
    if parent is None or block.scope not in parent.subquery_scopes or _clause(block.select) not in _PLACES:
        return None
    first = first_name(parent.expression)
    outer = block_of(parent, first, taint, keeps) if first is not None else None
    if first is None or outer is None or taint.outputs(parent.selected_sources[first][1]) is None:
        return None
    names = names_left(outer)
    if names & names_left(block) or outer.select.args.get("with_"):
        return None
    foreign = {id(column) for column in block.scope.external_columns}
    ties = [
        condition
        for condition in block.correlated
        if {column.table for column in condition.find_all(exp.Column) if id(column) in foreign} <= names
    ]
    ties += _membership(block, outer, taint, keeps)
    if not ties:
        return None
    own = tuple(condition for condition in outer.where if all(node is not block.select for node in condition.walk()))
    source, joins = from_items(outer, None)
    asking = exp.Select(
        expressions=[exp.alias_(exp.Literal.number(1), "1", quoted=True)],
        from_=source,
        where=where_of((*own, *ties)),
    )
    if joins:
        asking.set("joins", joins)
    return exp.Exists(this=asking)


_PLACES = ("where", "expressions")


def _clause(select: exp.Select) -> str:
    """Return the clause of the query around it that a subquery stands in."""
    node: exp.Expr = select
    while node.parent is not None and not isinstance(node.parent, exp.Select):
        node = node.parent
    return node.arg_key or ""


def _membership(block: Block, outer: Block, taint: Taint, keeps: Callable[[exp.Expr], bool]) -> Iterator[exp.Expr]:
    """Yield what `x IN (SELECT y ..)` says of y, where the query around it needs it to be true."""
    where, select = outer.select.args.get("where"), block.select
    blocked = ("group", "having", "windows", "qualify", "limit", "offset")
    if where is None or len(select.selects) != 1 or any(select.args.get(name) for name in blocked):
        return
    output = select.selects[0].unalias()
    for condition in flattened(where.this):
        if not isinstance(condition, exp.In) or not _is_query_of(condition, select):
            continue
        x = condition.this
        named = {column.table for column in x.find_all(exp.Column)}
        own = {column.table for column in output.find_all(exp.Column)}
        known = named <= names_left(outer) and own <= names_left(block)
        if known and not output.find(exp.AggFunc, exp.Window, exp.Query) and not x.find(exp.Query):
            equal = exp.EQ(this=output.copy(), expression=x.copy())
            equal.type = exp.DataType.build("BOOLEAN")
            if not taint.touches(output) and not taint.touches(x) and keeps(equal):
                yield equal


def _is_query_of(condition: exp.In, select: exp.Select) -> bool:
    query = condition.args.get("query")
    return (query.this if isinstance(query, exp.Subquery) else query) is select
