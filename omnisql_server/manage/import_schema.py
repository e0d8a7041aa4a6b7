"""IMPORT FOREIGN SCHEMA: the API's tables become foreign tables, made on the backend in the user's transaction.

As in PostgreSQL's own wrappers, tables of LIMIT TO and EXCEPT that do not exist are passed over; a NOTICE names them.
"""

from __future__ import annotations

from collections.abc import Sequence

from catalog.foreign_ddl import create_statements
from connectors.sdk.table import Table
from omnisql_server.errors import InternalError
from omnisql_server.manage.asking import Asking, require_usage
from omnisql_server.manage.errors import RemoteSchemaUnknown
from omnisql_server.manage.execution import execute_all
from omnisql_server.manage.facts import ServerFacts, find_server, require_server
from omnisql_server.manage.groups import GroupTables, group_of, group_tables, is_group
from omnisql_server.manage.options import refuse_unknown
from omnisql_server.model.definition import ImportDefinition, ImportRule
from omnisql_server.model.run import SessionView
from omnisql_server.model.statement import Statement
from omnisql_server.provision import foreign_tables


class ManageImport:
    """Carries out IMPORT FOREIGN SCHEMA; implements `manage.managed.Manage`."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def claims(self, statement: Statement, view: SessionView) -> bool:
        """Claim imports from servers of OmniSQL's wrappers, and from those that do not exist."""
        server = await find_server(view.backend, _definition(statement).server, view.principal.role)
        return server is None or server.ours

    async def run(self, statement: Statement, view: SessionView) -> str:
        """Prove the user's credential, then make the tables, all or none.

        Raises:
            RemoteSchemaUnknown: HV00Q. SourceOptionInvalid: HV00D. CredentialMissing: 28000. BackendError: PostgreSQL
            refuses to make a table. ConnectorError: the source cannot be asked.
        """
        definition = _definition(statement)
        server = await require_server(view.backend, definition.server, view.principal.role)
        require_usage(server)
        if not self._asking.has_schemas(server):
            _require_schema(definition, (server.wrapper,))
        refuse_unknown(definition.options, ())
        members = await group_of(server, view)
        for member in members:
            require_usage(member)
        found = [(member.name, await self._tables(member, definition, view)) for member in members]
        if is_group(server.options):
            made = group_tables(definition.local_schema, found)
            _tell_of_left_out(made, view)
        else:
            tables = foreign_tables(definition.local_schema, server.name, found[0][1])
            made = GroupTables(tables=tables, names=frozenset(table.name for table in tables))
        creates = [text for table in made.tables for text in create_statements(table)]
        await execute_all(view.backend, [*creates, *made.views])
        view.remember(made.names)
        return "IMPORT FOREIGN SCHEMA"

    async def _tables(self, server: ServerFacts, definition: ImportDefinition, view: SessionView) -> list[Table]:
        """Return the tables of one server that are wanted."""
        found = await self._asking.tables(server, prove=True)
        if self._asking.has_schemas(server):
            _require_schema(definition, sorted({table.schema or "" for table in found}))
            found = tuple(table for table in found if table.schema == definition.remote_schema)
        _tell_of_absent(definition, found, server.name, view)
        return _chosen(definition, found)


def _require_schema(definition: ImportDefinition, known: Sequence[str]) -> None:
    if definition.remote_schema not in known:
        schema = known[0] if known else "SCHEMA"
        raise RemoteSchemaUnknown(
            message=f'schema "{definition.remote_schema}" is not present on foreign server "{definition.server}"',
            detail=f"It has {', '.join(known)}." if len(known) > 1 else None,
            hint=f"IMPORT FOREIGN SCHEMA {schema} FROM SERVER {definition.server} INTO {definition.local_schema}",
        )


def _chosen(definition: ImportDefinition, found: Sequence[Table]) -> list[Table]:
    if definition.rule is ImportRule.ALL:
        return list(found)
    limited = definition.rule is ImportRule.LIMIT_TO
    return [table for table in found if (table.local_name in definition.tables) is limited]


def _tell_of_left_out(made: GroupTables, view: SessionView) -> None:
    if made.left_out:
        message = f"{len(made.left_out)} columns are of different types in different members, and left out"
        detail = f"They are {', '.join(made.left_out)}."
        view.notice({"S": "NOTICE", "V": "NOTICE", "C": "00000", "M": message, "D": detail})


def _tell_of_absent(definition: ImportDefinition, found: Sequence[Table], server: str, view: SessionView) -> None:
    names = {table.local_name for table in found}
    for name in definition.tables:
        if name not in names:
            message = f'server "{server}" has no table "{name}"'
            detail = f"It has {', '.join(sorted(names))}."
            view.notice({"S": "NOTICE", "V": "NOTICE", "C": "00000", "M": message, "D": detail})


def _definition(statement: Statement) -> ImportDefinition:
    if not isinstance(statement.definition, ImportDefinition):
        raise InternalError(message="a statement is not the import it was taken for")
    return statement.definition
