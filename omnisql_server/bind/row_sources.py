"""Functions in FROM that give a row for each element, as subqueries over the same function among the outputs. Pure.

`FROM t, unnest(labels) AS l` is `FROM t, LATERAL (SELECT unnest(labels) AS l) AS l`: then the planner's tree has a name
and a type for the column. Other functions stay, and with them the statement is PostgreSQL's.
"""

from __future__ import annotations

from sqlglot import exp

_OF_JSON = {
    "JSONB_ARRAY_ELEMENTS": "value",
    "JSONB_ARRAY_ELEMENTS_TEXT": "value",
    "JSONB_OBJECT_KEYS": "",
}
"""Functions of a jsonb that give rows, and the name of their column where it is not the relation's."""

NUMBERS = "omnisql_ordinality"
"""What gives the numbers of an array's elements, beside `unnest` of it; no function of a user's."""


def expand_row_sources(tree: exp.Expr) -> None:
    """Rewrite `unnest` of one array and `generate_series` in FROM, in place."""
    for node in list(tree.find_all(exp.Table, exp.Unnest, exp.Lateral)):
        found = _function_of(node)
        if found is None:
            continue
        function, name, ordinality = found
        alias = node.args.get("alias")
        columns = [column.name for column in alias.columns] if isinstance(alias, exp.TableAlias) else []
        table = (alias.name if isinstance(alias, exp.TableAlias) else "") or name
        if ordinality:
            offset = node.args.get("offset")
            columns += [offset.name] if isinstance(offset, exp.Identifier) else []
        if len(columns) > (2 if ordinality else 1) or (ordinality and len(columns) != 2):
            continue
        plain = _OF_JSON.get(function.name.upper(), "") if isinstance(function, exp.Anonymous) else ""
        outputs = [_named(function.copy(), columns[0] if columns else plain or table)]
        if ordinality:
            numbers = exp.Anonymous(this=NUMBERS, expressions=[function.this.copy()])
            outputs.append(_named(numbers, columns[1]))
        _put(node, exp.Select(expressions=outputs), table)


def _function_of(node: exp.Expr) -> tuple[exp.Expr, str, bool] | None:
    """Return a function among the outputs that stands for a relation, its name, and whether its rows are numbered."""
    if isinstance(node, exp.Lateral | exp.Table) and isinstance(node.this, exp.Anonymous):
        known = node.this.name.upper() in _OF_JSON and not node.args.get("ordinality")
        return (node.this, node.this.name.lower(), False) if known and len(node.this.expressions) == 1 else None
    if isinstance(node, exp.Lateral):
        return _unnest(node.this) if isinstance(node.this, exp.Unnest) else None
    if isinstance(node, exp.Unnest):
        return None if isinstance(node.parent, exp.Lateral) else _unnest(node)
    series = node.this
    if isinstance(series, exp.ExplodingGenerateSeries) and not node.args.get("ordinality"):
        return series, "generate_series", False
    return None


def _unnest(node: exp.Unnest) -> tuple[exp.Expr, str, bool] | None:
    if len(node.expressions) != 1:
        return None
    return exp.Explode(this=node.expressions[0].copy()), "unnest", bool(node.args.get("offset"))


def _named(value: exp.Expr, name: str) -> exp.Expr:
    return exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))


def _put(node: exp.Expr, select: exp.Select, table: str) -> None:
    alias = exp.TableAlias(this=exp.to_identifier(table, quoted=True))
    if isinstance(node.parent, exp.From):
        node.replace(exp.Subquery(this=select, alias=alias))
    else:
        node.replace(exp.Lateral(this=exp.Subquery(this=select), alias=alias))
