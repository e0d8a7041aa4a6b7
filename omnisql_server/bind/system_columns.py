"""Columns that PostgreSQL gives every row of a table, and rows of API tables do not have. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from omnisql_server.bind.resolve import Closure
from omnisql_server.errors import NotSupported
from omnisql_server.model.query import ParsedQuery
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.scope import ColumnUse

SYSTEM_COLUMNS = frozenset({"ctid", "tableoid", "xmin", "xmax", "cmin", "cmax"})
"""PostgreSQL 18, section 5.6."""


def refuse_system_columns(parsed: ParsedQuery, closure: Closure) -> None:
    """Let nothing read them of an API table: spliced, such a name could be found in a query around it.

    Raises:
        NotSupported: one is read (0A000).
    """
    for text in (parsed, *closure.views.values()):
        relations = {each.position: closure.by_name.get((each.schema, each.name)) for each in text.references}
        for use in text.scopes.uses:
            if isinstance(use, ColumnUse) and use.name in SYSTEM_COLUMNS and _is_of_api(use, relations):
                raise NotSupported(
                    message=f'system column "{use.name}" of an API table cannot be read',
                    hint="leave it out; for tableoid, write the name of the table as a regclass",
                )


def _is_of_api(use: ColumnUse, relations: Mapping[int, Relation | None]) -> bool:
    for scope in use.scopes:
        if any(use.name in (source.outputs or ()) for source in scope):
            return False
        found = (relations.get(source.position) for source in scope if source.position is not None)
        kinds = [relation.kind for relation in found if relation is not None and relation.kind is not RelationKind.VIEW]
        if kinds:
            return RelationKind.API in kinds
    return False
