"""Values that did not fit, as a statement takes them: what policy decides by must be there. Pure but for the metric."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.sdk.errors import Fatal
from connectors.sdk.misfits import Misfits, of_columns
from omnisql_server.model.plan import ScanPlan
from omnisql_server.observability.metrics import INSTRUMENTS


def decided_by(plan: ScanPlan) -> frozenset[str]:
    """Return the columns by which policy shows or hides rows of a table where values may be null that are not."""
    if not plan.table.misfits_are_null:
        return frozenset()
    return frozenset(column for rule in plan.filters for column in rule.columns)


def taken(plan: ScanPlan, columns: Sequence[str], misfits: Misfits) -> Misfits:
    """Return and count the misfits of columns that are read.

    Raises:
        Fatal: SQLSTATE HV000, one is in a column that policy decides by: null there might show a row that is hidden.
    """
    found = of_columns(misfits, columns)
    for each in found:
        INSTRUMENTS.values_misfit(plan.relation.wrapper, f"{plan.table.name}.{each.column}", each.count)
    if decisive := decided_by(plan).intersection(each.column for each in found):
        raise Fatal(
            message=f"a value of {plan.table.name}.{min(decisive)} does not fit its type, and policy decides by it",
            detail="The source sent something else than its documentation says.",
            hint="Report it to the author of the connector.",
        )
    return found
