"""Bounds of a tenant's parts, out of the settings."""

from __future__ import annotations

from omnisql_server.execute.instances import InstanceSettings
from omnisql_server.execute.splice_tables import SpliceLimits
from omnisql_server.fetch.scheduler import FetchBounds
from omnisql_server.manage.managers import SourceBounds
from omnisql_server.pipeline_bounds import PipelineBounds
from omnisql_server.settings import Settings


def source_bounds(settings: Settings) -> SourceBounds:
    """Return how long sources are waited for, and when unused credentials are deleted."""
    return SourceBounds(
        ask_timeout_s=settings.fetch.scan_timeout_s,
        sweep_interval_s=settings.credentials.sweep_interval_s,
        sweep_age_s=settings.credentials.sweep_age_s,
    )


def pipeline_bounds(settings: Settings) -> PipelineBounds:
    """Return what one statement may use."""
    return PipelineBounds(
        fetch=FetchBounds(
            concurrency_max=settings.fetch.concurrency_max,
            scan_rows_max=settings.fetch.scan_rows_max,
            timeout_s=settings.fetch.scan_timeout_s,
        ),
        key_combinations_max=settings.fetch.key_combinations_max,
        api_calls_max=settings.fetch.api_calls_max,
        splice=SpliceLimits(
            inline_bytes_max=settings.engine.splice_inline_bytes_max,
            table_bytes_max=settings.engine.splice_table_bytes_max,
        ),
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
