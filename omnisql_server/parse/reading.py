"""What an UPDATE, DELETE or MERGE reads, also within WITH, as a query that the planner takes conditions from. Pure.

The query is never executed: PostgreSQL executes the statement's own text. Its rows are no fewer than those that the
statement may use of each relation. The relation that is written to stands in it as rows of which nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

_UNKNOWN = "omnisql_written"
"""A function that there is not: nothing is folded into it or derived from it."""

_WRITES = (exp.Update, exp.Delete, exp.Merge, exp.Insert)


def reading_query(tree: exp.Expr) -> exp.Expr | None:
    """Give the query that stands for a statement's reading; None for one of another form."""
    reading = _reading(tree)
    if reading is None:
        return None
    known = tree.args.get("with_")
    if known is not None and not isinstance(tree, exp.Query) and reading.args.get("with_") is not None:
        return None
    if known is not None:
        whole = known.copy()
        for common in whole.expressions:
            named = _named_of(tree, common.alias)
            inner = _outputs_of(common.this, named) if isinstance(common.this, _WRITES) else common.this
            if inner is None:
                return None
            common.set("this", inner)
        reading.set("with_", whole)
    return reading


def _reading(tree: exp.Expr) -> exp.Expr | None:
    match tree:
        case exp.Query():
            return tree.copy()
        case exp.Insert():
            query = tree.args.get("expression")
            if query is None or _queries(tree.args.get("conflict"), tree.args.get("returning")):
                return None
            if isinstance(query, exp.Values):
                return exp.Select(expressions=[_one()]) if not _queries(query) else None
            return query.copy() if isinstance(query, exp.Query) else None
        case exp.Update():
            return _update(tree)
        case exp.Delete():
            sources = [source.copy() for source in tree.args.get("using") or ()]
            return _select(tree, sources, _returned(tree))
        case exp.Merge():
            # Rows that match nothing count too: the condition chooses none of the source's.
            if _queries(tree.args.get("on"), tree.args.get("whens"), tree.args.get("returning")):
                return None
            return _select(tree, [tree.args["using"].copy()], [], filtered=False)
    return None


def _update(tree: exp.Update) -> exp.Expr | None:
    if not all(isinstance(each, exp.EQ) and isinstance(each.this, exp.Column) for each in tree.expressions):
        return None
    source = tree.args.get("from_")
    sources = [source.this.copy()] if source is not None else []
    return _select(tree, sources, [*(each.expression.copy() for each in tree.expressions), *_returned(tree)])


def _returned(tree: exp.Expr) -> list[exp.Expr]:
    returning = tree.args.get("returning")
    expressions = returning.expressions if returning is not None else []
    return [each.copy() for each in expressions if not isinstance(each, exp.Star) and not _of_target(each)]


def _of_target(node: exp.Expr) -> bool:
    """Say whether an output is of the target's row before or after the change, and of nothing that is read."""
    columns = {column.table for column in node.find_all(exp.Column)}
    return bool(columns & {"old", "new"}) and node.find(exp.Query) is None


def _select(tree: exp.Expr, sources: list[exp.Expr], outputs: list[exp.Expr], *, filtered: bool = True) -> exp.Select:
    """Select from the sources beside the relation that is written to."""
    joins: list[exp.Join] = []
    for source in sources:
        joins += [join.copy() for join in source.args.pop("joins", None) or ()] if source is sources[0] else []
    joins += [exp.Join(this=source, kind="CROSS") for source in sources[1:]]
    target = _target(tree)
    first = sources[0] if sources else target
    if sources:
        joins.append(exp.Join(this=target, kind="CROSS"))
    select = exp.Select(expressions=[exp.alias_(each, f"c{place}") for place, each in enumerate(outputs)] or [_one()])
    select.set("from_", exp.From(this=first))
    select.set("joins", joins)
    where = tree.args.get("where")
    if filtered and where is not None:
        select.set("where", where.copy())
    return select


def _one() -> exp.Expr:
    return exp.alias_(exp.Literal.number(1), "c0")


def _target(tree: exp.Expr) -> exp.Subquery:
    """Stand for the relation that is written to, with the columns that the statement names of it."""
    table = tree.this
    name = table.alias_or_name
    alone = not (tree.args.get("from_") or tree.args.get("using"))
    # Beside no other relation, a column without a name before it is the target's.
    tables = (name, "") if alone else (name,)
    columns = dict.fromkeys(column.name for column in tree.find_all(exp.Column) if column.table in tables)
    outputs = [_unknown(column) for column in columns] or [_unknown(_UNKNOWN)]
    alias = exp.TableAlias(this=exp.to_identifier(name, quoted=True))
    return exp.Subquery(this=exp.Select(expressions=outputs), alias=alias)


def _unknown(name: str) -> exp.Expr:
    return exp.Alias(this=exp.Anonymous(this=_UNKNOWN), alias=exp.to_identifier(name, quoted=True))


def _named_of(tree: exp.Expr, name: str) -> list[str]:
    """List the columns that a statement names of a WITH query of its own."""
    aliases = {table.alias_or_name for table in tree.find_all(exp.Table) if table.name == name and not table.db}
    return list(dict.fromkeys(column.name for column in tree.find_all(exp.Column) if column.table in aliases))


def _outputs_of(tree: exp.Expr, asked: list[str]) -> exp.Expr | None:
    """Stand for a WITH query that writes: what it reads, with outputs of its names, of which nothing is known."""
    reading = _reading(tree)
    if not isinstance(reading, exp.Select) or tree.args.get("with_") is not None:
        return None
    returning = tree.args.get("returning")
    named = [each.alias_or_name for each in returning.expressions] if returning is not None else [_UNKNOWN]
    if "*" in named:
        named = asked or [_UNKNOWN]
    if not all(named):
        return None
    kept = [output for output in reading.selects if _queries(output)]
    reading.set("expressions", [*(_unknown(name) for name in named), *kept])
    return reading


def _queries(*nodes: exp.Expr | None) -> bool:
    return any(_has_query(node) for node in nodes)


def _has_query(node: exp.Expr | Iterable[exp.Expr] | None) -> bool:
    return isinstance(node, exp.Expr) and node.find(exp.Query) is not None
