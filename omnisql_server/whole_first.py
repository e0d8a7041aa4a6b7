"""A statement is asked of its only source whole, and read by scans where the source will not carry it out."""

from __future__ import annotations

from dataclasses import replace

import structlog

from connectors.sdk.errors import StatementRefused
from omnisql_server.answering import Reader
from omnisql_server.evaluation import Evaluation, WholeAnswer
from omnisql_server.model.plan import QueryPlan
from omnisql_server.model.run import BoundParameters, SessionView
from omnisql_server.model.statement import Statement
from omnisql_server.streaming import StreamedAnswer
from omnisql_server.tenant import Tenant
from omnisql_server.whole import SENT_WHOLE, whole_plan

_log = structlog.get_logger(__name__)


async def whole_first(plan: QueryPlan, statement: Statement, tenant: Tenant, view: SessionView) -> QueryPlan | None:
    """Return the plan that has a statement carried out by its only source; None where its scans are to be read.

    Nothing is kept of such an answer, so that whoever allows older rows, or has rows kept, reads by scans.
    """
    whole = whole_plan(plan, statement)
    if whole is None:
        return None
    settings = plan.authorized.query.settings
    sources = [await tenant.open(scan, view, settings) for scan in plan.scans]
    return None if any(source.staleness.is_used for source in sources) else whole


async def answered(
    whole: QueryPlan | None, plan: QueryPlan, reader: Reader, evaluation: Evaluation
) -> tuple[QueryPlan, Evaluation, StreamedAnswer | WholeAnswer]:
    """Read what a statement needs, and say by which plan and what is evaluated over it.

    Raises:
        ConnectorError, LimitExceeded: it could not be read, or takes too much.
    """
    if whole is not None:
        try:
            # The values of parameters went with the statement.
            formats = BoundParameters(result_formats=evaluation.parameters.result_formats)
            asked = whole.authorized.query
            rows_of = replace(evaluation, bound=asked, engine=SENT_WHOLE, parameters=formats)
            return whole, rows_of, await reader.answer(whole, rows_of)
        except StatementRefused as error:
            _log.info("statement_refused_by_source", reason=error.detail)
    return plan, evaluation, await reader.answer(plan, evaluation)
