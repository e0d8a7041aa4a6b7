"""Finds the source that a user has under a server's name: its options, and its secrets unsealed.

What is settled in the catalog is read once, by OmniSQL's own connection, and kept until the catalog changes. While a
transaction with DDL is open somewhere, the session's own backend is asked: it knows what its transaction has made.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from catalog.connection import Connection
from catalog.credentials import HANDLE_PREFIX, CredentialStore, Use
from catalog.errors import SecretRefused
from catalog.kv_secrets import Seen, read_reference
from catalog.quoting import options_from_array
from catalog.snapshot import Snapshot
from connectors.sdk.connector import Connector, Source, connector_at
from omnisql_server.errors import EntitlementDenied
from omnisql_server.manage.errors import CredentialMissing
from omnisql_server.manage.facts import SERVER, MappingFacts, ServerFacts, require_server, server_facts
from omnisql_server.manage.groups import refuse_group
from omnisql_server.manage.options import WEBHOOK_SECRET, audience, lacking_secrets, secret_options
from omnisql_server.model.freshness import FRESHNESS_OPTIONS
from omnisql_server.model.run import SessionView

KEPT_MAX = 4096

HELD_SQL = "SELECT umoptions FROM pg_catalog.pg_user_mappings WHERE umid OPERATOR(pg_catalog.=) $1::pg_catalog.oid"
"""The options of a user mapping that its user may not see."""

Connect = Callable[[], AbstractAsyncContextManager[Connection]]
"""Opens a connection of OmniSQL's own for a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A source as of a catalog; with secrets of the key server, until a time of the monotonic clock at most."""

    sequence: int
    source: Source
    until_s: float | None

    def holds(self, sequence: int) -> bool:
        return self.sequence == sequence and (self.until_s is None or time.monotonic() < self.until_s)


