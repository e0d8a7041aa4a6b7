"""Reading the configuration again while sessions are open: what can change changes at once, the rest waits.

A configuration that is not valid, names a policy or a certificate that cannot be used, or cannot be put on record,
changes nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from omnisql_server.errors import OmniSQLError
from omnisql_server.live_settings import LiveSettings
from omnisql_server.settings import Settings, declared_settings

RELOADABLE = frozenset(
    {
        "listener.connections_max",
        "listener.startup_timeout_s",
        "listener.message_bytes_max",
        "listener.client_buffer_bytes_max",
        "listener.statement_timeout_max_s",
        "listener.drain_timeout_s",
        "listener.tls_certificate_file",
        "listener.tls_key_file",
        "listener.tls_required",
        "sessions.park_after_s",
        "sessions.parked_max",
        "sessions.parked_idle_max_s",
        "sessions.statements_max",
        "sessions.twins_max",
        "sessions.portals_max",
        "sessions.backend_timeout_s",
        "sessions.close_timeout_s",
        "clusters.disk_mb_max",
        "fetch.scan_timeout_s",
        "fetch.scan_rows_max",
        "fetch.key_combinations_max",
        "fetch.api_calls_max",
        "engine.splice_inline_bytes_max",
        "engine.splice_table_bytes_max",
        "telemetry.log_level",
        "telemetry.log_format",
        "policy.file",
        "policy.server_url",
        "policy.server_token",
        "policy.server_timeout_s",
        "policy.decisions_kept_s",
    }
)
"""What changes at once. The others were handed to parts that were started with them."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The tree that holds from now on, the names that changed in it, and those that wait for a restart."""

    settings: Settings
    applied: tuple[str, ...]
    waiting: tuple[str, ...]


def merge(present: Settings, wanted: Settings) -> Change:
    """Take over from the wanted settings what can change now. Pure."""
    values: dict[str, dict[str, object]] = {}
    applied: list[str] = []
    waiting: list[str] = []
    for declared in declared_settings():
        before = getattr(getattr(present, declared.section), declared.name)
        after = getattr(getattr(wanted, declared.section), declared.name)
        if before != after and declared.key in RELOADABLE:
            values.setdefault(declared.section, {})[declared.name] = after
            applied.append(declared.key)
        elif before != after:
            waiting.append(declared.key)
    sections = {section: replace(getattr(present, section), **given) for section, given in values.items()}
    return Change(settings=replace(present, **sections), applied=tuple(applied), waiting=tuple(waiting))


class Reload:
    """Reads the configuration again whenever it is called.

    `prepare` makes of the new settings everything that may fail, and returns what puts it in place; `tell` puts on
    record what changes, and what it cannot put there does not change.
    """

    def __init__(
        self,
        live: LiveSettings,
        *,
        read: Callable[[], Settings],
        prepare: Callable[[Settings], Callable[[], None]],
        tell: Callable[[Change], None] = lambda _: None,
    ) -> None:
        self._live = live
        self._read = read
        self._prepare = prepare
        self._tell = tell

    def __call__(self) -> None:
        """Apply what can change; log what cannot, or why nothing does."""
        try:
            change = merge(self._live.current, self._read())
            put_in_place = self._prepare(change.settings)
            self._tell(change)
        except OmniSQLError as error:
            _log.error("configuration_not_reloaded", reason=error.message, detail=error.detail)
            return
        self._live.current = change.settings
        put_in_place()
        for name in change.waiting:
            _log.warning("setting_needs_restart", setting=name)
        _log.info("configuration_reloaded", changed=list(change.applied))
