"""Who may log in to a tenant, and as what: passwords, tokens of its identity provider, by the control database.

Implements `session.entrance.LogIns`. Nothing is kept of who was let in; a tenant's rules are read anew for each log-in
and parsed once for each text.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from uuid import UUID

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from catalog import api_tokens, log_ins
from catalog.api_tokens import token_digest, token_id
from catalog.connection import Connection
from catalog.log_ins import Found, KnownRole
from omnisql_server.audit.record import VERSION, Record, new_id, new_salt, now
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.identity.bearer import verified_claims
from omnisql_server.identity.certificates import names_user
from omnisql_server.identity.claims import Identity, identity_of
from omnisql_server.identity.key_sets import KeySets
from omnisql_server.identity.rules import LogInRules, parse_rules
from omnisql_server.model.principal import Principal
from omnisql_server.observability.metrics import INSTRUMENTS
from omnisql_server.session.entrance import Attempt, Discovery, Entrance, LogIn, LogInRefused, Proof
from omnisql_server.settings_log_in import LogInSettings

RULES_KEPT_MAX = 1000
LOG_IN = "log-in"
"""The kind of record of a log-in."""

_log = structlog.get_logger(__name__)


class TenantLogIns:
    """Answers from the control database; `catch_up` mirrors a tenant's roles first if they may have changed.

    `write` puts a record on a chain. `shared_authorities` (DER) have issued the certificates of tenants that name no
    authorities; it may be replaced.
    """

    def __init__(
        self,
        control_connection: Callable[[], AbstractAsyncContextManager[Connection]],
        *,
        catch_up: Callable[[str], Awaitable[None]],
        keys: KeySets,
        settings: Callable[[], LogInSettings],
        write: Callable[[UUID, Record], Awaitable[None]],
        shared_authorities: tuple[bytes, ...] = (),
    ) -> None:
        self._control_connection = control_connection
        self._catch_up = catch_up
        self._keys = keys
        self._settings = settings
        self._write = write
        self.shared_authorities = shared_authorities
        self._parsed: OrderedDict[str, LogInRules] = OrderedDict()

    async def entrance(self, database: str, user: str) -> Entrance:
        """Say how a user of a tenant may log in.

        Raises:
            ClusterUnavailable: 57P03, the control database cannot be reached.
        """
        await self._catch_up(database)
        found = await self._find(database, user)
        default = Proof(self._settings().ask)
        if found is None:
            return Entrance(ask=default)
        rules = self._rules(found)
        provider, role = rules.provider, found.role
        known = None
        if role is not None and role.verifier is not None:
            attributes = _attributes(role, {})
            known = (Principal(tenant=found.name, name=user, attributes=attributes), role.verifier)
        return Entrance(
            known=known,
            ask=rules.asked_of(user) or default,
            discovery=Discovery(url=provider.discovery_url, scope=provider.scope)
            if provider is not None and provider.listed
            else None,
            tenant=found.tenant,
            second_factor=rules.certificates is not None and rules.certificates.second_factor,
        )

    async def by_token(self, database: str, user: str, token: str) -> LogIn:
        """Let in who shows a token of the tenant's identity provider, or an API token of ours.

        Raises:
            LogInRefused: it opens nothing, whatever the reason.
            ClusterUnavailable: 57P03, the control database cannot be reached.
        """
        if token_id(token) is not None:
            return await self._by_api_token(database, user, token)
        found = await self._find(database, user)
        provider = self._rules(found).provider if found is not None else None
        if found is None or provider is None:
            raise LogInRefused("there is no identity provider")
        identity = identity_of(await verified_claims(token, provider, self._keys), provider)
        if user not in (identity.user, identity.role):
            raise LogInRefused("the token is of another user")
        if found.owner in (identity.user, identity.role) and not (identity.by_rule and identity.role == found.owner):
            # Whoever may choose a name at the provider must not become the owner, nor be taken for him, by it.
            raise LogInRefused("the owner's role is given by rule alone")
        principal = _principal(found, identity, await self._role(database, user, found, identity.role))
        return LogIn(principal=principal, method="jwt", lasts_s=self._settings().session_max_s)

    async def by_certificate(self, database: str, user: str, certificate: bytes) -> LogIn | None:
        """Let in who has proved to hold the key of a certificate (DER); None where it names somebody else.

        Raises:
            ClusterUnavailable: 57P03, the control database cannot be reached.
        """
        found = await self._find(database, user)
        rules = self._rules(found).certificates if found is not None else None
        if found is None or rules is None or found.role is None or not found.role.may_log_in:
            return None
        shared = [x509.load_der_x509_certificate(each) for each in self.shared_authorities]
        if not names_user(certificate, rules, user, owner=found.owner, shared=shared):
            return None
        principal = Principal(tenant=found.name, name=user, attributes=_attributes(found.role, {}))
        return LogIn(principal=principal, method="certificate", lasts_s=self._settings().session_max_s)

    async def authorities(self) -> frozenset[bytes]:
        """Return who may have issued clients' certificates (DER), of any tenant.

        Raises:
            ClusterUnavailable: 57P03, the control database cannot be reached.
        """
        async with self._control_connection() as connection:
            documents = await log_ins.all_rules(connection)
        parsed = [self._parse(text, name) for name, text in documents]
        named = [each for rules in parsed if rules.certificates is not None for each in rules.certificates.authorities]
        return frozenset({*self.shared_authorities, *(each.public_bytes(Encoding.DER) for each in named)})

    def note(self, attempt: Attempt) -> Awaitable[None]:
        """Count an attempt and put it on its tenant's chain; one at no tenant's is counted and logged alone.

        Raises:
            AuditUnavailable: 58030, it cannot be put on record, at once or when waited for.
        """
        INSTRUMENTS.log_in_finished(attempt.method, attempt.outcome)
        if attempt.tenant is None:
            _log.info("log_in_at_no_tenant", method=attempt.method)
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        record = Record(
            version=VERSION,
            id=new_id(),
            phase="whole",
            at=now(),
            kind=LOG_IN,
            tenant=attempt.database,
            principal=attempt.user,
            roles=attempt.roles,
            client=attempt.address,
            outcome=attempt.outcome,
            detail=attempt.method,
            salt=new_salt(),
        )
        return self._write(attempt.tenant, record)

    async def counting(self, tokens: frozenset[str]) -> frozenset[str]:
        """Return those of some API tokens that count still.

        Raises:
            ClusterUnavailable: 57P03, the control database cannot be reached.
        """
        async with self._control_connection() as connection:
            return await api_tokens.counting(connection, tokens)

    async def _by_api_token(self, database: str, user: str, token: str) -> LogIn:
        name = token_id(token) or ""
        async with self._control_connection() as connection:
            found = await api_tokens.find(connection, database, name)
            # What is not there is compared all the same.
            digest = found.digest if found is not None else bytes(32)
            if not hmac.compare_digest(token_digest(token), digest) or found is None:
                raise LogInRefused("there is no such token, or it counts no more")
            if user not in (found.principal, found.role):
                raise LogInRefused("the token is of another user")
            await api_tokens.note_use(connection, name)
        principal = Principal(
            tenant=database,
            name=found.principal,
            attributes=_attributes(found.known, {}),
            session_role=found.role,
            sources=frozenset(found.sources) if found.sources is not None else None,
            read_only=found.read_only,
        )
        lasts_s = min(found.lasts_s, self._settings().session_max_s)
        return LogIn(principal=principal, method="token", lasts_s=lasts_s, token=name)

    async def _role(self, database: str, user: str, found: Found, role: str) -> KnownRole:
        known = found.role if role == user else None
        if known is None and role != user:
            again = await self._find(database, role)
            known = again.role if again is not None and again.tenant == found.tenant else None
        if known is None or not known.may_log_in:
            raise LogInRefused("the role does not exist, has expired or may not log in")
        return known

    async def _find(self, database: str, role: str) -> Found | None:
        async with self._control_connection() as connection:
            return await log_ins.find(connection, database, role)

    def _rules(self, found: Found) -> LogInRules:
        return self._parse(found.rules, found.name) if found.rules is not None else LogInRules()

    def _parse(self, document: str, tenant: str) -> LogInRules:
        rules = self._parsed.get(document)
        if rules is None:
            try:
                rules = parse_rules(json.loads(document))
            except ConfigurationInvalid as error:
                # Of another version of the server: passwords count on, nothing else does.
                _log.error("log_in_rules_not_understood", tenant=tenant, reason=error.message)
                rules = LogInRules()
            self._parsed[document] = rules
            if len(self._parsed) > RULES_KEPT_MAX:
                self._parsed.popitem(last=False)
        return rules


def _principal(found: Found, identity: Identity, role: KnownRole) -> Principal:
    return Principal(
        tenant=found.name,
        name=identity.user,
        attributes=_attributes(role, identity.attributes),
        session_role=identity.role,
    )


def _attributes(role: KnownRole, told: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Put together what policies see: a token's values in place of the role's, the groups of both and of PostgreSQL."""
    own = {name: _texts(value) for name, value in role.attributes.items()}
    groups = (*own.get("groups", ()), *role.groups, *told.get("groups", ()))
    attributes = {**own, **told, "groups": tuple(dict.fromkeys(groups))}
    return attributes if groups else {name: values for name, values in attributes.items() if name != "groups"}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(entry) for entry in value) if isinstance(value, list) else (str(value),)
