"""A relation as the backend's catalog describes it: an API table, a view, or a local table. Frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class RelationKind(StrEnum):
    """What stands behind a relation's name."""

    API = "api"
    VIEW = "view"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A column of a relation. `api_column` is its name in the API table, None for local relations."""

    number: int
    name: str
    type_oid: int
    type_sql: str
    api_column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A relation with everything that later stages need to know of it.

    `server`, `wrapper` and `api_table` are set for API tables; `definition`, `owner`, `security_invoker` and
    `security_barrier` matter for views, `row_security` (policies are in force) for tables. `relkind` is pg_class's.
    """

    oid: int
    schema: str
    name: str
    kind: RelationKind
    owner: str
    attributes: tuple[Attribute, ...]
    server: str = ""
    wrapper: str = ""
    api_table: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    definition: str = ""
    security_invoker: bool = False
    security_barrier: bool = False
    row_security: bool = False
    relkind: str = "r"

    @property
    def qualified_name(self) -> str:
        """Return `schema.name` for messages."""
        return f"{self.schema}.{self.name}"

    @property
    def is_sent(self) -> bool:
        """Say whether it stands for what a source carries out; the catalog has no such relation."""
        return self.oid <= 0

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute of that name, if there is one."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)


ROW_NUMBER = "omnisql_row"
"""The only column of a fetched relation of which the statement uses none: it carries the number of rows."""