class Resolver:
    """Resolves the sources of one tenant; `tenant_connection` is to its database, `control_connection` to control."""

    def __init__(
        self,
        *,
        tenant: str,
        tenant_id: UUID,
        tenant_connection: Connect,
        control_connection: Connect,
        credentials: CredentialStore,
        connector_of: Callable[[str], Connector],
    ) -> None:
        self._tenant = tenant
        self._tenant_id = tenant_id
        self._tenant_connection = tenant_connection
        self._control_connection = control_connection
        self._credentials = credentials
        self._connector_of = connector_of
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._reading = asyncio.Lock()

    async def resolve(self, server: str, view: SessionView, snapshot: Snapshot) -> Source:
        """Return the source that a session's user has under a server's name.

        Raises:
            ServerUnknown: 42704. CredentialMissing, CatalogError: 28000, there is no credential that may be used.
        """
        _check_scope(server, view)
        if not snapshot.settled or server not in snapshot.servers:
            return await self.source_of(await self.look_up(server, view))
        key = (server, view.principal.role)
        known = self._kept.get(key)
        if known is None or not known.holds(snapshot.sequence):
            # One after the other: a crowd of sessions that finds nothing must not open a connection each.
            async with self._reading:
                known = self._kept.get(key)
                if known is None or not known.holds(snapshot.sequence):
                    asked_s = time.monotonic()
                    source, lasts_s = await self._put_together(await self._read(server, view))
                    until_s = None if lasts_s is None else asked_s + min(self._credentials.held_s, lasts_s)
                    known = _Kept(sequence=snapshot.sequence, source=source, until_s=until_s)
                    if len(self._kept) >= KEPT_MAX:
                        self._kept.pop(next(iter(self._kept)))
                    self._kept[key] = known
        return known.source

    async def look_up(self, server: str, view: SessionView) -> ServerFacts:
        """Read a server and its user's mapping through the session's backend.

        Raises:
            ServerUnknown: 42704.
        """
        _check_scope(server, view)
        return await require_server(view.backend, server, view.principal.role)

    async def source_of(self, facts: ServerFacts) -> Source:
        """Put a source together and unseal its secrets.

        Raises:
            CredentialMissing: 28000. CatalogError: 28000, a secret was given for another use; 57P03, the key server
                that has it does not answer.
        """
        return (await self._put_together(facts))[0]

    async def _put_together(self, facts: ServerFacts) -> tuple[Source, float | None]:
        """Return a source, and for how many seconds it holds if a secret of it may change without a statement."""
        refuse_group(facts, "account")
        connector = connector_at(self._connector_of(facts.wrapper), facts.version)
        mapping = facts.mapping
        held = await self._held(mapping) if mapping is not None else {}
        secrets = secret_options(connector)
        # How old rows may be is not the connector's business.
        plain = {name: value for name, value in facts.options.items() if name not in FRESHNESS_OPTIONS}
        options = {**plain, **{name: value for name, value in held.items() if name not in secrets}}
        role_oid = mapping.role_oid if mapping is not None else 0
        handles = {name: value for name, value in held.items() if name in secrets and value}
        unsealed = await self._unseal(handles, facts, connector, role_oid, options)
        _require_secrets(connector, facts, unsealed)
        seen: Seen = {}
        leads_to = audience(connector, facts.name, options) if unsealed else ""
        versions = await self._follow(unsealed, leads_to, seen)
        for name in held.keys() - secrets:
            options[name] = await self._beside(name, options[name], leads_to, seen)
        source = Source(
            tenant=self._tenant,
            server=facts.name,
            connector=facts.wrapper,
            options=options,
            secrets=unsealed,
            credential_id=f"{facts.oid}:{role_oid}:{','.join(sorted(handles.values()))}{versions}",
            version=facts.version,
        )
        lasts = [math.inf if secret.lasts_s is None else secret.lasts_s for secret in seen.values()]
        return source, min(lasts, default=None)

    async def _follow(self, unsealed: dict[str, str], audience: str, seen: Seen) -> str:
        """Put what references name in their place; return the versions, which tell credentials apart."""
        versions = ""
        for name, secret in sorted(unsealed.items()):
            if name == WEBHOOK_SECRET:
                # It is the receiver's, and no request carries it.
                continue
            followed = await self._credentials.follow(secret, self._tenant, audience, seen)
            if followed is not None:
                unsealed[name] = followed.value
                versions += f"@{followed.version}.{followed.lease}" if followed.lease else f"@{followed.version}"
        return versions

    async def _beside(self, name: str, value: str, audience: str, seen: Seen) -> str:
        """Return what an option of a user mapping holds beside its secrets: it may be a field of one of these.

        Raises:
            SecretRefused: 28000, it names another secret of the key server.
        """
        reference = read_reference(value)
        if reference is None:
            return value
        if reference.path not in seen:
            raise SecretRefused(
                f'option "{name}" names another secret than the credential beside it',
                hint="Name a field of the same secret, or give the value itself.",
            )
        followed = await self._credentials.follow(value, self._tenant, audience, seen)
        return value if followed is None else followed.value

    async def _read(self, server: str, view: SessionView) -> ServerFacts:
        async with self._tenant_connection() as connection:
            row = await connection.fetchrow(SERVER, server, view.principal.role)
        # The snapshot may be older than a DROP SERVER: then the session's backend has the last word.
        return server_facts(_texts(row)) if row is not None else await self.look_up(server, view)

    async def _held(self, mapping: MappingFacts) -> Mapping[str, str]:
        if mapping.options is not None:
            return mapping.options
        async with self._tenant_connection() as connection:
            return options_from_array(await connection.fetchval(HELD_SQL, mapping.oid))

    async def _unseal(
        self,
        handles: Mapping[str, str],
        facts: ServerFacts,
        connector: Connector,
        role_oid: int,
        options: Mapping[str, str],
    ) -> dict[str, str]:
        if not handles:
            return {}
        use = Use(
            tenant=self._tenant_id,
            server_oid=facts.oid,
            role_oid=role_oid,
            audience=audience(connector, facts.name, options),
        )
        opened = {}
        async with self._control_connection() as connection:
            for name, handle in handles.items():
                opened[name] = (await self._credentials.get(connection, handle, use)).decode()
        return opened


def is_handle(value: str) -> bool:
    """Say whether an option's value is the handle of a secret rather than a secret."""
    return value.startswith(HANDLE_PREFIX)


def _require_secrets(connector: Connector, facts: ServerFacts, unsealed: Mapping[str, str]) -> None:
    missing = lacking_secrets(connector, unsealed)
    if not missing:
        return
    if facts.mapping is None:
        given = ", ".join(f"{name} '...'" for name in missing)
        hint = f"CREATE USER MAPPING FOR CURRENT_USER SERVER {facts.name} OPTIONS ({given})"
    else:
        role = "PUBLIC" if facts.mapping.role_oid == 0 else "CURRENT_USER"
        given = ", ".join(f"ADD {name} '...'" for name in missing)
        hint = f"ALTER USER MAPPING FOR {role} SERVER {facts.name} OPTIONS ({given})"
    raise CredentialMissing(message=f'there is no credential for server "{facts.name}"', hint=hint)


def _check_scope(server: str, view: SessionView) -> None:
    if view.principal.sources is not None and server not in view.principal.sources:
        raise EntitlementDenied(
            message="ENTITLEMENT_DENIED: the API token is not for this source",
            detail=f"source {server}",
            hint="use a token that is for it",
        )


def _texts(row: asyncpg.Record) -> Sequence[str | None]:
    """Write a row as a backend's text format would."""
    return [_text(value) for value in row.values()]


def _text(value: object) -> str | None:
    if value is None:
        return None
    return ("t" if value else "f") if isinstance(value, bool) else str(value)
