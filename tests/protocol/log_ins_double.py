"""One principal that may log in by password; everybody else is unknown."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from omnisql_server.model.principal import Principal
from omnisql_server.session.entrance import Attempt, Entrance, LogIn, LogInRefused


@dataclass(frozen=True, slots=True)
class LogInsDouble:
    """Knows one principal and its SCRAM verifier."""

    known: tuple[Principal, str]

    async def entrance(self, database: str, user: str) -> Entrance:
        """Say how a user may log in."""
        principal = self.known[0]
        return Entrance(known=self.known if (principal.tenant, principal.name) == (database, user) else None)

    async def by_token(self, database: str, user: str, token: str) -> LogIn:
        """Let nobody in."""
        raise LogInRefused("there are no tokens here")

    def note(self, attempt: Attempt) -> asyncio.Future[None]:
        """Keep no record."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def counting(self, tokens: frozenset[str]) -> frozenset[str]:
        """Return none: there are no tokens."""
        return frozenset()

    async def authorities(self) -> frozenset[bytes]:
        """Return none: certificates count for nothing."""
        return frozenset()

    async def by_certificate(self, database: str, user: str, certificate: bytes) -> LogIn | None:
        """Let nobody in."""
        return None
