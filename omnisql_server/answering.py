"""What a plan needs is read: all of it, or all but the pages that its answer is streamed from, up to the first of them.

Scans whose rows give the keys of others are read first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from omnisql_server.evaluation import Evaluation, WholeAnswer
from omnisql_server.execute.key_values import keyed
from omnisql_server.execute.run import DUCKDB
from omnisql_server.fetch.budget import CallBudget
from omnisql_server.fetch.scheduler import FetchedScan, fetch
from omnisql_server.late_hydration import LateFetch, survivors_of, with_details
from omnisql_server.materialize.relations import LocalRelation
from omnisql_server.materialized import materialized
from omnisql_server.model.plan import QueryPlan
from omnisql_server.model.run import SessionView
from omnisql_server.observability.traces import stage_span
from omnisql_server.pipeline_bounds import PipelineBounds
from omnisql_server.plan.keys import bind_keys
from omnisql_server.repeats.keeping import Keeping
from omnisql_server.streaming import Fetching, ScanStreams, StreamedAnswer, WholeScans
from omnisql_server.telling import Telling
from omnisql_server.tenant import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What the plans of one statement are read by, all within one budget; `keeping` notes what the answer is of."""

    tenant: Tenant
    bounds: PipelineBounds
    budget: CallBudget
    view: SessionView
    keeping: Keeping | None

    async def answer(self, query_plan: QueryPlan, evaluation: Evaluation) -> StreamedAnswer | WholeAnswer:
        """Read what a plan needs, all of it or, where its rows may be streamed, up to the first page.

        Raises:
            ConnectorError, LimitExceeded: it could not be read, or takes too much.
        """
        settings = query_plan.authorized.query.settings
        plainly = partial(self.tenant.open, view=self.view, settings=settings)
        late = LateFetch(
            open_source=plainly if self.keeping is None else self.keeping.noted(plainly),
            bounds=self.bounds.fetch,
            budget=self.budget,
            partial_allowed=settings.on_source_error == "partial",
        )
        fetching = partial(
            fetch,
            open_source=late.open_source,
            bounds=late.bounds,
            partial_allowed=late.partial_allowed,
            budget=self.budget,
            survivors=survivors_of(evaluation.pool, settings.time_zone),
        )
        answering = Answering(
            plan=query_plan,
            evaluation=evaluation,
            fetching=fetching,
            late=late,
            salt=await self.tenant.hash_salt(query_plan),
            telling=Telling(tenant=self.tenant, view=self.view),
        )
        return await answering.answer()


@dataclass(slots=True, kw_only=True)
class Answering:
    """One statement's reading: what it is read by, and what has been read."""

    plan: QueryPlan
    evaluation: Evaluation
    fetching: Fetching
    late: LateFetch
    salt: bytes
    telling: Telling

    async def answer(self) -> StreamedAnswer | WholeAnswer:
        """Read what the plan needs.

        Raises:
            ConnectorError, LimitExceeded: it could not be read, or takes too much.
        """
        if self.plan.streaming is None or self.evaluation.engine.name != DUCKDB:
            return await self._answer(None)
        streams = ScanStreams(self.plan.streaming, self.fetching)
        try:
            return await self._answer(streams)
        except BaseException:
            await streams.aclose()
            raise

    async def _answer(self, streams: ScanStreams | None) -> StreamedAnswer | WholeAnswer:
        fetched: list[FetchedScan] = []
        relations: list[LocalRelation] = []
        waiting = list(self.plan.scans)
        pool = self.evaluation.pool
        while waiting:
            read = {relation.scan_name: relation.rows for relation in relations}
            ready = [scan for scan in waiting if all(key.scan_name in read for key in scan.deferred)]
            waiting = [scan for scan in waiting if not any(scan is one for one in ready)]
            left = self.late.budget.left
            bound = [bind_keys(scan, await keyed(scan, read, pool), left) for scan in ready]
            with stage_span("fetch"):
                batch = await (self.fetching(bound) if streams is None else streams.read(bound))
            relations += await self._materialized(batch)
            fetched += batch
        if streams is not None:
            with stage_span("fetch"):
                whole = await streams.whole()
            if whole is None:
                return self._streamed(streams, fetched, relations)
            relations += await self._materialized(whole)
            fetched += whole
        complete, reports = await with_details(self.plan, fetched, relations, pool, self.late, self.salt)
        self.telling.tell(reports)
        return WholeAnswer(evaluation=self.evaluation, relations=complete, told=reports)

    async def _materialized(self, batch: Sequence[FetchedScan]) -> tuple[LocalRelation, ...]:
        with stage_span("materialize"):
            relations = await materialized(self.plan, batch, self.salt)
        for scan in batch:
            self.telling.learn(scan.plan, scan.report)
        return relations

    def _streamed(
        self, streams: ScanStreams, fetched: Sequence[FetchedScan], relations: Sequence[LocalRelation]
    ) -> StreamedAnswer:
        told = tuple(
            replace(scan.report, rows_returned=relation.rows.num_rows)
            for scan, relation in zip(fetched, relations, strict=True)
        )
        return StreamedAnswer(
            streams=streams,
            beside=WholeScans(relations=tuple(relations), told=told),
            plan=self.plan,
            salt=self.salt,
            evaluation=self.evaluation,
            telling=self.telling,
        )
