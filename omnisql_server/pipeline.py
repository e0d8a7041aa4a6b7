"""The way of a statement: parse, bind, policy, plan, fetch, materialize, execute, encode. One pipeline per tenant.

The stages never call each other; this module hands the frozen values from one to the next and opens a span for each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from connectors.sdk.table import Table
from omnisql_server.answering import Reader
from omnisql_server.answers import (
    analyzed,
    constants_given,
    described,
    done_alone,
    explained,
    explained_by_postgres,
    hinted,
    made_empty,
    no_locking,
    not_available,
    own_position,
    read_only,
    require_api,
    result_of,
)
from omnisql_server.bind.bind import Binder, BindRequest
from omnisql_server.copy_options import check_copied_columns, check_copy_options
from omnisql_server.deadline import Deadline
from omnisql_server.errors import BackendError, NotSupported, RelayInstead
from omnisql_server.evaluation import BY_POSTGRES, Evaluation, engine_of
from omnisql_server.execute.instances import InstancePool
from omnisql_server.execute.key_values import may_evaluate
from omnisql_server.execute.run import DUCKDB
from omnisql_server.explain_options import ExplainWants, check_options, explain_fields, made_when_explained
from omnisql_server.fetch.budget import CallBudget
from omnisql_server.late_hydration import may_execute
from omnisql_server.lineage import noting
from omnisql_server.manage.managed import Manage, managed_description, managed_result
from omnisql_server.matviews import Staging, create, create_explained, refresh, staging_of
from omnisql_server.model.custom_settings import refusal
from omnisql_server.model.plain_texts import PlainTexts
from omnisql_server.model.plan import QueryPlan
from omnisql_server.model.query import AuthorizedQuery, BoundQuery
from omnisql_server.model.relation import Relation
from omnisql_server.model.run import BoundParameters, Description, Repeatable, Repeated, RunResult, SessionView
from omnisql_server.model.statement import (
    CHANGING_KINDS,
    FILLING_KINDS,
    MANAGED_KINDS,
    NEVER_RUN_KINDS,
    VIEW_KINDS,
    Part,
    Statement,
    StatementKind,
)
from omnisql_server.model.trail import note_authorized, note_bound
from omnisql_server.observability.traces import stage_span
from omnisql_server.owner_backends import OwnerBackends
from omnisql_server.owner_rows import read_as_owners
from omnisql_server.parse.router import may_change_roles, route
from omnisql_server.parse.shaped import shaped_query
from omnisql_server.parse.tree import parse_query
from omnisql_server.pipeline_bounds import PipelineBounds
from omnisql_server.plan.planner import calls_max, check_calls, plan
from omnisql_server.policy.decide import Policy
from omnisql_server.prepared import arguments, look_up, unplaced
from omnisql_server.repeats.repeats import Repeats
from omnisql_server.sharing import Sharing
from omnisql_server.streaming import StreamedAnswer
from omnisql_server.tenant import Tenant
from omnisql_server.whole_first import answered, whole_first


class Pipeline:
    """Runs the statements of one tenant; implements `model.run.TenantRunner`."""

    def __init__(
        self,
        *,
        tenant: Tenant,
        policy: Policy,
        pool: InstancePool,
        bounds: PipelineBounds,
        managers: Mapping[StatementKind, Manage],
        repeats: Repeats,
        sharing: Sharing,
        owners: OwnerBackends,
    ) -> None:
        self._tenant = tenant
        self.sharing = sharing
        self._policy = policy
        self._pool = pool
        self._bounds = bounds
        self._managers = managers
        self._repeats = repeats
        self._owners = owners
        self._binder = Binder(
            parse_query=parse_query,
            api_wrappers=lambda: tenant.wrappers,
            api_relations=lambda: frozenset(tenant.snapshot.tables),
        )

    def reconfigure(self, bounds: PipelineBounds) -> None:
        """Have new statements obey other bounds."""
        self._bounds = bounds
        self._repeats.clear()

    def route(self, text: bytes, overlay: frozenset[str]) -> tuple[Part, ...] | None:
        """Split a message into parts to relay and to run; None when all of it is relayed untouched."""
        if may_change_roles(text):
            self._tenant.roles_touched_s = time.monotonic()
        snapshot = self._tenant.snapshot
        return route(text, snapshot.may_reach, snapshot.api_names, overlay, snapshot)

    @property
    def plain(self) -> PlainTexts | None:
        """Return the messages that are plain under the tenant's snapshot; None while that is outdated."""
        return self._tenant.plain

    async def refresh_snapshot(self) -> None:
        """Read the tenant's snapshot again."""
        await self._tenant.refresh()

    @property
    def outdated(self) -> bool:
        """Say whether a session has defined something since the snapshot was read."""
        return self._tenant.outdated

    def defined(self) -> None:
        """Learn that a transaction has ended in which something was defined."""
        self._tenant.defined()

    async def catch_up(self) -> None:
        """Read the snapshot again if it is outdated."""
        await self._tenant.catch_up()

    async def describe(
        self, statement: Statement, type_oids: tuple[int, ...], view: SessionView, *, twin: str
    ) -> Description:
        """Parse and describe a statement without running it.

        Raises:
            RelayInstead: it reaches no API table and is not a query.
            OmniSQLError: PostgreSQL, a GRANT or this server refuses it.
        """
        if statement.kind in MANAGED_KINDS:
            return await managed_description(self._managers, statement, view)
        if statement.kind in CHANGING_KINDS:
            await self._matview(statement, view)
            explains = statement.kind is StatementKind.VIEW_EXPLAINED
            return Description(parameter_oids=(), fields=explain_fields(statement) if explains else None)
        if statement.executes is not None:
            executed = await look_up(statement, view.backend, relayable=True)
            await self._require_reach(executed.statement, view)
            try:
                description = await self.describe(executed.statement, executed.type_oids, view, twin=twin)
            except BackendError as error:
                raise error.without_position() from error
            return replace(description, parameter_oids=())
        await self._refuse(statement, view)
        query = shaped_query(statement.query)
        with stage_span("bind"), own_position(statement):
            bound = await self._binder.bind(BindRequest(parsed=query, type_oids=type_oids, twin=twin), view.backend)
        require_api(statement, bound)
        return described(statement, bound)

    async def run(
        self, statement: Statement, parameters: BoundParameters, view: SessionView, *, twin: str | None = None
    ) -> RunResult:
        """Run a statement up to its first rows; the caller reads `rows` and then awaits `close`.

        Raises:
            RelayInstead: it reaches no API table and is not a query.
            OmniSQLError, ConnectorError: it cannot be answered.
        """
        if statement.kind in MANAGED_KINDS:
            return await managed_result(self._managers, statement, view, self.run)
        if statement.kind in CHANGING_KINDS:
            return await self._run_matview(statement, view, relayable=twin is None)
        if statement.executes is not None:
            return await self._run_executed(statement, parameters, view, relayable=twin is None)
        if await self._explains_what_exists(statement, view):
            return await explained_by_postgres(statement, view.backend)
        await check_copy_options(statement, view.backend)
        return await self._run_query(statement, parameters, view, twin)

    async def _run_query(
        self, statement: Statement, parameters: BoundParameters, view: SessionView, twin: str | None
    ) -> RunResult:
        await self._refuse(statement, view)
        if statement.makes is not None and not parameters.values and await self._has_been_made(statement, view):
            return await done_alone(statement.text, view.backend)
        deadline, version = Deadline(), self._repeats.version
        with stage_span("bind"), own_position(statement):
            bound = await self._bind(statement, parameters, view, twin)
        if twin is None:
            require_api(statement, bound)
        await check_options(statement, view.backend)
        bound = hinted(bound, statement)
        deadline.set(bound.settings.statement_timeout_ms)
        async with deadline.scope():
            await self._tenant.follow(bound.catalog_sequence)
            with stage_span("policy"):
                note_bound(bound)
                authorized = await self._policy.authorize(bound.to_plan, view.principal)
                await note_authorized(authorized, writes=statement.writes)
            keeping = self._repeats.keeping(statement, authorized, parameters, version)
            if keeping is not None and (repeated := await self._repeats.find(keeping, view)) is not None:
                return repeated
            with stage_span("plan"):
                await self._tenant.prepare(bound.relations.values(), view)
                tenant = self._tenant
                query_plan = self._planned(authorized)
                engine = engine_of(statement, bound)
                sending = await whole_first(query_plan, statement, tenant, view, self._planned)
            engine = await self._repeats.explained(engine, statement, authorized, parameters)
            if statement.kind is StatementKind.EXPLAIN and not ExplainWants.of(statement).analyze:
                shown, by = (query_plan, engine) if sending is None else (sending.plan, sending.engine)
                told = explained(statement, shown, by, None, await tenant.notes(shown, view))
                return result_of(statement, bound, told)
            first = query_plan if sending is None else sending.plan
            budget = CallBudget(calls_max(first, self._bounds.api_calls_max), first.calls_expected)
            check_calls(first, budget.left, await tenant.calls_answered(first, view, budget.left))
            evaluation = Evaluation(
                statement=statement,
                bound=bound,
                engine=engine,
                parameters=parameters,
                backend=view.backend,
                pool=self._pool,
                splice=self._bounds.splice,
                owned=await read_as_owners(query_plan, view.backend, self._owners, self._bounds.splice),
            )
            reader = Reader(tenant=tenant, bounds=self._bounds, budget=budget, view=view, keeping=keeping)
            query_plan, evaluation, answer = await answered(sending, query_plan, reader, evaluation)
        rows = deadline.bounded(noting(statement, authorized, view, answer.rows(), self.sharing))
        if statement.kind is StatementKind.EXPLAIN:
            quotas = partial(tenant.quotas, view=view)
            rows = await analyzed(statement, query_plan, evaluation.engine, rows, answer.reports, quotas)
        result = result_of(statement, bound, rows)
        if isinstance(answer, StreamedAnswer):
            return answer.result(result)
        if keeping is not None and sending is None and engine.name == DUCKDB:
            return self._repeats.kept(keeping, answer.reports(), result, evaluation.tags)
        return replace(result, tag=lambda: evaluation.tags[-1]) if statement.kind in BY_POSTGRES else result

    def _planned(self, asked: AuthorizedQuery, known: Callable[[Relation], Table | None] = lambda _: None) -> QueryPlan:
        tenant, most = self._tenant, self._bounds.key_combinations_max

        def table_of(relation: Relation) -> Table:
            return known(relation) or tenant.table_of(relation)

        return plan(asked, table_of, most, tenant.statistics_of, may_evaluate, may_execute)

    async def repeat(self, repeatable: Repeatable, view: SessionView) -> Repeated | None:
        """Answer a statement again as it was answered before; None where it must be run."""
        return await self._repeats.repeat(repeatable, view)

    async def _matview(self, statement: Statement, view: SessionView) -> Staging | None:
        """Find the staging table of a REFRESH; a view that reads no API table is PostgreSQL's alone."""
        if statement.kind in VIEW_KINDS:
            await self._require_reach(statement, view)
            return None
        staging = await staging_of(statement, view.backend)
        if staging is None:
            raise RelayInstead
        return staging

    async def _run_matview(self, statement: Statement, view: SessionView, *, relayable: bool) -> RunResult:
        try:
            staging = await self._matview(statement, view)
        except RelayInstead:
            if relayable:
                raise
            if statement.kind is StatementKind.VIEW_EXPLAINED:
                return await explained_by_postgres(statement, view.backend)
            return await done_alone(statement.text, view.backend)
        if await self._explains_what_exists(statement, view):
            return await explained_by_postgres(statement, view.backend)
        if await self._has_been_made(statement, view):
            return await done_alone(statement.text, view.backend)

        async def write(text: Statement) -> RunResult:
            return await self.run(text, BoundParameters(), view)

        if staging is not None:
            return await refresh(statement, staging, view.backend, write)
        if statement.kind is StatementKind.VIEW_EXPLAINED:
            return await create_explained(statement, view.backend, write)
        return await create(statement, view.backend, write)

    async def _run_executed(
        self, statement: Statement, parameters: BoundParameters, view: SessionView, *, relayable: bool
    ) -> RunResult:
        """Run what a prepared statement stands for; PostgreSQL's own statement of that name is its twin."""
        executed = await look_up(statement, view.backend, relayable=relayable)
        try:
            await self._require_reach(executed.statement, view)
        except RelayInstead as error:
            if relayable:
                raise
            raise NotSupported(
                message=f'prepared statement "{executed.name}" reaches no API table any more',
                hint="prepare the statement that executes it again",
            ) from error
        if await self._has_been_made(statement, view):
            return await done_alone(statement.text, view.backend)
        given = await arguments(executed, view.backend, parameters.result_formats)
        if statement.makes is not None and not statement.makes.with_data:
            return await made_empty(executed.statement.text, given, view.backend)
        try:
            return unplaced(await self.run(executed.statement, given, view, twin=executed.name))
        except BackendError as error:
            raise error.without_position() from error

    async def _require_reach(self, statement: Statement, view: SessionView) -> None:
        if not await self._binder.reaches_api(statement, view.backend):
            raise RelayInstead
        if statement.locking:
            raise no_locking()

    async def _refuse(self, statement: Statement, view: SessionView) -> None:
        """Turn away what cannot be run, once PostgreSQL has said that it really reaches an API table."""
        for name, value in (*statement.settings, *statement.hints):
            error = refusal(name, value)
            if error is not None:
                raise error
        names_target = statement.writes or statement.kind in FILLING_KINDS
        if names_target and (found := await self._binder.api_target(statement, view.backend)):
            raise read_only(*found)
        if statement.kind in NEVER_RUN_KINDS:
            raise RelayInstead
        refused = not_available(statement)
        if refused is not None:
            raise refused if await self._binder.reaches_api(statement, view.backend) else RelayInstead

    async def _has_been_made(self, statement: Statement, view: SessionView) -> bool:
        """Say whether a statement makes nothing, because what it would make exists and that is to be left alone."""
        made = statement.makes
        return made is not None and made.if_not_exists and await self._binder.exists(made, view.backend)

    async def _explains_what_exists(self, statement: Statement, view: SessionView) -> bool:
        """Say whether EXPLAIN is of making what exists, of which PostgreSQL plans nothing and makes no second one."""
        made = made_when_explained(statement)
        return made is not None and await self._binder.exists(made, view.backend)

    async def _bind(
        self, statement: Statement, parameters: BoundParameters, view: SessionView, twin: str | None
    ) -> BoundQuery:
        if statement.act in BY_POSTGRES:
            # To describe a statement without columns again, PostgreSQL neither looks at it anew nor locks anything.
            twin = None
        request = BindRequest(
            parsed=shaped_query(statement.query),
            type_oids=parameters.type_oids,
            parameters=constants_given(statement, parameters),
            generic=ExplainWants.of(statement).generic,
            twin=twin,
            described=twin is not None,
        )
        bound = await self._binder.bind(request, view.backend)
        if bound.as_owners.need_snapshot and await view.backend.begin_again():
            bound = await self._binder.bind(request, view.backend)
        check_copied_columns(statement, bound)
        return bound
