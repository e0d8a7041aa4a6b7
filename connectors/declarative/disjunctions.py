"""What an access path of a manifest takes of OR between conditions, as the SDK says it. Pure."""

from __future__ import annotations

from connectors.declarative.filters import DisjunctionsDeclared
from connectors.declarative.hooks import Dialect
from connectors.declarative.pushdown import Sents
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.table import Disjunctions


def disjunctions_of(
    declared: DisjunctionsDeclared | None,
    sents: Sents,
    dialect: Dialect | None,
    *,
    by_graphql: bool,
    unsent: frozenset[str],
) -> Disjunctions | None:
    """Return what may stand below OR; `unsent` are columns whose conditions are not part of the filter.

    Raises:
        ManifestInvalid: the path has no filter, its language has no OR, or a column is not sent by the filter.
    """
    if declared is None:
        return None
    if dialect is None and not by_graphql:
        raise ManifestInvalid(message="only a filter has OR: parameters are all joined by AND")
    if dialect is not None and not dialect.disjoins:
        raise ManifestInvalid(message="the language of the filter has no OR")
    taken = sents.keys() - unsent
    named = taken if declared.columns is None else frozenset(declared.columns)
    if unknown := sorted(named - taken):
        raise ManifestInvalid(
            message=f"the filter takes nothing on {unknown[0]}", hint=f"Allowed: {', '.join(sorted(taken))}."
        )
    if not named:
        raise ManifestInvalid(message="the filter takes no condition here, so that nothing can stand below OR")
    return Disjunctions(
        columns=frozenset(named),
        alone=dialect is not None and dialect.disjoins_alone,
        branches_max=declared.branches_max,
        branch_predicates_max=declared.branch_max,
        predicates_max=declared.conditions_max,
    )
