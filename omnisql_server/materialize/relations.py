"""Fetched batches as relations: policy applied, API columns renamed to the catalog's names. Pure; Arrow to Arrow.

Rows are filtered and masked here, before either engine sees them, so that no expression of a user is ever evaluated on
a hidden row or value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from connectors.sdk.table import Column
from omnisql_server.errors import InternalError
from omnisql_server.materialize.masks import masked, shown_without_value
from omnisql_server.materialize.row_filters import truth_of
from omnisql_server.model.mask import Mask
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.query import Occurrence
from omnisql_server.model.relation import ROW_NUMBER


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRelation:
    """One scan's rows as the statement may see them: columns are the occurrence's, by the catalog's names."""

    scan_name: str
    rows: pa.Table


def materialize(
    plan: ScanPlan, occurrence: Occurrence, batches: Sequence[pa.RecordBatch], salt: bytes
) -> LocalRelation:
    """Apply a scan's row filters and masks and name its columns as the catalog does; `salt` is that of hashes.

    Columns that the scan awaits are left out; its rows have their places among those that were fetched instead.
    """
    schema = pa.schema([(name, plan.table.column(name).type.arrow) for name in plan.columns])
    table = pa.Table.from_batches([_conform(batch, schema) for batch in batches], schema=schema)
    if plan.awaited:
        table = table.append_column(ROW_NUMBER, pa.array(np.arange(table.num_rows)))
    for row_filter in plan.filters:
        table = table.filter(truth_of(row_filter.condition, table, plan.table))
    columns: dict[str, pa.ChunkedArray] = {ROW_NUMBER: table.column(ROW_NUMBER)} if plan.awaited else {}
    for name in occurrence.columns:
        attribute = occurrence.relation.attribute(name)
        if attribute is None or attribute.api_column is None:
            raise InternalError(message=f"column {name} of {occurrence.relation.qualified_name} has no source")
        if attribute.api_column in plan.awaited:
            continue
        if attribute.api_column in plan.unused:
            columns[name] = pa.chunked_array(
                [pa.nulls(table.num_rows, plan.table.column(attribute.api_column).type.arrow)]
            )
            continue
        mask = plan.masks.get(attribute.api_column)
        columns[name] = _column(table, plan.table.column(attribute.api_column), mask, salt)
    if not columns:
        rows = pa.table({ROW_NUMBER: pa.array(np.arange(table.num_rows))})
        return LocalRelation(scan_name=plan.scan_name, rows=rows)
    return LocalRelation(scan_name=plan.scan_name, rows=pa.table(columns))


def _conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if len(schema) == 0:
        return batch.select([])
    if batch.schema.equals(schema):
        return batch
    return batch.select(schema.names).cast(schema)


def _column(table: pa.Table, column: Column, mask: Mask | None, salt: bytes) -> pa.ChunkedArray:
    if mask is None:
        return table.column(column.name)
    if not mask.needs_value:
        return shown_without_value(table.num_rows, column.type, mask)
    return masked(table.column(column.name), column.type, mask, salt)
