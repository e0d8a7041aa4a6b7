"""What a session needs of its principal's tenant, and who gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from catalog.clusters import ClusterAddress
from omnisql_server.live_settings import PresentSettings
from omnisql_server.model.principal import Principal
from omnisql_server.model.room import Room
from omnisql_server.model.run import StatementRunner
from omnisql_server.session.pool import BackendPool


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantAccess:
    """A running cluster and the way in: the backend logs in as `role` and starts with `settings` as defaults.

    `pool` keeps the tenant's backends that no session uses at the moment, `room` bounds what it may write, `live` gives
    the settings that hold for the tenant, where they are not the server's.
    """

    address: ClusterAddress
    database: str
    role: str
    runner: StatementRunner
    pool: BackendPool
    settings: Mapping[str, str] = field(default_factory=dict)
    room: Room | None = None
    live: PresentSettings | None = None


TenantOpener = Callable[[Principal], AbstractAsyncContextManager[TenantAccess]]
"""Keeps the tenant's cluster running for the time of a session."""
