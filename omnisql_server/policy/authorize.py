"""Turn a bound query into an authorized one by the decision on it: denials, row filters and masks. Pure.

What was written from API tables is PostgreSQL's to read; the decision on it is to let it be read or not.

The subject is the authenticated principal whatever SET ROLE or a view's owner say; GRANTs were checked by bind as
PostgreSQL does. The resource is the API table behind a relation, so that a renamed or second foreign table is covered.
"""

from __future__ import annotations

from collections.abc import Sequence

from omnisql_server.errors import EntitlementDenied
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import AuthorizedQuery, BoundQuery
from omnisql_server.model.trail import DerivedRead
from omnisql_server.policy.decision import Decision, Denial
from omnisql_server.policy.question import Question, Resource, api_occurrences, resource_key

HINT = "ask the owner of the tenant for access; where policy wants a purpose, SET omnisql.purpose names it"
OWN_CONNECTOR = "omnisql"
"""The connector of tables that this server answers itself."""


def check_sources(question: Question, sources: frozenset[str]) -> None:
    """Refuse a question about a server that the principal's token is not for; the server's own tables are for all.

    Raises:
        EntitlementDenied: 42501.
    """
    for resource in question.resources:
        if resource.connector != OWN_CONNECTOR and resource.server not in sources:
            raise EntitlementDenied(
                message="ENTITLEMENT_DENIED: the API token is not for this source",
                detail=f"source {resource.server}",
                hint="use a token that is for it",
            )


def authorize(query: BoundQuery, principal: Principal, question: Question, decision: Decision) -> AuthorizedQuery:
    """Apply the decision on a query's question to it.

    Raises:
        EntitlementDenied: policy forbids one of its tables (42501).
    """
    indexes = {(r.connector, r.server, r.table): index for index, r in enumerate(question.resources)}
    places = [(occurrence, indexes[resource_key(occurrence)]) for occurrence in api_occurrences(query)]
    for denial in decision.denials:
        denied = next((o for o, index in places if denial.index in (None, index)), None)
        raise _denied(denial, denied.relation.qualified_name if denied is not None else "its tables")
    return AuthorizedQuery(
        query=query,
        principal=principal,
        filters={occurrence.scan_name: decision.filters[index] for occurrence, index in places},
        masks={occurrence.scan_name: decision.masks[index] for occurrence, index in places},
        revision=decision.revision,
    )


def check_derived(derived: Sequence[DerivedRead], question: Question, decision: Decision) -> None:
    """Refuse what was written from API tables where the decision on it denies one of them.

    Raises:
        EntitlementDenied: 42501, with the name of the relation and of the policy.
    """
    for denial in decision.denials:
        denied = derived if denial.index is None else _written_from(question.resources[denial.index], derived)
        raise _denied(denial, ", ".join(sorted(f"{each.schema}.{each.name}" for each in denied)))


def _written_from(resource: Resource, derived: Sequence[DerivedRead]) -> list[DerivedRead]:
    key = (resource.connector, resource.server, resource.table)
    return [each for each in derived if any((fact.connector, fact.server, fact.table) == key for fact in each.facts)]


def _denied(denial: Denial, name: str) -> EntitlementDenied:
    return EntitlementDenied(
        message=f"ENTITLEMENT_DENIED: policy does not let you read {name}",
        detail=f"policy {denial.policy}" if denial.policy else "policy gives no reason",
        hint=HINT,
    )
