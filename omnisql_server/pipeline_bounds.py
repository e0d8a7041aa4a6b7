"""The bounds of a statement that the pipeline enforces. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from omnisql_server.execute.splice_tables import SpliceLimits
from omnisql_server.fetch.scheduler import FetchBounds


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineBounds:
    """Bounds of one statement."""

    fetch: FetchBounds
    key_combinations_max: int
    api_calls_max: int
    splice: SpliceLimits
