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


def bind_keys(plan: ScanPlan, relations: Mapping[str, pa.Table], calls_max: int) -> ScanPlan:
    """Return the plan with one scan for every combination of keys that its drivers' rows hold.

    `relations` are the rows read so far by scan name, as the principal may see them.

    Raises:
        LimitExceeded: they need more than `calls_max` API calls (54000).
    """
    if not plan.deferred:
        return plan
    drivers = dict.fromkeys(key.scan_name for key in plan.deferred)
    sets = [_distinct(relations[name], [key for key in plan.deferred if key.scan_name == name]) for name in drivers]
    calls = len(plan.scans) * _calls(plan, prod(map(len, sets)))
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


def _batched(plan: ScanPlan) -> str | None:
    """Return the key column that one request takes many values of, None where a request is for one combination."""
    return plan.path.batch if [key.column for key in plan.deferred] == [plan.path.batch] else None


def _calls(plan: ScanPlan, combinations: int) -> int:
    return combinations if _batched(plan) is None else ceil(combinations / plan.path.batch_keys_max)


def _expand(plan: ScanPlan, template: Scan, combinations: list[dict[str, Value]]) -> list[Scan]:
    batch = _batched(plan)
    if batch is None:
        return [replace(template, keys={**template.keys, **keys}) for keys in combinations]
    values = [keys[batch] for keys in combinations]
    size = plan.path.batch_keys_max
    chunks = [tuple(values[start : start + size]) for start in range(0, len(values), size)]
    return [replace(template, keys={**template.keys, batch: chunk}) for chunk in chunks]
