"""Which columns of which scans the outputs of a query come from, read off its qualified tree. Pure.

An output comes from the columns in its expression, through subqueries, WITH queries and set operations. Conditions,
groups and orders do not count. Where a name cannot be followed, the answer is None: then everything counts.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, build_scope

Origins = frozenset[tuple[str, str]]
"""Scan names with column names."""


class _Unfollowed(Exception):
    """A name whose origin is not known."""


def output_origins(tree: exp.Expr) -> tuple[Origins, ...] | None:
    """Return the origins of each output of a query in order, None where one cannot be followed."""
    try:
        root = build_scope(tree)
        return tuple(_outputs(root, {})) if root is not None else None
    except (SqlglotError, _Unfollowed, RecursionError):
        return None


def _outputs(scope: Scope, known: dict[int, list[Origins]]) -> list[Origins]:
    found = known.get(id(scope))
    if found is None:
        # A recursive query reads itself: what it has is what its first part has.
        known[id(scope)] = []
        found = known[id(scope)] = _of_scope(scope, known)
    return found


def _of_scope(scope: Scope, known: dict[int, list[Origins]]) -> list[Origins]:
    if scope.set_operation_scopes:
        parts = [_outputs(part, known) for part in scope.set_operation_scopes]
        if len({len(part) for part in parts if part}) != 1:
            raise _Unfollowed
        return [frozenset[tuple[str, str]]().union(*each) for each in zip(*filter(None, parts), strict=True)]
    select = scope.expression
    if not isinstance(select, exp.Select):
        raise _Unfollowed
    return [_of_expression(output, scope, known) for output in select.selects]


def _of_expression(output: exp.Expr, scope: Scope, known: dict[int, list[Origins]]) -> Origins:
    stars = output.find(exp.Star) is not None and output.find(exp.Count) is None
    if stars or output.find(exp.Query) is not None:
        raise _Unfollowed
    origins: set[tuple[str, str]] = set()
    for column in output.find_all(exp.Column):
        source = scope.sources.get(column.table)
        if isinstance(source, exp.Table):
            origins.add((source.name, column.name))
        elif isinstance(source, Scope) and isinstance(source.expression, exp.Query):
            names = source.expression.named_selects
            outputs = _outputs(source, known)
            if column.name not in names or (outputs and len(outputs) != len(names)):
                raise _Unfollowed
            origins |= outputs[names.index(column.name)] if outputs else frozenset()
        else:
            raise _Unfollowed
    return frozenset(origins)
