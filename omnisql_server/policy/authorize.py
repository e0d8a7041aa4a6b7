"""Turn a bound query into an authorized one: denials, row filters and masks for its principal. Pure.

The subject is the authenticated principal whatever SET ROLE or a view's owner say; GRANTs were checked by bind as
PostgreSQL does. The resource is the API table behind a relation, so that a renamed or second foreign table is covered.
"""

from __future__ import annotations

from collections.abc import Mapping

from omnisql_server.errors import EntitlementDenied
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import AuthorizedQuery, BoundQuery, Mask, Occurrence, RowFilter
from omnisql_server.model.relation import RelationKind
from omnisql_server.policy.rules import EVERYTHING, RowFilterRule, Rules


def authorize(query: BoundQuery, principal: Principal, rules: Rules) -> AuthorizedQuery:
    """Apply a tenant's rules to a query.

    Raises:
        EntitlementDenied: a rule forbids one of its tables (42501).
    """
    filters: dict[str, tuple[RowFilter, ...]] = {}
    masks: dict[str, Mapping[str, Mask]] = {}
    for occurrence in query.occurrences:
        if occurrence.relation.kind is not RelationKind.API:
            continue
        table = f"{occurrence.relation.wrapper}.{occurrence.relation.api_table}"
        _deny(table, occurrence, principal, rules)
        filters[occurrence.scan_name] = tuple(
            found
            for rule in rules.row_filters
            if table in rule.tables and (found := _row_filter(rule, principal)) is not None
        )
        masks[occurrence.scan_name] = {
            rule.column: Mask(policy=rule.name, kind=rule.mask)
            for rule in rules.masks
            if table in rule.tables and not _exempt(principal, rule.exempt)
        }
    return AuthorizedQuery(query=query, principal=principal, filters=filters, masks=masks, revision=rules.revision)


def _deny(table: str, occurrence: Occurrence, principal: Principal, rules: Rules) -> None:
    for rule in rules.denials:
        if table in rule.tables and not _exempt(principal, rule.exempt):
            raise EntitlementDenied(
                message=f"ENTITLEMENT_DENIED: policy does not let you read {occurrence.relation.qualified_name}",
                detail=f"policy {rule.name}",
                hint="ask the owner of the tenant for access",
            )


def _row_filter(rule: RowFilterRule, principal: Principal) -> RowFilter | None:
    held = principal.attributes.get(rule.attribute, ())
    if EVERYTHING in held:
        return None
    allowed = tuple(dict.fromkeys(value for key in held for value in rule.values.get(key, ())))
    return RowFilter(policy=rule.name, column=rule.column, values=allowed, prefix=rule.prefix)


def _exempt(principal: Principal, exempt: Mapping[str, frozenset[str]]) -> bool:
    return any(
        not values.isdisjoint(held) or EVERYTHING in held
        for attribute, values in exempt.items()
        if (held := principal.attributes.get(attribute, ()))
    )
