"""Fetched batches as relations: policy applied, API columns renamed to the catalog's names. Pure; Arrow to Arrow.

Rows are filtered and masked here, before either engine sees them, so that no expression of a user is ever evaluated on
a hidden row or value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.sdk.table import Column
from omnisql_server.errors import InternalError
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.query import Mask, Occurrence, RowFilter
from omnisql_server.model.relation import ROW_NUMBER

REDACTED = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRelation:
    """One scan's rows as the statement may see them: columns are the occurrence's, by the catalog's names."""

    scan_name: str
    rows: pa.Table


def materialize(plan: ScanPlan, occurrence: Occurrence, batches: Sequence[pa.RecordBatch]) -> LocalRelation:
    """Apply a scan's row filters and masks and name its columns as the catalog does."""
    schema = pa.schema([(name, plan.table.column(name).type.arrow) for name in plan.columns])
    table = pa.Table.from_batches([_conform(batch, schema) for batch in batches], schema=schema)
    for row_filter in plan.filters:
        table = table.filter(_allowed(table.column(row_filter.column), row_filter))
    columns: list[pa.ChunkedArray] = []
    for name in occurrence.columns:
        attribute = occurrence.relation.attribute(name)
        if attribute is None or attribute.api_column is None:
            raise InternalError(message=f"column {name} of {occurrence.relation.qualified_name} has no source")
        mask = plan.masks.get(attribute.api_column)
        columns.append(_column(table, plan.table.column(attribute.api_column), mask))
    if not columns:
        rows = pa.table({ROW_NUMBER: pa.array(np.arange(table.num_rows))})
        return LocalRelation(scan_name=plan.scan_name, rows=rows)
    return LocalRelation(scan_name=plan.scan_name, rows=pa.table(columns, names=list(occurrence.columns)))


def _conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if len(schema) == 0:
        return batch.select([])
    if batch.schema.equals(schema):
        return batch
    return batch.select(schema.names).cast(schema)


def _allowed(column: pa.ChunkedArray, row_filter: RowFilter) -> pa.ChunkedArray:
    if not row_filter.prefix:
        return pc.is_in(column, value_set=pa.array(row_filter.values, column.type))
    allowed = pc.fill_null(pc.starts_with(column, pattern=row_filter.values[0]), False) if row_filter.values else None
    for value in row_filter.values[1:]:
        allowed = pc.or_(allowed, pc.fill_null(pc.starts_with(column, pattern=value), False))
    return allowed if allowed is not None else pa.chunked_array([pa.array([False] * len(column), pa.bool_())])


def _column(table: pa.Table, column: Column, mask: Mask | None) -> pa.ChunkedArray:
    if mask is None:
        return table.column(column.name)
    arrow_type = column.type.arrow
    # json, uuid and numeric travel as text too, but have no value that says "redacted".
    if mask.kind == "redact" and column.type.name in ("text", "varchar"):
        shown = pa.scalar(REDACTED, arrow_type)
        return pc.if_else(pc.is_valid(table.column(column.name)), shown, pa.scalar(None, arrow_type))
    return pa.chunked_array([pa.nulls(table.num_rows, arrow_type)])
