"""CREATE and ALTER FOREIGN TABLE: PostgreSQL carries them out, then the result is compared with the API's tables.

What does not fit fails the statement, and its transaction undoes it. In functions and DO blocks, which PostgreSQL runs
alone, the comparison happens when the table is read.
"""

from __future__ import annotations

from collections.abc import Sequence

from catalog.errors import CatalogError
from connectors.sdk.connector import connector_at
from connectors.sdk.errors import ConnectorError
from connectors.sdk.table import Table
from omnisql_server.errors import InternalError, NotSupported
from omnisql_server.manage.asking import Asking
from omnisql_server.manage.errors import (
    ApiColumnType,
    ApiColumnUnknown,
    ApiTableUnknown,
    CredentialMissing,
    ServerUnknown,
)
from omnisql_server.manage.execution import execute
from omnisql_server.manage.facts import ServerFacts, TableFacts, find_server, find_table
from omnisql_server.manage.groups import refuse_group
from omnisql_server.manage.options import refuse_no_duration, refuse_unknown
from omnisql_server.manage.wrappers import ConnectorOf
from omnisql_server.model.definition import ForeignTableDefinition
from omnisql_server.model.freshness import FRESHNESS_OPTIONS
from omnisql_server.model.run import SessionView
from omnisql_server.model.statement import Statement

TABLE_OPTIONS, COLUMN_OPTIONS = ("table", *FRESHNESS_OPTIONS), ("column",)


class ManageForeignTable:
    """Carries out CREATE and ALTER FOREIGN TABLE; implements `manage.managed.Manage`."""

    def __init__(self, asking: Asking, connector_of: ConnectorOf) -> None:
        self._asking = asking
        self._connector_of = connector_of

    async def claims(self, statement: Statement, view: SessionView) -> bool:
        """Claim tables of servers of OmniSQL's wrappers, and new ones of servers that do not exist."""
        definition = _definition(statement)
        if not definition.reshapes and not definition.inherits:
            return False
        server = await self._server(definition, view)
        return definition.server is not None if server is None else server.ours

    async def run(self, statement: Statement, view: SessionView) -> str:
        """Carry the statement out.

        Raises:
            SourceOptionInvalid: HV00D. ApiTableUnknown: HV00R. ApiColumnUnknown: HV005. ApiColumnType: 42804.
            NotSupported: 0A000, the table would be a child of another. BackendError: PostgreSQL refuses the statement.
        """
        definition = _definition(statement)
        server = await self._server(definition, view)
        if server is None:
            raise ServerUnknown(message=f'server "{definition.server}" does not exist')
        refuse_group(server, "tables")
        refuse_unknown(definition.options, TABLE_OPTIONS)
        refuse_no_duration(definition.options)
        refuse_unknown(definition.column_options, COLUMN_OPTIONS)
        if definition.inherits:
            raise NotSupported(
                message="an API table cannot be a partition or inherit from a table",
                hint="Put it under a view with UNION ALL instead.",
            )
        tag = await execute(view.backend, statement.text)
        new = definition.server is not None
        table = await find_table(view.backend, definition.schema, definition.name, new=new)
        if table is not None and table.server == server.name:
            await self._judge(definition, table, server)
        return tag

    async def _server(self, definition: ForeignTableDefinition, view: SessionView) -> ServerFacts | None:
        name = definition.server
        if name is None:
            table = await find_table(view.backend, definition.schema, definition.name, new=False)
            name = table.server if table is not None else None
        return await find_server(view.backend, name, view.principal.role) if name is not None else None

    async def _judge(self, definition: ForeignTableDefinition, table: TableFacts, server: ServerFacts) -> None:
        """Compare with what every source of this kind has, else with what this very source has."""
        declared = connector_at(self._connector_of(server.wrapper), server.version).tables
        try:
            fits(table, definition.name, declared, server.name)
        except (ApiTableUnknown, ApiColumnUnknown):
            try:
                found = await self._asking.tables(server, prove=False)
            except (CredentialMissing, CatalogError, ConnectorError):
                # Without a source that answers, what is declared is all that is known.
                found = declared
            fits(table, definition.name, found, server.name)


def fits(table: TableFacts, name: str, known: Sequence[Table], server: str) -> None:
    """Compare a foreign table with the API tables of its server.

    Raises:
        ApiTableUnknown: HV00R. ApiColumnUnknown: HV005. ApiColumnType: 42804.
    """
    wanted = table.options.get("table", name)
    api_table = next((each for each in known if each.name == wanted), None)
    if api_table is None:
        raise ApiTableUnknown(
            message=f'server "{server}" has no table "{wanted}"',
            hint=f"It has {', '.join(sorted(each.name for each in known))}.",
        )
    columns = {column.name: column for column in api_table.columns}
    for column in table.columns:
        wanted_column = column.options.get("column", column.name)
        api_column = columns.get(wanted_column)
        if api_column is None:
            raise ApiColumnUnknown(
                message=f'table "{wanted}" of server "{server}" has no column "{wanted_column}"',
                hint=f"It has {', '.join(sorted(columns))}.",
            )
        if api_column.type.oid != column.type_oid:
            raise ApiColumnType(
                message=f'column "{column.name}" cannot have type {column.type_sql}',
                detail=f'Column "{wanted_column}" of table "{wanted}" of server "{server}" has type'
                f" {api_column.type_name}.",
                hint="Declare it with that type, and cast it where it is read.",
            )


def _definition(statement: Statement) -> ForeignTableDefinition:
    if not isinstance(statement.definition, ForeignTableDefinition):
        raise InternalError(message="a statement is not about the foreign table it was taken for")
    return statement.definition
