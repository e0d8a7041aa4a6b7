"""The limits of a tenant: settings of the server that have another value for it, set by the operator.

The server's setting is what holds for tenants without a limit of their own; it is no upper bound, because both are the
operator's. Ranges are those of the settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.live_settings import PresentSettings
from omnisql_server.settings import DeclaredSetting, Settings, declared_settings

AT_CLUSTER_START = ("clusters.memory_mb", "clusters.backend_memory_mb", "clusters.temp_file_limit_mb")
"""What PostgreSQL's processes are started with: these count from the next start of the tenant's cluster."""
TENANT_LIMITS = (
    "clusters.sessions_max",
    "clusters.disk_mb_max",
    *AT_CLUSTER_START,
    "listener.statement_timeout_max_s",
    "sessions.answer_bytes_max",
    "fetch.api_calls_max",
    "fetch.scan_rows_max",
    "engine.memory_limit_mb",
    "engine.splice_table_bytes_max",
)
"""The settings that a tenant may have a value of its own of."""


def checked_limits(given: Mapping[str, object], where: str) -> dict[str, float]:
    """Read limits by the names of settings; `where` tells people where they stand.

    Raises:
        ConfigurationInvalid: F0000, a name is none of a limit, or a value is not allowed.
    """
    known_limits(given, where)
    declared, limits = _declared(), dict[str, float]()
    for key, value in given.items():
        converted = declared[key].convert(value, where)
        assert isinstance(converted, int | float)  # noqa: S101  all limits are numbers
        limits[key] = converted
    return limits


@cache
def _declared() -> Mapping[str, DeclaredSetting]:
    return {each.key: each for each in declared_settings() if each.key in TENANT_LIMITS}


def known_limits(names: Iterable[str], where: str) -> None:
    """Make sure that all names are of limits.

    Raises:
        ConfigurationInvalid: F0000, one is not.
    """
    for name in names:
        if name not in TENANT_LIMITS:
            raise ConfigurationInvalid(
                message=f"a tenant has no limit {name[:80]}",
                detail=f"It stands {where}.",
                hint=f"Limits are: {', '.join(TENANT_LIMITS)}.",
            )


def number_in(text: str) -> object:
    """Read a number as it is written, and leave what is none as it is."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def holding_limits(settings: Settings, limits: Mapping[str, float]) -> dict[str, float]:
    """Return the value of each limit that holds for a tenant with some of its own."""
    return {key: limits.get(key, value_of(settings, key)) for key in TENANT_LIMITS}


def value_of(settings: Settings, key: str) -> float:
    """Return the value of a limit in a tree of settings."""
    section, _, name = key.partition(".")
    value: float = getattr(getattr(settings, section), name)
    return value


def limited(settings: Settings, limits: Mapping[str, float]) -> Settings:
    """Return the settings with a tenant's limits in the place of the server's."""
    values: dict[str, dict[str, float]] = {}
    for key, value in limits.items():
        section, _, name = key.partition(".")
        values.setdefault(section, {})[name] = value
    sections = {section: replace(getattr(settings, section), **given) for section, given in values.items()}
    return replace(settings, **sections) if sections else settings


class TenantSettings:
    """The settings that hold for one tenant: the server's present ones, with the tenant's limits.

    Implements `live_settings.PresentSettings`.
    """

    __slots__ = ("_current", "_limits", "_made_of", "_server")

    def __init__(self, server: PresentSettings, limits: Mapping[str, object] | None = None) -> None:
        self._server = server
        self._limits = checked_limits(limits or {}, "in the tenant's record")
        self._made_of = server.current
        self._current = limited(self._made_of, self._limits)

    @property
    def current(self) -> Settings:
        """Return the tree that holds now."""
        server = self._server.current
        if server is not self._made_of:
            self._made_of, self._current = server, limited(server, self._limits)
        return self._current

    def limit(self, limits: Mapping[str, object]) -> bool:
        """Have other limits hold from now on; say whether they differ.

        Raises:
            ConfigurationInvalid: F0000, one is unknown or not allowed; the former ones stay.
        """
        checked = checked_limits(limits, "in the tenant's record")
        if checked == self._limits:
            return False
        self._limits, self._current = checked, limited(self._server.current, checked)
        self._made_of = self._server.current
        return True
