"""Who asks: the authenticated principal, whatever SET ROLE says later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated user of a tenant; `attributes` (teams, regions) come from the control database."""

    tenant: str
    name: str
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
