"""CREATE and ALTER SERVER: the connector judges the options, PostgreSQL the rights; PostgreSQL keeps the record."""

from __future__ import annotations

from catalog.quoting import identifier, literal
from connectors.sdk.connector import WithVersions
from omnisql_server.errors import InternalError
from omnisql_server.manage.errors import ServerUnknown, SourceOptionInvalid, WrapperUnknown
from omnisql_server.manage.execution import execute
from omnisql_server.manage.facts import count_mappings, find_server, is_ours
from omnisql_server.manage.groups import check_group, is_group, makes_group
from omnisql_server.manage.options import (
    audience,
    changed,
    refuse_no_duration,
    refuse_secrets,
    refuse_unknown,
    server_options,
)
from omnisql_server.manage.versions import known_version, tell_of_changes
from omnisql_server.manage.wrappers import ConnectorOf
from omnisql_server.model.definition import ServerDefinition
from omnisql_server.model.run import SessionView
from omnisql_server.model.statement import Statement


class ManageServer:
    """Carries out CREATE and ALTER SERVER; implements `manage.managed.Manage`."""

    def __init__(self, connector_of: ConnectorOf) -> None:
        self._connector_of = connector_of

    async def claims(self, statement: Statement, view: SessionView) -> bool:
        """Claim servers of OmniSQL's wrappers, and those that do not exist: their options may be secrets."""
        definition = _definition(statement)
        if definition.wrapper is not None:
            return await is_ours(view.backend, definition.wrapper) is not False
        server = await find_server(view.backend, definition.server, view.principal.role)
        return server is None or server.ours

    async def run(self, statement: Statement, view: SessionView) -> str:
        """Carry the statement out.

        Raises:
            SourceOptionInvalid, OptionInvalid: HV00D, an option is unknown, secret or malformed. ServerUnknown,
            WrapperUnknown: 42704. BackendError: PostgreSQL refuses the statement.
        """
        definition = _definition(statement)
        if definition.wrapper is not None:
            await self._check_new(definition, definition.wrapper, view)
            return await self._make(statement, definition, definition.wrapper, view)
        server = await find_server(view.backend, definition.server, view.principal.role)
        if server is None:
            raise ServerUnknown(message=f'server "{definition.server}" does not exist')
        every = self._connector_of(server.wrapper)
        connector = known_version(every, definition.version, server.version)
        refuse_secrets(definition.options, connector, server.name)
        refuse_unknown(definition.options, server_options(connector))
        refuse_no_duration(definition.options)
        if is_group(server.options) or makes_group(definition.options):
            if not is_group(server.options):
                raise SourceOptionInvalid(
                    message=f'server "{server.name}" cannot become a group', hint="Make another server with the option."
                )
            await check_group(server.name, server.wrapper, definition.options, view)
            return await execute(view.backend, statement.text)
        now_leads_to = audience(connector, server.name, changed(server.options, definition.options))
        tag = await execute(view.backend, statement.text)
        led_to = audience(connector, server.name, server.options)
        if now_leads_to != led_to and await count_mappings(view.backend, server.oid):
            _warn(server.name, led_to, now_leads_to, view)
        if definition.version is not None:
            tell_of_changes(server.name, every, server.version, connector, view)
        return tag

    async def _make(self, statement: Statement, definition: ServerDefinition, wrapper: str, view: SessionView) -> str:
        """Make a server; one without a version gets the newest, so that a later one is not given to it unasked."""
        connector = self._connector_of(wrapper)
        pins = (
            definition.version is None and isinstance(connector, WithVersions) and not makes_group(definition.options)
        )
        pins = pins and await find_server(view.backend, definition.server, view.principal.role) is None
        tag = await execute(view.backend, statement.text)
        if pins and isinstance(connector, WithVersions):
            version = literal(connector.versions[-1])
            await execute(view.backend, f"ALTER SERVER {identifier(definition.server)} VERSION {version}")
        return tag

    async def _check_new(self, definition: ServerDefinition, wrapper: str, view: SessionView) -> None:
        if await is_ours(view.backend, wrapper) is None:
            raise WrapperUnknown(message=f'foreign-data wrapper "{wrapper}" does not exist')
        every = self._connector_of(wrapper)
        newest = every.versions[-1] if isinstance(every, WithVersions) else ""
        connector = known_version(every, definition.version, newest)
        refuse_secrets(definition.options, connector, definition.server)
        refuse_unknown(definition.options, server_options(connector))
        refuse_no_duration(definition.options)
        if makes_group(definition.options):
            await check_group(definition.server, wrapper, definition.options, view)
            return
        audience(connector, definition.server, changed({}, definition.options))


def _warn(name: str, old: str, new: str, view: SessionView) -> None:
    """Tell that credentials do not follow a server to another address."""
    view.notice(
        {
            "S": "WARNING",
            "V": "WARNING",
            "C": "01000",
            "M": f'credentials of server "{name}" do not follow it to another address',
            "D": f"It led to {old} and leads to {new}; a credential is sent only to the address it was given for.",
            "H": f"Give the others again: ALTER USER MAPPING FOR .. SERVER {name} OPTIONS (SET ..).",
        }
    )


def _definition(statement: Statement) -> ServerDefinition:
    if not isinstance(statement.definition, ServerDefinition):
        raise InternalError(message="a statement is not about the server it was taken for")
    return statement.definition
