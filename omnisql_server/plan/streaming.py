"""Whether a statement's answer is that to each page of its rows, one after the other. Pure.

So it is where one scan is read and every row is worked on by itself: conditions and expressions over its columns. Rows
that are counted, grouped, sorted, numbered or compared with others need all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from omnisql_server.model.plan import ScanPlan, Streaming
from omnisql_server.model.query import BoundQuery
from omnisql_server.plan.limit import ROW_BY_ROW, count_of

_KNOWN = frozenset(("expressions", "from_", "where", "limit", "order", "with_", "hint", "kind"))
"""What a query may have; anything else (joins, groups, DISTINCT, OFFSET, windows) looks at more than a row."""

_OF_A_ROW = (
    *ROW_BY_ROW,
    exp.In,
    exp.Between,
    exp.ILike,
    exp.Any,
    exp.Tuple,
    exp.Array,
    exp.Abs,
    exp.Ceil,
    exp.Floor,
    exp.Greatest,
    exp.Least,
    exp.Left,
    exp.Right,
    exp.Trim,
    exp.Replace,
    exp.Concat,
    exp.ConcatWs,
    exp.StrPosition,
    exp.StartsWith,
    exp.Pad,
    exp.Repeat,
    exp.MD5,
    exp.AtTimeZone,
)


def streaming_of(query: BoundQuery, scans: Sequence[ScanPlan]) -> Streaming | None:
    """Return how a statement's rows may go out as its pages come; None where all must be read first.

    A sort is no obstacle where the source sorts: then the first rows by the source are those of the answer.
    """
    if query.tree is None or len(scans) != 1 or scans[0].deferred or len(query.occurrences) != 1:
        return None
    scan = scans[0]
    root = build_scope(query.tree)
    if root is None or not scan.scans or not _is_of_a_row(root):
        return None
    select = root.expression
    if select.args.get("order") and (scan.limit is None or len(scan.scans) != 1):
        return None
    limit = select.args.get("limit")
    rows_max = count_of(limit) if isinstance(limit, exp.Limit) else None
    if limit is not None and not rows_max:
        return None
    return Streaming(rows_max=rows_max, in_turn=rows_max is not None and scan.limit is None)


def _is_of_a_row(scope: Scope) -> bool:
    """Say whether a query and those in its FROM work on rows one by one; only the outermost may cut them off."""
    outermost = True
    while True:
        select = scope.expression
        if not isinstance(select, exp.Select) or len(scope.selected_sources) != 1:
            return False
        present = {name for name, value in select.args.items() if value}
        if not present <= _KNOWN or (not outermost and present & {"limit", "order"}):
            return False
        where = select.args.get("where")
        worked_on = [*select.selects, *([where.this] if where is not None else [])]
        if not all(isinstance(node, _OF_A_ROW) for one in worked_on for node in one.walk()):
            return False
        source = next(iter(scope.selected_sources.values()))[1]
        if isinstance(source, exp.Table):
            return True
        if not isinstance(source, Scope):
            return False
        scope, outermost = source, False
