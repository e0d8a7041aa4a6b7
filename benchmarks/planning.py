"""Time to plan joins of two, six and ten API tables: from the text, with new parameters of a known text, and again.

`python -m benchmarks.planning [--quick]`

Nothing is asked of anybody, so that the time is the processor's alone: it is measured as that, and hardly depends on
what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from benchmarks.oracle import SETTINGS, relation_of
from benchmarks.report import Section, median, percentile, publish
from connectors.registry import connector_named
from connectors.sdk.table import Table
from omnisql_server.bind.fold import blank_literals, extract_constants, literal_fillings, parameter_fillings
from omnisql_server.bind.resolve import Closure
from omnisql_server.bind.tree import placed, qualify_query
from omnisql_server.execute.key_values import may_evaluate
from omnisql_server.model.meaning import Form, Meaning
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import AuthorizedQuery, BoundQuery, Occurrence
from omnisql_server.model.relation import Relation
from omnisql_server.parse.shaped import shaped_query
from omnisql_server.parse.tree import parse_query
from omnisql_server.plan.planner import plan
from omnisql_server.policy.decide import Policy
from omnisql_server.policy.embedded import EmbeddedEngine
from omnisql_server.policy.rules import Rules

TABLES = (2, 6, 10)
COMBINATIONS_MAX = 50
COLD_TARGET_MS = 10.0
AGAIN_TARGET_MS = 1.0
HEADER = ("join", "from the text, ms", "95 %", "new $1, ms", "95 %", "new literal, ms", "95 %", "again, ms", "95 %")
ROWS = (5000, 300, 40, 12_000, 900, 80, 3500, 20_000, 150, 8000)
"""Rows expected of each table in turn, so that orders differ in calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What is the same for all texts of a shape."""

    occurrences: tuple[Occurrence, ...]
    form: Form
    blanked: Mapping[str, exp.Literal]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Foreign tables t0 to t9, each Jira's issues with another number of rows."""

    relations: Mapping[tuple[str | None, str], Relation]
    tables: Mapping[str, Table]

    def template(self, sql: str) -> Template:
        """Resolve the shape of a text, as far as that is the same for all values."""
        parsed = shaped_query(sql)
        found = qualify_query(parsed.shape or parsed, Closure(by_name=self.relations))
        folded = extract_constants(found.tree)
        blanked = blank_literals(folded, parsed.literals)
        if blanked is None:
            raise RuntimeError("the literals were not found again")
        return Template(occurrences=found.occurrences, form=Form(folded.tree), blanked=blanked)

    def bound(self, sql: str, template: Template, parameters: Sequence[str]) -> BoundQuery:
        """Put the values of a text and its parameters in."""
        parsed = shaped_query(sql)
        fillings = {
            **parameter_fillings([("text", value) for value in parameters]),
            **literal_fillings(template.blanked, parsed.literals),
        }
        return BoundQuery(
            parsed=parsed,
            meaning=Meaning(template.form, fillings),
            reason="",
            occurrences=placed(template.occurrences, parsed),
            relations=self.relations,
            views={},
            parameter_oids=(25,),
            fields=(),
            settings=SETTINGS,
            catalog_sequence=1,
        )

    def plan(self, authorized: AuthorizedQuery) -> None:
        """Plan."""
        plan(authorized, lambda relation: self.tables[relation.name], COMBINATIONS_MAX, evaluable=may_evaluate)


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="20 statements of each kind")
    publish(asyncio.run(_measure(20 if line.parse_args().quick else 200)))


def statement(count: int, *, each: bool, status: str = "$1") -> str:
    """Join tables in a row, or each with all before it; rows of the first table are of a status."""
    joins = []
    for table in range(1, count):
        if each:
            on = " AND ".join(f"t{table}.key = t{other}.key" for other in range(table))
        else:
            on = f"t{table}.key = t{table - 1}.parent_key"
        joins.append(f"JOIN t{table} ON {on}")
    return (
        f"SELECT t0.key, t{count - 1}.summary FROM t0 {' '.join(joins)}"
        f" WHERE t0.status = {status} AND t{count - 1}.priority = 'High' AND t{count // 2}.votes > 3"
    )


