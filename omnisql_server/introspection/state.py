"""What the introspection tables show, as one statement sees it. Frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.snapshot import ApiServer, ApiTable
from connectors.sdk.table import Table
from omnisql_server.model.report import SourceReport


@dataclass(frozen=True, slots=True, kw_only=True)
class IntrospectionState:
    """Only what the principal may see: foreign tables with the API tables behind them, servers, and last reports."""

    relations: Sequence[tuple[ApiTable, Table]] = ()
    servers: Sequence[ApiServer] = ()
    reports: Sequence[SourceReport] = ()
