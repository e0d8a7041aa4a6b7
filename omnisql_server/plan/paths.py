"""Choose how to read one API table: the access path with the least expected calls, and what goes with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from math import ceil

from connectors.sdk.scan import Operator, Predicate, Value
from connectors.sdk.table import AccessPath, Grade, Pushdown, Table
from omnisql_server.errors import KeyColumnRequired, LimitExceeded
from omnisql_server.model.plan import NotPushed, Pushed
from omnisql_server.model.statistics import NO_STATISTICS, Shape, Statistic, TableStatistics, literal_shapes, shape_of
from omnisql_server.plan.cost import RequestCost
from omnisql_server.plan.disjunctions import COUNTED, WantedAny, push_any
from omnisql_server.plan.domains import Wanted, is_unknown
from omnisql_server.plan.estimate import estimate_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPath:
    """A path with its key combinations, the predicates to push, and the calls it is expected to need.

    `empty` says why no request is needed at all. `deferred` are the keys whose values come from another scan; `keys`
    lacks them, and the expected calls are those for a single value of each. `rows_expected` are the rows of one
    combination of keys, from `statistic` where there is one; `calls_per_row` what hydrating costs.
    """

    path: AccessPath
    keys: tuple[dict[str, Value], ...]
    pushed: tuple[Pushed, ...]
    not_pushed: tuple[NotPushed, ...]
    calls_min: int
    calls_expected: int
    calls_max: int | None
    rows_expected: float
    calls_per_row: float = 0
    statistic: Statistic | None = None
    empty: str | None = None
    deferred: tuple[str, ...] = ()


def choose_path(
    table: Table,
    relation_name: str,
    wanted: tuple[Wanted, ...],
    columns: frozenset[str],
    combinations_max: int,
    linked: frozenset[str] = frozenset(),
    known: TableStatistics = NO_STATISTICS,
    alternatives: tuple[WantedAny, ...] = (),
) -> ChosenPath:
    """Return the cheapest usable path; keys among `linked` columns may come from another scan later.

    Raises:
        KeyColumnRequired: no path can be used without a value for more columns.
        LimitExceeded: the listed key values make too many combinations (54000).
    """
    asked = (wanted, columns, combinations_max, linked, known, alternatives)
    return cheapest(usable_paths(table, relation_name, *asked))


def cheapest(candidates: Sequence[ChosenPath]) -> ChosenPath:
    """Return the first candidate of those with the least calls."""
    return min(candidates, key=lambda candidate: (candidate.empty is None, candidate.calls_expected))


def usable_paths(
    table: Table,
    relation_name: str,
    wanted: tuple[Wanted, ...],
    columns: frozenset[str],
    combinations_max: int,
    linked: frozenset[str] = frozenset(),
    known: TableStatistics = NO_STATISTICS,
    alternatives: tuple[WantedAny, ...] = (),
) -> tuple[ChosenPath, ...]:
    """Return every way to read the table, one at least, in the table's order.

    Raises:
        KeyColumnRequired, LimitExceeded: as `choose_path`.
    """
    paths = (_paged(path, columns) for path in table.access_paths if _fills(path, columns))
    usable = [path for path in paths if _has_keys(path, wanted, linked)]
    if not usable:
        raise _key_error(table, relation_name, wanted)
    candidates, too_many = [], None
    for path in usable:
        try:
            keys = _combinations(path, relation_name, wanted, combinations_max)
            candidates.append(_evaluate(table, path, keys, wanted, alternatives, columns, known))
        except LimitExceeded as error:
            too_many = error
    if not candidates and too_many is not None:
        raise too_many
    return tuple(filter(_has_what_it_needs, candidates)) or tuple(candidates)


def _has_what_it_needs(candidate: ChosenPath) -> bool:
    plain = (entry.predicate for entry in candidate.pushed)
    return {each.column for each in plain if isinstance(each, Predicate)}.issuperset(candidate.path.needs)


def _has_keys(path: AccessPath, wanted: tuple[Wanted, ...], linked: frozenset[str]) -> bool:
    return set(path.keys) <= _given(wanted) | linked


def _given(wanted: tuple[Wanted, ...]) -> set[str]:
    return {w.predicate.column for w in wanted if w.predicate.operator in (Operator.EQ, Operator.IN)}


def _fills(path: AccessPath, columns: frozenset[str]) -> bool:
    return path.columns is None or columns <= path.columns


def _paged(path: AccessPath, columns: frozenset[str]) -> AccessPath:
    """Return the path with the pages that it has when no more than some columns are wanted, as large as they may be."""
    if columns <= path.bare_columns:
        path = replace(path, page_rows_max=path.bare_page_rows_max)
    fitting = None if path.complexity is None else path.complexity.rows_max(columns)
    return path if fitting is None or fitting >= path.page_rows_max else replace(path, page_rows_max=fitting)


def _key_error(table: Table, relation_name: str, wanted: tuple[Wanted, ...]) -> KeyColumnRequired:
    given = _given(wanted)
    missing = min(
        (tuple(key for key in path.keys if key not in given) for path in table.access_paths if path.keys), key=len
    )
    names = " and ".join(missing)
    example = " AND ".join(f"{name} = '...'" for name in missing)
    return KeyColumnRequired(
        message=f"KEY_COLUMN_REQUIRED: {relation_name} cannot be read without a value for {names}",
        detail=f"the API behind it is asked by {table.access_paths[0].request}",
        hint=f"add {example} to the WHERE clause",
    )


def _evaluate(
    table: Table,
    path: AccessPath,
    keys: tuple[dict[str, Value], ...],
    wanted: tuple[Wanted, ...],
    alternatives: tuple[WantedAny, ...],
    columns: frozenset[str],
    known: TableStatistics,
) -> ChosenPath:
    pushed, not_pushed, empty = _push_all(path, wanted, alternatives)
    predicates = [entry.predicate for entry in pushed]
    deferred = tuple(key for key in path.keys if key not in _given(wanted))
    literals: tuple[Shape, ...] = ()
    if known.literals and not _is_any_unknown(wanted, alternatives):
        literals = literal_shapes(known.salt, path.keys, only_combination(path, keys, deferred), predicates)
    guessed = table if path.rows_expected is None else replace(table, rows_expected=path.rows_expected)
    estimate = estimate_rows(guessed, known, path.keys, shape_of(path.keys, predicates), literals)
    bound = 1 if path.single else None
    if path.counts and not path.count_may_list:
        bound = path.count_requests
    if path.rows_max is not None and not path.single:
        bound = ceil(path.rows_max / path.page_rows_max)
    per_row = _calls_per_row(table, path, columns)
    chosen = ChosenPath(
        path=path,
        deferred=deferred,
        keys=() if empty else keys,
        pushed=pushed,
        not_pushed=not_pushed,
        calls_min=0 if empty or deferred else len(keys),
        calls_expected=0,
        calls_max=0 if empty else (None if bound is None or deferred or per_row else len(keys) * bound),
        rows_expected=min(estimate.rows, 1.0) if path.single else estimate.rows,
        calls_per_row=per_row,
        statistic=estimate.statistic,
        empty=empty,
    )
    return replace(chosen, calls_expected=calls_expected(chosen))


def _is_any_unknown(wanted: Iterable[Wanted], alternatives: Iterable[WantedAny]) -> bool:
    below = (item for one in alternatives for branch in one.branches for item in branch)
    return any(is_unknown(item.predicate.value) for item in (*wanted, *below))


def only_combination(
    path: AccessPath, keys: Sequence[Mapping[str, Value]], deferred: Sequence[str]
) -> Mapping[str, Value] | None:
    """Return the values of the keys where there is one for each, and all are known."""
    return keys[0] if len(keys) == 1 and not deferred and batch_size(path, keys[0]) == 1 else None


def calls_expected(chosen: ChosenPath, rows_max: int | None = None) -> int:
    """Return the calls for all keys that are given, each reading stopping at `rows_max` rows."""
    cost = RequestCost(path=chosen.path, rows=chosen.rows_expected, calls_per_row=chosen.calls_per_row)
    return sum(cost.calls(batch_size(chosen.path, keys), rows_max) for keys in chosen.keys)


def batch_size(path: AccessPath, keys: Mapping[str, Value]) -> int:
    """Return how many values of the batched key a request carries."""
    value = keys.get(path.batch) if path.batch is not None else None
    return len(value) if isinstance(value, tuple) else 1


def _calls_per_row(table: Table, path: AccessPath, columns: frozenset[str]) -> float:
    if path.columns is not None:
        return 0
    called = {column.hydrate for column in table.columns if column.hydrate and column.name in columns}
    known = table.hydrations
    return sum(1 / known[name].rows_max if name in known else 1 for name in called)


def _push_all(
    path: AccessPath, wanted: tuple[Wanted, ...], alternatives: tuple[WantedAny, ...]
) -> tuple[tuple[Pushed, ...], tuple[NotPushed, ...], str | None]:
    """Decide every predicate that gives no key, and every disjunction; the last value says why no row can match."""
    asked = tuple(item for item in wanted if not item.implied or _is_key(path, item.predicate))
    found = _push_asked(path, asked, alternatives)
    if len(asked) < len(wanted) and any(entry.condition == each.sql for entry in found[1] for each in alternatives):
        # Where an OR is not sent, or not all of it, what follows from it for one column may be.
        found = _push_asked(path, wanted, alternatives)
    return found


def _push_asked(
    path: AccessPath, wanted: tuple[Wanted, ...], alternatives: tuple[WantedAny, ...]
) -> tuple[tuple[Pushed, ...], tuple[NotPushed, ...], str | None]:
    pushed: list[Pushed] = []
    not_pushed: list[NotPushed] = []
    empty: str | None = None
    pushable = {w.predicate.column for w in wanted if _is_sent(path, w.predicate)}
    outcomes = [(item, _push(path, item, pushable)) for item in wanted if not _is_key(path, item.predicate)]
    takers = _takers(path, [item.predicate for item, outcome in outcomes if isinstance(outcome, Pushed)])
    for item, outcome in outcomes:
        kept = outcome
        if isinstance(outcome, Pushed):
            name = _shared(path, item.predicate)
            if name is None or takers[name] == item.predicate.column:
                pushed.append(outcome)
                continue
            reason = f"{path.request} takes {name} once, for the condition on {takers[name]}"
            kept = NotPushed(condition=item.sql, reason=reason)
        if isinstance(kept, NotPushed):
            not_pushed += () if item.implied else (kept,)
        else:
            empty = f"no {item.predicate.column} has that value"
    for each in alternatives:
        beside: list[str | Pushed] = [*path.keys, *pushed]
        found = push_any(path, each, beside, lambda item: _push(path, item, pushable))
        if found is None:
            empty = f"no row has a value of any side of {each.sql}"
            continue
        sent, left_out = found
        pushed += [each for each in sent if each not in pushed]
        not_pushed += () if left_out is None else (left_out,)
    return tuple(pushed), tuple(not_pushed), empty


def _is_key(path: AccessPath, predicate: Predicate) -> bool:
    return predicate.column in path.keys and predicate.operator in (Operator.EQ, Operator.IN)


def _shared(path: AccessPath, predicate: Predicate) -> str | None:
    """Return the parameter that a predicate shares with those on other columns, if it does."""
    operators = path.operators[predicate.column]
    # An equality may be sent as a list of one.
    sent = operators.get(predicate.operator) or operators[Operator.IN]
    return sent.shares


def _takers(path: AccessPath, predicates: Sequence[Predicate]) -> dict[str, str]:
    """Return by shared parameter the column that it is sent for: the first of those that have a predicate."""
    order = list(path.operators)
    found: dict[str, str] = {}
    for predicate in sorted(predicates, key=lambda each: order.index(each.column)):
        name = _shared(path, predicate)
        if name is not None:
            found.setdefault(name, predicate.column)
    return found


def sent_exactly(path: AccessPath, wanted: Iterable[Wanted]) -> tuple[Pushed, ...] | None:
    """Return predicates as a path sends them, None where it does not evaluate all of them exactly."""
    outcomes = [_push(path, item, set()) for item in wanted]
    sent = tuple(each for each in outcomes if isinstance(each, Pushed) and each.grade is Grade.EXACT)
    return sent if len(sent) == len(outcomes) else None


def _is_sent(path: AccessPath, predicate: Predicate) -> bool:
    """Say whether a path sends one value for an equality, as a key or as a predicate."""
    sent = {Operator.EQ, Operator.IN} & path.operators.get(predicate.column, {}).keys()
    return predicate.operator is Operator.EQ and (predicate.column in path.keys or bool(sent))


def _push(path: AccessPath, item: Wanted, equal_columns: set[str]) -> Pushed | NotPushed | None:
    """Decide one predicate on one path; None means that no row can match it."""
    predicate = item.predicate
    operators = path.operators.get(predicate.column, {})
    pushdown = operators.get(predicate.operator)
    if pushdown is None and predicate.operator is Operator.EQ and Operator.IN in operators:
        pushdown = operators[Operator.IN]
        predicate = replace(predicate, operator=Operator.IN, value=(predicate.value,))
    if path.counts:
        return NotPushed(condition=item.sql, reason=COUNTED, costs=False)
    if pushdown is None:
        reason = f"{path.request} has no parameter for {predicate.column} {predicate.operator.value}"
        return NotPushed(condition=item.sql, reason=reason)
    if missing := [column for column in pushdown.needs if column not in equal_columns]:
        return NotPushed(condition=item.sql, reason=f"it needs {', '.join(missing)} to be given as well")
    known = _known_values(pushdown, predicate)
    if known is None:
        return None
    asks = pushdown.accepts is not None and not is_unknown(known.value)
    grade = pushdown.accepts(known.value) if asks and pushdown.accepts else pushdown.grade
    if grade is Grade.NONE:
        return NotPushed(condition=item.sql, reason="the API cannot evaluate this literal")
    return Pushed(predicate=known, grade=grade, policy=item.policy)


def _known_values(pushdown: Pushdown, predicate: Predicate) -> Predicate | None:
    """Drop literals that the API's closed set of values does not hold; None when an equality has none left."""
    if pushdown.values is None or is_unknown(predicate.value):
        return predicate
    if predicate.operator is Operator.EQ:
        return predicate if predicate.value in pushdown.values else None
    if predicate.operator is Operator.IN and isinstance(predicate.value, tuple):
        left = tuple(value for value in predicate.value if value in pushdown.values)
        return replace(predicate, value=left) if left else None
    return predicate


def _combinations(
    path: AccessPath, relation_name: str, wanted: tuple[Wanted, ...], combinations_max: int
) -> tuple[dict[str, Value], ...]:
    known = [key for key in path.keys if key in _given(wanted)]
    lists = [list(_key_values(path, key, wanted)) for key in known]
    found = [dict(zip(known, values, strict=True)) for values in islice(product(*lists), combinations_max + 1)]
    if len(found) > combinations_max:
        raise LimitExceeded(
            message=f"{relation_name} would be read for more than {combinations_max} combinations of keys",
            hint="list fewer values, or raise fetch.key_combinations_max in the configuration",
        )
    return tuple(found)


def _key_values(path: AccessPath, key: str, wanted: tuple[Wanted, ...]) -> Iterable[Value]:
    predicate = next(
        w.predicate for w in wanted if w.predicate.column == key and w.predicate.operator in (Operator.EQ, Operator.IN)
    )
    listed = predicate.operator is Operator.IN and isinstance(predicate.value, tuple)
    values: tuple[Value, ...] = predicate.value if listed and isinstance(predicate.value, tuple) else (predicate.value,)
    if path.batch != key:
        return values
    size = path.batch_keys_max
    return [values[start : start + size] for start in range(0, len(values), size)]
