"""What a log-in needs to know of a tenant, who is let in, and who knows that. Frozen nouns and one protocol."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from omnisql_server.model.principal import Principal


class Proof(StrEnum):
    """What a client is asked for: a password (SCRAM), a token in place of one, or a token by OAUTHBEARER."""

    PASSWORD = "password"  # noqa: S105  a way to log in, no password
    TOKEN = "token"  # noqa: S105  a way to log in, no token
    OAUTH = "oauth"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """Where an identity provider describes itself, and the scope that a client asks it for."""

    url: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """How a user of a tenant may log in, the same for users that do not exist but for `known`.

    `known` is the principal with its SCRAM verifier, None without a password. `discovery` is None where there is no
    identity provider or strangers are not to know of it. `tenant` is None where there is none. `second_factor` says
    that nothing counts without a certificate, which then logs in nobody by itself.
    """

    known: tuple[Principal, str] | None = None
    ask: Proof = Proof.PASSWORD
    discovery: Discovery | None = None
    tenant: UUID | None = None
    second_factor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """Somebody who was let in, and by what: `method` is password, jwt, token (ours) or certificate.

    `lasts_s` bounds the session, None does not. `token` is the id of an API token, with which the session ends.
    """

    principal: Principal
    method: str = "password"
    lasts_s: float | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A log-in that came to its end: `method` is what was asked for, or what let somebody in; `outcome` a SQLSTATE.

    `tenant` is None where there is none of that name; `roles` are those that the session runs as.
    """

    tenant: UUID | None
    database: str
    user: str
    method: str
    outcome: str
    address: str
    roles: tuple[str, ...] = ()


class LogInRefused(Exception):
    """What was shown opens nothing; `reason` is for the operator's log and for nobody else."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LogIns(Protocol):
    """Who may log in."""

    async def entrance(self, database: str, user: str) -> Entrance:
        """Say how a user of a tenant may log in.

        Raises:
            ClusterUnavailable: 57P03, the control database cannot be reached.
        """

    async def by_token(self, database: str, user: str, token: str) -> LogIn:
        """Let in who shows a token of an identity provider, or one of ours.

        Raises:
            LogInRefused: it opens nothing, whatever the reason.
            ClusterUnavailable: 57P03.
        """

    async def authorities(self) -> frozenset[bytes]:
        """Return who may have issued clients' certificates (DER), of any tenant.

        Raises:
            ClusterUnavailable: 57P03.
        """

    async def by_certificate(self, database: str, user: str, certificate: bytes) -> LogIn | None:
        """Let in who has proved to hold the key of a certificate (DER); None where it names somebody else.

        Raises:
            ClusterUnavailable: 57P03.
        """

    def note(self, attempt: Attempt) -> Awaitable[None]:
        """Count an attempt and put it on record, and return what ends when it is.

        Raises:
            AuditUnavailable: 58030, it cannot be, at once or when waited for.
        """

    async def counting(self, tokens: frozenset[str]) -> frozenset[str]:
        """Return those of some API tokens that count still.

        Raises:
            ClusterUnavailable: 57P03.
        """
