"""Sources are asked for all of a statement or for the largest parts of it, and read by scans where they refuse."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from connectors.sdk.errors import StatementRefused
from omnisql_server.answering import Reader
from omnisql_server.evaluation import Evaluation, WholeAnswer
from omnisql_server.execute.run import Engine
from omnisql_server.model.plan import QueryPlan
from omnisql_server.model.run import BoundParameters, SessionView
from omnisql_server.model.statement import Statement
from omnisql_server.parts import PlanAnew, plan_by_parts
from omnisql_server.streaming import StreamedAnswer
from omnisql_server.tenant import Tenant
from omnisql_server.whole import SENT_WHOLE, may_be_sent, may_send, whole_plan

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A plan by which sources carry out all of a statement or parts of it, and what executes the rest."""

    plan: QueryPlan
    engine: Engine


async def whole_first(
    plan: QueryPlan, statement: Statement, tenant: Tenant, view: SessionView, plan_anew: PlanAnew
) -> Sending | None:
    """Return the plan that has sources carry out what they can; None where its scans are to be read.

    Nothing is kept of such an answer, so that whoever allows older rows, or has rows kept, reads by scans.
    """
    if not may_send(plan, statement):
        return None
    settings = plan.authorized.query.settings
    fresh = set()
    for scan in filter(may_be_sent, plan.scans):
        source = await tenant.open(scan, view, settings)
        if not source.staleness.is_used:
            fresh.add(scan.scan_name)
    if not fresh:
        return None
    whole = whole_plan(plan) if len(fresh) == len(plan.scans) else None
    if whole is not None:
        return Sending(plan=whole, engine=SENT_WHOLE)
    found = plan_by_parts(plan, frozenset(fresh), plan_anew)
    return Sending(plan=found[0], engine=found[1]) if found is not None else None


async def answered(
    sending: Sending | None, plan: QueryPlan, reader: Reader, evaluation: Evaluation
) -> tuple[QueryPlan, Evaluation, StreamedAnswer | WholeAnswer]:
    """Read what a statement needs, and say by which plan and what is evaluated over it.

    Raises:
        ConnectorError, LimitExceeded: it could not be read, or takes too much.
    """
    if sending is not None:
        try:
            # The values of parameters went with the statement.
            formats = BoundParameters(result_formats=evaluation.parameters.result_formats)
            asked = sending.plan.authorized.query
            rows_of = replace(evaluation, bound=asked, engine=sending.engine, parameters=formats, is_rewritten=True)
            return sending.plan, rows_of, await replace(reader, keeping=None).answer(sending.plan, rows_of)
        except StatementRefused as error:
            _log.info("statement_refused_by_source", reason=error.detail)
    return plan, evaluation, await reader.answer(plan, evaluation)
