"""Which rows of a page are hydrated: those that policy shows and that meet the conditions that can be evaluated before.

Policy comes first, so that no condition of a user is evaluated on a row that is hidden from him.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from omnisql_server.execute.instances import InstancePool
from omnisql_server.execute.survivors import meeting
from omnisql_server.fetch.scheduler import Survivors
from omnisql_server.materialize.row_filters import truth_of
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.relation import ROW_NUMBER


def survivors_of(pool: InstancePool, time_zone: str) -> Survivors:
    """Return what tells the rows of a batch that may be in the answer."""

    async def survivors(plan: ScanPlan, batch: pa.RecordBatch) -> Sequence[int]:
        rows = pa.Table.from_batches([batch]).append_column(ROW_NUMBER, pa.array(np.arange(batch.num_rows)))
        for rule in plan.filters:
            rows = rows.filter(truth_of(rule.condition, rows, plan.table))
        return await meeting(rows, plan.survival, pool, time_zone)

    return survivors
