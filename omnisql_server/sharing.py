"""Asks policy whether a principal may share what it wrote from API tables, and has PostgreSQL let it.

The permit (`catalog.sharing`) is written by the server's own role: no statement of a user can make one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from catalog.sharing import Columns
from omnisql_server.model.principal import Principal

Permit = Callable[[str, Mapping[int, Columns]], Awaitable[None]]
"""Lets a role share relations, by OID, for a short while, while their rows are of these columns."""


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
        allowed = {
            oid: columns for oid, columns in relations.items() if await self._policy.may_share(columns, principal)
        }
        if allowed:
            await self._permit(principal.role, allowed)
