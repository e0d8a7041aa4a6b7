"""Whether a statement's answer is that to each page of some scans, one after the other, with all others whole. Pure.

So it is where each row of such a scan is worked on by itself: conditions and expressions over its columns and those of
the rows that it meets in a join, or in a subquery. Rows that are counted, grouped, sorted, numbered or compared with
others of their own scan need all of them; so do those that an outer join looks for in vain before it gives nulls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from omnisql_server.model.meaning import blank_of
from omnisql_server.model.plan import ScanPlan, Streaming
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.relation import RelationKind
from omnisql_server.plan.limit import ROW_BY_ROW, count_of
from omnisql_server.plan.readings import readings_of

_Source = exp.Table | Scope

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
    exp.Exists,
)

_OF_A_QUERY = (
    exp.Select,
    exp.SetOperation,
    exp.Subquery,
    exp.With,
    exp.CTE,
    exp.From,
    exp.Join,
    exp.Lateral,
    exp.Table,
    exp.TableAlias,
    exp.Where,
    exp.Values,
    exp.Distinct,
    exp.Group,
    exp.Having,
    exp.Count,
    exp.Min,
    exp.Max,
    exp.Star,
)
"""What gives the same each time that it is evaluated over the same rows; LIMIT, array_agg, sums of floats may not."""

_KNOWN = (*_OF_A_ROW, *_OF_A_QUERY)

BEHIND_SKIPPED_MAX = 10_000
"""Rows behind an OFFSET that are held back until LIMIT has all of its own; for more, the whole scan is read."""

_SELECT = frozenset(("expressions", "from_", "joins", "where", "with_", "hint", "kind"))
"""What a query may have whose rows go out; anything else (groups, DISTINCT, windows) looks at more than a row."""
_CUTS = ("order", "limit", "offset")
_JOINS = ("", "INNER", "CROSS", "OUTER")


def streaming_of(query: BoundQuery, scans: Sequence[ScanPlan]) -> Streaming | None:
    """Return how a statement's rows may go out as pages come; None where all must be read first.

    A sort is no obstacle where the source sorts: then the first rows by the source are those of the answer.
    """
    if query.meaning is None or any(one.relation.kind is not RelationKind.API for one in query.occurrences):
        return None
    readings, meaning = readings_of(query.meaning)
    root = readings.root
    if root is None:
        return None
    form = readings.whole("streamed", lambda: _form_of(root, readings.scopes))
    by_name = {scan.scan_name: scan for scan in scans}
    drivers = {key.scan_name for scan in scans for key in scan.deferred}
    chosen = _Choice(form=form, calls={n: s.calls_expected for n, s in by_name.items() if n not in drivers}).of(root)
    streamed = [by_name[name] for name in chosen]
    if not any(scan.scans for scan in streamed):
        return None
    if root.expression.args.get("order") and (len(scans) != 1 or scans[0].limit is None or len(scans[0].scans) != 1):
        return None
    limit = root.expression.args.get("limit")
    rows_max = count_of(meaning.filled(limit)) if isinstance(limit, exp.Limit) else None
    if limit is not None and not rows_max:
        return None
    in_turn = rows_max is not None and any(scan.limit is None for scan in streamed)
    skipped = 0
    if (offset := root.expression.args.get("offset")) is not None:
        # Which rows are skipped is known with all rows of a scan before: of several, one is read after the other.
        skipped = count_of(meaning.filled(offset)) or 0
        if not skipped or not in_turn or len(scans) != 1 or (rows_max or 0) > BEHIND_SKIPPED_MAX:
            return None
    return Streaming(scans=chosen, rows_max=rows_max, skipped=skipped, in_turn=in_turn)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """What is the same for all values: by the identity of a scope, what it reads row by row, and who reads it."""

    row_by_row: Mapping[int, tuple[_Source, ...]]
    readers: Mapping[int, int]


_NOT_STREAMED = _Form(row_by_row={}, readers={})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """Which scans to stream; `calls` has those that may be, with the calls that are expected of each."""

    form: _Form
    calls: Mapping[str, int]

    def of(self, scope: Scope) -> tuple[str, ...]:
        """Return the scans whose rows a query works on one by one: of each branch one, that with the most calls."""
        if isinstance(scope.expression, exp.SetOperation):
            branches = [self.of(branch) for branch in scope.set_operation_scopes]
            known = id(scope) in self.form.row_by_row and all(branches)
            return tuple(name for names in branches for name in names) if known else ()
        found = [names for source in self.form.row_by_row.get(id(scope), ()) if (names := self._read_by(source))]
        return max(found, key=lambda names: sum(self.calls[name] for name in names), default=())

    def _read_by(self, source: _Source) -> tuple[str, ...]:
        if isinstance(source, exp.Table):
            return (source.name,) if source.name in self.calls else ()
        return self.of(source) if self.form.readers[id(source)] == 1 else ()


def _form_of(root: Scope, scopes: Sequence[Scope]) -> _Form:
    cuts = {id(root.expression.args.get(name)) for name in _CUTS}
    counts, met = False, set[str]()
    for node in _walked(root.expression, cuts):
        if node.key not in met and blank_of(node) is None:
            if not isinstance(node, _KNOWN):
                return _NOT_STREAMED
            met.add(node.key)
        if (isinstance(node, exp.With) and node.args.get("recursive")) or (
            isinstance(node, exp.Distinct) and node.args.get("on")
        ):
            return _NOT_STREAMED
        counts = counts or isinstance(node, exp.AggFunc)
    if counts and not all(map(_counts_its_own, scopes)):
        return _NOT_STREAMED
    row_by_row = {}
    for scope in scopes:
        sources = _row_by_row(scope, outermost=scope is root)
        if sources is not None and not (counts and _is_counting(scope.expression)):
            row_by_row[id(scope)] = sources
    readers = Counter(id(source) for scope in scopes for _, source in scope.selected_sources.values())
    return _Form(row_by_row=row_by_row, readers=readers)


def _walked(node: exp.Expr, without: set[int]) -> Iterator[exp.Expr]:
    """Yield a tree's nodes, less some of its parts by their identity."""
    return (part for part in node.walk(prune=lambda found: id(found) in without) if id(part) not in without)


