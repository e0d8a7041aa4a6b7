"""Give a deferred scan its keys, once the scans they come from were read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product
from math import ceil, prod

import pyarrow as pa

from connectors.sdk.scan import Scan, Value
from omnisql_server.errors import LimitExceeded
from omnisql_server.model.plan import DeferredKey, ScanPlan
from omnisql_server.plan.cost import RequestCost, is_batched


def bind_keys(plan: ScanPlan, relations: Mapping[str, pa.Table], calls_max: int) -> ScanPlan:
    """Return the plan with one scan for every combination of keys that its drivers' rows hold.

    Where the keys are so many that reading it without them is expected to need fewer calls, that is returned.

    `relations` are the rows read so far by scan name, as the principal may see them.

    Raises:
        LimitExceeded: they need more than `calls_max` API calls (54000).
    """
    if not plan.deferred:
        return plan
    drivers = dict.fromkeys(key.scan_name for key in plan.deferred)
    sets = [_distinct(relations[name], [key for key in plan.deferred if key.scan_name == name]) for name in drivers]
    count = prod(map(len, sets))
    columns = [key.column for key in plan.deferred]
    if plan.otherwise is not None:
        cost = RequestCost(path=plan.path, rows=plan.rows_expected, calls_per_row=plan.calls_per_row)
        if cost.calls_for_keys(columns, count, len(plan.scans)) > plan.otherwise.calls_expected:
            return plan.otherwise
    calls = len(plan.scans) * (ceil(count / plan.path.batch_keys_max) if is_batched(plan.path, columns) else count)
    if calls > calls_max:
        raise LimitExceeded(
            message=f"{plan.relation.qualified_name} would need {calls} API calls for the keys that were found",
            detail=f"{max(calls_max, 0)} more are allowed",
            hint="add conditions that reduce the rows it is joined with, "
            "or raise omnisql.max_api_calls within fetch.api_calls_max",
        )
    combinations = [_merged(parts) for parts in product(*sets)]
    scans = [scan for template in plan.scans for scan in _expand(plan, template, combinations)]
    names = ", ".join(key.column for key in plan.deferred)
    empty = plan.empty if scans or plan.empty else f"no value of {names} was found"
    return replace(plan, scans=tuple(scans), empty=empty, deferred=())


def _distinct(rows: pa.Table, keys: list[DeferredKey]) -> list[dict[str, Value]]:
    """Return the distinct combinations of a driver's columns without nulls, in the order they were first seen."""
    columns = [rows.column(key.attribute).to_pylist() for key in keys]
    seen = dict.fromkeys(values for values in zip(*columns, strict=True) if None not in values)
    names = [key.column for key in keys]
    return [dict(zip(names, values, strict=True)) for values in seen]


def _merged(parts: Iterable[Mapping[str, Value]]) -> dict[str, Value]:
    return {name: value for part in parts for name, value in part.items()}


def _expand(plan: ScanPlan, template: Scan, combinations: list[dict[str, Value]]) -> list[Scan]:
    batch = plan.path.batch
    if batch is None or not is_batched(plan.path, [key.column for key in plan.deferred]):
        return [replace(template, keys={**template.keys, **keys}) for keys in combinations]
    values = [keys[batch] for keys in combinations]
    size = plan.path.batch_keys_max
    chunks = [tuple(values[start : start + size]) for start in range(0, len(values), size)]
    return [replace(template, keys={**template.keys, batch: chunk}) for chunk in chunks]
