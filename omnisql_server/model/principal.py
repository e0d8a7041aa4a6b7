"""Who asks: the authenticated principal, whatever SET ROLE says later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated user of a tenant; `attributes` (groups, teams, regions) come from its roles, us or its token.

    `session_role` is the role of PostgreSQL that its session runs as, None for the one of its own name. `sources` are
    the servers that it may read, None for all.
    """

    tenant: str
    name: str
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    session_role: str | None = None
    sources: frozenset[str] | None = None
    read_only: bool = False

    @property
    def role(self) -> str:
        """Return the role of PostgreSQL that its session runs as."""
        return self.session_role or self.name
