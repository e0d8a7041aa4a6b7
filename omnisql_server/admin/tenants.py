"""What an operator may do with tenants: make, list, show, stop and rename them, add users and set their passwords."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from catalog import api_tokens, control, log_ins
from catalog.audit import SERVER_CHAIN
from catalog.errors import TenantExists, TenantUnknown
from catalog.tenant_limits import change_limits
from catalog.tenants import rename_database, set_password
from omnisql_server.admin.destroying import destroy_tenant
from omnisql_server.admin.making import make_tenant, put_user
from omnisql_server.admin.tokens import TokenState, create_token, tokens_of
from omnisql_server.audit.acts import act
from omnisql_server.audit.record import now
from omnisql_server.errors import OmniSQLError
from omnisql_server.identity.rules import parse_rules
from omnisql_server.principals import copy_roles
from omnisql_server.services import Services
from omnisql_server.tenancy import Tenancy
from omnisql_server.tenant_limits import checked_limits, holding_limits, known_limits


class ConfirmationMissing(OmniSQLError):
    """What cannot be undone was asked for without the word that confirms it."""

    sqlstate = "22023"


GIVEN = "as a limit"
READING = frozenset({"list", "show", "log_in_rules", "tokens"})
ACTOR = "operator"
"""Whoever may open the channel, which is the account that runs the server."""

EndSessions = Callable[[str], Awaitable[None]]
"""Ends the sessions of a tenant, each with 57P01, and returns when they are gone."""


async def no_sessions(_tenant: str) -> None:
    """Stand in where no listener runs."""


Tell = Callable[[Services, control.Tenant], Awaitable[None]]
"""Tells other servers that a tenant is destroyed."""


async def tell_nobody(_services: Services, _record: control.Tenant) -> None:
    """Stand in where there are no other servers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantState:
    """A tenant as an operator sees it.

    `created_at` is a date (UTC), `sessions` are this server's; `users` is empty in a list of tenants. `log_in` are its
    rules for log-ins and `tokens` its API tokens, where they were asked for. `limits` are the tenant's own, by the
    names of settings, and `holding` gives the value of each limit, whoever's it is.
    """

    name: str
    owner: str
    cluster: str
    external: bool
    ready: bool
    running: bool
    sessions: int
    created_at: str
    users: tuple[UserState, ...] = ()
    log_in: Mapping[str, object] = field(default_factory=dict)
    tokens: tuple[TokenState, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    holding: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserState:
    """A user of a tenant; `may_log_in` says that it has a password."""

    name: str
    may_log_in: bool
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantAdministration:
    """The operations, over the running parts of this process."""

    services: Services
    tenancy: Tenancy
    end_sessions: EndSessions = no_sessions
    end_token_sessions: EndSessions = no_sessions
    tell: Tell = tell_nobody

    async def create(
        self,
        *,
        name: str,
        owner: str,
        verifier: str,
        dsn: str | None = None,
        limits: Mapping[str, object] | None = None,
    ) -> TenantState:
        """Make a tenant with its owner, or complete one that was not made to its end.

        Raises:
            CatalogError: it exists, a name is not acceptable, or its cluster cannot be made or reached.
            ConfigurationInvalid: F0000, a limit is unknown or not allowed.
        """
        checked = checked_limits(limits or {}, GIVEN)
        return self._state(
            await make_tenant(self.services, name, owner=owner, verifier=verifier, dsn=dsn, limits=checked)
        )

    async def alter(self, *, name: str, limits: Mapping[str, object]) -> TenantState:
        """Give a tenant limits of its own, or take some away (None); other servers follow in seconds.

        Raises:
            TenantUnknown: 3D000.
            ConfigurationInvalid: F0000, a limit is unknown or not allowed; nothing is changed.
        """
        given = {key: value for key, value in limits.items() if value is not None}
        checked = checked_limits(given, GIVEN)
        known_limits([*limits], GIVEN)
        record = await self._record(name)
        async with self.services.control_connection() as connection:
            await change_limits(connection, record.id, {**dict.fromkeys(limits), **checked})
        await self.tenancy.follow_limits()
        return await self.show(name=name)

    async def list(self) -> tuple[TenantState, ...]:
        """List the tenants by name."""
        async with self.services.control_connection() as connection:
            return tuple(self._state(record) for record in await control.all_tenants(connection))

    async def show(self, *, name: str) -> TenantState:
        """Show a tenant with its users, as they were last copied from its cluster.

        Raises:
            TenantUnknown: 3D000.
        """
        async with self.services.control_connection() as connection:
            record = await control.tenant_named(connection, name)
            known = await control.principals_of(connection, record.id)
        users = tuple(
            UserState(name=each.name, may_log_in=each.verifier is not None, attributes=each.attributes)
            for each in known
        )
        return self._state(record, users)

    async def stop(self, *, name: str) -> TenantState:
        """End a tenant's sessions and stop its cluster; the next log-in starts it again.

        Raises:
            TenantUnknown: 3D000.
        """
        record = await self._record(name)
        async with self.tenancy.closed(name, self.end_sessions):
            await self.services.clusters.stop(record.cluster)
        return self._state(record)

    async def rename(self, *, name: str, new_name: str) -> TenantState:
        """Give a tenant and its database another name; its sessions end.

        Raises:
            TenantUnknown: 3D000.
            TenantExists: 42P04, another tenant has the new name.
            InvalidName: 42602.
        """
        control.check_tenant_name(new_name)
        record = await self._record(name)
        async with self.services.control_connection() as connection:
            if any(other.name == new_name for other in await control.all_tenants(connection)):
                raise TenantExists("the tenant exists already", detail=new_name)
        async with (
            self.tenancy.closed(name, self.end_sessions),
            self.services.clusters.lease(record.cluster, record.dsn) as cluster,
        ):
            # First where it may fail: a tenant whose record still has the old name is renamed by doing this again.
            await rename_database(cluster, record.database, new_name)
            async with self.services.control_connection() as connection:
                record = await control.rename_tenant(connection, record.id, new_name)
        return self._state(record)

    async def destroy(self, *, name: str, confirm: str) -> TenantState:
        """Destroy a tenant with everything that is its; nothing of it can be brought back.

        Raises:
            ConfirmationMissing: 22023, `confirm` is not the tenant's name.
            TenantUnknown: 3D000.
            CatalogError: a part cannot be destroyed now; the tenant is not served, and doing it again goes on.
        """
        if confirm != name:
            raise ConfirmationMissing(
                message="destroying a tenant needs its name as confirmation", hint=f"Add --confirm {name}."
            )
        record = await self._record(name)
        async with self.tenancy.closed(name, self.end_sessions):
            await destroy_tenant(self.services, record, now())
        await self.tell(self.services, record)
        return self._state(record)

    async def rotate_keys(self, *, name: str | None = None) -> tuple[TenantState, ...]:
        """Wrap the data keys of one tenant, or of all, under new keys, and destroy the old ones.

        Raises:
            TenantUnknown: 3D000.
            SecretRefused, KeysUnavailable: 28000, 57P03; those before in the order of names are rotated.
        """
        async with self.services.control_connection() as connection:
            all_records = await control.all_tenants(connection)
            records = all_records if name is None else (await control.tenant_named(connection, name),)
            for record in records:
                await self.services.keys.rotate(connection, record.id)
        return tuple(self._state(record) for record in records)

    async def add_user(
        self, *, name: str, user: str, verifier: str, attributes: Mapping[str, Sequence[str]] | None = None
    ) -> TenantState:
        """Make a user of a tenant, or change password and attributes of the one that is there.

        Raises:
            TenantUnknown: 3D000.
            RoleRefused: 42939, the name is reserved.
        """
        record = await self._record(name)
        async with self.services.clusters.lease(record.cluster, record.dsn) as cluster:
            await put_user(self.services, record, cluster, user, verifier=verifier, attributes=attributes or {})
        return await self.show(name=name)

    async def set_password(self, *, name: str, user: str, verifier: str) -> TenantState:
        """Give a user another password.

        Raises:
            TenantUnknown: 3D000.
            RoleUnknown: 42704.
        """
        record = await self._record(name)
        async with self.services.clusters.lease(record.cluster, record.dsn) as cluster:
            await set_password(cluster, record.database, user, verifier)
            await copy_roles(self.services, record, cluster)
        return await self.show(name=name)

    async def log_in_rules(self, *, name: str) -> TenantState:
        """Show a tenant's rules for log-ins.

        Raises:
            TenantUnknown: 3D000.
        """
        async with self.services.control_connection() as connection:
            record = await control.tenant_named(connection, name)
            return replace(self._state(record), log_in=await log_ins.rules_of(connection, record.id))

    async def set_log_in_rules(self, *, name: str, rules: Mapping[str, object]) -> TenantState:
        """Replace a tenant's rules for log-ins; they count for the next one.

        Raises:
            TenantUnknown: 3D000.
            ConfigurationInvalid: F0000, they say something unknown or impossible; the former ones stay.
        """
        parse_rules(rules)
        async with self.services.control_connection() as connection:
            record = await control.tenant_named(connection, name)
            await log_ins.put_rules(connection, record.id, rules)
            return replace(self._state(record), log_in=rules)

    async def tokens(self, *, name: str) -> TenantState:
        """List a tenant's API tokens.

        Raises:
            TenantUnknown: 3D000.
        """
        record = await self._record(name)
        return replace(self._state(record), tokens=await tokens_of(self.services, record))

    async def create_token(
        self,
        *,
        name: str,
        user: str,
        token: str,
        digest: str,
        description: str,
        days: int,
        role: str | None = None,
        sources: Sequence[str] | None = None,
        read_only: bool = False,
    ) -> TenantState:
        """Put an API token of a user on record: `token` is its id, `digest` what is kept of it.

        Raises:
            TenantUnknown: 3D000.
            TokenInvalid: 22023, its life is out of bounds.
            RoleUnknown: 42704, the user may not log in, or is no member of the role.
        """
        await create_token(
            self.services,
            await self._record(name),
            user=user,
            token=token,
            digest=digest,
            description=description,
            days=days,
            role=role,
            sources=sources,
            read_only=read_only,
        )
        return await self.tokens(name=name)

    async def revoke_token(self, *, name: str, token: str) -> TenantState:
        """Have an API token count no more, and end the sessions it opened; other servers end theirs in seconds.

        Raises:
            TenantUnknown: 3D000.
            TokenUnknown: 42704.
        """
        record = await self._record(name)
        async with self.services.control_connection() as connection:
            await api_tokens.revoke(connection, record.id, token)
        await self.end_token_sessions(token)
        return await self.tokens(name=name)

    @asynccontextmanager
    async def on_record(self, operation: str, arguments: Mapping[str, object]) -> AsyncIterator[None]:
        """Put an operation on record before and after the block that carries it out, unless it changes nothing.

        Raises:
            AuditUnavailable: 58030.
        """
        if operation in READING:
            yield
            return
        name = str(arguments.get("name", ""))
        try:
            chain = (await self._record(name)).id
        except TenantUnknown:
            chain = SERVER_CHAIN
        shown = {key: str(arguments[key]) for key in ("user", "owner", "new_name", "token", "role") if key in arguments}
        detail = " ".join(f"{key}={value}" for key, value in (*shown.items(), *_limits_shown(arguments)))
        write, kind = self.services.audit.journal.write, f"tenant {operation}"
        async with act(write, chain, kind=kind, tenant=name, actor=ACTOR, detail=detail):
            yield
        if operation == "destroy":
            # Nothing is added to this chain any more.
            await self.services.audit.signer.sign()

    async def _record(self, name: str) -> control.Tenant:
        async with self.services.control_connection() as connection:
            return await control.tenant_named(connection, name)

    def _state(self, record: control.Tenant, users: tuple[UserState, ...] = ()) -> TenantState:
        return TenantState(
            name=record.name,
            owner=record.owner or "",
            cluster=record.cluster,
            external=record.dsn is not None,
            ready=record.ready,
            running=record.cluster in self.services.clusters.running,
            sessions=self.tenancy.sessions_of(record.name),
            created_at=record.created_at.date().isoformat(),
            users=users,
            limits=(limits := checked_limits(record.limits, "in the tenant's record")),
            holding=holding_limits(self.services.settings, limits),
        )


def _limits_shown(arguments: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Give limits as they are put on record."""
    given = arguments.get("limits")
    if isinstance(given, Mapping):
        yield from ((key[:80], "server's" if value is None else value) for key, value in given.items())