def _counts_its_own(scope: Scope) -> bool:
    """Say whether a query's aggregates are its own: one over columns of the query around it belongs to that one."""
    outer = {id(column) for column in scope.external_columns}
    counts = scope.find_all(exp.AggFunc) if outer else ()
    return not any(id(column) in outer for count in counts for column in count.find_all(exp.Column))


def _is_counting(query: exp.Expr) -> bool:
    """Say whether a query that is not grouped has aggregates, and so one row."""
    inner = {id(found) for found in query.find_all(exp.Query) if found is not query}
    return any(isinstance(node, exp.AggFunc) for node in _walked(query, inner))


def _row_by_row(scope: Scope, *, outermost: bool) -> tuple[_Source, ...] | None:
    """Return the sources of a query that it works on row by row, none of them being supplied with nulls.

    Only the outermost may cut rows off.
    """
    query = scope.expression
    present = {name for name, value in query.args.items() if value} - set(_CUTS if outermost else ())
    if isinstance(query, exp.Union):
        return () if not query.args.get("distinct") and present <= {"this", "expression", "with_"} else None
    if not isinstance(query, exp.Select) or not present <= _SELECT or query.args.get("from_") is None:
        return None
    kept: list[exp.Expr] = [query.args["from_"].this]
    for join in query.args.get("joins") or ():
        if join.kind not in _JOINS or join.method or join.args.get("using"):
            return None
        if join.side == "FULL":
            kept = []
        elif join.side == "RIGHT":
            kept = [join.this]
        elif join.side != "LEFT":
            kept.append(join.this)
    plain = [
        item.alias_or_name for item in kept if isinstance(item, exp.Table | exp.Subquery) and not item.args.get("joins")
    ]
    sources = {name: source for name, (_, source) in scope.selected_sources.items()}
    return tuple(sources[name] for name in plain if isinstance(sources.get(name), exp.Table | Scope))
