"""Asks policy whether a principal may share what it wrote from API tables, and has PostgreSQL let it.

The permit (`catalog.sharing`) is written by the server's own role: no statement of a user can make one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from omnisql_server.model.principal import Principal

Columns = Iterable[tuple[str, str, str, str]]
"""Of each column: connector, server, API table, API column."""
Permit = Callable[[str, Sequence[int]], Awaitable[None]]
"""Lets a role share relations, by OID, for a short while."""


class SharePolicy(Protocol):
    """What decides."""

    async def may_share(self, columns: Columns, principal: Principal) -> bool:
        """Say whether a principal may share what it wrote from columns."""


class Sharing:
    """Gives permits for one tenant."""

    def __init__(self, policy: SharePolicy, permit: Permit) -> None:
        self._policy = policy
        self._permit = permit

    async def let(self, relations: Mapping[int, Columns], principal: Principal) -> None:
        """Have PostgreSQL let a principal share those of some relations that policy lets it.

        Raises:
            PolicyUndecided: 42501, there is no decision.
        """
        allowed = [oid for oid, columns in relations.items() if await self._policy.may_share(columns, principal)]
        if allowed:
            await self._permit(principal.role, allowed)
