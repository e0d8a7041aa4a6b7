"""CREATE and ALTER USER MAPPING: PostgreSQL gets a handle in a secret's place, and the secret is sealed in control.

The statement that PostgreSQL gets is written here, from the parse tree. It runs first, so that only what PostgreSQL
accepts is sealed; if sealing fails, its transaction fails. What a rolled back transaction leaves in control is swept.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from catalog.credentials import CredentialStore, Use, handle_id, new_handle
from catalog.kv_secrets import read_reference
from catalog.quoting import identifier, literal
from catalog.webhooks import put_webhook
from connectors.sdk.connector import Connector
from omnisql_server.errors import EntitlementDenied, InternalError, LimitExceeded, NotSupported
from omnisql_server.manage.errors import ServerUnknown, SourceOptionInvalid
from omnisql_server.manage.execution import execute
from omnisql_server.manage.facts import TargetFacts, find_server, find_target
from omnisql_server.manage.groups import refuse_group
from omnisql_server.manage.options import WEBHOOK_SECRET, audience, mapping_options, refuse_unknown, secret_options
from omnisql_server.manage.resolver import Connect, is_handle
from omnisql_server.manage.wrappers import ConnectorOf
from omnisql_server.model.backend import Backend
from omnisql_server.model.definition import MappingDefinition, OptionAction, OptionChange, RoleKind
from omnisql_server.model.run import SessionView
from omnisql_server.model.statement import Statement

SECRET_BYTES_MAX = 65_536
"""The option with what a vendor signs webhooks with: it is looked for by its server, not by who connects."""


class ManageCredential:
    """Carries out CREATE and ALTER USER MAPPING of one tenant; implements `manage.managed.Manage`."""

    def __init__(
        self,
        *,
        tenant: str,
        tenant_id: UUID,
        owner: str | None,
        control_connection: Connect,
        credentials: CredentialStore,
        connector_of: ConnectorOf,
    ) -> None:
        self._tenant = tenant
        self._tenant_id = tenant_id
        self._owner = owner
        self._control_connection = control_connection
        self._credentials = credentials
        self._connector_of = connector_of

    async def claims(self, statement: Statement, view: SessionView) -> bool:  # noqa: ARG002 - the protocol's signature
        """Claim every one: none reaches PostgreSQL as it came, whatever its wrapper."""
        return True

    async def run(self, statement: Statement, view: SessionView) -> str:
        """Carry the statement out.

        Raises:
            SourceOptionInvalid: HV00D, an option is unknown or has an impossible value. CatalogError: 28000, a given
            handle is another's. BackendError: PostgreSQL refuses the statement.
        """
        definition = statement.definition
        if not isinstance(definition, MappingDefinition):
            raise InternalError(message="a statement is not the user mapping it was taken for")
        backend = view.backend
        server = await find_server(backend, definition.server, view.principal.role)
        if server is None:
            # PostgreSQL says it, in its own order of checks; it gets no option.
            await _execute(backend, definition, ())
            raise ServerUnknown(message=f'server "{definition.server}" does not exist')
        target = await find_target(backend, definition.server, definition.role_kind, definition.role)
        _refuse_other_strings(definition, target)
        if not server.ours:
            return await _execute(backend, definition, definition.options)
        refuse_group(server, "credential")
        connector = self._connector_of(server.wrapper)
        refuse_unknown(definition.options, mapping_options(connector))
        secrets = _checked_secrets(definition.options, connector)
        handles = {name: value if is_handle(value) else new_handle() for name, value in secrets.items()}
        use = Use(
            tenant=self._tenant_id,
            server_oid=server.oid,
            role_oid=target.role_oid or 0,
            audience=audience(connector, server.name, server.options) if secrets else "",
        )
        await self._verify_given(secrets, use)
        await self._verify_referenced(secrets, use.audience, view)
        tag = await _execute(backend, definition, _with_handles(definition.options, handles))
        if target.role_oid is None:
            raise InternalError(message="PostgreSQL has made a user mapping for a role that it does not have")
        if not (definition.if_not_exists and target.exists):
            await self._seal({handles[name]: value for name, value in secrets.items() if not is_handle(value)}, use)
            if WEBHOOK_SECRET in secrets and not is_handle(secrets[WEBHOOK_SECRET]):
                async with self._control_connection() as connection:
                    handle = handle_id(handles[WEBHOOK_SECRET])
                    await put_webhook(connection, handle, definition.server, connector.name)
        return tag

    async def _verify_given(self, secrets: Mapping[str, str], use: Use) -> None:
        given = [value for value in secrets.values() if is_handle(value)]
        if not given:
            return
        async with self._control_connection() as connection:
            for handle in given:
                await self._credentials.verify(connection, handle, use)

    async def _verify_referenced(self, secrets: Mapping[str, str], audience: str, view: SessionView) -> None:
        """Read what references name, so that a wrong one is refused when it is given and not when it is used."""
        for secret in secrets.values():
            if read_reference(secret) is None:
                continue
            if view.principal.role != self._owner:
                raise EntitlementDenied(
                    message="ENTITLEMENT_DENIED: only the tenant's owner may name secrets of the key server",
                    hint="Ask the owner for the user mapping.",
                )
            await self._credentials.follow(secret, self._tenant, audience)

    async def _seal(self, secrets: Mapping[str, str], use: Use) -> None:
        if not secrets:
            return
        async with self._control_connection() as connection, connection.transaction():
            for handle, value in secrets.items():
                await self._credentials.put(connection, value.encode(), use, handle)


def mapping_statement(definition: MappingDefinition, options: tuple[OptionChange, ...]) -> str:
    """Write the statement with other options, of the same meaning otherwise."""
    role = identifier(definition.role) if definition.role_kind is RoleKind.NAME else definition.role_kind.value
    verb = "CREATE" if definition.creates else "ALTER"
    condition = " IF NOT EXISTS" if definition.if_not_exists else ""
    written = ", ".join(_written(option, definition) for option in options)
    clause = f" OPTIONS ({written})" if written else ""
    return f"{verb} USER MAPPING{condition} FOR {role} SERVER {identifier(definition.server)}{clause}"


def _written(option: OptionChange, definition: MappingDefinition) -> str:
    action = "" if definition.creates else f"{option.action.value} "
    value = "" if option.value is None else f" {literal(option.value)}"
    return f"{action}{identifier(option.name)}{value}"


async def _execute(backend: Backend, definition: MappingDefinition, options: tuple[OptionChange, ...]) -> str:
    return await execute(backend, mapping_statement(definition, options))


def _checked_secrets(options: tuple[OptionChange, ...], connector: Connector) -> dict[str, str]:
    """Return the secrets that a statement gives, by option."""
    known = secret_options(connector)
    secrets: dict[str, str] = {}
    for option in options:
        if option.name not in known or option.action is OptionAction.DROP:
            continue
        if not option.value:
            raise SourceOptionInvalid(message=f'option "{option.name}" is empty')
        if len(option.value.encode()) > SECRET_BYTES_MAX:
            raise LimitExceeded(message=f'option "{option.name}" is too long', detail=f"limit {SECRET_BYTES_MAX} bytes")
        secrets[option.name] = option.value
    return secrets


def _with_handles(options: tuple[OptionChange, ...], handles: Mapping[str, str]) -> tuple[OptionChange, ...]:
    return tuple(
        OptionChange(name=option.name, action=option.action, value=handles[option.name])
        if option.name in handles and option.action is not OptionAction.DROP
        else option
        for option in options
    )


def _refuse_other_strings(definition: MappingDefinition, target: TargetFacts) -> None:
    """Refuse backslashes in a session in which they may mean something else than the grammar here takes them for."""
    if target.standard_strings or not any("\\" in (option.value or "") for option in definition.options):
        return
    raise NotSupported(
        message="a credential with backslashes cannot be given while standard_conforming_strings is off",
        hint="SET standard_conforming_strings = on",
    )
