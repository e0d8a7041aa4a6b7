"""A bound tree in a narrower language: what DuckDB has not, or means otherwise, said by what it means alike. Pure.

The same row and array comparisons, numerics, moments and texts are written with plain operators and with the functions
of `macros`, so that `allowed` has less to know. A node that no rule knows stays as it is, and is judged there.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from omnisql_server.execute.lower_aggregates import AGGREGATE_RULES
from omnisql_server.execute.lower_array_forms import ARRAY_FORM_RULES
from omnisql_server.execute.lower_arrays import ARRAY_RULES
from omnisql_server.execute.lower_integers import INTEGER_RULES
from omnisql_server.execute.lower_json import JSON_RULES
from omnisql_server.execute.lower_numeric import NUMERIC_RULES
from omnisql_server.execute.lower_rows import ROW_RULES
from omnisql_server.execute.lower_text import TEXT_RULES
from omnisql_server.execute.lower_time import TIME_RULES
from omnisql_server.execute.lower_values import VALUE_RULES
from omnisql_server.execute.lowered import Rule
from omnisql_server.execute.output_types import output_type
from omnisql_server.model.query import BoundQuery, derive
from omnisql_server.model.trees import copied

_TABLES: tuple[Mapping[type[exp.Expr], Rule], ...] = (
    ROW_RULES,
    VALUE_RULES,
    TIME_RULES,
    TEXT_RULES,
    ARRAY_RULES,
    ARRAY_FORM_RULES,
    JSON_RULES,
    NUMERIC_RULES,
    INTEGER_RULES,
    AGGREGATE_RULES,
)


def lowered(query: BoundQuery) -> exp.Expr | None:
    """Return a query's tree in the language that `allowed` judges, None where it has no tree."""
    tree = query.tree
    if tree is None:
        return None
    zone = query.settings.time_zone
    return derive(query, exp.Expr, lambda: lower(tree, zone), f"lowered {zone}")


def lower(tree: exp.Expr, zone: str) -> exp.Expr:
    """Rewrite a tree, the innermost nodes first, for a session in a time zone."""
    tree = copied(tree)
    _type_laterals(tree)
    for node in reversed(list(tree.walk())):
        current = node
        for table in _TABLES:
            rule = table.get(type(current))
            made = rule(current, zone) if rule is not None else None
            if made is not None:
                current.replace(made)
                current = made
    return tree


def _type_laterals(tree: exp.Expr) -> None:
    """Give a column of a LATERAL subquery the type of its output, which `annotate_types` does not follow."""
    for lateral in tree.find_all(exp.Lateral):
        if not isinstance(lateral.this, exp.Subquery) or not isinstance(lateral.parent, exp.Join | exp.Select):
            continue
        outputs = {output.alias_or_name: output.unalias() for output in lateral.this.selects}
        for column in tree.find_all(exp.Column):
            output = outputs.get(column.name) if column.table == lateral.alias else None
            if output is not None and output_type(column) is None and output.type is not None:
                column.type = output.type.copy()
