"""Which rows need the calls that some columns cost: those that meet every condition that needs none of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from connectors.sdk.table import Table
from omnisql_server.model.relation import Relation


def survival(
    relation: Relation, table: Table, conditions: Iterable[exp.Expr], masked: frozenset[str]
) -> tuple[exp.Expr, ...]:
    """Return conditions over one relation with the API's columns in the place of the relation's.

    Those that look at a column that costs a call for each row, or at one that policy masks, are left out.
    """
    hydrated = {column.name for column in table.columns if column.hydrate is not None}
    if not hydrated:
        return ()
    named = {attribute.name: attribute.api_column for attribute in relation.attributes}
    found = []
    for condition in conditions:
        columns = {named.get(column.name) for column in condition.find_all(exp.Column)}
        if None not in columns and not columns & (hydrated | masked):
            found.append(condition.transform(lambda node: _renamed(node, named)))
    return tuple(found)


def _renamed(node: exp.Expr, named: dict[str, str | None]) -> exp.Expr:
    if not isinstance(node, exp.Column):
        return node
    column = exp.column(named[node.name] or "", quoted=True)
    column.type = node.type
    return column
