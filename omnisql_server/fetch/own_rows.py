"""Rows that belong to the combination of keys they were read for. Pure; Arrow to Arrow.

Sources take names without regard to case and follow former ones: `repo IN ('web', 'WEB')` reads one repository twice,
and its rows must not come twice.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from connectors.sdk.scan import Scan


def own_rows(scan: Scan, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows of a batch whose text columns have the values of the scan's keys, as PostgreSQL compares them.

    The statement demands those values itself, so that a row of another value could only be that of another scan.
    """
    for name, value in scan.keys.items():
        if name not in scan.columns:
            continue
        column = batch.column(scan.columns.index(name))
        if not pa.types.is_string(column.type):
            continue
        wanted = pa.array(value if isinstance(value, tuple) else (value,), column.type)
        own = pc.is_in(column, value_set=wanted)
        if not pc.all(own).as_py():
            batch = batch.filter(own)
    return batch
