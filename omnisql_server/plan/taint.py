"""Which parts of a tree need columns that are not there yet, directly or through derived tables. Pure.

`awaited` are such columns, attributes by the names of scans.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

_CLAUSES = ("where", "group", "having", "qualify", "windows", "order", "laterals", "limit", "offset")


class Taint:
    """Answers for one tree, whose scopes were built once."""

    def __init__(self, root: Scope, awaited: Mapping[str, frozenset[str]]) -> None:
        self._awaited = awaited
        self._by_query = {id(scope.expression): scope for scope in root.traverse()}
        self._outputs: dict[int, frozenset[str] | None] = {}
        for scope in root.traverse():
            self._outputs[id(scope)] = self._outputs_of(scope)

    def outputs(self, source: exp.Table | Scope) -> frozenset[str] | None:
        """Return the outputs of a source that need an awaited column, None where its very rows may."""
        if isinstance(source, Scope):
            return self._outputs.get(id(source))
        return self._awaited.get(source.name, frozenset())

    def touches(self, node: exp.Expr | None) -> bool:
        """Say whether an expression looks at an awaited column, in a subquery or by itself."""
        return node is not None and any(self._is_awaited(column) for column in node.find_all(exp.Column))

    def _is_awaited(self, column: exp.Column) -> bool:
        query = column.find_ancestor(exp.Query)
        while isinstance(query, exp.Subquery):
            query = query.find_ancestor(exp.Query)
        scope = self._by_query.get(id(query))
        if scope is None:
            return True
        if not column.table:
            select = scope.expression
            outputs_named = select.selects if isinstance(select, exp.Query) else []
            named = [output for output in outputs_named if output.alias_or_name == column.name]
            return not named or any(self.touches(output) for output in named)
        while scope is not None:
            _, source = scope.selected_sources.get(column.table, (None, None))
            if source is not None:
                outputs = self.outputs(source)
                return outputs is None or column.name in outputs
            scope = scope.parent
        return True

    def _outputs_of(self, scope: Scope) -> frozenset[str] | None:
        below = [self.outputs(source) for _, source in scope.selected_sources.values()]
        if None in below:
            return None
        select = scope.expression
        if not isinstance(select, exp.Select):
            inner = [self._outputs.get(id(branch), frozenset()) for branch in scope.set_operation_scopes]
            return frozenset() if all(outputs == frozenset() for outputs in inner) else None
        joins = [join.args.get("on") for join in select.args.get("joins") or ()]
        clauses = [select.args.get(name) for name in _CLAUSES]
        parts = [part for found in (*clauses, *joins) for part in (found if isinstance(found, list) else [found])]
        if any(self.touches(part) for part in parts):
            return None
        found = frozenset(output.alias_or_name for output in select.selects if self.touches(output))
        return None if found and select.args.get("distinct") is not None else found
