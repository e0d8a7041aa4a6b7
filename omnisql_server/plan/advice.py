"""What a rewrite would save: the calls of a scan as it is planned, and of the one that the rewrite would be. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from connectors.sdk.scan import Operator, Predicate
from omnisql_server.errors import KeyColumnRequired, LimitExceeded
from omnisql_server.model.plan import NotPushed, ScanPlan
from omnisql_server.model.relation import Relation
from omnisql_server.model.statistics import TableStatistics
from omnisql_server.plan.domains import NoRowCanMatch, Wanted, reduce_conditions
from omnisql_server.plan.drafts import Draft
from omnisql_server.plan.paths import ChosenPath, cheapest, usable_paths
from omnisql_server.plan.recognize import Condition
from omnisql_server.plan.rewrites import Advice


def advised(plan: ScanPlan, draft: Draft, known: TableStatistics, combinations_max: int) -> ScanPlan:
    """Return a plan that says of each condition that is not pushed what to write instead, where that saves calls."""
    if not draft.advice or plan.empty is not None or plan.deferred:
        return plan
    entries = tuple(_with_rewrite(entry, plan, draft, known, combinations_max) for entry in plan.not_pushed)
    return replace(plan, not_pushed=entries)


def _with_rewrite(
    entry: NotPushed, plan: ScanPlan, draft: Draft, known: TableStatistics, combinations_max: int
) -> NotPushed:
    advice = draft.advice.get(entry.condition)
    if advice is None or plan.path.counts:
        return entry
    calls = _calls(advice, draft, known, combinations_max)
    if calls is None or calls >= plan.calls_expected:
        return entry
    saved = f"{calls} API call{'' if calls == 1 else 's'} instead of {plan.calls_expected}"
    return replace(entry, rewrite=f"{advice.text}{f' {advice.aside}' if advice.aside else ''}: {saved}")


def _calls(advice: Advice, draft: Draft, known: TableStatistics, combinations_max: int) -> int | None:
    """Return the expected calls of all branches; None where the API takes the conditions of one no better."""
    total = 0
    for branch in advice.branches:
        added = [wanted for condition in branch if (wanted := _wanted(draft.relation, condition)) is not None]
        if len(added) < len(branch) or any(item.predicate.column in draft.masks for item in added):
            return None
        try:
            reduced = reduce_conditions([*draft.wanted, *added])
            usable = usable_paths(
                draft.table,
                draft.relation.qualified_name,
                reduced,
                frozenset(draft.columns),
                combinations_max,
                known=known,
                alternatives=draft.alternatives,
            )
        except (NoRowCanMatch, KeyColumnRequired, LimitExceeded):
            return None
        chosen = cheapest(usable)
        if not _takes(chosen, added):
            return None
        total += chosen.calls_expected
    return total


def _wanted(relation: Relation, condition: Condition) -> Wanted | None:
    attribute = relation.attribute(condition.column)
    if attribute is None or attribute.api_column is None:
        return None
    predicate = Predicate(column=attribute.api_column, operator=condition.operator, value=condition.value)
    return Wanted(predicate=predicate, sql=condition.sql)


def _takes(chosen: ChosenPath, added: Iterable[Wanted]) -> bool:
    """Say whether a path sends some of the conditions, as a key or as a parameter."""
    columns = {item.predicate.column for item in added}
    keys = {column for column in columns & set(chosen.path.keys) if any(_gives(item, column) for item in added)}
    sent = (pushed.predicate for pushed in chosen.pushed)
    return bool(keys or columns & {each.column for each in sent if isinstance(each, Predicate)})


def _gives(item: Wanted, column: str) -> bool:
    return item.predicate.column == column and item.predicate.operator in (Operator.EQ, Operator.IN)
