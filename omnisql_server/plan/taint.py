"""Which parts of a tree need columns that are not there yet, directly or through derived tables. Pure.

`awaited` are such columns, attributes by the names of scans.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp
from sqlglot.optimizer.scope import Scope


class Taint:
    """Answers for one tree, whose scopes were built once."""

    def __init__(self, root: Scope, awaited: Mapping[str, frozenset[str]]) -> None:
        self._awaited = awaited
        self._by_query = {id(scope.expression): scope for scope in root.traverse()}
        self._outputs: dict[int, frozenset[str] | None] = {}
        # WITH queries, whose names stand for whatever they read.
        self._read = {cte.alias for cte in root.expression.find_all(exp.CTE)}
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
            named = [
                output
                for output in outputs_named
                if output.alias_or_name == column.name and all(node is not column for node in output.walk())
            ]
            return not named or any(self.touches(output) for output in named)
        while scope is not None:
            _, source = scope.selected_sources.get(column.table, (None, None))
            if source is not None:
                outputs = self.outputs(source)
                return outputs is None or column.name in outputs
            scope = scope.parent
        return True

    def _outputs_of(self, scope: Scope) -> frozenset[str] | None:
        select = scope.expression
        if not any(self._awaited.get(table.name) or table.name in self._read for table in select.find_all(exp.Table)):
            return frozenset()
        if not isinstance(select, exp.Select):
            inner = [self._outputs.get(id(branch)) for branch in scope.set_operation_scopes]
            return frozenset() if inner and all(outputs == frozenset() for outputs in inner) else None
        if any(self.outputs(source) is None for _, source in scope.selected_sources.values()):
            return None
        if any(map(self.touches, _beside_outputs(select))):
            return None
        found = frozenset(output.alias_or_name for output in select.selects if self.touches(output))
        return None if found and select.args.get("distinct") is not None else found


def _beside_outputs(select: exp.Select) -> Iterator[exp.Expr]:
    """Yield all that a SELECT looks at, less its outputs and the queries and tables that it reads."""
    for name, value in select.args.items():
        if name not in ("expressions", "from_", "joins", "with_"):
            yield from (part for part in (value if isinstance(value, list) else [value]) if isinstance(part, exp.Expr))
    first = select.args.get("from_")
    joins = select.args.get("joins") or ()
    for item in (*([first.this] if first is not None else []), *(join.this for join in joins)):
        if not isinstance(item, exp.Table | exp.Subquery) or item.args.get("joins"):
            yield item
    for join in joins:
        if join.args.get("on") is not None:
            yield join.args["on"]
        # What these compare is not written out.
        if join.method or join.args.get("using"):
            yield from (column for column in select.find_all(exp.Column))
