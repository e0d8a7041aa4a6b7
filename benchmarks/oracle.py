"""The least calls for each of the thirty questions, found by trying every plan, beside the plan by hand.

`python -m benchmarks.oracle`

A plan is a choice of access paths for every table, and with it of who gives keys to whom; each is carried out against
the simulators, and stopped when it has made more calls than the best one so far. Batches are as large as a request
takes: smaller ones never need fewer calls.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import chain, combinations, product
from pathlib import Path

import psycopg

from benchmarks import simulator
from benchmarks.api_calls import Asking, demo
from benchmarks.questions import QUESTIONS, Question
from benchmarks.report import Section, publish
from catalog.types import BY_SQL_NAME
from connectors.github.connector import GitHubConnector
from connectors.jira.connector import JiraConnector
from connectors.sdk.addresses import Fence
from connectors.sdk.connector import Connection, Source
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.settings import Outbound, TransportSettings
from connectors.sdk.table import AccessPath, Table
from omnisql_server.bind.fold import extract_constants, fill_constants, fold_sql
from omnisql_server.bind.resolve import Closure
from omnisql_server.bind.tree import qualify_query
from omnisql_server.demo import SIMULATED_EMAIL, SIMULATED_TOKEN
from omnisql_server.errors import KeyColumnRequired, LimitExceeded
from omnisql_server.execute.instances import InstancePool, InstanceSettings
from omnisql_server.execute.key_values import keyed, may_evaluate
from omnisql_server.fetch.budget import CallBudget
from omnisql_server.fetch.scheduler import FetchBounds, FetchedScan, OpenSource, fetch
from omnisql_server.late_hydration import LateFetch, may_execute, with_details
from omnisql_server.materialize.relations import LocalRelation, materialize
from omnisql_server.model.meaning import meaning_of
from omnisql_server.model.plan import QueryPlan, ScanPlan
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import BoundQuery, Settings
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.parse.tree import parse_query
from omnisql_server.plan.keys import bind_keys
from omnisql_server.plan.planner import plan
from omnisql_server.policy.decide import Policy
from omnisql_server.policy.embedded import EmbeddedEngine
from omnisql_server.policy.rules import Rules

ISSUES = 300
CALLS_MAX = 400
COMBINATIONS_MAX = 10_000
SETTINGS = Settings(
    time_zone="UTC",
    date_style="ISO, MDY",
    interval_style="postgres",
    extra_float_digits=1,
    statement_timeout_ms=0,
    engine="auto",
    on_source_error="fail",
    max_api_calls=None,
    current_user="ana",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best plan of a question: its calls, how it reads each table, and how many plans there were."""

    calls: int
    paths: str
    plans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Open sources by name with their tables, and what computes keys."""

    session: psycopg.Connection
    connections: Mapping[str, Connection]
    tables: Mapping[tuple[str, str], Table]
    pool: InstancePool

    def relations(self) -> dict[tuple[str | None, str], Relation]:
        """Make a foreign table of every API table."""
        return {
            (server, name): relation_of(oid, server, table)
            for oid, ((server, name), table) in enumerate(self.tables.items(), 1)
        }

    def bound(self, sql: str) -> BoundQuery:
        """Bind a statement; PostgreSQL says what its constants are."""
        parsed = parse_query(sql)
        closure = Closure(by_name=self.relations())
        qualified = qualify_query(parsed, closure)
        folded = extract_constants(qualified.tree)
        constants: list[tuple[str, str | None]] = []
        if folded.constants:
            row = self.session.execute(fold_sql(folded.constants, ()).encode()).fetchone() or ()
            constants = list(zip(row[::2], row[1::2], strict=True))
        return BoundQuery(
            parsed=parsed,
            meaning=meaning_of(fill_constants(folded.tree, constants)),
            reason="",
            occurrences=qualified.occurrences,
            relations=closure.by_name,
            views={},
            parameter_oids=(),
            fields=(),
            settings=SETTINGS,
            catalog_sequence=1,
        )

    async def least(self, question: Question) -> Found:
        """Carry out every plan of a question."""
        query = self.bound(question.sql)
        used = list({occurrence.relation.oid: occurrence.relation for occurrence in query.occurrences}.values())
        best, paths, seen = CALLS_MAX, "", set[str]()
        allowing = Policy(EmbeddedEngine(Rules().data))
        for chosen in product(*(list(_subsets(self._table(relation).access_paths)) for relation in used)):
            tables = {
                relation.oid: replace(self._table(relation), access_paths=some)
                for relation, some in zip(used, chosen, strict=True)
            }
            # A query of its own, for plans are kept with their query.
            own = replace(query, derived={})
            authorized = await allowing.authorize(own, Principal(tenant="acme", name="ana", attributes={}))
            try:
                planned = plan(
                    authorized,
                    _tables_of(tables),
                    COMBINATIONS_MAX,
                    evaluable=may_evaluate,
                    executable=may_execute,
                )
            except (KeyColumnRequired, LimitExceeded):
                continue
            shown = "; ".join(map(_shown, planned.scans))
            if shown in seen:
                continue
            seen.add(shown)
            budget = CallBudget(best)
            try:
                await self._carry_out(planned, budget)
            except LimitExceeded:
                continue
            if budget.made < best or not paths:
                best, paths = budget.made, shown
        return Found(calls=best, paths=paths, plans=len(seen))

    async def _carry_out(self, planned: QueryPlan, budget: CallBudget) -> None:
        occurrences = {one.scan_name: one for one in planned.authorized.query.occurrences}
        read: dict[str, LocalRelation] = {}
        done: list[FetchedScan] = []
        waiting = list(planned.scans)
        while waiting:
            rows = {name: relation.rows for name, relation in read.items()}
            ready = [scan for scan in waiting if all(key.scan_name in rows for key in scan.deferred)]
            waiting = [scan for scan in waiting if scan not in ready]
            bound = [bind_keys(scan, await keyed(scan, rows, self.pool), budget.left) for scan in ready]
            for fetched in await fetch(bound, self._open, FetchBounds(), partial_allowed=False, budget=budget):
                name = fetched.plan.scan_name
                read[name] = materialize(fetched.plan, occurrences[name], fetched.batches, b"")
                done.append(fetched)
        late = LateFetch(open_source=self._open, bounds=FetchBounds(), budget=budget, partial_allowed=False)
        relations = [read[fetched.plan.scan_name] for fetched in done]
        await with_details(planned, done, relations, self.pool, late, b"")

    async def _open(self, scan: ScanPlan) -> OpenSource:
        return OpenSource(connection=self.connections[scan.relation.server], limiter=QUIET_CONTEXT.limiter)

    def _table(self, relation: Relation) -> Table:
        return self.tables[relation.schema, relation.name]


def _tables_of(tables: Mapping[int, Table]) -> Callable[[Relation], Table]:
    return lambda relation: tables[relation.oid]


def _subsets(paths: Sequence[AccessPath]) -> Iterator[tuple[AccessPath, ...]]:
    return chain.from_iterable(combinations(paths, size) for size in range(1, len(paths) + 1))


def _shown(scan: ScanPlan) -> str:
    drivers = ", ".join(dict.fromkeys(key.relation_name for key in scan.deferred))
    return f"{scan.relation.name} {scan.path.name}" + (f" by {drivers}" if drivers else "")


def relation_of(oid: int, server: str, table: Table) -> Relation:
    """Describe the foreign table of an API table."""
    attributes = (
        Attribute(
            number=number,
            name=column.name,
            type_oid=BY_SQL_NAME[column.type_name].oid,
            type_sql=column.type_name,
            api_column=column.name,
        )
        for number, column in enumerate(table.columns, 1)
    )
    return Relation(
        oid=oid,
        schema=server,
        name=table.name,
        kind=RelationKind.API,
        owner="admin",
        attributes=tuple(attributes),
        server=server,
        wrapper=server,
        api_table=table.name,
    )


async def _least_of_all(asking: Asking) -> list[Found]:
    github, jira = asking.simulators
    for url in asking.simulators:
        simulator.reset(url)
    loopback = Fence(allowed_networks=(ip_network("127.0.0.0/8"),))
    settings = TransportSettings(outbound=Outbound(fence=loopback))
    options = {"base_url": jira, "email": SIMULATED_EMAIL}
    sources = (
        (GitHubConnector(settings), {"base_url": github}, {"token": SIMULATED_TOKEN}),
        (JiraConnector(settings), options, {"api_token": SIMULATED_TOKEN}),
    )
    async with AsyncExitStack() as stack:
        connections: dict[str, Connection] = {}
        tables: dict[tuple[str, str], Table] = {}
        for connector, plain, secrets in sources:
            name = connector.name
            source = Source(tenant="acme", server=name, connector=name, options=plain, secrets=secrets)
            connections[name] = connection = await connector.connect(source)
            stack.push_async_callback(connection.disconnect)
            tables |= {(name, table.name): table for table in await connector.discover(connection)}
        pool = InstancePool(InstanceSettings())
        stack.push_async_callback(pool.close)
        world = World(session=asking.session, connections=connections, tables=tables, pool=pool)
        return [await world.least(question) for question in QUESTIONS]


def main() -> None:
    """Try every plan of every question, and publish."""
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, demo(Path(temporary), ISSUES) as asking:
        found = asyncio.run(_least_of_all(asking))
        hand = [asking.by_hand(question.hand)[0] for question in QUESTIONS]
    publish(_section(found, hand))


def _section(found: Sequence[Found], hand: Sequence[int]) -> Section:
    rows = [
        (question.name, str(one.plans), str(one.calls), str(calls), one.paths)
        for question, one, calls in zip(QUESTIONS, found, hand, strict=True)
    ]
    wrong = [
        f"{question.name} ({one.calls} instead of {calls})"
        for question, one, calls in zip(QUESTIONS, found, hand, strict=True)
        if one.calls < calls
    ]
    rows.append(("**all**", str(sum(f.plans for f in found)), str(sum(f.calls for f in found)), str(sum(hand)), ""))
    return Section(
        subject="Hand plans beside every plan",
        header=("question", "plans", "least calls of all", "by hand", "how it is read"),
        rows=rows,
        notes=[
            f"A company of {ISSUES} tickets. Every choice of access paths, and with it of who gives keys to whom, was "
            "carried out; batches and pushed conditions are as large and as many as a request takes.",
            "Fewer calls than by hand: " + ("; ".join(wrong) or "none") + ".",
        ],
        peers=[],
    )


if __name__ == "__main__":
    main()
