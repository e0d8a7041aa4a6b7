"""A scan whose columns wait: what is read of it before. Pure."""

from __future__ import annotations

from dataclasses import replace

from connectors.sdk.connector import Connection
from connectors.sdk.hydrate import Hydrating
from connectors.sdk.table import Table
from omnisql_server.model.plan import ScanPlan


def listing_of(plan: ScanPlan, connection: Connection, *, kept: bool) -> ScanPlan:
    """Return the plan of a scan without the columns that it awaits, but with those that it takes to fetch them later.

    Rows that are to be `kept` are read whole, as are those of a connection that fetches nothing later.
    """
    if not plan.awaited:
        return plan
    if kept or not isinstance(connection, Hydrating):
        return replace(plan, awaited=())
    left = [name for name in plan.columns if name not in plan.awaited]
    columns = tuple(dict.fromkeys([*left, *inputs_of(plan.table, plan.awaited)]))
    return replace(plan, columns=columns, scans=tuple(replace(scan, columns=columns) for scan in plan.scans))


def inputs_of(table: Table, awaited: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that the calls for some columns are made of."""
    called = dict.fromkeys(table.column(name).hydrate for name in awaited)
    return tuple(dict.fromkeys(used for name in called if name is not None for used in table.hydrations[name].inputs))
