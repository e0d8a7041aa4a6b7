"""CALL omnisql.check_source('server'): asks the API who the credential of the session's user belongs to."""

from __future__ import annotations

from catalog.procedures import CHECK_SOURCE, PROCEDURES_SCHEMA
from omnisql_server.errors import InsufficientPrivilege, InternalError, NotSupported
from omnisql_server.manage.asking import Asking, require_usage
from omnisql_server.manage.facts import may_check, require_server
from omnisql_server.manage.groups import group_of
from omnisql_server.model.definition import CallDefinition
from omnisql_server.model.run import SessionView
from omnisql_server.model.statement import Statement


class ManageCheck:
    """Carries out calls of the procedure; implements `manage.managed.Manage`."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def claims(self, statement: Statement, view: SessionView) -> bool:
        """Claim calls by the procedure's whole name; where it does not exist, PostgreSQL says so.

        Raises:
            NotSupported: 0A000, the argument is not written as a plain string.
        """
        definition = _definition(statement)
        if (definition.schema, definition.name) != (PROCEDURES_SCHEMA, CHECK_SOURCE.name) or len(
            definition.arguments
        ) != 1:
            return False
        if definition.arguments[0] is None:
            raise NotSupported(
                message="the server to check must be written as a string",
                hint="CALL omnisql.check_source('name of a server')",
            )
        return await may_check(view.backend) is not None

    async def run(self, statement: Statement, view: SessionView) -> str:
        """Ask, and tell the account by NOTICE.

        Raises:
            ServerUnknown: 42704. CredentialMissing, CatalogError, ConnectorError: 28000, and others of the source.
        """
        (name,) = _definition(statement).arguments
        if not await may_check(view.backend):
            raise InsufficientPrivilege(message=f"permission denied for procedure {CHECK_SOURCE.name}")
        server = await require_server(view.backend, name or "", view.principal.role)
        if not server.ours:
            raise NotSupported(message=f'server "{server.name}" is not one of OmniSQL\'s')
        for each in await group_of(server, view):
            require_usage(each)
            account = await self._asking.account(each)
            message = f'server "{each.name}" accepts the credential of {account}'
            view.notice({"S": "NOTICE", "V": "NOTICE", "C": "00000", "M": message})
        return "CALL"


def _definition(statement: Statement) -> CallDefinition:
    if not isinstance(statement.definition, CallDefinition):
        raise InternalError(message="a statement is not the call it was taken for")
    return statement.definition
