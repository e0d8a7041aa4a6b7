"""What the introspection tables show, as one statement sees it. Frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.audit import StoredRecord
from catalog.misses import Miss
from catalog.snapshot import ApiServer, ApiTable
from connectors.sdk.table import Table
from omnisql_server.freshness.cache import Kept
from omnisql_server.model.report import SourceReport
from omnisql_server.model.statistics import StatisticRow


@dataclass(frozen=True, slots=True, kw_only=True)
class IntrospectionState:
    """Only what the principal may see.

    These are foreign tables with the API tables behind them, servers, the last reports, what is kept, and what is on
    record. `statistics` and `misses` are the tenant's; those of the relations are shown.
    """

    relations: Sequence[tuple[ApiTable, Table]] = ()
    servers: Sequence[ApiServer] = ()
    reports: Sequence[SourceReport] = ()
    kept: Sequence[tuple[ApiTable, Kept]] = ()
    statistics: Sequence[StatisticRow] = ()
    records: Sequence[StoredRecord] = ()
    misses: Sequence[Miss] = ()
