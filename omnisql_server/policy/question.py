"""What policy is asked about a statement: who reads which API tables, and which of their columns. Pure.

The input document has the shape of Trino's (https://trino.io/docs/current/security/opa-access-control.html):
catalogName is the connector, schemaName the server, tableName the API table; all tables are one question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omnisql_server.model.principal import Principal
from omnisql_server.model.query import BoundQuery, Occurrence
from omnisql_server.model.relation import RelationKind
from omnisql_server.model.trail import DerivedRead

OPERATION = "SelectFromColumns"
SHARE = "ShareDerived"
READ_DERIVED = "ReadDerived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """An API table, whatever foreign table stands for it, with the columns that are used of it, sorted."""

    connector: str
    server: str
    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One statement's question; equal ones have equal answers. Attributes are sorted.

    `operation` is to read the resources, to share with others what was written from them, or to read that. `purpose` is
    what the session says that it reads for.
    """

    tenant: str
    user: str
    attributes: tuple[tuple[str, tuple[str, ...]], ...]
    resources: tuple[Resource, ...]
    purpose: str = ""
    operation: str = OPERATION

    @property
    def document(self) -> dict[str, Any]:
        """Return the input of the decision."""
        attributes = {name: list(values) for name, values in self.attributes}
        return {
            "context": {
                "tenant": self.tenant,
                "purpose": self.purpose,
                "identity": {
                    "user": self.user,
                    "groups": attributes.get("groups", []),
                    "roles": attributes.get("roles", []),
                    "attributes": attributes,
                },
            },
            "action": {
                "operation": self.operation,
                "filterResources": [
                    {
                        "table": {
                            "catalogName": resource.connector,
                            "schemaName": resource.server,
                            "tableName": resource.table,
                            "columns": list(resource.columns),
                        }
                    }
                    for resource in self.resources
                ],
            },
        }


def question_of(query: BoundQuery, principal: Principal) -> Question:
    """Ask for every API table of a query, each once."""
    used: dict[tuple[str, str, str], set[str]] = {}
    for occurrence in api_occurrences(query):
        attributes = (occurrence.relation.attribute(name) for name in occurrence.columns)
        columns = {a.api_column for a in attributes if a is not None and a.api_column is not None}
        used.setdefault(resource_key(occurrence), set()).update(columns)
    return _question(used, principal, query.settings.purpose, OPERATION)


def share_question(columns: Iterable[tuple[str, str, str, str]], principal: Principal) -> Question:
    """Ask whether a principal may share what it wrote from columns, each with its connector, server and API table."""
    used: dict[tuple[str, str, str], set[str]] = {}
    for connector, server, table, column in columns:
        used.setdefault((connector, server, table), set()).update([column] if column else [])
    return _question(used, principal, "", SHARE)


def derived_question(derived: Iterable[DerivedRead], principal: Principal, purpose: str) -> Question:
    """Ask whether a principal may read for a purpose what was written from API tables, all of a statement at once."""
    used: dict[tuple[str, str, str], set[str]] = {}
    for fact in (fact for each in derived for fact in each.facts):
        used.setdefault((fact.connector, fact.server, fact.table), set()).update([fact.column] if fact.column else [])
    return _question(used, principal, purpose, READ_DERIVED)


def tables_question(tables: Iterable[tuple[str, str, str]], principal: Principal, purpose: str) -> Question:
    """Ask what a principal may see of API tables whatever columns are used, each by connector, server and API table."""
    return _question({table: set() for table in tables}, principal, purpose, OPERATION)


def _question(
    used: Mapping[tuple[str, str, str], set[str]], principal: Principal, purpose: str, operation: str
) -> Question:
    return Question(
        tenant=principal.tenant,
        user=principal.name,
        attributes=tuple(sorted((name, tuple(sorted(values))) for name, values in principal.attributes.items())),
        resources=tuple(
            Resource(connector=connector, server=server, table=table, columns=tuple(sorted(columns)))
            for (connector, server, table), columns in sorted(used.items())
        ),
        purpose=purpose,
        operation=operation,
    )


def api_occurrences(query: BoundQuery) -> list[Occurrence]:
    """Return where a query reads API tables."""
    return [occurrence for occurrence in query.occurrences if occurrence.relation.kind is RelationKind.API]


def resource_key(occurrence: Occurrence) -> tuple[str, str, str]:
    """Return what names the API table of an occurrence."""
    relation = occurrence.relation
    return relation.wrapper, relation.server, relation.api_table
