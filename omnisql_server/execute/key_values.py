"""Keys that are expressions over the rows of another scan: computed by DuckDB once those rows are here.

Takes a scan plan and the relations read so far; gives, for each driver with such keys, the relation of its keys.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa
from sqlglot import exp

from omnisql_server.errors import InternalError
from omnisql_server.execute.allowed import expression_refusal
from omnisql_server.execute.duckdb_text import duckdb_text
from omnisql_server.execute.instances import InstancePool
from omnisql_server.model.plan import DeferredKey, ScanPlan

_TIME_ZONE = "UTC"
"""Of no consequence: no key is made of a time."""


def may_evaluate(expression: exp.Expr) -> bool:
    """Say whether DuckDB is proved to compute an expression as PostgreSQL does."""
    return expression_refusal(expression) is None


async def keyed(plan: ScanPlan, relations: Mapping[str, pa.Table], pool: InstancePool) -> Mapping[str, pa.Table]:
    """Return the relations with those replaced whose expressions give keys to a scan: by the distinct keys.

    Raises:
        InternalError: DuckDB could not compute them.
    """
    computed = dict.fromkeys(key.scan_name for key in plan.deferred if key.expression is not None)
    if not computed:
        return relations
    keys = {name: [key for key in plan.deferred if key.scan_name == name] for name in computed}
    return {**relations, **{name: await _values(keys[name], relations[name], pool) for name in computed}}


async def _values(keys: list[DeferredKey], rows: pa.Table, pool: InstancePool) -> pa.Table:
    name = keys[0].scan_name
    outputs = {
        key.attribute: exp.column(key.attribute, table=name, quoted=True) if key.expression is None else key.expression
        for key in keys
    }
    select = exp.Select(
        expressions=[exp.alias_(node.copy(), text, quoted=True) for text, node in outputs.items()],
        distinct=exp.Distinct(),
        from_=exp.From(this=exp.to_table(name)),
        # The same keys make the same requests, whose answers may be known.
        order=exp.Order(
            expressions=[exp.Ordered(this=exp.Literal.number(place)) for place in range(1, len(outputs) + 1)]
        ),
    )
    try:
        batches = [batch async for batch in pool.query(duckdb_text(select), {name: rows}, _TIME_ZONE)]
    except duckdb.Error as error:
        raise InternalError(message=f"the keys from {keys[0].relation_name} could not be computed") from error
    return pa.Table.from_batches(batches)
