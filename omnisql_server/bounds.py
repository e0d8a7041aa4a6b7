"""Bounds of a tenant's parts, out of the settings."""

from __future__ import annotations

from omnisql_server.execute.instances import InstanceSettings
from omnisql_server.manage.managers import SourceBounds
from omnisql_server.settings import Settings


def source_bounds(settings: Settings) -> SourceBounds:
    """Return how long sources are waited for, and when unused credentials are deleted."""
    return SourceBounds(
        ask_timeout_s=settings.fetch.scan_timeout_s,
        sweep_interval_s=settings.credentials.sweep_interval_s,
        sweep_age_s=settings.credentials.sweep_age_s,
    )


def instance_settings(settings: Settings) -> InstanceSettings:
    """Return how large engines are; the folder that they spill to is made."""
    spill = settings.data.directory.absolute() / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    return InstanceSettings(
        memory_limit_mb=settings.engine.memory_limit_mb,
        threads=settings.engine.threads,
        instances_max=settings.engine.instances_max,
        temp_directory=spill,
    )
