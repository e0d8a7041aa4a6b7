"""The settings of a statement as they are when nobody has changed any."""

from __future__ import annotations

from omnisql_server.model.query import Settings

SETTINGS = Settings(
    time_zone="UTC",
    date_style="ISO, MDY",
    interval_style="postgres",
    extra_float_digits=1,
    statement_timeout_ms=0,
    engine="auto",
    on_source_error="fail",
    max_api_calls=None,
    current_user="ana",
)
