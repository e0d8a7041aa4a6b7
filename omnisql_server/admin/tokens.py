"""API tokens of a tenant's users: made, listed and revoked. Only a token's digest comes here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from catalog import api_tokens, control
from catalog.api_tokens import ListedToken, NewToken
from omnisql_server.errors import OmniSQLError
from omnisql_server.principals import copy_roles
from omnisql_server.services import Services

DESCRIPTION_CHARACTERS_MAX = 200


class TokenInvalid(OmniSQLError):
    """A token cannot be made as it was asked for."""

    sqlstate = "22023"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenState:
    """A token as an operator sees it: times are ISO 8601 in UTC, to the minute, empty where there is none.

    `role` is empty for that of its user, `sources` for all.
    """

    id: str
    user: str
    description: str
    role: str
    sources: tuple[str, ...]
    read_only: bool
    created_at: str
    expires_at: str
    last_used_at: str
    revoked_at: str


async def create_token(
    services: Services,
    record: control.Tenant,
    *,
    user: str,
    token: str,
    digest: str,
    description: str,
    days: int,
    role: str | None,
    sources: Sequence[str] | None,
    read_only: bool,
) -> None:
    """Put a token on record: `token` is its id, `digest` hexadecimal.

    Raises:
        TokenInvalid: 22023, its life is out of bounds or its description too long.
        RoleUnknown: 42704, the user may not log in, or is no member of the role.
    """
    days_max = services.settings.log_in.token_days_max
    if not 1 <= days <= days_max:
        raise TokenInvalid(
            message="a token is good for a number of days", detail=f"from 1 to log_in.token_days_max = {days_max}"
        )
    if len(description) > DESCRIPTION_CHARACTERS_MAX:
        raise TokenInvalid(message=f"a description has at most {DESCRIPTION_CHARACTERS_MAX} characters")
    async with services.clusters.lease(record.cluster, record.dsn) as cluster:
        # A role that was made or granted a moment ago counts, too.
        await copy_roles(services, record, cluster)
    async with services.control_connection() as connection:
        await api_tokens.create(
            connection,
            record.id,
            NewToken(
                id=token,
                digest=bytes.fromhex(digest),
                principal=user,
                description=description,
                days=days,
                role=role,
                sources=tuple(sources) if sources is not None else None,
                read_only=read_only,
            ),
        )


async def tokens_of(services: Services, record: control.Tenant) -> tuple[TokenState, ...]:
    """List a tenant's tokens, the oldest first."""
    async with services.control_connection() as connection:
        return tuple(_state(token) for token in await api_tokens.tokens_of(connection, record.id))


def _state(token: ListedToken) -> TokenState:
    return TokenState(
        id=token.id,
        user=token.principal,
        description=token.description,
        role=token.role or "",
        sources=token.sources or (),
        read_only=token.read_only,
        created_at=_shown(token.created_at),
        expires_at=_shown(token.expires_at),
        last_used_at=_shown(token.last_used_at),
        revoked_at=_shown(token.revoked_at),
    )


def _shown(moment: datetime | None) -> str:
    return moment.isoformat(timespec="minutes") if moment is not None else ""