def _world() -> World:
    (issues,) = (table for table in connector_named("jira").tables if table.name == "issues")
    tables = {f"t{at}": replace(issues, rows_expected=rows) for at, rows in enumerate(ROWS)}
    relations: dict[tuple[str | None, str], Relation] = {
        (None, name): replace(relation_of(oid, "jira", table), name=name)
        for oid, (name, table) in enumerate(tables.items(), 1)
    }
    return World(relations=relations, tables=tables)


def _kinds(world: World, count: int, *, each: bool) -> tuple[Callable[[], BoundQuery], ...]:
    """Return what binds a join from its text, with a new parameter, with a new literal, and as before."""
    sql = statement(count, each=each)
    template = world.template(sql)
    # Each of these texts is new: it is scanned, and its values are put in.
    texts = (statement(count, each=each, status=f"'state {at}'") for at in itertools.count())
    by_text = world.template(next(texts))
    values = (f"state {at}" for at in itertools.count())

    def from_text() -> BoundQuery:
        parse_query.cache_clear()
        shaped_query.cache_clear()
        return world.bound(sql, world.template(sql), ["Done"])

    def with_new_parameter() -> BoundQuery:
        return world.bound(sql, template, [next(values)])

    same = with_new_parameter()
    return from_text, with_new_parameter, lambda: world.bound(next(texts), by_text, []), lambda: same


async def _measure(rounds: int) -> Section:
    world = _world()
    # As the server does once it is ready.
    gc.freeze()
    allowing = Policy(EmbeddedEngine(Rules().data))
    ana = Principal(tenant="acme", name="ana", attributes={})

    async def authorize(query: BoundQuery) -> AuthorizedQuery:
        return await allowing.authorize(query, ana)

    rows = []
    missed = []
    for each in (False, True):
        for count in TABLES:
            kinds = _kinds(world, count, each=each)
            cold, fresh, literal, again = [await _timed(world, make, authorize, rounds) for make in kinds]
            kind = f"{count} tables, {'each with all others' if each and count > 2 else 'in a row'}"
            if each and count == TABLES[0]:
                continue
            rows.append([kind, *(f"{found:.2f}" for times in (cold, fresh, literal, again) for found in times)])
            if count == 6 and not each and cold[1] > COLD_TARGET_MS:
                missed.append(f"{kind}: {cold[1]:.1f} ms from the text")
            for name, times in (("parameter", fresh), ("literal", literal)):
                if times[1] > AGAIN_TARGET_MS:
                    missed.append(f"{kind}: {times[1]:.2f} ms with a new {name}")
    return Section(
        subject="Planning",
        header=HEADER,
        rows=rows,
        notes=(
            f"Milliseconds of the processor, median and 95th percentile of {rounds}. `from the text`: PostgreSQL's"
            " grammar, the tree and its check, names, types, conditions, paths, order. `new $1`: a text seen before,"
            " with another value. `new literal`: another text of a shape seen before. `again`: with the same"
            " value. What PostgreSQL is asked at binding is left out, and so is policy.",
            f"Aims: a join of six in a row from the text within {COLD_TARGET_MS:.0f} ms at the 95th percentile, new"
            f" values within {AGAIN_TARGET_MS:.0f} ms at the 95th. Missed: {'; '.join(missed) or 'none'}.",
        ),
    )


async def _timed(
    world: World,
    make: Callable[[], BoundQuery],
    authorize: Callable[[BoundQuery], Awaitable[AuthorizedQuery]],
    rounds: int,
) -> tuple[float, float]:
    times = []
    for _ in range(rounds + 1):
        began_s = time.process_time()
        query = make()
        made_s = time.process_time()
        authorized = await authorize(query)
        planning_s = time.process_time()
        world.plan(authorized)
        times.append((time.process_time() - planning_s + made_s - began_s) * 1000)
    # The first one makes what all others find.
    return median(times[1:]), percentile(times[1:], 0.95)


if __name__ == "__main__":
    main()
